//! What one session's actor does: routes exchanges, keeps the clients' MCP sessions, owns the connections.
//!
//! A handler is a list of one-line arms; nothing in it waits for a network or a disk.

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
mod storing;
mod subscribing;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

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
        message::RequestId,
        method::{
            COMPLETE, PING, PROMPTS_GET, RESOURCES_READ, SET_LEVEL, SUBSCRIBE, TASKS_CANCEL,
            TASKS_GET, TASKS_RESULT, TASKS_UPDATE, TOOLS_CALL, UNSUBSCRIBE,
        },
        name::{BackendName, Naming},
        request::Context,
        shelf::Shelf,
    },
    routing::resource::ResourceIndex,
    store::{LinkRecord, StoredServer, StoredSession},
};

use super::{
    clock::now_ms,
    exchange::{Exchange, Place},
    kept::KeptLists,
    mailbox::Mailbox,
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
use storing::Storing;

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
    /// What is being stored of MCP sessions that are being opened, each of which tells whether they can be kept.
    opening: HashMap<Uuid, Vec<JoinHandle<bool>>>,
    /// MCP sessions that are being stored.
    storing: HashMap<Uuid, Storing>,
    /// MCP sessions that ended, but whose rows are still there: each keeps its place until then.
    ended: HashMap<Uuid, Option<OwnedSemaphorePermit>>,
    /// Places for those that are open, being opened, or not yet gone.
    mcp_session_places: Arc<Semaphore>,
    running: Running,
    outbox: Outbox,
    shared: Shared,
    myself: Mailbox,
}

impl Session {
    /// Takes a message, at once or after what it has to wait for.
    pub(super) fn receive(&mut self, message: SessionMessage) {
        if let Some(message) = self.after_storing(message) {
            self.take(message);
        }
    }

    /// Takes a message now.
    fn take(&mut self, message: SessionMessage) {
        match message {
            #[cfg(test)]
            SessionMessage::Mistake => panic!("as a test wants it"),
            SessionMessage::Begin { exchange, place } => self.begin(exchange, place),
            SessionMessage::Cancel {
                mcp_session,
                request,
            } => self.cancel(mcp_session, &request),
            SessionMessage::Left { mcp_session } => self.left(mcp_session),
            SessionMessage::Unsubscribed { number } => self.unsubscribed(number),
            SessionMessage::KeepWants { mcp_session, kept } => {
                self.keep_wants(mcp_session, Some(kept));
            }
            SessionMessage::WantsKept { mcp_session } => self.wants_kept(mcp_session),
            SessionMessage::NotSubscribed { mcp_session, uri } => {
                self.not_subscribed(mcp_session, &uri);
            }
            SessionMessage::Listed {
                shelf: which,
                keys,
                kept,
            } => self.listed(which, keys, kept),
            SessionMessage::Saw { backend, uris } => self.saw(&backend, uris),
            SessionMessage::ParkedTooLong { id } => self.expire_parked(id),
            SessionMessage::OpenMcpSession { client, reply } => {
                self.open_mcp_session(client, reply);
            }
            SessionMessage::McpSessionOpened { id, welcome, reply } => {
                self.mcp_session_opened((id, welcome), reply);
            }
            SessionMessage::McpSessionStored { id, stored } => self.mcp_session_stored(id, stored),
            SessionMessage::McpSessionDeleted { id } => self.mcp_session_deleted(id),
            SessionMessage::Discover { context, reply } => self.discover(context, reply),
            SessionMessage::EndMcpSession { id, reply } => self.end_mcp_session(id, reply),
            SessionMessage::Listen {
                mcp_session,
                listener,
                reply,
            } => self.listen(mcp_session, listener, reply),
            SessionMessage::Knows { mcp_session, reply } => self.knows(mcp_session, reply),
            SessionMessage::Subscribe {
                number,
                subscription,
                reply,
            } => self.subscribe_to(number, subscription, reply),
            SessionMessage::Asked {
                mcp_session,
                id,
                question,
            } => self.asked(mcp_session, id, question),
            SessionMessage::Withdrawn {
                mcp_session,
                number,
            } => self.forget_asked(mcp_session, number),
            SessionMessage::Answer {
                mcp_session,
                id,
                answered,
            } => self.answer(mcp_session, &id, answered),
            SessionMessage::Notify {
                mcp_session,
                notification,
            } => self.notify(mcp_session, &notification),
            SessionMessage::Park { id, parked, reply } => self.park(id, parked, reply),
            SessionMessage::TakeUp { id, reply } => self.take_up(id, reply),
            SessionMessage::Warm => self.warm(),
            SessionMessage::Sweep(done) => self.sweep(done),
            SessionMessage::NotWrittenDown => self.not_written_down(),
            SessionMessage::Sleep(reply) => self.sleep(reply),
            SessionMessage::ConnectionsUnneeded(reply) => self.fall_asleep(reply),
            SessionMessage::ConnectionsAsleep => self.end_asleep(),
            SessionMessage::StopListening => self.leave_off(),
            SessionMessage::GiveUp => self.give_up(),
            SessionMessage::Close => self.close(),
            SessionMessage::Reported { number, report } => self.reported(number, report),
            SessionMessage::Patch { patch, reply } => self.patch(patch, reply),
            SessionMessage::Patched {
                plan,
                outcome,
                reply,
            } => self.patched(*plan, outcome, reply),
            SessionMessage::MeetRegistry => self.meet_registry(),
            SessionMessage::Describe(reply) => self.describe(reply),
        }
    }

    /// A session with all that its record says. Its connections begin where this is called.
    pub(super) fn start(
        record: StoredSession,
        shared: Shared,
        outbox: Outbox,
        myself: Mailbox,
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
            opening: HashMap::new(),
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

    /// Takes a request back at its client's wish.
    fn cancel(&self, mcp_session: Uuid, request: &RequestId) {
        if !self.cancel_waiting(mcp_session, request) {
            self.running.cancel(mcp_session, request);
        }
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
            if !mcp_session.is_stored {
                return self.store_before(id, SessionMessage::Begin { exchange, place });
            }
            exchange.request.context = Context {
                // The one thing that differs from request to request in the legacy era.
                trace: exchange.request.context.trace.take(),
                ..mcp_session.context.clone()
            };
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
