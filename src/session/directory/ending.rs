//! What the gateway's end means for one session.

use std::sync::atomic::Ordering;

use super::{
    super::activity::{Activity, Watcher},
    EXCHANGES_PER_SESSION_MAX, Failure, SessionMessage, SessionRef,
};

impl SessionRef {
    /// Says whether it is not too late to begin something. Of what listens it is asked when that has
    /// begun: the gateway's stop ends all that it finds, and nobody ends what comes after it.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err(Failure::Stopping);
        }
        Ok(())
    }

    /// Its last exchanges.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.0.activity
    }

    /// Watches its exchanges, from the first one on that is kept; `None` when as many watch as may.
    #[must_use]
    pub fn watch(&self) -> Option<Watcher> {
        let watcher = self.0.activity.watch();
        if self.go_on().is_err() {
            self.0.activity.end();
        }
        watcher
    }

    /// Waits until all work on exchanges has ended, at the backends, too.
    pub(in crate::session) async fn settled(&self) {
        let all = u32::try_from(EXCHANGES_PER_SESSION_MAX).unwrap_or(u32::MAX);
        // It is closed by nobody.
        let _all_places = self.0.places.acquire_many(all).await;
    }

    pub(in crate::session) fn give_up(&self) {
        self.tell(SessionMessage::GiveUp);
    }

    pub(in crate::session) fn stop_listening(&self) {
        self.tell(SessionMessage::StopListening);
        self.0.activity.end();
    }
}
