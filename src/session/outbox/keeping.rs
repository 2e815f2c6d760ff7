//! Keeps streams that ended for those who may have lost a part of them: one task for all of an outbox, because one for
//! each would be begun, and woken several times, with every answer.

use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until};

use crate::limits::STREAM_HELD;

use super::Outbox;

impl Outbox {
    /// Sees to it that a stream that ended is let go of when nobody will come back for it.
    pub(super) fn keep(&self) {
        let streams = self.lock();
        // Changed by who has the streams only.
        if !self.is_tended.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.clone().tend());
        }
        drop(streams);
    }

    async fn tend(self) {
        while let Some(next) = self.let_go_of_old() {
            sleep_until(next).await;
        }
    }

    /// Lets go of what is given up, and tells when to look again; `None` when there is nothing to look after.
    fn let_go_of_old(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        let mut streams = self.lock();
        streams.retain(|_, own| {
            own.retain(|log| {
                let Some(ended) = log.ended_at() else {
                    return true;
                };
                // Whoever reads it may break off at any time.
                let given_up = log.given_up().unwrap_or(now + STREAM_HELD);
                let due = given_up.max(ended + STREAM_HELD);
                let stays = due > now;
                if stays {
                    next = Some(next.map_or(due, |next| next.min(due)));
                } else {
                    log.forget();
                }
                stays
            });
            !own.is_empty()
        });
        if next.is_none() {
            self.is_tended.store(false, Ordering::Relaxed);
        }
        next
    }
}
