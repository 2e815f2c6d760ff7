//! The supervisor of all sessions: makes them, wakes them from the store, has them sleep, buries them.

mod resting;
mod waking;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    limits::SWEEP_INTERVAL,
    store::{SessionRecord, StoreError, StoredServer, StoredSession},
};

use super::{
    actor::Shared, describe::SessionsError, directory::Directory, quota::SessionPlace, used,
};

pub(super) use waking::Finder;

use resting::Resting;

/// How often a session died, and whose it is.
struct Deaths {
    owner: Option<Arc<str>>,
    count: u32,
}

/// Commands and facts of the supervisor.
pub(super) enum SupervisorMessage {
    /// Command: make a session; answered once it is stored.
    Create {
        record: SessionRecord,
        place: SessionPlace,
        reply: oneshot::Sender<Result<(), SessionsError>>,
    },
    /// Command: have a session live, from its row if need be.
    Open { id: Uuid, finder: Finder },
    /// Command: delete a session of that owner; answers whether there was one.
    Delete {
        id: Uuid,
        owner: Option<Arc<str>>,
        reply: oneshot::Sender<Result<bool, SessionsError>>,
    },
    /// Command: have every live session write down what was used, and those sleep that nobody uses.
    Sweep,
    /// Command: have a session sleep, if nobody has it.
    Rest { id: Uuid },
    /// Fact: a session that was to sleep stays awake.
    Stayed { id: Uuid },
    /// Fact: a new session is stored.
    Stored {
        session: Box<StoredSession>,
        reply: oneshot::Sender<Result<(), SessionsError>>,
    },
    /// Fact: a row was read.
    Loaded {
        id: Uuid,
        row: Result<Option<Box<StoredSession>>, StoreError>,
    },
    /// Fact: a row is deleted.
    Deleted { id: Uuid },
    /// Fact: the row of a session that nobody used is deleted.
    Expired { id: Uuid },
}

pub(super) struct Supervisor;

/// What the supervisor knows besides the directory.
pub(super) struct State {
    shared: Shared,
    directory: Directory,
    /// Who waits for which row.
    loading: HashMap<Uuid, Vec<Finder>>,
    /// Rows deleted while they were being read: what was read is void.
    void: HashSet<Uuid>,
    /// Sessions on their way to sleep.
    resting: HashMap<Uuid, Resting>,
    deaths: HashMap<Uuid, Deaths>,
    /// Whose actors are whose.
    actors: HashMap<ActorId, Uuid>,
    myself: ActorRef<SupervisorMessage>,
}

impl Actor for Supervisor {
    type Msg = SupervisorMessage;
    type State = State;
    type Arguments = (Shared, Directory);

    async fn pre_start(
        &self,
        myself: ActorRef<SupervisorMessage>,
        (shared, directory): (Shared, Directory),
    ) -> Result<State, ActorProcessingErr> {
        // The timer ends with the actor.
        let shortest = shared.session_idle_ttl.unwrap_or(Duration::MAX);
        let interval = SWEEP_INTERVAL.min(shortest.min(shared.dormant_after) / 4);
        let _timer = myself.send_interval(interval, || SupervisorMessage::Sweep);
        Ok(State {
            shared,
            directory,
            loading: HashMap::new(),
            void: HashSet::new(),
            resting: HashMap::new(),
            deaths: HashMap::new(),
            actors: HashMap::new(),
            myself,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        message: SupervisorMessage,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SupervisorMessage::Create {
                record,
                place,
                reply,
            } => state.create(record, place, reply),
            SupervisorMessage::Stored { session, reply } => state.stored(*session, reply).await,
            SupervisorMessage::Open { id, finder } => state.open(id, finder),
            SupervisorMessage::Loaded { id, row } => state.loaded(id, row).await,
            SupervisorMessage::Delete { id, owner, reply } => state.delete(id, owner, reply),
            SupervisorMessage::Deleted { id } => state.deleted(id),
            SupervisorMessage::Expired { id } => state.expired(id),
            SupervisorMessage::Sweep => state.sweep(),
            SupervisorMessage::Rest { id } => state.rest(id),
            SupervisorMessage::Stayed { id } => state.stayed(id),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<SupervisorMessage>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, reason) => {
                if let Some(id) = state.buried_early(cell.get_id()) {
                    let error = reason.to_string();
                    tracing::error!(session.id = %super::short(id), error, "a session died; its next request wakes it from its record");
                }
            }
            SupervisionEvent::ActorTerminated(cell, ..) => {
                state.buried(cell.get_id());
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    fn create(
        &self,
        record: SessionRecord,
        place: SessionPlace,
        reply: oneshot::Sender<Result<(), SessionsError>>,
    ) {
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let session = Box::new(as_stored(&record));
            match store.create_session(record).await {
                Ok(()) => {
                    place.keep();
                    // Without a supervisor the gateway is going down; the row is there for the next.
                    drop(myself.cast(SupervisorMessage::Stored { session, reply }));
                }
                // Whoever asked may have left.
                Err(error) => drop(reply.send(Err(error.into()))),
            }
        });
    }

    async fn stored(
        &mut self,
        session: StoredSession,
        reply: oneshot::Sender<Result<(), SessionsError>>,
    ) {
        if let Some(session) = self.start(session).await {
            session.warm();
        }
        // A session that did not start is in the store, and starts with its first request.
        drop(reply.send(Ok(())));
    }

    fn sweep(&self) {
        let (sessions, store) = (self.directory.all(), self.shared.store.clone());
        let oldest_ms = self.shared.oldest_mcp_session_ms();
        let quota = self.directory.quota().clone();
        let (unused_since_ms, myself) = (self.shared.oldest_session_ms(), self.myself.clone());
        tokio::spawn(async move {
            let written = used::write_down(&sessions, &store).await;
            if written.is_short {
                // What is in use looks idle in the store.
                return;
            }
            // Whoever has one keeps it awake.
            drop(sessions);
            for id in written.at_rest {
                // Without a supervisor there is no live session either; here and below.
                let _gone = myself.cast(SupervisorMessage::Rest { id });
            }
            // Those of sessions that sleep; the others have just said what they still use.
            if let Err(error) = store.expire_mcp_sessions(oldest_ms).await {
                tracing::warn!(%error, "could not expire idle MCP sessions");
            }
            if let Some(unused_since_ms) = unused_since_ms {
                for (id, owner) in used::expire(unused_since_ms, &store).await {
                    quota.give_back(&owner);
                    let _gone = myself.cast(SupervisorMessage::Expired { id });
                }
            }
        });
    }

    fn delete(
        &self,
        id: Uuid,
        owner: Option<Arc<str>>,
        reply: oneshot::Sender<Result<bool, SessionsError>>,
    ) {
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        let quota = self.directory.quota().clone();
        tokio::spawn(async move {
            let deleted = store.delete_session(id).await;
            if let Ok(true) = deleted {
                quota.give_back(&owner);
            }
            if deleted.is_ok() {
                // Without a supervisor there is no live session either.
                let _gone = myself.cast(SupervisorMessage::Deleted { id });
            }
            // Whoever asked may have left.
            drop(reply.send(deleted.map_err(Into::into)));
        });
    }

    fn deleted(&mut self, id: Uuid) {
        if self.loading.contains_key(&id) {
            self.void.insert(id);
        }
        self.deaths.remove(&id);
        if let Some(session) = self.directory.remove(id) {
            session.close();
        }
        self.rests_no_more(id);
    }

    fn expired(&mut self, id: Uuid) {
        tracing::info!(session.id = %super::short(id), "deleted a session that nobody used");
        self.deleted(id);
    }

    /// Forgets an actor that died of a mistake, and counts that; tells whose it was.
    fn buried_early(&mut self, actor: ActorId) -> Option<Uuid> {
        let id = *self.actors.get(&actor)?;
        let dead = self.directory.get(id).or_else(|| self.on_its_way(id));
        let owner = dead.and_then(|it| it.owner().map(Arc::from));
        let deaths = self.deaths.entry(id).or_insert(Deaths { owner, count: 0 });
        deaths.count += 1;
        self.buried(actor)
    }

    /// Forgets an actor that ended; tells whose it was.
    fn buried(&mut self, actor: ActorId) -> Option<Uuid> {
        let id = self.actors.remove(&actor)?;
        self.directory.remove_ended(id, actor);
        self.asleep(id);
        Some(id)
    }
}

fn as_stored(record: &SessionRecord) -> StoredSession {
    StoredSession {
        id: record.id,
        owner: record.owner.clone(),
        name: record.name.clone(),
        naming: record.naming,
        servers: record
            .servers
            .iter()
            .map(|server| StoredServer {
                backend: server.backend.clone(),
                credential: Ok(server.credential.clone()),
            })
            .collect(),
        created_ms: record.created_ms,
        last_used_ms: record.last_used_ms,
        mcp_sessions: Vec::new(),
        links: Vec::new(),
    }
}
