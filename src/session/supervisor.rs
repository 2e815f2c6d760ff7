//! The supervisor of all sessions: makes them, wakes them from the store, buries them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    limits::{SESSION_DEATHS_MAX, SWEEP_INTERVAL},
    store::{SessionRecord, StoreError, StoredServer, StoredSession},
};

use super::{
    actor::{SessionActor, Shared},
    describe::SessionsError,
    directory::{Directory, SessionRef},
    outbox::Outbox,
    quota::SessionPlace,
    used,
    view::Asker,
};

/// Who looks for a session, and is answered `None` when there is none.
pub(super) struct Finder {
    /// Nobody in particular: the gateway wakes what was used last.
    pub(super) asker: Option<Asker>,
    pub(super) reply: oneshot::Sender<Result<Option<SessionRef>, SessionsError>>,
}

impl Finder {
    /// Whether there is, for whoever asks, a session of that owner. Without this a stranger would wake it, or hear
    /// that it is broken.
    fn may_have(&self, owner: Option<&str>) -> bool {
        let asker = self.asker.as_ref();
        asker.is_none_or(|asker| asker.may_have(owner))
    }

    fn answer(self, answer: Result<Option<SessionRef>, SessionsError>) {
        // Whoever asked may have left.
        drop(self.reply.send(answer));
    }
}

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
    /// Command: have every live session write down what was used.
    Sweep,
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
        let interval = match shared.session_idle_ttl {
            Some(ttl) => SWEEP_INTERVAL.min(ttl / 4),
            None => SWEEP_INTERVAL,
        };
        let _timer = myself.send_interval(interval, || SupervisorMessage::Sweep);
        Ok(State {
            shared,
            directory,
            loading: HashMap::new(),
            void: HashSet::new(),
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
            let is_written = used::write_down(&sessions, &store).await;
            if !is_written {
                // What is in use looks idle in the store.
                return;
            }
            // Those of sessions that sleep; the others have just said what they still use.
            if let Err(error) = store.expire_mcp_sessions(oldest_ms).await {
                tracing::warn!(%error, "could not expire idle MCP sessions");
            }
            if let Some(unused_since_ms) = unused_since_ms {
                for (id, owner) in used::expire(unused_since_ms, &store).await {
                    quota.give_back(&owner);
                    // Without a supervisor there is no live session either.
                    let _gone = myself.cast(SupervisorMessage::Expired { id });
                }
            }
        });
    }

    fn open(&mut self, id: Uuid, finder: Finder) {
        if let Some(session) = self.directory.get(id) {
            return finder.answer(Ok(Some(session)));
        }
        if let Some(deaths) = self.deaths.get(&id)
            && deaths.count > SESSION_DEATHS_MAX
        {
            let broken = || SessionsError::Broken {
                short: super::short(id),
            };
            let is_theirs = finder.may_have(deaths.owner.as_deref());
            return finder.answer(if is_theirs { Err(broken()) } else { Ok(None) });
        }
        let waiting = self.loading.entry(id).or_default();
        waiting.push(finder);
        if waiting.len() > 1 {
            return;
        }
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let row = store.session(id).await.map(|row| row.map(Box::new));
            // Without a supervisor nobody waits.
            let _gone = myself.cast(SupervisorMessage::Loaded { id, row });
        });
    }

    async fn loaded(&mut self, id: Uuid, row: Result<Option<Box<StoredSession>>, StoreError>) {
        let waiting = self.loading.remove(&id).unwrap_or_default();
        let void = self.void.remove(&id);
        let found = match row {
            // Only for somebody whose it is: a stranger gets nothing moved.
            Ok(Some(row))
                if !void && waiting.iter().any(|it| it.may_have(row.owner.as_deref())) =>
            {
                match self.directory.get(id) {
                    Some(session) => Ok(Some(session)),
                    None => Ok(self.start(*row).await),
                }
            }
            Ok(_) => Ok(None),
            Err(error) => Err(Arc::new(error)),
        };
        if let Err(error) = &found {
            tracing::error!(session.id = %super::short(id), %error, "could not read a session");
        }
        for finder in waiting {
            finder.answer(match &found {
                Ok(session) => Ok(session.clone()),
                Err(error) => Err(SessionsError::Store(Arc::clone(error))),
            });
        }
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
    }

    fn expired(&mut self, id: Uuid) {
        tracing::info!(session.id = %super::short(id), "deleted a session that nobody used");
        self.deleted(id);
    }

    /// Forgets an actor that died of a mistake, and counts that; tells whose it was.
    fn buried_early(&mut self, actor: ActorId) -> Option<Uuid> {
        let id = *self.actors.get(&actor)?;
        let owner = self
            .directory
            .get(id)
            .and_then(|it| it.owner().map(Arc::from));
        let deaths = self.deaths.entry(id).or_insert(Deaths { owner, count: 0 });
        deaths.count += 1;
        self.buried(actor)
    }

    /// Forgets an actor that ended; tells whose it was.
    fn buried(&mut self, actor: ActorId) -> Option<Uuid> {
        let id = self.actors.remove(&actor)?;
        self.directory.remove_ended(id, actor);
        Some(id)
    }

    async fn start(&mut self, row: StoredSession) -> Option<SessionRef> {
        let (id, owner) = (row.id, row.owner.clone());
        let outbox = Outbox::default();
        let started = Actor::spawn_linked(
            None,
            SessionActor,
            (row, self.shared.clone(), outbox.clone()),
            self.myself.get_cell(),
        )
        .await;
        match started {
            Ok((actor, _)) => {
                self.actors.insert(actor.get_id(), id);
                Some(self.directory.insert(id, owner, actor, outbox))
            }
            Err(error) => {
                tracing::error!(session.id = %super::short(id), %error, "could not start a session");
                None
            }
        }
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
