//! How often streams are opened, and how many at once.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_retry::strategy::{ExponentialBackoff, jitter};

use crate::limits::LISTENING_PAUSE_MAX;

/// Waits until the process may hold one more stream open; tells whether it had to wait.
pub(super) async fn admit(listeners: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, bool)> {
    if let Ok(permit) = Arc::clone(listeners).try_acquire_owned() {
        return Some((permit, false));
    }
    // An error means that it was closed, which nobody does.
    let permit = Arc::clone(listeners).acquire_owned().await.ok()?;
    Some((permit, true))
}

/// After so many tries the longest pause is reached.
const GROWING_TRIES: u32 = 16;

/// Grows with every try, and differs from session to session: a backend that comes back must not
/// meet all of them at once.
pub(super) fn pause(tries: u32) -> Duration {
    let most = ExponentialBackoff::from_millis(2)
        .factor(250)
        .max_delay(LISTENING_PAUSE_MAX)
        .nth(tries.clamp(1, GROWING_TRIES) as usize - 1)
        .unwrap_or(LISTENING_PAUSE_MAX);
    most / 2 + jitter(most / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_within_their_bounds() {
        for (tries, most_ms) in [(1, 500), (2, 1_000), (3, 2_000), (4, 4_000), (5, 8_000)] {
            let pause = pause(tries);
            let most = Duration::from_millis(most_ms);
            assert!((most / 2..=most).contains(&pause), "{tries}: {pause:?}");
        }
        for tries in [20, u32::MAX] {
            assert!(pause(tries) <= LISTENING_PAUSE_MAX);
            assert!(pause(tries) >= LISTENING_PAUSE_MAX / 2);
        }
    }

    #[tokio::test]
    async fn a_stream_too_many_waits_for_another_to_end() {
        let listeners = Arc::new(Semaphore::new(1));
        let (first, waited) = admit(&listeners).await.unwrap();
        assert!(!waited);
        let mut second = std::pin::pin!(admit(&listeners));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        let (_permit, waited) = second.await.unwrap();
        assert!(waited, "what was announced meanwhile was missed");
    }
}
