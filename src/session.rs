//! Joins clients with backends: one actor a session, under one supervisor.
//!
//! Knows backends, routing, the store and the registry; never HTTP, bytes or eras.

mod actor;
mod clock;
mod describe;
mod directory;
mod exchange;
mod fan_out;
mod heard;
mod in_order;
mod message;
pub mod outbox;
mod parked;
mod patch;
mod request_state;
mod supervisor;
#[cfg(test)]
mod tests;
mod translation;
mod used;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ractor::{Actor, ActorRef};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::HttpClients,
    limits::{REHYDRATED_MAX, REHYDRATION_PAUSE, SESSIONS_MAX},
    registry::Registry,
    store::{ServerRecord, SessionRecord, Store},
};

use actor::Shared;
use clock::now_ms;
use directory::Directory;
use supervisor::{Supervisor, SupervisorMessage};

pub use describe::{
    ConnectionDescription, ConnectionState, NewServer, NewSession, SessionDescription,
    SessionListing, SessionsError,
};
pub use directory::SessionRef;
pub use exchange::{Exchange, InFlight};
pub use heard::Heard;
pub use message::{Client, Filter, Told, Welcome};
pub use outbox::Outbox;
pub use parked::{Parked, TakenUp};
pub use patch::{PatchError, SessionPatch};

/// The part of a session's id that may stand in logs: enough to find it, too little to use it.
#[must_use]
pub fn short(id: Uuid) -> String {
    let mut text = id.simple().to_string();
    text.truncate(8);
    text
}

/// How sessions treat time.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How long `initialize` waits for slow backends.
    pub initialize_deadline: Duration,
    /// How long an MCP session lives without a request.
    pub mcp_session_ttl: Duration,
    /// How long a session lives that nobody uses; `None` for until it is deleted.
    pub session_idle_ttl: Option<Duration>,
    /// How long an exchange waits for its client's answer.
    pub input_timeout: Duration,
}

/// A handle to all sessions.
#[derive(Clone)]
pub struct Sessions {
    directory: Directory,
    supervisor: ActorRef<SupervisorMessage>,
    store: Store,
    /// How many are stored: counted once, at the start.
    count: Arc<AtomicU64>,
}

impl Sessions {
    /// Starts the supervisor. No session is read yet.
    ///
    /// # Errors
    ///
    /// When the supervisor cannot be started, or the store does not answer.
    pub async fn start(
        registry: Arc<Registry>,
        store: Store,
        patience: Patience,
    ) -> Result<Self, SessionsError> {
        let directory = Directory::new(store.sealer());
        let count = Arc::new(AtomicU64::new(store.count_sessions().await?));
        let shared = Shared {
            registry,
            store: store.clone(),
            clients: HttpClients::default(),
            initialize_deadline: patience.initialize_deadline,
            mcp_session_ttl: patience.mcp_session_ttl,
            session_idle_ttl: patience.session_idle_ttl,
            input_timeout: patience.input_timeout,
            count: Arc::clone(&count),
        };
        let (supervisor, _) = Actor::spawn(None, Supervisor, (shared, directory.clone()))
            .await
            .map_err(|_| SessionsError::Stopping)?;
        Ok(Self {
            directory,
            supervisor,
            count,
            store,
        })
    }

    /// Wakes stored sessions one by one in the background, so that requests never queue behind it.
    /// Those beyond [`REHYDRATED_MAX`] stay asleep until their first request.
    pub fn rehydrate(&self) {
        let sessions = self.clone();
        tokio::spawn(async move {
            let ids = match sessions.store.recent_session_ids(REHYDRATED_MAX).await {
                Ok(ids) => ids,
                Err(error) => {
                    return tracing::error!(%error, "could not read the stored sessions");
                }
            };
            let mut awake = 0_usize;
            for id in ids {
                match sessions.find(id).await {
                    Ok(found) => awake += usize::from(found.is_some()),
                    Err(error) => {
                        tracing::error!(session.id = %short(id), %error, "could not wake a session");
                    }
                }
                tokio::time::sleep(REHYDRATION_PAUSE).await;
            }
            if awake > 0 {
                tracing::info!(sessions = awake, "woke {awake} stored sessions");
            }
        });
    }

    /// Finds a session, and wakes it if it sleeps; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When its row cannot be read, or it died too often.
    pub async fn find(&self, id: Uuid) -> Result<Option<SessionRef>, SessionsError> {
        if let Some(session) = self.directory.get(id) {
            return Ok(Some(session));
        }
        self.ask(|reply| SupervisorMessage::Open { id, reply })
            .await?
    }

    /// Makes a session. It is durable when this returns, and its backends are being connected to.
    ///
    /// # Errors
    ///
    /// When it could not be stored, or there are too many.
    pub async fn create(&self, new: NewSession) -> Result<Uuid, SessionsError> {
        if self.count.load(Ordering::Relaxed) >= SESSIONS_MAX {
            return Err(SessionsError::Busy {
                limit: SESSIONS_MAX,
            });
        }
        let id = Uuid::new_v4();
        let now = now_ms();
        let record = SessionRecord {
            id,
            name: new.name,
            naming: new.naming,
            servers: new
                .servers
                .into_iter()
                .map(|server| ServerRecord {
                    backend: server.backend,
                    credential: server.credential,
                })
                .collect(),
            created_ms: now,
            last_used_ms: now,
        };
        self.ask(|reply| SupervisorMessage::Create { record, reply })
            .await??;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(id)
    }

    /// Deletes a session and what it holds open; tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn delete(&self, id: Uuid) -> Result<bool, SessionsError> {
        let deleted = self
            .ask(|reply| SupervisorMessage::Delete { id, reply })
            .await??;
        if deleted {
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(deleted)
    }

    /// Changes a session, and tells how it stands then. What it is from now on is durable when this
    /// returns; calls on their way to a connection whose credential changed go on over that.
    ///
    /// # Errors
    ///
    /// [`PatchError`]; nothing is changed then.
    pub async fn patch(
        &self,
        id: Uuid,
        patch: SessionPatch,
    ) -> Result<SessionDescription, PatchError> {
        let session = self.find(id).await?.ok_or(PatchError::Gone)?;
        if let Some(answer) = session.patch(patch).await {
            return answer;
        }
        // Deleted, if it is not there any more.
        match self.find(id).await? {
            None => Err(PatchError::Gone),
            Some(_) => Err(SessionsError::Interrupted.into()),
        }
    }

    /// Tells how a session stands; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When its row cannot be read.
    pub async fn describe(&self, id: Uuid) -> Result<Option<SessionDescription>, SessionsError> {
        let Some(session) = self.find(id).await? else {
            return Ok(None);
        };
        Ok(session.describe().await.ok())
    }

    /// Lists stored sessions after an id, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn list(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<SessionListing>, SessionsError> {
        let summaries = self.store.sessions(after, limit).await?;
        Ok(summaries
            .into_iter()
            .map(|summary| SessionListing {
                id: summary.id,
                name: summary.name,
                servers: summary.servers,
                created_ms: summary.created_ms,
                last_used_ms: summary.last_used_ms,
            })
            .collect())
    }

    /// How many sessions are stored.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Tells whether the store answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ready(&self) -> Result<(), SessionsError> {
        Ok(self.store.ping().await?)
    }

    /// Takes no further exchange, and ends the streams on which clients hear of changes: they would
    /// outlast every deadline.
    pub fn stop(&self) {
        self.directory.stop();
        for session in self.directory.all() {
            session.stop_listening();
        }
    }

    /// Answers whatever is in flight, at once and for the gateway: it has no more time.
    pub fn give_up(&self) {
        for session in self.directory.all() {
            session.give_up();
        }
    }

    /// Has every live session write down what was used, before the gateway stops.
    pub async fn rest(&self) {
        // What could not be written has been logged.
        let _written = used::write_down(&self.directory.all(), &self.store).await;
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> SupervisorMessage,
    ) -> Result<T, SessionsError> {
        let (reply, answer) = oneshot::channel();
        // A supervisor that is gone drops the reply.
        drop(self.supervisor.cast(question(reply)));
        answer.await.map_err(|_| SessionsError::Stopping)
    }
}
