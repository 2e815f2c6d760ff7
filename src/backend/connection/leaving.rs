//! How a connection ends whose session goes on: at once, because the server left the session, or once
//! its calls have ended, because another connection with another credential took its place.

use std::convert::Infallible;

use tokio::sync::mpsc;

use crate::backend::{error::BackendError, message::BackendMessage, pending::Pending};

use super::Connection;

/// Who is still at work with a connection: it is done when nobody is.
pub(in crate::backend) struct Occupancy {
    /// Kept until the connection shall end with the last of its calls.
    kept: Option<Occupied>,
    occupied: mpsc::WeakSender<Infallible>,
    until_free: Option<mpsc::Receiver<Infallible>>,
}

/// One call's share of a connection's time, from when it is handed over until it has ended.
pub(crate) type Occupied = mpsc::Sender<Infallible>;

impl Default for Occupancy {
    fn default() -> Self {
        let (kept, until_free) = mpsc::channel(1);
        Self {
            occupied: kept.downgrade(),
            kept: Some(kept),
            until_free: Some(until_free),
        }
    }
}

impl Connection {
    /// Counts a call, once; `None` when all others have ended and the connection ends.
    pub(super) fn occupied_by(&self, pending: Pending) -> Result<Pending, Pending> {
        match pending {
            Pending::Call(mut call) if call.occupied.is_none() => {
                call.occupied = self.occupancy.occupied.upgrade();
                if call.occupied.is_none() {
                    return Err(Pending::Call(call));
                }
                Ok(Pending::Call(call))
            }
            pending => Ok(pending),
        }
    }

    /// Another connection takes this one's place: ends it once its calls have ended.
    pub(in crate::backend) fn retire(&mut self) {
        self.leaving = Some(BackendError::Replaced);
        self.occupancy.kept = None;
        let Some(mut until_free) = self.occupancy.until_free.take() else {
            return;
        };
        let myself = self.myself.clone();
        tokio::spawn(async move {
            // Nothing is ever sent: the end of it is the end of all calls.
            let _nothing = until_free.recv().await;
            // One that is gone has ended.
            let _gone = myself.cast(BackendMessage::Close);
        });
    }

    /// The server left the session: ends the connection, and the calls on their way with it.
    pub(in crate::backend) fn leave(&mut self) {
        self.leaving = Some(BackendError::Removed);
        if let Ok(endpoint) = &self.endpoint {
            endpoint.removed.cancel();
        }
        self.close();
    }

    /// What is told to whoever comes when the connection has begun to end.
    pub(super) fn farewell(&self) -> BackendError {
        let leaving = self.leaving.clone();
        leaving.unwrap_or(BackendError::SessionExpired)
    }
}
