//! One session's actor: routes exchanges, keeps the clients' MCP sessions, owns the connections.
//!
//! Its handler is a list of one-line arms; nothing in it waits for a network or a disk.

mod clients;
mod running;
mod tools;

use std::{collections::HashMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    backend::{Backend, HttpClients, LinkKey, Memory, Report, Start},
    limits::{BACKEND_DEATHS_MAX, MCP_SESSIONS_PER_SESSION_MAX},
    mcp::{
        failure::Failure,
        method::{PING, TOOLS_CALL, TOOLS_LIST},
        name::{BackendName, Naming},
        request::Context,
    },
    registry::Registry,
    store::{LinkRecord, Store, StoreError, StoredServer, StoredSession},
};

use super::{
    clock::now_ms,
    describe::{ConnectionDescription, ConnectionState, SessionDescription},
    exchange::{Exchange, Place},
    message::SessionMessage,
};

use clients::McpSession;
use running::Running;

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

impl Shared {
    /// MCP sessions last used before this have expired.
    pub(super) fn oldest_mcp_session_ms(&self) -> i64 {
        let ttl_ms = i64::try_from(self.mcp_session_ttl.as_millis()).unwrap_or(i64::MAX);
        now_ms().saturating_sub(ttl_ms)
    }
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
    /// The session is deleted; its connections say their goodbyes.
    closing: bool,
    mcp_sessions: HashMap<Uuid, McpSession>,
    /// What is being stored for MCP sessions that are being opened.
    storing: HashMap<Uuid, Vec<JoinHandle<()>>>,
    /// MCP sessions that ended, but whose rows are still there: each keeps its place until then.
    ended: HashMap<Uuid, Option<OwnedSemaphorePermit>>,
    /// Places for those that are open, being opened, or not yet gone.
    mcp_session_places: Arc<Semaphore>,
    running: Running,
    shared: Shared,
    myself: ActorRef<SessionMessage>,
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
            SessionMessage::Begin { exchange, place } => session.begin(exchange, place),
            SessionMessage::Cancel {
                mcp_session,
                request,
            } => session.running.cancel(&(mcp_session, request)),
            SessionMessage::OpenMcpSession { client, reply } => {
                session.open_mcp_session(client, reply);
            }
            SessionMessage::McpSessionOpened {
                id,
                client,
                place,
                welcome,
                reply,
            } => session.mcp_session_opened(McpSession::new(client, place), (id, welcome), reply),
            SessionMessage::McpSessionDeleted { id } => session.mcp_session_deleted(id),
            SessionMessage::Discover { context, reply } => session.discover(context, reply),
            SessionMessage::EndMcpSession { id, reply } => session.end_mcp_session(id, reply),
            SessionMessage::Listen {
                mcp_session,
                listener,
                reply,
            } => session.listen(mcp_session, listener, reply),
            SessionMessage::Knows { mcp_session, reply } => session.knows(mcp_session, reply),
            SessionMessage::Subscribe { .. }
            | SessionMessage::Asked { .. }
            | SessionMessage::Answer { .. }
            | SessionMessage::Notify { .. }
            | SessionMessage::Park { .. }
            | SessionMessage::TakeUp { .. } => {}
            SessionMessage::Warm => session.warm(),
            SessionMessage::Sweep(done) => session.sweep(done),
            SessionMessage::StopListening => session.stop_listening(),
            SessionMessage::Close => session.close(),
            SessionMessage::Ended { number } => session.running.ended(number),
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
        let oldest_ms = shared.oldest_mcp_session_ms();
        let places = Arc::new(Semaphore::new(MCP_SESSIONS_PER_SESSION_MAX));
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
            closing: false,
            storing: HashMap::new(),
            mcp_sessions: record
                .mcp_sessions
                .into_iter()
                .filter(|record| record.last_used_ms >= oldest_ms)
                .map(|record| {
                    let place = Arc::clone(&places).try_acquire_owned().ok();
                    (record.id, McpSession::remembered(record, place))
                })
                .collect(),
            ended: HashMap::new(),
            mcp_session_places: places,
            running: Running::default(),
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

    fn begin(&mut self, mut exchange: Exchange, place: Place) {
        if self.closing {
            return exchange.refuse(Failure::SessionDeleted);
        }
        self.last_used_ms = now_ms();
        if let Some(id) = exchange.mcp_session {
            let Some(mcp_session) = self.mcp_sessions.get_mut(&id) else {
                return exchange.refuse(Failure::UnknownMcpSession);
            };
            mcp_session.touch();
            exchange.request.context = mcp_session.context.clone();
        }
        self.running.began(&exchange, place.number);
        match exchange.request.method.as_ref() {
            PING => exchange.complete("{}"),
            TOOLS_CALL => self.call_tool(exchange, place),
            TOOLS_LIST => self.list_tools(exchange, place),
            method => {
                let method = method.to_owned();
                exchange.refuse(Failure::UnknownMethod { method });
            }
        }
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

    fn close(&mut self) {
        self.closing = true;
        self.running.end_all();
        self.stop_listening();
        self.backends.retain(Backend::close);
        if self.backends.is_empty() {
            self.myself.stop(None);
        }
    }

    fn connection_ended(&mut self, cell: &ActorCell) {
        // Only a session that is closing ends its connections, so no call is routed any more.
        self.backends.retain(|backend| !backend.is(cell));
    }

    async fn connection_died(&mut self, cell: &ActorCell, reason: &str) {
        let Some(position) = self.backends.iter().position(|backend| backend.is(cell)) else {
            return;
        };
        let name = &self.names[position];
        tracing::error!(backend.name = %name, error = reason, "the connection to {name} died");
        self.deaths += 1;
        if self.closing {
            self.backends.remove(position);
            return;
        }
        if self.deaths > BACKEND_DEATHS_MAX {
            return;
        }
        match self.start_backend(position, Vec::new()).await {
            Ok(backend) => self.backends[position] = backend,
            Err(error) => tracing::error!(%error, "could not start a connection anew"),
        }
    }

    fn warm(&self) {
        for backend in self.backends.clone() {
            // Its outcome shows in the connection's state.
            tokio::spawn(async move {
                drop(backend.connect(LinkKey::Default, Context::default()).await)
            });
        }
    }
}

impl Session {
    fn reported(&mut self, report: Report) {
        match report {
            Report::Changed { .. } | Report::Reachable { .. } | Report::Unreachable { .. } => {
                self.tell_listeners();
            }
            Report::Heard { .. } | Report::Asked { .. } | Report::Withdrawn { .. } => {}
            Report::LinkOpened {
                backend,
                link,
                memory,
            } => self.store_link(backend, link, memory),
        }
    }

    fn store_link(&mut self, backend: BackendName, link: LinkKey, memory: Memory) {
        let mcp_session = match link {
            LinkKey::Default => None,
            LinkKey::Own(id) => Some(id),
            // Nothing tells after a restart who could use it.
            LinkKey::Capable(_) => return,
        };
        let record = LinkRecord {
            session: self.id,
            mcp_session,
            backend,
            revision: memory.revision,
            backend_session: memory.backend_session,
            discovery: memory.discovery,
        };
        let store = self.shared.store.clone();
        let storing = tokio::spawn(async move {
            match store.put_link(record).await {
                // The MCP session ended meanwhile.
                Ok(()) | Err(StoreError::Gone) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not remember a connection; after a restart it is opened anew");
                }
            }
        });
        self.await_before_opening(link, storing);
    }
}

fn remember(link: &LinkRecord) -> (LinkKey, Memory) {
    let memory = Memory {
        revision: link.revision,
        backend_session: link.backend_session.clone(),
        discovery: link.discovery.clone(),
    };
    (
        link.mcp_session.map_or(LinkKey::Default, LinkKey::Own),
        memory,
    )
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
