//! One session's actor: routes exchanges, keeps the clients' MCP sessions, owns the connections.
//!
//! Its handler is a list of one-line arms; nothing in it waits for a network or a disk.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    backend::{Backend, Call, HttpClients, LinkKey, Memory, Report, Start},
    limits::{BACKEND_DEATHS_MAX, LISTENERS_PER_MCP_SESSION_MAX, MCP_SESSIONS_PER_SESSION_MAX},
    mcp::{
        event::Notification,
        failure::Failure,
        message::RequestId,
        method::{PING, TOOLS_CALL, TOOLS_CHANGED, TOOLS_LIST},
        name::{BackendName, Naming},
        request::Context,
    },
    registry::Registry,
    routing::{name::Spelling, route::route},
    store::{LinkRecord, McpSessionRecord, Store, StoredServer, StoredSession},
};

use super::{
    clock::now_ms,
    describe::{ConnectionDescription, ConnectionState, SessionDescription},
    exchange::{CancelKey, Exchange},
    fan_out,
    message::{Client, SessionMessage, Welcome},
};

/// What every session of the process shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) registry: Arc<Registry>,
    pub(super) store: Store,
    pub(super) clients: HttpClients,
    /// How long `initialize` waits for slow backends.
    pub(super) initialize_deadline: Duration,
    /// How long an MCP session lives without a request.
    pub(super) mcp_session_ttl: Duration,
}

/// One session's state.
pub(super) struct Session {
    id: Uuid,
    name: Option<String>,
    naming: Naming,
    created_ms: i64,
    last_used_ms: i64,
    /// What the database holds of `last_used_ms`.
    stored_used_ms: i64,
    /// Whole rows, so that a connection that died can be started anew.
    servers: Vec<StoredServer>,
    names: Vec<BackendName>,
    backends: Vec<Backend>,
    deaths: u32,
    mcp_sessions: HashMap<Uuid, McpSession>,
    /// Requests in flight that a client may take back.
    cancellable: HashMap<CancelKey, (u64, CancellationToken)>,
    shared: Shared,
    myself: ActorRef<SessionMessage>,
}

/// One client that initialized.
struct McpSession {
    context: Context,
    last_used_ms: i64,
    used_since_sweep: bool,
    listeners: Vec<mpsc::Sender<Notification>>,
}

pub(super) struct SessionActor;

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = Session;
    type Arguments = (StoredSession, Shared);

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        (record, shared): (StoredSession, Shared),
    ) -> Result<Session, ActorProcessingErr> {
        Session::start(record, shared, myself).await
    }

    async fn handle(
        &self,
        _myself: ActorRef<SessionMessage>,
        message: SessionMessage,
        session: &mut Session,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SessionMessage::Begin { exchange, number } => session.begin(exchange, number),
            SessionMessage::Cancel {
                mcp_session,
                request,
            } => session.cancel(mcp_session, request),
            SessionMessage::OpenMcpSession { client, reply } => {
                session.open_mcp_session(client, reply);
            }
            SessionMessage::McpSessionOpened {
                id,
                client,
                welcome,
                reply,
            } => session.mcp_session_opened(id, client, welcome, reply),
            SessionMessage::Discover { context, reply } => session.discover(context, reply),
            SessionMessage::EndMcpSession { id, reply } => session.end_mcp_session(id, reply),
            SessionMessage::Listen {
                mcp_session,
                listener,
                reply,
            } => session.listen(mcp_session, listener, reply),
            SessionMessage::Knows { mcp_session, reply } => session.knows(mcp_session, reply),
            SessionMessage::Warm => session.warm(),
            SessionMessage::Sweep(done) => session.sweep(done),
            SessionMessage::StopListening => session.stop_listening(),
            SessionMessage::Close => session.close(),
            SessionMessage::Ended { key, number } => session.ended(&key, number),
            SessionMessage::Reported(report) => session.reported(report),
            SessionMessage::Describe(reply) => session.describe(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<SessionMessage>,
        event: SupervisionEvent,
        session: &mut Session,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, reason) => {
                session.connection_died(&cell, &reason.to_string()).await;
            }
            SupervisionEvent::ActorTerminated(cell, ..) => session.connection_ended(&cell),
            _ => {}
        }
        // Not before: a session's end would end its connections in the middle of their goodbyes.
        if session.backends.is_empty() {
            myself.stop(None);
        }
        Ok(())
    }
}

impl Session {
    async fn start(
        record: StoredSession,
        shared: Shared,
        myself: ActorRef<SessionMessage>,
    ) -> Result<Self, ActorProcessingErr> {
        let mut session = Self {
            id: record.id,
            name: record.name,
            naming: record.naming,
            created_ms: record.created_ms,
            last_used_ms: record.last_used_ms,
            stored_used_ms: record.last_used_ms,
            names: record
                .servers
                .iter()
                .map(|server| server.backend.clone())
                .collect(),
            servers: record.servers,
            backends: Vec::new(),
            deaths: 0,
            mcp_sessions: record
                .mcp_sessions
                .into_iter()
                .map(|record| (record.id, McpSession::remembered(record)))
                .collect(),
            cancellable: HashMap::new(),
            shared,
            myself,
        };
        for position in 0..session.servers.len() {
            let name = &session.names[position];
            let remembered = record
                .links
                .iter()
                .filter(|link| link.backend == *name)
                .map(remember)
                .collect();
            let backend = session.start_backend(position, remembered).await?;
            session.backends.push(backend);
        }
        Ok(session)
    }

    async fn start_backend(
        &self,
        position: usize,
        remembered: Vec<(LinkKey, Memory)>,
    ) -> Result<Backend, ActorProcessingErr> {
        let server = &self.servers[position];
        let myself = self.myself.clone();
        let start = Start {
            name: server.backend.clone(),
            spec: self.shared.registry.get(server.backend.as_str()).cloned(),
            credential: match &server.credential {
                Ok(credential) => Ok(credential.clone()),
                Err(error) => Err(error.to_string()),
            },
            clients: self.shared.clients.clone(),
            remembered,
            // A report to a session that is gone changes nothing.
            report: Arc::new(move |report| drop(myself.cast(SessionMessage::Reported(report)))),
        };
        Ok(Backend::start(start, Some(self.myself.get_cell())).await?)
    }

    fn begin(&mut self, mut exchange: Exchange, number: u64) {
        self.last_used_ms = now_ms();
        if let Some(id) = exchange.mcp_session {
            let Some(mcp_session) = self.mcp_sessions.get_mut(&id) else {
                return exchange.refuse(Failure::UnknownMcpSession);
            };
            mcp_session.touch();
            exchange.request.context = mcp_session.context.clone();
            if let Some(request) = exchange.cancel_by.clone() {
                self.cancellable
                    .insert((id, request), (number, exchange.cancel.clone()));
            }
        }
        match exchange.request.method.as_ref() {
            PING => exchange.complete("{}"),
            TOOLS_CALL => self.call_tool(exchange),
            TOOLS_LIST => self.list_tools(exchange),
            method => {
                let method = method.to_owned();
                exchange.refuse(Failure::UnknownMethod { method });
            }
        }
    }

    fn call_tool(&self, exchange: Exchange) {
        let public = exchange.request.name.clone().unwrap_or_default();
        let Some(route) = route(self.naming, &self.names, &public) else {
            return exchange.refuse(Failure::UnknownTool {
                name: public,
                known: self.known_names(),
            });
        };
        let backend = self.backends[route.position].clone();
        let mut call = Call {
            link: exchange.mcp_session,
            request: exchange.request,
            events: exchange.events,
            cancel: exchange.cancel,
            renewed: false,
        };
        if !route.may_be_shortened {
            call.request.name = Some(route.own);
            return backend.send(call);
        }
        tokio::spawn(async move {
            let own = fan_out::own_name(&backend, call.link, &call.request.context, route.own);
            call.request.name = Some(own.await);
            backend.send(call);
        });
    }

    fn list_tools(&self, exchange: Exchange) {
        let client_name = exchange.request.context.client_name();
        let spelling = Spelling::of(self.naming, client_name.as_deref());
        let backends = self.backends.clone();
        tokio::spawn(async move {
            let (link, context) = (exchange.mcp_session, &exchange.request.context);
            let cancelled = exchange.cancel.clone();
            let outcome = tokio::select! {
                () = cancelled.cancelled() => crate::mcp::event::Outcome::Cancelled,
                outcome = fan_out::tools(&backends, link, context, spelling) => outcome,
            };
            exchange.finish(outcome).await;
        });
    }

    fn cancel(&mut self, mcp_session: Uuid, request: RequestId) {
        if let Some((_, token)) = self.cancellable.remove(&(mcp_session, request)) {
            token.cancel();
        }
    }

    fn ended(&mut self, key: &CancelKey, number: u64) {
        if self
            .cancellable
            .get(key)
            .is_some_and(|(current, _)| *current == number)
        {
            self.cancellable.remove(key);
        }
    }

    fn open_mcp_session(
        &self,
        client: Client,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        if self.mcp_sessions.len() >= MCP_SESSIONS_PER_SESSION_MAX {
            // Whoever asked may have left.
            return drop(reply.send(Err(Failure::Busy {
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

    fn mcp_session_opened(
        &mut self,
        id: Uuid,
        client: Client,
        welcome: Welcome,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    ) {
        self.mcp_sessions
            .insert(id, McpSession::new(client.context));
        if reply.send(Ok((id, welcome))).is_err() {
            // The client left before it learned the id: nobody will ever use it.
            self.forget_mcp_session(id);
        }
    }

    fn discover(&mut self, context: Context, reply: oneshot::Sender<Welcome>) {
        self.last_used_ms = now_ms();
        let backends = self.backends.clone();
        let deadline = self.shared.initialize_deadline;
        tokio::spawn(async move {
            let welcome = fan_out::welcome(&backends, None, &context, deadline).await;
            // Whoever asked may have left.
            drop(reply.send(welcome));
        });
    }

    fn end_mcp_session(&mut self, id: Uuid, reply: oneshot::Sender<bool>) {
        let known = self.forget_mcp_session(id);
        let _asker_left = reply.send(known);
    }

    fn forget_mcp_session(&mut self, id: Uuid) -> bool {
        if self.mcp_sessions.remove(&id).is_none() {
            return false;
        }
        for backend in &self.backends {
            backend.forget(Some(id));
        }
        let store = self.shared.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.delete_mcp_session(id).await {
                tracing::error!(%error, "could not delete an MCP session; it expires later");
            }
        });
        true
    }

    fn listen(
        &mut self,
        mcp_session: Uuid,
        listener: mpsc::Sender<Notification>,
        reply: oneshot::Sender<bool>,
    ) {
        let known = match self.mcp_sessions.get_mut(&mcp_session) {
            None => false,
            Some(mcp_session) => {
                mcp_session.touch();
                mcp_session.listeners.retain(|open| !open.is_closed());
                if mcp_session.listeners.len() >= LISTENERS_PER_MCP_SESSION_MAX {
                    mcp_session.listeners.remove(0);
                }
                mcp_session.listeners.push(listener);
                true
            }
        };
        let _asker_left = reply.send(known);
    }

    fn knows(&mut self, mcp_session: Uuid, reply: oneshot::Sender<bool>) {
        let known = self
            .mcp_sessions
            .get_mut(&mcp_session)
            .map(McpSession::touch);
        let _asker_left = reply.send(known.is_some());
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Changed => self.tell_listeners(),
            Report::LinkOpened {
                backend,
                link,
                memory,
            } => self.store_link(backend, link, memory),
        }
    }

    fn tell_listeners(&self) {
        for listener in self.mcp_sessions.values().flat_map(|mcp| &mcp.listeners) {
            // A full channel holds the same news already; a closed one has no reader.
            let _full_or_closed = listener.try_send(Notification {
                method: TOOLS_CHANGED.to_owned(),
                params: None,
            });
        }
    }

    fn store_link(&self, backend: BackendName, link: LinkKey, memory: Memory) {
        let record = LinkRecord {
            session: self.id,
            mcp_session: link,
            backend,
            revision: memory.revision,
            backend_session: memory.backend_session,
            discovery: memory.discovery,
        };
        let store = self.shared.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.put_link(record).await {
                tracing::warn!(%error, "could not remember a connection; after a restart it is opened anew");
            }
        });
    }

    fn warm(&self) {
        for backend in self.backends.clone() {
            // Its outcome shows in the connection's state.
            tokio::spawn(async move { drop(backend.connect(None, Context::default()).await) });
        }
    }

    fn sweep(&mut self, done: oneshot::Sender<()>) {
        let ttl_ms = i64::try_from(self.shared.mcp_session_ttl.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now_ms().saturating_sub(ttl_ms);
        let idle: Vec<Uuid> = self
            .mcp_sessions
            .iter()
            .filter(|(_, mcp)| mcp.last_used_ms < oldest_ms && !mcp.has_listener())
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

    fn stop_listening(&mut self) {
        for mcp_session in self.mcp_sessions.values_mut() {
            mcp_session.listeners.clear();
        }
    }

    fn close(&mut self) {
        for (_, token) in self.cancellable.values() {
            token.cancel();
        }
        self.backends.retain(Backend::close);
        if self.backends.is_empty() {
            self.myself.stop(None);
        }
    }

    fn connection_ended(&mut self, cell: &ActorCell) {
        self.backends.retain(|backend| !backend.is(cell));
    }

    fn describe(&self, reply: oneshot::Sender<SessionDescription>) {
        let backends = self.backends.clone();
        let mut description = SessionDescription {
            id: self.id,
            name: self.name.clone(),
            naming: self.naming,
            created_ms: self.created_ms,
            last_used_ms: self.last_used_ms,
            mcp_sessions: self.mcp_sessions.len(),
            connections: Vec::with_capacity(backends.len()),
        };
        tokio::spawn(async move {
            for backend in backends {
                description.connections.push(describe(&backend).await);
            }
            // Whoever asked may have left.
            drop(reply.send(description));
        });
    }

    async fn connection_died(&mut self, cell: &ActorCell, reason: &str) {
        let Some(position) = self.backends.iter().position(|backend| backend.is(cell)) else {
            return;
        };
        let name = &self.names[position];
        tracing::error!(backend.name = %name, error = reason, "the connection to {name} died");
        self.deaths += 1;
        if self.deaths > BACKEND_DEATHS_MAX {
            return;
        }
        match self.start_backend(position, Vec::new()).await {
            Ok(backend) => self.backends[position] = backend,
            Err(error) => tracing::error!(%error, "could not start a connection anew"),
        }
    }

    fn known_names(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(BackendName::as_str).collect();
        names.join(", ")
    }
}

impl McpSession {
    fn new(context: Context) -> Self {
        Self {
            context,
            last_used_ms: now_ms(),
            used_since_sweep: false,
            listeners: Vec::new(),
        }
    }

    fn remembered(record: McpSessionRecord) -> Self {
        Self {
            context: Context {
                client_info: record.client_info.map(Into::into),
                capabilities: record.capabilities.map(Into::into),
                log_level: None,
            },
            last_used_ms: record.last_used_ms,
            used_since_sweep: false,
            listeners: Vec::new(),
        }
    }

    fn touch(&mut self) {
        self.last_used_ms = now_ms();
        self.used_since_sweep = true;
    }

    fn has_listener(&self) -> bool {
        self.listeners.iter().any(|listener| !listener.is_closed())
    }
}

fn remember(link: &LinkRecord) -> (LinkKey, Memory) {
    let memory = Memory {
        revision: link.revision,
        backend_session: link.backend_session.clone(),
        discovery: link.discovery.clone(),
    };
    (link.mcp_session, memory)
}

async fn describe(backend: &Backend) -> ConnectionDescription {
    let described = backend.describe().await;
    ConnectionDescription {
        backend: backend.name().clone(),
        state: described
            .as_ref()
            .map_or(ConnectionState::Waiting, |described| described.state.into()),
        revision: described.as_ref().and_then(|described| described.revision),
        tools: described.as_ref().and_then(|described| described.tools),
        retry_in: described.as_ref().and_then(|described| described.retry_in),
        last_error: described.map_or_else(
            || Some("its part of the gateway died; see the gateway's log".to_owned()),
            |described| described.last_error,
        ),
    }
}
