//! How a connection ends whose session goes on: at once, because the server left the session, or once
//! its calls have ended, because another connection with another credential took its place.

use std::convert::Infallible;

use tokio::sync::mpsc;

use crate::backend::{Backend, error::BackendError, message::BackendMessage, pending::Pending};

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

impl Backend {
    /// Ends the connection because the server left the session, with the calls on their way; tells whether
    /// there is one.
    pub(crate) fn leave(&self) -> bool {
        self.actor.cast(BackendMessage::Leave).is_ok()
    }

    /// The same because another connection takes its place, once the calls on their way have ended.
    pub(crate) fn retire(&self) -> bool {
        self.actor.cast(BackendMessage::Retire).is_ok()
    }
}

impl Connection {
    /// Counts a call, once; tells whether it may go on: not when all others have ended and the
    /// connection is about to.
    pub(super) fn counts(&self, pending: &mut Pending) -> bool {
        let Pending::Call(call) = pending else {
            return true;
        };
        if call.occupied.is_none() {
            call.occupied = self.occupancy.occupied.upgrade();
        }
        call.occupied.is_some()
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
