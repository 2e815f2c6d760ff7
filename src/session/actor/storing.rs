//! When an MCP session is stored: before anything that is asked in it is begun.
//!
//! Whoever was answered in one finds it again after a crash. Where a backend has something of its own for a client, as those
//! of the legacy era do, it is stored before `initialize` is answered; else a client that only looks whether the gateway is
//! there waits for no disk, and what nothing is asked in is stored with the next sweep, or when the gateway stops.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{
    mcp::{failure::Failure, message::RequestId},
    session::message::SessionMessage,
    store::StoreError,
};

use super::Session;

/// An MCP session that is being stored.
pub(super) struct Storing {
    outcome: watch::Sender<Option<bool>>,
    /// What its client sent meanwhile, in that order: exchanges, which have their places, and who wants to listen.
    waiting: Vec<SessionMessage>,
}

/// Comes to be known as soon as it is stored, or could not be.
pub(super) struct ToBeStored(watch::Receiver<Option<bool>>);

impl Storing {
    /// Tells what becomes of it.
    pub(super) fn outcome(&self) -> ToBeStored {
        ToBeStored(self.outcome.subscribe())
    }
}

impl ToBeStored {
    /// Waits until it is known whether it is stored.
    pub(super) async fn known(mut self) -> bool {
        let known = self.0.wait_for(Option::is_some).await;
        known.is_ok_and(|known| *known == Some(true))
    }
}

impl Session {
    /// Gives a message back that may be taken now. One of a client whose MCP session is being stored is taken then.
    pub(super) fn after_storing(&mut self, message: SessionMessage) -> Option<SessionMessage> {
        if !self.storing.is_empty()
            && let Some(id) = waits_for(&message)
            && let Some(storing) = self.storing.get_mut(&id)
        {
            storing.waiting.retain(is_waited_for);
            storing.waiting.push(message);
            return None;
        }
        Some(message)
    }

    /// Has an MCP session stored, and a message of its client taken after that.
    pub(super) fn store_before(&mut self, id: Uuid, message: SessionMessage) {
        self.store(id);
        // Of one that is not there it is taken at once, and finds that out.
        if let Some(message) = self.after_storing(message) {
            self.take(message);
        }
    }

    /// Has an MCP session stored; `None` if it is, or has ended.
    pub(super) fn store(&mut self, id: Uuid) -> Option<ToBeStored> {
        if let Some(storing) = self.storing.get(&id) {
            return Some(storing.outcome());
        }
        let mcp_session = self.mcp_sessions.get_mut(&id);
        let mcp_session = mcp_session.filter(|it| !it.is_stored)?;
        mcp_session.may_have_row = true;
        let record = mcp_session.record(id, self.id);
        let storing = Storing {
            outcome: watch::Sender::new(None),
            waiting: Vec::new(),
        };
        let outcome = storing.outcome();
        self.storing.insert(id, storing);
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let storing = AssertUnwindSafe(store.put_mcp_session(record)).catch_unwind();
            // Whoever waits is not to wait for ever for a mistake.
            let stored = storing.await.unwrap_or(Err(StoreError::Closed));
            // A session that is gone has nothing to take note of.
            let _gone = myself.cast(SessionMessage::McpSessionStored { id, stored });
        });
        Some(outcome)
    }

    /// Has all MCP sessions stored.
    pub(super) fn store_all(&mut self) -> Vec<ToBeStored> {
        let new = self.mcp_sessions.iter().filter(|(_, it)| !it.is_stored);
        let new: Vec<Uuid> = new.map(|(id, _)| *id).collect();
        new.into_iter().filter_map(|id| self.store(id)).collect()
    }

    /// Takes what waited for it. Where it could not be stored nothing of that is begun, and the next
    /// message tries again.
    pub(super) fn mcp_session_stored(&mut self, id: Uuid, stored: Result<(), StoreError>) {
        let Some(storing) = self.storing.remove(&id) else {
            return;
        };
        let failure = match stored {
            Ok(()) => None,
            Err(StoreError::Gone) => Some(Failure::SessionDeleted),
            Err(error) => {
                tracing::error!(%error, "could not store an MCP session; it is tried again");
                Some(Failure::NotStored)
            }
        };
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&id) {
            mcp_session.is_stored = failure.is_none();
        }
        // Nobody may ask.
        let _asked = storing.outcome.send(Some(failure.is_none()));
        for message in storing.waiting {
            match &failure {
                None => self.take(message),
                Some(failure) => self.refuse(message, failure),
            }
        }
    }

    /// Takes back what waits until its MCP session is stored; tells whether that is there.
    pub(super) fn cancel_waiting(&self, id: Uuid, request: &RequestId) -> bool {
        let Some(storing) = self.storing.get(&id) else {
            return false;
        };
        let mut waiting = storing.waiting.iter().rev();
        let found = waiting.find_map(|message| match message {
            SessionMessage::Begin { exchange, .. } => {
                (exchange.cancel_by.as_ref() == Some(request)).then_some(&exchange.cancel)
            }
            _ => None,
        });
        if let Some(cancel) = found {
            cancel.cancel();
        }
        found.is_some()
    }

    /// Answers all that waits until its MCP session is stored.
    pub(super) fn refuse_waiting(&mut self, failure: &Failure) {
        let storing = self.storing.values_mut();
        let waiting: Vec<_> = storing
            .flat_map(|it| std::mem::take(&mut it.waiting))
            .collect();
        for message in waiting {
            self.refuse(message, failure);
        }
    }

    fn refuse(&mut self, message: SessionMessage, failure: &Failure) {
        match message {
            SessionMessage::Begin { exchange, .. } => exchange.refuse(failure.clone()),
            SessionMessage::Listen { reply, .. } => {
                let _asker_left = reply.send(Err(failure.clone()));
            }
            // Nothing else waits.
            message => self.take(message),
        }
    }
}

/// The MCP session that has to be stored before this is taken. Its end needs not be.
const fn waits_for(message: &SessionMessage) -> Option<Uuid> {
    match message {
        SessionMessage::Begin { exchange, .. } => exchange.mcp_session,
        SessionMessage::Listen { mcp_session, .. } => Some(*mcp_session),
        _ => None,
    }
}

/// Whether somebody still waits for what comes of a message. An exchange goes on without its client.
fn is_waited_for(message: &SessionMessage) -> bool {
    match message {
        SessionMessage::Listen { reply, .. } => !reply.is_closed(),
        _ => true,
    }
}
