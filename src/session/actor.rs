//! One session's actor: routes exchanges, keeps the clients' MCP sessions, owns the connections.
//!
//! Its handler is a list of one-line arms; nothing in it waits for a network or a disk.

mod calls;
mod clients;
mod connections;
mod hearing;
mod lists;
mod mcp_session;
mod patching;
mod questions;
mod renewing;
mod reports;
mod resting;
mod running;
mod subscribing;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    backend::{Backend, Life, Witness},
    limits::MCP_SESSIONS_PER_SESSION_MAX,
    mcp::{
        discovery::Discovery,
        failure::Failure,
        method::{
            COMPLETE, PING, PROMPTS_GET, RESOURCES_READ, SET_LEVEL, SUBSCRIBE, TASKS_CANCEL,
            TASKS_GET, TASKS_RESULT, TASKS_UPDATE, TOOLS_CALL, UNSUBSCRIBE,
        },
        name::{BackendName, Naming},
        shelf::Shelf,
    },
    routing::resource::ResourceIndex,
    store::{LinkRecord, StoredServer, StoredSession},
};

use super::{
    clock::now_ms,
    exchange::{Exchange, Place},
    kept::KeptLists,
    message::SessionMessage,
    outbox::Outbox,
    parked::Parked,
    request_state::RequestStates,
    shared::Shared,
};

use hearing::Subscriber;
use mcp_session::McpSession;
pub(crate) use patching::Patcher;
use patching::{LinkWrites, Patching};
pub(super) use running::Entered;
use running::Running;

/// Whether a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// It goes to sleep; its connections end.
    Asleep,
    /// It is deleted; its connections say their goodbyes.
    Deleted,
}

/// One session's state.
pub(super) struct Session {
    id: Uuid,
    owner: Option<Arc<str>>,
    name: Option<String>,
    naming: Naming,
    idle_expiry: Option<Duration>,
    created_ms: i64,
    last_used_ms: i64,
    /// What the database holds of `last_used_ms`.
    stored_used_ms: i64,
    /// Whole rows, so that a connection that died can be started anew.
    servers: Vec<StoredServer>,
    names: Vec<BackendName>,
    backends: Vec<Backend>,
    /// Connections whose places others took, or whose backends left: they say their goodbyes.
    leaving: Vec<Backend>,
    /// Of all of them: they end with this.
    lives: Vec<Life>,
    patching: Patching,
    /// What its connections tell others of a provider counts as one session's word, whoever comes and goes.
    witness: Witness,
    link_writes: LinkWrites,
    deaths: u32,
    ending: Ending,
    /// When it was made or woken.
    woken_ms: i64,
    /// What each backend says of itself, once it was met; by position, as all else that has one.
    met: Vec<Option<Discovery>>,
    /// Whether several backends could be asked for a resource.
    shares_resources: bool,
    /// Whether what a backend lists may depend on a credential.
    uses_credentials: bool,
    resources: ResourceIndex,
    kept_lists: KeptLists,
    /// Counts the changes of what the session shows of its backends' lists.
    edition: u64,
    /// Backends of which clients were told that they cannot be reached.
    unreachable: HashSet<BackendName>,
    mcp_sessions: HashMap<Uuid, McpSession>,
    /// MCP sessions that have a link of their own with the backend at a position.
    linked: HashSet<(Uuid, usize)>,
    /// Listeners without an MCP session.
    subscribers: HashMap<u64, Subscriber>,
    /// Exchanges that wait for their clients' answers.
    parked: HashMap<Uuid, Parked>,
    states: Arc<RequestStates>,
    /// What is being stored for MCP sessions that are being opened.
    storing: HashMap<Uuid, Vec<JoinHandle<()>>>,
    /// MCP sessions that ended, but whose rows are still there: each keeps its place until then.
    ended: HashMap<Uuid, Option<OwnedSemaphorePermit>>,
    /// Places for those that are open, being opened, or not yet gone.
    mcp_session_places: Arc<Semaphore>,
    running: Running,
    outbox: Outbox,
    shared: Shared,
    myself: ActorRef<SessionMessage>,
}

pub(super) struct SessionActor;

impl Actor for SessionActor {
    type Msg = SessionMessage;
    type State = Session;
    type Arguments = (StoredSession, Shared, Outbox);

    async fn pre_start(
        &self,
        myself: ActorRef<SessionMessage>,
        (record, shared, outbox): (StoredSession, Shared, Outbox),
    ) -> Result<Session, ActorProcessingErr> {
        Ok(Session::start(record, shared, outbox, myself))
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
            } => session.running.cancel(mcp_session, &request),
            SessionMessage::Left { mcp_session } => session.left(mcp_session),
            SessionMessage::Unsubscribed { number } => session.unsubscribed(number),
            SessionMessage::KeepWants { mcp_session, kept } => {
                session.keep_wants(mcp_session, Some(kept));
            }
            SessionMessage::WantsKept { mcp_session } => session.wants_kept(mcp_session),
            SessionMessage::NotSubscribed { mcp_session, uri } => {
                session.not_subscribed(mcp_session, &uri);
            }
            SessionMessage::Listed {
                shelf: which,
                keys,
                kept,
            } => session.listed(which, keys, kept),
            SessionMessage::Saw { backend, uris } => session.saw(&backend, uris),
            SessionMessage::ParkedTooLong { id } => session.expire_parked(id),
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
            SessionMessage::Subscribe {
                number,
                subscription,
                reply,
            } => session.subscribe_to(number, subscription, reply),
            SessionMessage::Asked {
                mcp_session,
                id,
                question,
            } => session.asked(mcp_session, id, question),
            SessionMessage::Withdrawn {
                mcp_session,
                number,
            } => session.forget_asked(mcp_session, number),
            SessionMessage::Answer {
                mcp_session,
                id,
                answered,
            } => session.answer(mcp_session, &id, answered),
            SessionMessage::Notify {
                mcp_session,
                notification,
            } => session.notify(mcp_session, &notification),
            SessionMessage::Park { id, parked, reply } => session.park(id, parked, reply),
            SessionMessage::TakeUp { id, reply } => session.take_up(id, reply),
            SessionMessage::Warm => session.warm(),
            SessionMessage::Sweep(done) => session.sweep(done),
            SessionMessage::NotWrittenDown => session.not_written_down(),
            SessionMessage::Sleep(reply) => session.sleep(reply),
            SessionMessage::ConnectionsUnneeded(reply) => session.fall_asleep(reply),
            SessionMessage::ConnectionsAsleep => session.end_asleep(),
            SessionMessage::StopListening => session.leave_off(),
            SessionMessage::GiveUp => session.give_up(),
            SessionMessage::Close => session.close(),
            SessionMessage::Reported { number, report } => session.reported(number, report),
            SessionMessage::Patch { patch, reply } => session.patch(patch, reply),
            SessionMessage::Patched {
                plan,
                outcome,
                reply,
            } => session.patched(*plan, outcome, reply),
            SessionMessage::MeetRegistry => session.meet_registry(),
            SessionMessage::Describe(reply) => session.describe(reply),
        }
        Ok(())
    }
}

impl Session {
    fn start(
        record: StoredSession,
        shared: Shared,
        outbox: Outbox,
        myself: ActorRef<SessionMessage>,
    ) -> Self {
        let oldest_ms = shared.oldest_mcp_session_ms();
        let backends = record.servers.len();
        let uses_credentials = record
            .servers
            .iter()
            .any(|server| shared.uses_credential(server));
        let states = RequestStates::new(record.id, shared.store.sealer());
        let places = Arc::new(Semaphore::new(MCP_SESSIONS_PER_SESSION_MAX));
        let mut session = Self {
            id: record.id,
            owner: record.owner,
            name: record.name,
            naming: record.naming,
            idle_expiry: record.idle_expiry,
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
            leaving: Vec::new(),
            lives: Vec::with_capacity(backends),
            patching: Patching::default(),
            witness: Witness::another(),
            link_writes: LinkWrites::default(),
            met: vec![None; backends],
            shares_resources: false,
            uses_credentials,
            resources: ResourceIndex::new(backends),
            kept_lists: KeptLists::default(),
            edition: 0,
            unreachable: HashSet::new(),
            deaths: 0,
            ending: Ending::No,
            woken_ms: now_ms(),
            storing: HashMap::new(),
            mcp_sessions: HashMap::new(),
            linked: HashSet::new(),
            subscribers: HashMap::new(),
            parked: HashMap::new(),
            states: Arc::new(states),
            ended: HashMap::new(),
            mcp_session_places: places,
            running: Running::default(),
            outbox,
            shared,
            myself,
        };
        let mut expired = Vec::new();
        for stored in record.mcp_sessions {
            if stored.last_used_ms < oldest_ms {
                expired.push(stored.id);
            }
            session.remember_mcp_session(stored);
        }
        for position in 0..session.servers.len() {
            let name = &session.names[position];
            let links = record.links.iter().filter(|link| {
                let is_open = |id: &Uuid| session.mcp_sessions.contains_key(id);
                link.backend == *name && link.mcp_session.as_ref().is_none_or(is_open)
            });
            let links: Vec<&LinkRecord> = links.collect();
            let server = session.servers[position].clone();
            // Looked up once: the registry may be replaced meanwhile.
            let spec = session.spec(&server);
            let remembered = session.remember_links(position, spec.as_ref(), &links);
            let backend = session.start_backend(&server, spec, remembered);
            session.backends.push(backend);
        }
        for id in expired {
            // Its backends are told, and its row goes in the background.
            let _going = session.forget_mcp_session(id);
        }
        session.want_what_was_wanted();
        session
    }

    fn is_ending(&self) -> bool {
        self.ending != Ending::No
    }

    fn begin(&mut self, mut exchange: Box<Exchange>, mut place: Place) {
        if self.is_ending() {
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
        self.running.began(&exchange, &mut place);
        match exchange.request.method.as_ref() {
            TOOLS_CALL => self.call_named(Shelf::Tools, exchange, place),
            PROMPTS_GET => self.call_named(Shelf::Prompts, exchange, place),
            RESOURCES_READ => self.read(exchange, place),
            SUBSCRIBE => self.subscribe(exchange, place),
            UNSUBSCRIBE => self.unsubscribe(exchange),
            COMPLETE => self.complete(exchange, place),
            SET_LEVEL => self.set_level(exchange, place),
            PING => exchange.complete("{}"),
            TASKS_GET | TASKS_UPDATE | TASKS_CANCEL | TASKS_RESULT => {
                self.call_about_task(exchange, place);
            }
            method => match Shelf::of(method) {
                Some(which) => self.list(which, exchange, place),
                None => self.call_unknown(exchange, place),
            },
        }
    }
}
