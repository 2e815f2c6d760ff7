//! The supervisor of all sessions: makes them, wakes them from the store, has them sleep, buries them.

mod making;
mod resting;
mod sweeping;
mod waking;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::{
    limits::SWEEP_INTERVAL,
    store::{SessionRecord, StoreError, StoredSession},
};

use super::{describe::SessionsError, directory::Directory, quota::SessionPlace, shared::Shared};

pub(super) use waking::Finder;

use making::{Made, Maker, Making};
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
        reply: Maker,
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
    /// Command: have every live session meet the registry that is in force now.
    MeetRegistry,
    /// Command: have a session sleep, if nobody has it.
    Rest { id: Uuid },
    /// Fact: a session that was to sleep stays awake.
    Stayed { id: Uuid },
    /// Fact: a new session is stored.
    Stored {
        session: Box<StoredSession>,
        made: Made,
        reply: Maker,
    },
    /// Fact: a row was read.
    Loaded {
        id: Uuid,
        row: Result<Option<Box<StoredSession>>, StoreError>,
    },
    /// Fact: a row is deleted, or was not there; whoever asked is answered when nobody finds the session any more.
    Deleted {
        id: Uuid,
        was_there: bool,
        reply: oneshot::Sender<Result<bool, SessionsError>>,
    },
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
    making: Making,
    /// The turn to look after all sessions.
    sweeps: Arc<Semaphore>,
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
            making: Making::start(myself.clone()),
            sweeps: Arc::new(Semaphore::new(1)),
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
            SupervisorMessage::Stored {
                session,
                made,
                reply,
            } => state.stored(*session, made, reply).await,
            SupervisorMessage::Open { id, finder } => state.open(id, finder),
            SupervisorMessage::Loaded { id, row } => state.loaded(id, row).await,
            SupervisorMessage::Delete { id, owner, reply } => state.delete(id, owner, reply),
            SupervisorMessage::Deleted {
                id,
                was_there,
                reply,
            } => state.deleted_for(id, was_there, reply),
            SupervisorMessage::Expired { id } => state.expired(id),
            SupervisorMessage::Sweep => state.sweep(),
            SupervisorMessage::MeetRegistry => state.meet_registry(),
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
            match deleted {
                // Without a supervisor the gateway is going down.
                Ok(was_there) => drop(myself.cast(SupervisorMessage::Deleted {
                    id,
                    was_there,
                    reply,
                })),
                // Whoever asked may have left.
                Err(error) => drop(reply.send(Err(error.into()))),
            }
        });
    }

    /// Each session that was started before now is told: those that are started later find the registry themselves.
    fn meet_registry(&self) {
        let registry = self.shared.registry.now();
        self.shared.clients.keep_those_of(&registry);
        for session in self.directory.all().iter().chain(self.on_their_way()) {
            session.meet_registry();
        }
    }

    fn deleted_for(
        &mut self,
        id: Uuid,
        was_there: bool,
        reply: oneshot::Sender<Result<bool, SessionsError>>,
    ) {
        self.deleted(id);
        // Whoever asked may have left.
        drop(reply.send(Ok(was_there)));
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
