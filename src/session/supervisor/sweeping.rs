//! What is done again and again: what was used is written down, who is not used sleeps, what is too old goes.
//!
//! A sleeping session is woken to go, so that its backends hear of it.

use std::sync::Arc;

use futures_util::future::join_all;
use ractor::ActorRef;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    limits::BURIED_AT_ONCE_MAX,
    session::{directory::SessionRef, quota::Quota, used},
    store::{Store, StoreError, Unused},
};

use super::{State, SupervisorMessage, waking::Finder};

impl State {
    /// Begins to, unless the last time is not over: where the database is slow, more and more would wait for it.
    pub(super) fn sweep(&self) {
        let Ok(turn) = Arc::clone(&self.sweeps).try_acquire_owned() else {
            return;
        };
        let sessions = self.directory.all();
        let sweeping = Sweeping {
            store: self.shared.store.clone(),
            quota: self.directory.quota().clone(),
            supervisor: self.myself.clone(),
            oldest_mcp_session_ms: self.shared.oldest_mcp_session_ms(),
            unused_sessions: self.shared.unused_sessions(),
        };
        tokio::spawn(async move {
            sweeping.run(sessions).await;
            drop(turn);
        });
    }
}

/// One time of it.
struct Sweeping {
    store: Store,
    quota: Quota,
    supervisor: ActorRef<SupervisorMessage>,
    oldest_mcp_session_ms: i64,
    unused_sessions: Unused,
}

impl Sweeping {
    async fn run(self, sessions: Vec<SessionRef>) {
        let written = used::write_down(&sessions, &self.store).await;
        if written.is_short {
            // What is in use looks idle in the store.
            return;
        }
        // Whoever has one keeps it awake.
        drop(sessions);
        for id in written.at_rest {
            // Without a supervisor there is no live session either; here and below.
            let _gone = self.supervisor.cast(SupervisorMessage::Rest { id });
        }
        // Those that are awake have just said what they still use.
        if let Err(error) = self.expire_mcp_sessions().await {
            tracing::warn!(%error, "could not expire idle MCP sessions");
        }
        if let Err(error) = self.expire_sessions().await {
            tracing::warn!(%error, "could not delete all sessions that nobody uses; it is tried again");
        }
    }

    /// Ends the idle MCP sessions of sessions that sleep.
    async fn expire_mcp_sessions(&self) -> Result<(), StoreError> {
        let (oldest_ms, at_once) = (self.oldest_mcp_session_ms, BURIED_AT_ONCE_MAX);
        let old = self.store.with_idle_mcp_sessions(oldest_ms, at_once);
        let old = old.await?;
        if old.is_empty() {
            // What is old only now is for the next time, which wakes its session first: backends are to hear of it.
            return Ok(());
        }
        let are_all = (old.len() as u64) < at_once;
        join_all(old.into_iter().map(|id| self.woken(id))).await;
        if are_all {
            // What a session that woke ends anyway, and what is left of one that could not.
            self.store.expire_mcp_sessions(oldest_ms).await?;
        }
        Ok(())
    }

    /// Deletes the sessions that nobody uses.
    async fn expire_sessions(&self) -> Result<(), StoreError> {
        loop {
            let idle = self
                .store
                .idle_sessions(self.unused_sessions, BURIED_AT_ONCE_MAX);
            let idle = idle.await?;
            if idle.is_empty() {
                return Ok(());
            }
            let expired = join_all(idle.into_iter().map(|it| self.expire(it))).await;
            expired.into_iter().collect::<Result<(), _>>()?;
        }
    }

    async fn expire(&self, (id, owner): (Uuid, Option<Arc<str>>)) -> Result<(), StoreError> {
        let awake = self.woken(id).await;
        let unused = self.unused_sessions;
        if self.store.delete_idle_session(id, unused).await? {
            self.quota.give_back(&owner);
            let _gone = self.supervisor.cast(SupervisorMessage::Expired { id });
        }
        drop(awake);
        Ok(())
    }

    /// Has a session awake; what cannot be woken has been logged.
    async fn woken(&self, id: Uuid) -> Option<SessionRef> {
        let (reply, found) = oneshot::channel();
        let finder = Finder { asker: None, reply };
        // A supervisor that is gone drops the reply.
        drop(self.supervisor.cast(SupervisorMessage::Open { id, finder }));
        found.await.ok()?.ok()?
    }
}
