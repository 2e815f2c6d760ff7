//! Writes down when sessions were last used, many at once, for each write is a commit.

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
