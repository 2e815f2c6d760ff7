//! When a request is sent again: exponential backoff with full jitter, and `Retry-After`.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio_retry::strategy::{ExponentialBackoff, jitter};

use crate::{limits::RETRY_AFTER_MAX, registry::Retries};

use super::error::{BackendError, Retry};

/// Decides about one request's repeats and carries the backend's wish from one to the next.
///
/// tokio-retry's strategy cannot see the error, so the pause that the backend asked for waits here
/// between [`Policy::allows`], which sees it, and the strategy, which sleeps.
pub(crate) struct Policy {
    repeatable: bool,
    asked_pause_ms: AtomicU64,
}

impl Policy {
    /// A policy for a request that may (`repeatable`) or may not run twice.
    pub(crate) const fn new(repeatable: bool) -> Self {
        Self {
            repeatable,
            asked_pause_ms: AtomicU64::new(0),
        }
    }

    /// Whether the request may be sent again after this error.
    pub(crate) fn allows(&self, error: &BackendError) -> bool {
        match error.retry() {
            Retry::Always(pause) => {
                let pause_ms = pause.unwrap_or_default().as_millis();
                self.asked_pause_ms.store(
                    u64::try_from(pause_ms).unwrap_or(u64::MAX),
                    Ordering::Relaxed,
                );
                // A backend that wants to be left alone for longer than a caller waits has answered.
                pause.is_none_or(|pause| pause <= RETRY_AFTER_MAX)
            }
            Retry::IfRepeatable => self.repeatable,
            Retry::Never => false,
        }
    }

    /// The pauses between tries; as many as there may be repeats.
    pub(crate) fn pauses(&self, retries: &Retries) -> impl Iterator<Item = Duration> {
        let base_ms = u64::try_from(retries.base.as_millis()).unwrap_or(u64::MAX);
        // tokio-retry raises its base to the power of the try: 2^n times half the base.
        ExponentialBackoff::from_millis(2)
            .factor((base_ms / 2).max(1))
            .max_delay(retries.max)
            .map(jitter)
            .map(|pause| {
                let asked_ms = self.asked_pause_ms.swap(0, Ordering::Relaxed);
                pause.max(Duration::from_millis(asked_ms))
            })
            .take(retries.attempts as usize)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn overloaded(seconds: u64) -> BackendError {
        BackendError::Overloaded {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    const RETRIES: Retries = Retries {
        attempts: 3,
        base: Duration::from_millis(100),
        max: Duration::from_millis(250),
    };

    #[test]
    fn pauses_grow_within_their_bounds_and_end() {
        let policy = Policy::new(false);
        let pauses: Vec<_> = policy.pauses(&RETRIES).collect();
        assert_eq!(pauses.len(), 3);
        for (pause, most_ms) in pauses.iter().zip([100, 200, 250]) {
            assert!(*pause <= Duration::from_millis(most_ms), "{pauses:?}");
        }
    }

    #[test]
    fn a_backend_that_names_a_pause_gets_it_once() {
        let policy = Policy::new(false);
        let mut pauses = policy.pauses(&RETRIES);
        assert!(policy.allows(&overloaded(2)));
        assert_eq!(pauses.next(), Some(Duration::from_secs(2)));
        assert!(pauses.next().unwrap() <= Duration::from_millis(200));
        assert!(!policy.allows(&overloaded(RETRY_AFTER_MAX.as_secs() + 1)));
    }

    #[test]
    fn only_what_may_run_twice_is_sent_again_after_it_left() {
        assert!(Policy::new(true).allows(&BackendError::Truncated));
        assert!(!Policy::new(false).allows(&BackendError::Truncated));
        assert!(!Policy::new(true).allows(&BackendError::SessionExpired));
    }
}
