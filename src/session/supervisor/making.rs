//! How sessions are made: stored first. Where few are made at once, one is started and connects before its maker
//! is answered; in a rush it sleeps, and connects when the rush is over, or with its first request.

use std::sync::Arc;

use ractor::ActorRef;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};
use uuid::Uuid;

use crate::{
    limits::{CONNECTED_LATER_MAX, REHYDRATION_PAUSE, RUSH, RUSH_PAUSE},
    session::{SessionsError, quota::SessionPlace},
    store::{SessionRecord, StoredServer, StoredSession},
};

use super::{State, SupervisorMessage, waking::Finder};

/// Who waits for a session to be made.
pub(super) type Maker = oneshot::Sender<Result<(), SessionsError>>;

/// Counts the sessions that are being made, and keeps those that connect later.
pub(super) struct Making {
    /// One for each session that is being made, and this one.
    counted: Arc<()>,
    later: mpsc::Sender<Uuid>,
}

/// A session that is being made, until this is dropped.
pub(in crate::session) struct Made {
    counted: Arc<()>,
    /// Whether many others were being made when this began: those are answered together, so that the last of them
    /// would find themselves alone.
    began_in_rush: bool,
}

impl Making {
    /// Begins to connect later what is kept for that, with this supervisor.
    pub(super) fn start(supervisor: ActorRef<SupervisorMessage>) -> Self {
        let counted = Arc::new(());
        let (later, kept) = mpsc::channel(CONNECTED_LATER_MAX);
        tokio::spawn(connect_later(kept, Arc::clone(&counted), supervisor));
        Self { counted, later }
    }

    fn begin(&self) -> Made {
        Made {
            began_in_rush: is_rush(&self.counted),
            counted: Arc::clone(&self.counted),
        }
    }
}

/// Whether many sessions are being made. Besides them, two hold the count: who makes them, and who connects them.
fn is_rush(counted: &Arc<()>) -> bool {
    Arc::strong_count(counted) > RUSH + 2
}

impl State {
    pub(super) fn create(&self, record: SessionRecord, place: SessionPlace, reply: Maker) {
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        let made = self.making.begin();
        tokio::spawn(async move {
            let session = Box::new(as_stored(&record));
            match store.create_session(record).await {
                Ok(()) => {
                    place.keep();
                    // Without a supervisor the gateway is going down; the row is there for the next.
                    drop(myself.cast(SupervisorMessage::Stored {
                        session,
                        made,
                        reply,
                    }));
                }
                // Whoever asked may have left.
                Err(error) => drop(reply.send(Err(error.into()))),
            }
        });
    }

    pub(super) async fn stored(&mut self, session: StoredSession, made: Made, reply: Maker) {
        if made.began_in_rush || is_rush(&made.counted) {
            // One for which there is no room connects with its first request.
            let _full = self.making.later.try_send(session.id);
        } else if let Some(session) = self.start(session).await {
            session.warm();
        }
        // A session that did not start is in the store, and starts with its first request.
        drop(reply.send(Ok(())));
    }
}

/// Connects sessions one by one whenever there is no rush.
async fn connect_later(
    mut kept: mpsc::Receiver<Uuid>,
    counted: Arc<()>,
    supervisor: ActorRef<SupervisorMessage>,
) {
    while let Some(id) = kept.recv().await {
        while is_rush(&counted) {
            sleep(RUSH_PAUSE).await;
        }
        let (reply, found) = oneshot::channel();
        let finder = Finder { asker: None, reply };
        // A supervisor that is gone drops the reply.
        drop(supervisor.cast(SupervisorMessage::Open { id, finder }));
        // What could not be woken has been logged, and one that was deleted needs no connection.
        if let Ok(Ok(Some(session))) = found.await {
            session.warm();
        }
        sleep(REHYDRATION_PAUSE).await;
    }
}

fn as_stored(record: &SessionRecord) -> StoredSession {
    StoredSession {
        id: record.id,
        owner: record.owner.clone(),
        name: record.name.clone(),
        naming: record.naming,
        idle_expiry: record.idle_expiry,
        servers: record
            .servers
            .iter()
            .map(|server| StoredServer {
                backend: server.backend.clone(),
                credential: Ok(server.credential.clone()),
                tools: server.tools.clone(),
            })
            .collect(),
        created_ms: record.created_ms,
        last_used_ms: record.last_used_ms,
        mcp_sessions: Vec::new(),
        links: Vec::new(),
    }
}
