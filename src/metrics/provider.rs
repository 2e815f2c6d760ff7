//! What is counted for one provider, and its connections by how they stand.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{IntCounter, IntGauge};

use super::{
    OfProviders,
    durations::{Durations, Ending},
};

/// How a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not needed yet.
    Idle,
    /// A handshake is under way.
    Connecting,
    /// Calls go out at once.
    Ready,
    /// Out of reach; tried again in the background.
    Waiting,
    /// Turned the gateway down.
    Refused,
}

impl Standing {
    /// In the order in which they are declared.
    const WORDS: [&'static str; 5] = ["idle", "connecting", "ready", "waiting", "refused"];
}

/// One provider's handles.
pub struct ProviderMetrics {
    called: Durations,
    retries: IntCounter,
    openings: IntCounter,
    connections: [IntGauge; 5],
    /// The beginning of its clock: a number is half the size of an instant.
    since: Instant,
}

/// A request that the provider has.
pub struct Metered {
    of: Arc<ProviderMetrics>,
    began_us: u64,
}

/// One connection, counted where it stands until it is dropped.
pub struct CountedConnection {
    of: Arc<ProviderMetrics>,
    standing: Standing,
}

impl ProviderMetrics {
    pub(super) fn new(all: &OfProviders, name: &str) -> Self {
        let connections =
            Standing::WORDS.map(|word| all.connections.with_label_values(&[name, word]));
        Self {
            called: Durations::new(all.called.clone(), Some(name)),
            retries: all.retries.with_label_values(&[name]),
            openings: all.openings.with_label_values(&[name]),
            connections,
            since: Instant::now(),
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A request is sent to it again.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// It is gone for everybody.
    pub fn breaker_opened(&self) {
        self.openings.inc();
    }

    /// Counts a connection that is not needed yet.
    #[must_use]
    pub fn connection(self: Arc<Self>) -> CountedConnection {
        let standing = Standing::Idle;
        let counted = CountedConnection { of: self, standing };
        counted.add(1);
        counted
    }
}

impl Metered {
    /// The request is over.
    pub fn end(&self, method: &str, ending: Ending) {
        let elapsed_us = self.of.now_us().saturating_sub(self.began_us);
        let elapsed = Duration::from_micros(elapsed_us);
        self.of.called.observe(method, ending, elapsed);
    }
}

impl CountedConnection {
    /// The provider has a further request.
    #[must_use]
    pub fn call(&self) -> Metered {
        Metered {
            of: Arc::clone(&self.of),
            began_us: self.of.now_us(),
        }
    }

    /// It stands so from now on.
    pub fn stands(&mut self, standing: Standing) {
        if standing != self.standing {
            self.add(-1);
            self.standing = standing;
            self.add(1);
        }
    }

    fn add(&self, number: i64) {
        if let Some(gauge) = self.of.connections.get(self.standing as usize) {
            gauge.add(number);
        }
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        self.add(-1);
    }
}
