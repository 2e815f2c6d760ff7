//! What the gateway does with a session that nobody uses: has it write down what was used, and sleep.

use std::sync::Arc;

use uuid::Uuid;

use super::{Directory, SessionMessage, SessionRef, Used};

impl Directory {
    /// Takes a session out that nobody has a handle to. From then on nobody gets one: to look for it and to take
    /// it out exclude each other.
    pub(in crate::session) fn take_out_unused(&self, id: Uuid) -> Option<SessionRef> {
        let taken = self
            .live
            .remove_if(&id, |_, session| Arc::strong_count(&session.0) == 1);
        taken.map(|(_, session)| session)
    }

    /// How many sessions are awake.
    pub(in crate::session) fn count(&self) -> u64 {
        self.live.len() as u64
    }

    /// Puts a session back that stays awake.
    pub(in crate::session) fn put_back(&self, id: Uuid, session: SessionRef) {
        self.live.insert(id, session);
    }
}

impl SessionRef {
    pub(in crate::session) fn warm(&self) {
        self.tell(SessionMessage::Warm);
    }

    /// Tells what was used since the last time; nothing of a session that is gone.
    pub(in crate::session) async fn sweep(&self) -> Used {
        self.ask(SessionMessage::Sweep).await.unwrap_or_default()
    }

    /// What it said at its last [`Self::sweep`] is not stored: it says it again at the next.
    pub(in crate::session) fn not_written_down(&self) {
        self.tell(SessionMessage::NotWrittenDown);
    }

    /// Has the session go to sleep; tells whether it does. One that died meanwhile tells nothing.
    pub(in crate::session) async fn sleep(&self) -> Option<bool> {
        self.ask(SessionMessage::Sleep).await.ok()
    }
}
