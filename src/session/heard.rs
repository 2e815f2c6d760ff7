//! What a listener holds: dropped, its session stops to tell it anything.

use ractor::ActorRef;
use tokio::sync::mpsc;

use crate::limits::CHANGES_IN_FLIGHT;

use super::message::{SessionMessage, Told};

/// What one listener hears.
pub struct Heard {
    received: mpsc::Receiver<Told>,
    farewell: Option<(ActorRef<SessionMessage>, SessionMessage)>,
}

impl Heard {
    /// A listener that says `farewell` to its session when it goes, and its other end.
    pub(super) fn new(
        session: ActorRef<SessionMessage>,
        farewell: SessionMessage,
    ) -> (Self, mpsc::Sender<Told>) {
        let (listener, received) = mpsc::channel(CHANGES_IN_FLIGHT);
        let heard = Self {
            received,
            farewell: Some((session, farewell)),
        };
        (heard, listener)
    }

    /// A listener of no session.
    #[cfg(test)]
    pub(crate) const fn of(received: mpsc::Receiver<Told>) -> Self {
        Self {
            received,
            farewell: None,
        }
    }

    /// Waits for what is told next; `None` when the session tells nothing any more.
    pub async fn recv(&mut self) -> Option<Told> {
        self.received.recv().await
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        // First, so that the session finds it closed.
        self.received.close();
        if let Some((session, farewell)) = self.farewell.take() {
            // A session that is gone tells nobody anything.
            let _gone = session.cast(farewell);
        }
    }
}
