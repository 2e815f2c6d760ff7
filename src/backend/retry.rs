//! When a request is sent again: exponential backoff with full jitter, and `Retry-After`.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use tokio_retry::strategy::{ExponentialBackoff, jitter};

use crate::{limits::RETRY_AFTER_MAX, registry::Retries};

use super::{
    endpoint::Endpoint,
    error::{BackendError, Retry},
    provider::Provider,
};

/// Decides about one request's repeats and carries the backend's wish from one to the next.
///
/// tokio-retry's strategy cannot see the error, so the pause that the backend asked for waits here
/// between [`Policy::allows`], which sees it, and the strategy, which sleeps.
pub(crate) struct Policy<'a> {
    provider: &'a Provider,
    retries: &'a Retries,
    repeatable: bool,
    left: AtomicU32,
    asked_pause_ms: AtomicU64,
    /// Whether nothing was tried yet.
    untried: AtomicBool,
}

impl<'a> Policy<'a> {
    /// A policy for a request that may (`repeatable`) or may not run twice.
    pub(crate) fn new(endpoint: &'a Endpoint, repeatable: bool) -> Self {
        Self::of(&endpoint.provider, &endpoint.retries, repeatable)
    }

    fn of(provider: &'a Provider, retries: &'a Retries, repeatable: bool) -> Self {
        Self {
            provider,
            retries,
            repeatable,
            left: AtomicU32::new(retries.attempts),
            asked_pause_ms: AtomicU64::new(0),
            untried: AtomicBool::new(true),
        }
    }

    /// Takes the outcome of each attempt: the first one earns repeats, if it reached the provider.
    pub(crate) fn tried<T>(&self, outcome: &Result<T, BackendError>) {
        let is_first = self.untried.swap(false, Ordering::Relaxed);
        if is_first && !matches!(outcome, Err(error) if error.was_not_sent()) {
            self.provider.earn_repeats();
        }
    }

    /// Whether the request may be sent again after this error; it is as good as sent then.
    pub(crate) fn allows(&self, error: &BackendError) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left == 0 || !self.would_allow(error) || !self.provider.may_repeat() {
            return false;
        }
        self.left.store(left - 1, Ordering::Relaxed);
        true
    }

    fn would_allow(&self, error: &BackendError) -> bool {
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
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> {
        let base_ms = u64::try_from(self.retries.base.as_millis()).unwrap_or(u64::MAX);
        // tokio-retry raises its base to the power of the try: 2^n times half the base.
        ExponentialBackoff::from_millis(2)
            .factor((base_ms / 2).max(1))
            .max_delay(self.retries.max)
            .map(jitter)
            .map(|pause| {
                let asked_ms = self.asked_pause_ms.swap(0, Ordering::Relaxed);
                pause.max(Duration::from_millis(asked_ms))
            })
            .take(self.retries.attempts as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::StatusCode;

    use super::*;
    use crate::{
        backend::transport::{
            call_client::CallClient,
            streamable_http::{Address, Clients},
        },
        limits::RETRY_BUDGET_MAX,
        metrics::Metrics,
        registry::{AuthSpec, Protocol, ProviderSpec, Timeouts},
    };

    fn overloaded(seconds: u64) -> BackendError {
        BackendError::Overloaded {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(Duration::from_secs(seconds)),
        }
    }

    fn lost() -> Result<(), BackendError> {
        Err(BackendError::Truncated)
    }

    const RETRIES: Retries = Retries {
        attempts: 3,
        base: Duration::from_millis(100),
        max: Duration::from_millis(250),
    };

    fn provider() -> Provider {
        let within = Duration::from_secs(1);
        let clients = Clients {
            calls: CallClient::new(within).unwrap(),
            listening: reqwest::Client::new(),
        };
        let spec = ProviderSpec {
            name: "it".parse().unwrap(),
            url: "http://127.0.0.1/".parse().unwrap(),
            description: None,
            auth: AuthSpec::None,
            headers: http::HeaderMap::new(),
            timeouts: Timeouts::default(),
            retries: RETRIES,
            protocol: Protocol::Auto,
        };
        let address = Address::new(clients, &spec.url, spec.headers.clone(), within).unwrap();
        let metrics = Metrics::new().unwrap().provider(&spec.name);
        Provider::new(Arc::new(spec), address, metrics)
    }

    #[test]
    fn pauses_grow_within_their_bounds_and_end() {
        let provider = provider();
        let policy = Policy::of(&provider, &RETRIES, false);
        let pauses: Vec<_> = policy.pauses().collect();
        assert_eq!(pauses.len(), 3);
        for (pause, most_ms) in pauses.iter().zip([100, 200, 250]) {
            assert!(*pause <= Duration::from_millis(most_ms), "{pauses:?}");
        }
    }

    #[test]
    fn a_backend_that_names_a_pause_gets_it_once() {
        let provider = provider();
        let policy = Policy::of(&provider, &RETRIES, false);
        let mut pauses = policy.pauses();
        assert!(policy.allows(&overloaded(2)));
        assert_eq!(pauses.next(), Some(Duration::from_secs(2)));
        assert!(pauses.next().unwrap() <= Duration::from_millis(200));
        assert!(!policy.allows(&overloaded(RETRY_AFTER_MAX.as_secs() + 1)));
    }

    #[test]
    fn only_what_may_run_twice_is_sent_again_after_it_left() {
        let provider = provider();
        let policy = |repeatable| Policy::of(&provider, &RETRIES, repeatable);
        assert!(policy(true).allows(&BackendError::Truncated));
        assert!(!policy(false).allows(&BackendError::Truncated));
        assert!(!policy(true).allows(&BackendError::SessionExpired));
    }

    #[test]
    fn all_requests_to_a_provider_share_its_repeats() {
        let provider = provider();
        let mut repeats = 0;
        for _ in 0..1000 {
            let policy = Policy::of(&provider, &RETRIES, true);
            policy.tried(&lost());
            while policy.allows(&BackendError::Truncated) {
                repeats += 1;
            }
        }
        // A fifth of what was sent, and what was saved up. A slow machine adds some for its seconds.
        let most = 1000 / 5 + RETRY_BUDGET_MAX;
        assert!(
            (most - 1..most + 50).contains(&repeats),
            "{repeats} repeats"
        );
    }

    #[test]
    fn only_first_attempts_that_reach_the_provider_earn_repeats() {
        let gone = || BackendError::Gone {
            cause: "".into(),
            retry_in: Duration::ZERO,
        };
        let earned = |outcome: &dyn Fn() -> BackendError| {
            let provider = provider();
            while provider.may_repeat() {}
            for _ in 0..1000 {
                let policy = Policy::of(&provider, &RETRIES, true);
                policy.tried::<()>(&Err(outcome()));
                policy.tried(&lost());
            }
            (0..1000).filter(|_| provider.may_repeat()).count()
        };
        // A slow machine adds some for its seconds.
        assert!(earned(&gone) < 50);
        assert!(earned(&|| BackendError::Truncated) >= RETRY_BUDGET_MAX as usize);
    }

    #[test]
    fn what_is_not_repeated_takes_nothing_from_the_others() {
        let provider = provider();
        let none = Retries {
            attempts: 0,
            ..RETRIES
        };
        for _ in 0..1000 {
            assert!(!Policy::of(&provider, &none, true).allows(&BackendError::Truncated));
            assert!(!Policy::of(&provider, &RETRIES, false).allows(&BackendError::Truncated));
        }
        assert!(Policy::of(&provider, &RETRIES, true).allows(&BackendError::Truncated));
    }
}
