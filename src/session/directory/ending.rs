//! What the gateway's end means for one session.

use std::sync::atomic::Ordering;

use super::{EXCHANGES_PER_SESSION_MAX, Failure, SessionMessage, SessionRef};

impl SessionRef {
    /// Says whether it is not too late to begin something. Of what listens it is asked when that has
    /// begun: the gateway's stop ends all that it finds, and nobody ends what comes after it.
    pub(super) fn go_on(&self) -> Result<(), Failure> {
        if self.0.stopping.load(Ordering::Relaxed) {
            return Err(Failure::Stopping);
        }
        Ok(())
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
    }
}
