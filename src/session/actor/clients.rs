//! The clients' MCP sessions: opened, used, listened in, taken back from, ended, expired.
//!
//! Spec: 2025-11-25 basic/transports, "Session Management".

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    limits::{LISTENERS_PER_MCP_SESSION_MAX, MCP_SESSIONS_PER_SESSION_MAX},
    mcp::{
        event::Notification, failure::Failure, message::RequestId, method::TOOLS_CHANGED,
        request::Context,
    },
    session::{
        clock::now_ms,
        exchange::CancelKey,
        fan_out,
        message::{Client, SessionMessage, Welcome},
    },
    store::McpSessionRecord,
};

use super::Session;

/// One client that initialized.
pub(super) struct McpSession {
    pub(super) context: Context,
    last_used_ms: i64,
    used_since_sweep: bool,
    listeners: Vec<mpsc::Sender<Notification>>,
}

impl Session {
    pub(super) fn cancel(&mut self, mcp_session: Uuid, request: RequestId) {
        if let Some((_, token)) = self.cancellable.remove(&(mcp_session, request)) {
            token.cancel();
        }
    }

    pub(super) fn ended(&mut self, key: &CancelKey, number: u64) {
        if self
            .cancellable
            .get(key)
            .is_some_and(|(current, _)| *current == number)
        {
            self.cancellable.remove(key);
        }
    }

    pub(super) fn open_mcp_session(
        &self,
        client: Client,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        if self.mcp_sessions.len() >= MCP_SESSIONS_PER_SESSION_MAX {
            // Whoever asked may have left.
            return drop(reply.send(Err(Failure::TooManyMcpSessions {
                limit: MCP_SESSIONS_PER_SESSION_MAX,
            })));
        }
        let id = Uuid::new_v4();
        let now = now_ms();
        let record = McpSessionRecord {
            id,
            session: self.id,
            revision: client.revision,
            client_info: client.context.client_info.as_deref().map(ToOwned::to_owned),
            capabilities: client
                .context
                .capabilities
                .as_deref()
                .map(ToOwned::to_owned),
            created_ms: now,
            last_used_ms: now,
        };
        let (backends, store) = (self.backends.clone(), self.shared.store.clone());
        let (deadline, myself) = (self.shared.initialize_deadline, self.myself.clone());
        tokio::spawn(async move {
            // Stored before anyone hears of it: an id a client holds is known after a restart.
            if let Err(error) = store.put_mcp_session(record).await {
                tracing::error!(%error, "could not store an MCP session");
                return drop(reply.send(Err(Failure::NotStored)));
            }
            let welcome = fan_out::welcome(&backends, Some(id), &client.context, deadline).await;
            // A session that ended meanwhile drops the reply, and its reader notices.
            let _gone = myself.cast(SessionMessage::McpSessionOpened {
                id,
                client,
                welcome,
                reply,
            });
        });
    }

    pub(super) fn mcp_session_opened(
        &mut self,
        id: Uuid,
        client: Client,
        welcome: Welcome,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        self.mcp_sessions
            .insert(id, McpSession::new(client.context, now_ms()));
        if reply.send(Ok((id, welcome))).is_err() {
            // The client left before it learned the id: nobody will ever use it.
            self.forget_mcp_session(id);
        }
    }

    pub(super) fn discover(&mut self, context: Context, reply: oneshot::Sender<Welcome>) {
        self.last_used_ms = now_ms();
        let backends = self.backends.clone();
        let deadline = self.shared.initialize_deadline;
        tokio::spawn(async move {
            let welcome = fan_out::welcome(&backends, None, &context, deadline).await;
            // Whoever asked may have left.
            drop(reply.send(welcome));
        });
    }

    /// Ends an MCP session at a client's wish; answered when it is gone from the store too.
    pub(super) fn end_mcp_session(&mut self, id: Uuid, reply: oneshot::Sender<bool>) {
        if !self.mcp_sessions.contains_key(&id) {
            let _asker_left = reply.send(false);
            return;
        }
        let gone = self.forget_mcp_session(id);
        tokio::spawn(async move {
            // A task that panicked has said so; there is nothing to wait for then.
            let _panicked = gone.await;
            let _asker_left = reply.send(true);
        });
    }

    /// Ends an MCP session here and at the backends; the task ends when it is gone from the store,
    /// too.
    pub(super) fn forget_mcp_session(&mut self, id: Uuid) -> JoinHandle<()> {
        self.mcp_sessions.remove(&id);
        for backend in &self.backends {
            backend.forget(Some(id));
        }
        let store = self.shared.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.delete_mcp_session(id).await {
                tracing::error!(%error, "could not delete an MCP session; it expires later");
            }
        })
    }

    pub(super) fn knows(&mut self, mcp_session: Uuid, reply: oneshot::Sender<bool>) {
        let known = self
            .mcp_sessions
            .get_mut(&mcp_session)
            .map(McpSession::touch);
        let _asker_left = reply.send(known.is_some());
    }

    pub(super) fn listen(
        &mut self,
        mcp_session: Uuid,
        listener: mpsc::Sender<Notification>,
        reply: oneshot::Sender<Result<(), Failure>>,
    ) {
        let listening = match self.mcp_sessions.get_mut(&mcp_session) {
            None => Err(Failure::UnknownMcpSession),
            Some(mcp_session) => mcp_session.listen(listener),
        };
        let _asker_left = reply.send(listening);
    }

    pub(super) fn tell_listeners(&self) {
        for listener in self.mcp_sessions.values().flat_map(|mcp| &mcp.listeners) {
            // A full channel holds the same news already; a closed one has no reader.
            let _full_or_closed = listener.try_send(Notification {
                method: TOOLS_CHANGED.to_owned(),
                params: None,
            });
        }
    }

    pub(super) fn stop_listening(&mut self) {
        for mcp_session in self.mcp_sessions.values_mut() {
            mcp_session.stop_listening();
        }
    }

    pub(super) fn sweep(&mut self, done: oneshot::Sender<()>) {
        // Whoever listens is there, however little it says.
        for mcp_session in self.mcp_sessions.values_mut() {
            if mcp_session.has_listener() {
                mcp_session.touch();
            }
        }
        let oldest_ms = self.shared.oldest_mcp_session_ms();
        let idle: Vec<Uuid> = self
            .mcp_sessions
            .iter()
            .filter(|(_, mcp)| mcp.last_used_ms < oldest_ms)
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.forget_mcp_session(id);
        }
        let used: Vec<(Uuid, i64)> = self
            .mcp_sessions
            .iter_mut()
            .filter_map(|(id, mcp)| {
                std::mem::take(&mut mcp.used_since_sweep).then_some((*id, mcp.last_used_ms))
            })
            .collect();
        if self.last_used_ms == self.stored_used_ms && used.is_empty() {
            return;
        }
        self.stored_used_ms = self.last_used_ms;
        let (store, session) = (self.shared.store.clone(), (self.id, self.last_used_ms));
        tokio::spawn(async move {
            let touched = async {
                store.touch(vec![session]).await?;
                store.touch_mcp_sessions(used).await
            };
            if let Err(error) = touched.await {
                tracing::warn!(%error, "could not write down when a session was used");
            }
            let _asker_left = done.send(());
        });
    }
}

impl McpSession {
    /// What the client can do is stored but not passed on: a backend would ask it for input, which
    /// is not carried to clients of the legacy era.
    fn new(context: Context, last_used_ms: i64) -> Self {
        Self {
            context: Context {
                capabilities: None,
                ..context
            },
            last_used_ms,
            used_since_sweep: false,
            listeners: Vec::new(),
        }
    }

    pub(super) fn remembered(record: McpSessionRecord) -> Self {
        let context = Context {
            client_info: record.client_info.map(Into::into),
            ..Context::default()
        };
        Self::new(context, record.last_used_ms)
    }

    pub(super) fn touch(&mut self) {
        self.last_used_ms = now_ms();
        self.used_since_sweep = true;
    }

    pub(super) fn stop_listening(&mut self) {
        self.listeners.clear();
    }

    /// A further stream never takes over from one that is open.
    fn listen(&mut self, listener: mpsc::Sender<Notification>) -> Result<(), Failure> {
        self.touch();
        self.listeners.retain(|open| !open.is_closed());
        if self.listeners.len() >= LISTENERS_PER_MCP_SESSION_MAX {
            return Err(Failure::TooManyListeners {
                limit: LISTENERS_PER_MCP_SESSION_MAX,
            });
        }
        self.listeners.push(listener);
        Ok(())
    }

    fn has_listener(&self) -> bool {
        self.listeners.iter().any(|listener| !listener.is_closed())
    }
}
