//! How a connection ends whose session goes on: at once, because the server left the session, or once
//! its calls have ended, because another connection with another credential took its place, or unseen, because
//! the session goes to sleep.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::{
    backend::{
        Backend,
        error::BackendError,
        link::LinkKey,
        mailbox::Mailbox,
        message::{BackendMessage, Call},
        pending::Pending,
    },
    mcp::trace::Called,
    metrics::CountedConnection,
};

use super::Connection;

/// Who is still at work with a connection: it is done when nobody is.
pub(in crate::backend) struct Occupancy {
    /// Kept until the connection shall end with the last of its calls.
    kept: Option<Occupied>,
    occupied: Weak<Occupant>,
}

/// One call's share of a connection's time, from when it is handed over until it has ended.
pub(crate) type Occupied = Arc<Occupant>;

/// All of them together: with the last of them the connection ends.
pub(crate) struct Occupant(Mailbox);

impl Occupancy {
    pub(in crate::backend) fn new(connection: Mailbox) -> Self {
        let kept = Arc::new(Occupant(connection));
        Self {
            occupied: Arc::downgrade(&kept),
            kept: Some(kept),
        }
    }
}

impl Drop for Occupant {
    fn drop(&mut self) {
        // One that is gone has ended.
        let _gone = self.0.cast(BackendMessage::Close);
    }
}

impl Backend {
    /// Ends every MCP session at the backend, then the connection; tells whether there is one.
    pub(crate) fn close(&self) -> bool {
        self.mailbox.cast(BackendMessage::Close).is_ok()
    }

    /// Ends the connection because the server left the session, with the calls on their way; tells whether
    /// there is one.
    pub(crate) fn leave(&self) -> bool {
        self.mailbox.cast(BackendMessage::Leave).is_ok()
    }

    /// The same because another connection takes its place, once the calls on their way have ended.
    pub(crate) fn retire(&self) -> bool {
        self.mailbox.cast(BackendMessage::Retire).is_ok()
    }

    /// Whether ending the connection now would cut something off. One that is gone has nothing to be cut off.
    pub(crate) async fn is_needed(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        // Dropped by an actor that is gone, as the wait below notices.
        drop(self.mailbox.cast(BackendMessage::IsNeeded(reply)));
        answer.await.unwrap_or(false)
    }

    /// Ends the connection because its session goes to sleep; tells whether there is one.
    pub(crate) fn rest(&self) -> bool {
        self.mailbox.cast(BackendMessage::Rest).is_ok()
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
        if call.metered.is_none() {
            call.metered = self.counted.as_ref().map(CountedConnection::call);
            self.follow(call);
        }
        call.occupied.is_some()
    }

    /// Has a call followed from here on, if its exchange is.
    fn follow(&self, call: &mut Call) {
        let Some(trace) = call.request.context.trace.clone() else {
            return;
        };
        if let Some(follower) = &trace.follower {
            let url = self.spec.as_ref().map(|spec| &spec.url);
            let address = url.and_then(|url| Some((url.host_str()?, url.port_or_known_default())));
            let called = Called {
                request: &call.request,
                backend: &self.name,
                address,
            };
            let trace = follower.call(&trace.context, &called);
            call.request.context.trace = Some(Arc::new(trace));
        }
    }

    /// Another connection takes this one's place: ends it once its calls have ended.
    pub(in crate::backend) fn retire(&mut self) {
        self.leaving = Some(BackendError::Replaced);
        self.occupancy.kept = None;
    }

    /// The server left the session: ends the connection, and the calls on their way with it.
    pub(in crate::backend) fn leave(&mut self) {
        self.leaving = Some(BackendError::Removed);
        if let Ok(endpoint) = &self.endpoint {
            endpoint.removed.cancel();
        }
        self.close();
    }

    /// Whether its end would cut something off.
    pub(in crate::backend) fn is_needed(&self) -> bool {
        self.handshakes > 0
            || !self.queue.is_empty()
            || !self.unmirrored.is_empty()
            || self
                .carried
                .values()
                .any(|carried| carried.is_being_seen_to())
    }

    /// The session goes to sleep: ends the connection. What it agreed upon with its backend is stored, and gone
    /// on with when the session is woken; but for what nobody would know how to go on with.
    pub(in crate::backend) fn rest(&mut self) {
        self.links
            .retain(|key, _| matches!(key, LinkKey::Capable(_)));
        self.close();
    }

    /// What is told to whoever comes when the connection has begun to end.
    pub(super) fn farewell(&self) -> BackendError {
        let leaving = self.leaving.clone();
        leaving.unwrap_or(BackendError::SessionExpired)
    }
}
