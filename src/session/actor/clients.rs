//! The clients' MCP sessions: opened, used, listened in, taken back from, ended, expired.
//!
//! Spec: 2025-11-25 basic/transports, "Session Management".

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use crate::{
    backend::LinkKey,
    limits::MCP_SESSIONS_PER_SESSION_MAX,
    mcp::{failure::Failure, version::Revision},
    session::{
        clock::now_ms,
        fan_out,
        message::{Client, SessionMessage, Welcome},
        used::Used,
    },
    store::StoreError,
};

use super::{McpSession, Session, Storing};

impl Session {
    pub(super) fn open_mcp_session(
        &mut self,
        client: Client,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        self.last_used_ms = now_ms();
        if self.is_ending() {
            // Whoever asked may have left.
            return drop(reply.send(Err(Failure::SessionDeleted)));
        }
        let Ok(place) = Arc::clone(&self.mcp_session_places).try_acquire_owned() else {
            return drop(reply.send(Err(Failure::TooManyMcpSessions {
                limit: MCP_SESSIONS_PER_SESSION_MAX,
            })));
        };
        let id = Uuid::new_v4();
        let context = client.context.clone();
        let mcp_session = McpSession::new(client, place).counted(self.shared.clients.metrics());
        self.mcp_sessions.insert(id, mcp_session);
        self.opening.insert(id, Vec::new());
        let (backends, myself) = (self.met_backends(), self.myself.clone());
        let deadline = self.shared.initialize_deadline;
        tokio::spawn(async move {
            let welcome = fan_out::welcome(&backends, LinkKey::Own(id), &context, deadline);
            // A session that ended meanwhile drops the reply, and its reader notices; as it does of a mistake.
            let _gone = match AssertUnwindSafe(welcome).catch_unwind().await {
                Ok(welcome) => myself.cast(SessionMessage::McpSessionOpened { id, welcome, reply }),
                Err(_) => myself.cast(unknown_to_its_client(id)),
            };
        });
    }

    pub(super) fn mcp_session_opened(
        &mut self,
        opened: (Uuid, Welcome),
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        let id = opened.0;
        let storing = self.opening.remove(&id).unwrap_or_default();
        let Some(mcp_session) = self.mcp_sessions.get_mut(&id) else {
            // Dropped, the reply tells whoever waits for it.
            return;
        };
        // Its client's time begins when it learns the id.
        mcp_session.touch();
        let myself = self.myself.clone();
        let tell = move |is_kept| {
            let answer = if is_kept {
                Ok(opened)
            } else {
                Err(Failure::NotStored)
            };
            if reply.send(answer).is_err() || !is_kept {
                let _gone = myself.cast(unknown_to_its_client(id));
            }
        };
        if storing.is_empty() {
            return tell(true);
        }
        tokio::spawn(async move {
            let stored = join_all(storing).await;
            // A task that panicked has been logged.
            let is_kept = stored.into_iter().all(|it| it.unwrap_or(true));
            tell(is_kept);
        });
    }

    /// Has an MCP session's opening wait until what its connections learned is stored: after a
    /// restart its client finds the same MCP sessions at its backends.
    pub(super) fn await_before_opening(&mut self, link: LinkKey, storing: JoinHandle<bool>) {
        if let LinkKey::Own(id) = link
            && let Some(waiting) = self.opening.get_mut(&id)
        {
            waiting.push(storing);
        }
    }

    pub(super) fn mcp_session_deleted(&mut self, id: Uuid) {
        self.ended.remove(&id);
    }

    /// Ends an MCP session at a client's wish; answered when it is gone from the store too, or could
    /// not be deleted there. Then it can be ended again.
    pub(super) fn end_mcp_session(
        &mut self,
        id: Uuid,
        reply: oneshot::Sender<Result<bool, Failure>>,
    ) {
        if !self.mcp_sessions.contains_key(&id) && !self.ended.contains_key(&id) {
            let _asker_left = reply.send(Ok(false));
            return;
        }
        let Some(gone) = self.forget_mcp_session(id) else {
            let _asker_left = reply.send(Ok(true));
            return;
        };
        tokio::spawn(async move {
            let ended = match gone.await {
                Ok(Ok(())) => Ok(true),
                Ok(Err(_)) => Err(Failure::NotStored),
                Err(_panicked) => Err(Failure::Lost),
            };
            let _asker_left = reply.send(ended);
        });
    }

    /// Ends an MCP session here and at the backends; the task ends when it is gone from the store,
    /// too, if it ever was there. What could not be deleted is tried again with each sweep.
    pub(super) fn forget_mcp_session(
        &mut self,
        id: Uuid,
    ) -> Option<JoinHandle<Result<(), StoreError>>> {
        self.opening.remove(&id);
        if let Some(mcp_session) = self.mcp_sessions.remove(&id) {
            self.linked.retain(|(client, _)| *client != id);
            self.running.end_mcp_session(id);
            self.outbox.forget(id);
            for backend in &self.backends {
                backend.forget(LinkKey::Own(id));
            }
            if !mcp_session.may_have_row {
                return None;
            }
            self.ended.insert(id, mcp_session.place);
        }
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        let storing = self.storing.get(&id).map(Storing::outcome);
        Some(tokio::spawn(async move {
            if let Some(storing) = storing {
                // Not before it is written; and what a write that failed left behind is deleted as well.
                let _either = storing.known().await;
            }
            match store.delete_mcp_session(id).await {
                Ok(()) | Err(StoreError::Gone) => {
                    // A session that is gone has nothing to take note of.
                    let _gone = myself.cast(SessionMessage::McpSessionDeleted { id });
                    Ok(())
                }
                Err(error) => {
                    tracing::error!(%error, "could not delete an MCP session; it is tried again");
                    Err(error)
                }
            }
        }))
    }

    pub(super) fn knows(&mut self, mcp_session: Uuid, reply: oneshot::Sender<Option<Revision>>) {
        let known = self.mcp_sessions.get_mut(&mcp_session).map(|mcp_session| {
            mcp_session.touch();
            mcp_session.revision
        });
        let _asker_left = reply.send(known);
    }

    pub(super) fn sweep(&mut self, reply: oneshot::Sender<Used>) {
        self.kept_lists.sweep();
        // Whoever listens or waits for an answer is there, however little it says.
        let waiting = self.running.mcp_sessions();
        for (id, mcp_session) in &mut self.mcp_sessions {
            if mcp_session.has_listener() || waiting.contains(id) {
                mcp_session.touch();
            }
        }
        if !(self.running.is_empty() && self.parked.is_empty()) || self.is_listened_to() {
            self.last_used_ms = now_ms();
        }
        let oldest_ms = self.shared.oldest_mcp_session_ms();
        let idle = self
            .mcp_sessions
            .iter()
            .filter(|(id, mcp)| mcp.last_used_ms < oldest_ms && !self.opening.contains_key(id))
            .map(|(id, _)| *id);
        let over: Vec<Uuid> = idle.chain(self.ended.keys().copied()).collect();
        for id in over {
            let _goes_in_the_background = self.forget_mcp_session(id);
        }
        let storing = self.store_all();
        let is_used = self.last_used_ms != self.stored_used_ms;
        self.stored_used_ms = self.last_used_ms;
        let used = Used {
            session: is_used.then_some((self.id, self.last_used_ms)),
            mcp_sessions: self
                .mcp_sessions
                .iter_mut()
                .filter_map(|(id, mcp)| {
                    std::mem::take(&mut mcp.used_since_sweep).then_some((*id, mcp.last_used_ms))
                })
                .collect(),
            at_rest: self.is_at_rest().then_some(self.id),
        };
        if storing.is_empty() {
            let _asker_left = reply.send(used);
            return;
        }
        // The last sweep is answered when nothing is left to store.
        tokio::spawn(async move {
            for storing in storing {
                // What could not be stored has been logged.
                let _either = storing.known().await;
            }
            let _asker_left = reply.send(used);
        });
    }

    pub(super) fn not_written_down(&mut self) {
        // Before any time at which it can have been used.
        self.stored_used_ms = 0;
        for mcp in self.mcp_sessions.values_mut() {
            mcp.used_since_sweep = true;
        }
    }
}

/// Ends an MCP session whose client has not learned its id: nobody will ever use it.
fn unknown_to_its_client(id: Uuid) -> SessionMessage {
    let (reply, _nobody_waits) = oneshot::channel();
    SessionMessage::EndMcpSession { id, reply }
}
