//! What a listener holds: dropped, its session stops to tell it anything.

use tokio::sync::mpsc::error::TrySendError;

use crate::{
    channel::{Receiver, Sender, channel},
    limits::CHANGES_IN_FLIGHT,
};

use super::{
    mailbox::Mailbox,
    message::{SessionMessage, Told},
    outbox::Attendance,
};

/// What one listener hears.
pub struct Heard {
    received: Receiver<Told>,
    farewell: Option<(Mailbox, SessionMessage)>,
}

/// Where a client's MCP session tells it what it has not asked for.
pub(crate) struct Listener {
    told: Sender<Told>,
    attendance: Option<Attendance>,
}

impl Listener {
    /// What is told there may wait for a reader where `attendance` tells whether there is one.
    pub(super) const fn new(told: Sender<Told>, attendance: Option<Attendance>) -> Self {
        Self { told, attendance }
    }

    /// Whether what is told there may reach the client.
    pub(super) fn is_open(&self) -> bool {
        !self.told.is_closed()
    }

    /// Whether it reaches the client now.
    pub(super) fn is_read(&self) -> bool {
        self.is_open() && self.attendance.as_ref().is_none_or(Attendance::is_read)
    }

    /// Tells something, if there is room for it.
    pub(super) fn tell(&self, told: Told) -> Result<(), TrySendError<Told>> {
        self.told.try_send(told)
    }
}

impl Heard {
    /// A listener that says `farewell` to its session when it goes, and its other end.
    pub(super) fn new(session: Mailbox, farewell: SessionMessage) -> (Self, Sender<Told>) {
        let (listener, received) = channel(CHANGES_IN_FLIGHT);
        let heard = Self {
            received,
            farewell: Some((session, farewell)),
        };
        (heard, listener)
    }

    /// A listener of no session.
    #[cfg(test)]
    pub(crate) const fn of(received: Receiver<Told>) -> Self {
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
