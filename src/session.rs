//! Joins clients with backends: one actor a session, under one supervisor.
//!
//! Knows backends, routing, the store and the registry; never HTTP, bytes or eras.

mod activity;
mod actor;
mod clock;
mod describe;
mod directory;
mod exchange;
mod fan_out;
mod heard;
mod in_order;
mod kept;
mod mailbox;
mod message;
pub mod outbox;
mod parked;
mod patch;
mod quota;
mod request_state;
mod shared;
mod supervisor;
#[cfg(test)]
mod tests;
mod translation;
mod used;
mod view;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef};
use smol_str::SmolStr;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::HttpClients,
    callers::Caller,
    lanes::{Lane, Lanes},
    limits::{REHYDRATED_MAX, REHYDRATION_PAUSE},
    metrics::{Metrics, MetricsError, Now},
    registry::{CurrentRegistry, Differences},
    store::Store,
};

use clock::before_now_ms;
use directory::Directory;
use quota::Quota;
use shared::Shared;
use supervisor::{Finder, Supervisor, SupervisorMessage};
use view::Asker;

pub use crate::store::Change;
pub use activity::{Activity, Done, Watcher};
pub use describe::{
    ConnectionDescription, ConnectionState, NewServer, NewSession, Presence, ProviderTrouble,
    SessionDescription, SessionListing, SessionsError,
};
pub use directory::SessionRef;
pub use exchange::{Exchange, InFlight};
pub use heard::Heard;
pub use message::{Client, Filter, Told, Welcome};
pub use outbox::Outbox;
pub use parked::{Parked, TakenUp};
pub use patch::{PatchError, SessionPatch};
pub use quota::Caps;
pub use view::SessionsView;

/// The part of a session's id that may stand in logs: enough to find it, too little to use it.
#[must_use]
pub fn short(id: Uuid) -> SmolStr {
    let mut text = Uuid::encode_buffer();
    id.simple()
        .encode_lower(&mut text)
        .chars()
        .take(8)
        .collect()
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
    /// How long a session stays awake that nobody uses.
    pub dormant_after: Duration,
    /// How long an exchange waits for its client's answer.
    pub input_timeout: Duration,
}

/// A handle to all sessions. What is to be done with one of them is done for a caller: see [`Self::seen_by`].
#[derive(Clone)]
pub struct Sessions(Arc<Parts>);

/// What all handles share.
struct Parts {
    directory: Directory,
    supervisor: ActorRef<SupervisorMessage>,
    store: Store,
    quota: Quota,
    /// What the connections of all sessions go through.
    clients: HttpClients,
    lanes: Lanes,
    dormant_after: Duration,
    session_idle_ttl: Option<Duration>,
}

impl Sessions {
    /// Starts the supervisor. No session is read yet.
    ///
    /// # Errors
    ///
    /// When the supervisor cannot be started, or the store does not answer.
    pub async fn start(
        registry: CurrentRegistry,
        store: Store,
        patience: Patience,
        caps: Caps,
        metrics: Metrics,
        lanes: Lanes,
    ) -> Result<Self, SessionsError> {
        let quota = Quota::new(caps, store.count_sessions().await?);
        let directory = Directory::new(store.sealer(), quota.clone());
        let clients = HttpClients::new(metrics);
        let shared = Shared {
            registry,
            store: store.clone(),
            clients: clients.clone(),
            lanes: lanes.clone(),
            initialize_deadline: patience.initialize_deadline,
            mcp_session_ttl: patience.mcp_session_ttl,
            session_idle_ttl: patience.session_idle_ttl,
            dormant_after: patience.dormant_after,
            input_timeout: patience.input_timeout,
        };
        let started = Actor::spawn(None, Supervisor, (shared, directory.clone()));
        let (supervisor, _) = started.await.map_err(|_| SessionsError::Stopping)?;
        Ok(Self(Arc::new(Parts {
            directory,
            supervisor,
            store,
            quota,
            clients,
            lanes,
            dormant_after: patience.dormant_after,
            session_idle_ttl: patience.session_idle_ttl,
        })))
    }

    /// Wakes stored sessions one by one in the background, so that requests never queue behind it: those that
    /// would still be awake. Those beyond [`REHYDRATED_MAX`] stay asleep until their first request.
    pub fn rehydrate(&self) {
        let sessions = self.clone();
        tokio::spawn(async move {
            let used_since_ms = before_now_ms(sessions.0.dormant_after);
            let recent = sessions
                .0
                .store
                .recent_session_ids(used_since_ms, REHYDRATED_MAX);
            let ids = match recent.await {
                Ok(ids) => ids,
                Err(error) => {
                    return tracing::error!(%error, "could not read the stored sessions");
                }
            };
            let mut awake = 0_usize;
            for id in ids {
                match sessions.open(id, None).await {
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

    /// Forgets what was agreed upon with providers that will be others. Before the registry is another: a session that is
    /// woken by it must not say that to whoever is behind the name then.
    pub async fn forget_links(&self, differences: &Differences) {
        let void = differences.void();
        if !void.is_empty()
            && let Err(error) = self.0.store.forget_links(None, &void).await
        {
            tracing::warn!(%error, "could not forget what providers said that are others now; it is left when their sessions wake");
        }
    }

    /// Has live sessions replace the connections that they have with providers that are others now; all else goes on.
    pub fn meet_registry(&self) {
        // Without a supervisor there is no live session either.
        let _gone = self.0.supervisor.cast(SupervisorMessage::MeetRegistry);
    }

    /// The sessions as a caller sees them.
    #[must_use]
    pub fn seen_by(&self, caller: &Caller) -> SessionsView {
        SessionsView::new(self.clone(), caller.clone())
    }

    /// Has a session live; for nobody in particular without an asker.
    async fn open(
        &self,
        id: Uuid,
        asker: Option<Asker>,
    ) -> Result<Option<SessionRef>, SessionsError> {
        self.ask(|reply| SupervisorMessage::Open {
            id,
            finder: Finder { asker, reply },
        })
        .await?
    }

    /// Where they live.
    #[must_use]
    pub fn lanes(&self) -> &Lanes {
        &self.0.lanes
    }

    /// Where a session is carried on that is awake.
    #[must_use]
    pub fn lane(&self, id: Uuid) -> Option<Lane> {
        self.0.directory.lane(id)
    }

    /// How many sessions are stored.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.quota.count()
    }

    /// Where what happens to them is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        self.0.clients.metrics()
    }

    /// What was counted, and how things stand, in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn measured(&self) -> Result<String, MetricsError> {
        self.metrics().text(&Now {
            live: self.0.directory.count(),
            stored: self.count(),
            breakers: self.0.clients.breakers(),
        })
    }

    /// Tells whether the store answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ready(&self) -> Result<(), SessionsError> {
        Ok(self.0.store.ping().await?)
    }

    /// Takes no further exchange, and ends the streams on which clients hear of changes, which would
    /// outlast every deadline, and the exchanges that wait for a client to come back, which none can.
    pub fn stop(&self) {
        self.0.directory.stop();
        for session in self.0.directory.all() {
            session.stop_listening();
        }
    }

    /// Answers whatever is in flight, at once and for the gateway: it has no more time.
    pub fn give_up(&self) {
        for session in self.0.directory.all() {
            session.give_up();
        }
    }

    /// Waits until backends have been told of what nobody waits for any more. It has to be bounded.
    pub async fn settled(&self) {
        for session in self.0.directory.all() {
            session.settled().await;
        }
    }

    /// Has every live session write down what was used, before the gateway stops.
    pub async fn rest(&self) {
        // What could not be written has been logged.
        let _written = used::write_down(&self.0.directory.all(), &self.0.store).await;
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> SupervisorMessage,
    ) -> Result<T, SessionsError> {
        let (reply, answer) = oneshot::channel();
        // A supervisor that is gone drops the reply.
        drop(self.0.supervisor.cast(question(reply)));
        answer.await.map_err(|_| SessionsError::Stopping)
    }
}
