//! Writes down when sessions were last used, many at once, for each write is a commit; deletes those
//! that nobody uses.

use std::sync::Arc;

use futures_util::future::join_all;
use uuid::Uuid;

use crate::{
    limits::USED_AT_ONCE_MAX,
    store::{Store, StoreError},
};

use super::directory::SessionRef;

/// What one session used since it was asked last, by id and in milliseconds of the clock.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) session: Option<(Uuid, i64)>,
    pub(super) mcp_sessions: Vec<(Uuid, i64)>,
    /// The session, if it may sleep.
    pub(super) at_rest: Option<Uuid>,
}

/// What became of asking sessions.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Whether something could not be written.
    pub(super) is_short: bool,
    /// The sessions that may sleep.
    pub(super) at_rest: Vec<Uuid>,
}

/// Asks sessions what was used, and writes it down.
pub(super) async fn write_down(sessions: &[SessionRef], store: &Store) -> Written {
    let mut outcome = Written::default();
    for some in sessions.chunks(USED_AT_ONCE_MAX) {
        let used = join_all(some.iter().map(SessionRef::sweep)).await;
        let (mut sessions, mut mcp_sessions) = (Vec::new(), Vec::new());
        for used in used {
            sessions.extend(used.session);
            mcp_sessions.extend(used.mcp_sessions);
            outcome.at_rest.extend(used.at_rest);
        }
        let written = async {
            if !sessions.is_empty() {
                store.touch(sessions).await?;
            }
            for some in mcp_sessions.chunks(USED_AT_ONCE_MAX) {
                store.touch_mcp_sessions(some.to_vec()).await?;
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "could not write down when sessions were used; it is tried again");
            outcome.is_short = true;
            some.iter().for_each(SessionRef::not_written_down);
        }
    }
    outcome
}

/// Deletes the sessions that were last used before a moment; gives the ids and owners of those that are gone.
pub(super) async fn expire(unused_since_ms: i64, store: &Store) -> Vec<(Uuid, Option<Arc<str>>)> {
    let mut expired = Vec::new();
    let done: Result<(), StoreError> = async {
        loop {
            let idle = store.idle_sessions(unused_since_ms).await?;
            if idle.is_empty() {
                return Ok(());
            }
            let deleting = idle
                .iter()
                .map(|(id, _)| store.delete_idle_session(*id, unused_since_ms));
            let deleted = join_all(deleting).await;
            // What is gone is gone, whatever became of the others.
            let mut failed = None;
            for (idle, deleted) in idle.into_iter().zip(deleted) {
                match deleted {
                    Ok(true) => expired.push(idle),
                    Ok(false) => {}
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }
    .await;
    if let Err(error) = done {
        tracing::warn!(%error, "could not delete all sessions that nobody uses; it is tried again");
    }
    expired
}
