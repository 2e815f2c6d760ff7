//! What is counted while the gateway works, for whoever watches it from outside: in Prometheus' text format.
//!
//! Names follow OpenTelemetry's conventions for MCP where those have one, written as Prometheus wants them. No label is
//! ever what a client or a backend chose: methods are those that are known, or [`OTHER`]; providers are the registry's.
//! Whoever counts holds a handle that was made before: a request costs some atomics.

mod durations;
mod http;
mod provider;
mod readers;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use dashmap::DashMap;
use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TEXT_FORMAT,
    TextEncoder, core::Collector,
};

use crate::mcp::name::BackendName;

use durations::{Durations, durations};

pub use durations::{Ending, OTHER};
pub use http::HttpAnswers;
pub use provider::{CountedConnection, Metered, ProviderMetrics, Standing};
pub use readers::Readers;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = TEXT_FORMAT;

/// Why nothing can be counted, or told: a mistake of ours.
#[derive(Debug, thiserror::Error)]
#[error("the metrics contradict themselves: {0}")]
pub struct MetricsError(#[from] prometheus::Error);

/// All that is counted. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    served: Durations,
    in_flight: IntGauge,
    mcp_sessions: IntGauge,
    spans_lost: IntCounter,
    http: HistogramVec,
    of_providers: OfProviders,
    /// Each provider's own handles. As many as the registry ever named.
    providers: DashMap<BackendName, Arc<ProviderMetrics>>,
    /// What is found out when somebody asks; one at a time.
    when_asked: Mutex<WhenAsked>,
}

/// What is counted for each provider.
struct OfProviders {
    called: HistogramVec,
    retries: IntCounterVec,
    openings: IntCounterVec,
    connections: IntGaugeVec,
}

struct WhenAsked {
    sessions: IntGaugeVec,
    breakers: IntGaugeVec,
}

/// How things stand that nobody counts.
#[derive(Debug)]
pub struct Now {
    /// Sessions that are awake.
    pub live: u64,
    /// Sessions that are stored, awake or not.
    pub stored: u64,
    /// The breakers of the providers that were met.
    pub breakers: Vec<(BackendName, Breaker)>,
}

/// How a provider's breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Calls go out.
    Closed,
    /// Calls fail at once.
    Open,
    /// The same, while one attempt finds out whether it is back.
    Probing,
}

/// One thing that there is, until it is dropped.
pub struct Counted(IntGauge);

impl Metrics {
    /// Begins at nothing.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] when two of them have one name, which a test rules out.
    pub fn new() -> Result<Self, MetricsError> {
        let registry = Registry::new();
        let served = durations(
            "mcp_server_operation_duration_seconds",
            "Requests of clients, from when they came until their answer was out",
            &["mcp_method_name", "error_type"],
        )?;
        let metrics = Inner {
            served: Durations::new(registered(&registry, served)?, None),
            in_flight: registered(&registry, in_flight()?)?,
            mcp_sessions: registered(&registry, mcp_sessions()?)?,
            spans_lost: registered(&registry, spans_lost()?)?,
            http: registered(&registry, http::http()?)?,
            of_providers: OfProviders::new(&registry)?,
            providers: DashMap::new(),
            when_asked: Mutex::new(WhenAsked::new(&registry)?),
            registry,
        };
        let build = gauges("build_info", "The version that runs", &["version"])?;
        let build = registered(&metrics.registry, build)?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self(Arc::new(metrics)))
    }

    /// A client's request came.
    pub fn begin(&self) {
        self.0.in_flight.inc();
    }

    /// A client's request that came is over.
    pub fn end(&self, method: &str, ending: Ending, elapsed: Duration) {
        self.0.in_flight.dec();
        self.0.served.observe(method, ending, elapsed);
    }

    /// Counts an MCP session.
    #[must_use]
    pub fn mcp_session(&self) -> Counted {
        self.0.mcp_sessions.inc();
        Counted(self.0.mcp_sessions.clone())
    }

    /// So many spans will not reach their collector.
    pub fn spans_lost(&self, spans: u64) {
        self.0.spans_lost.inc_by(spans);
    }

    /// The handles of a provider; the same ones whenever it is named.
    #[must_use]
    pub fn provider(&self, name: &BackendName) -> Arc<ProviderMetrics> {
        if let Some(known) = self.0.providers.get(name) {
            return Arc::clone(&known);
        }
        let made = || Arc::new(ProviderMetrics::new(&self.0.of_providers, name.as_str()));
        Arc::clone(&self.0.providers.entry(name.clone()).or_insert_with(made))
    }

    /// All of it, as Prometheus reads it.
    ///
    /// # Errors
    ///
    /// [`MetricsError`] when it cannot be written, which a test rules out.
    pub fn text(&self, now: &Now) -> Result<String, MetricsError> {
        let asked = self.0.when_asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).take(now);
        Ok(TextEncoder::new().encode_to_string(&self.0.registry.gather())?)
    }
}

impl OfProviders {
    fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let called = durations(
            "mcp_client_operation_duration_seconds",
            "Requests to a provider, from when its connection had them until they were answered",
            &["provider", "mcp_method_name", "error_type"],
        )?;
        let retries = counters("retries", "Requests that were sent to a provider again")?;
        let openings = counters(
            "breaker_openings",
            "Times that a provider was found to be gone for every session",
        )?;
        let connections = gauges(
            "connections",
            "Connections of sessions that are awake with a provider, by their state",
            &["provider", "state"],
        )?;
        Ok(Self {
            called: registered(registry, called)?,
            retries: registered(registry, retries)?,
            openings: registered(registry, openings)?,
            connections: registered(registry, connections)?,
        })
    }
}

impl WhenAsked {
    fn new(registry: &Registry) -> Result<Self, MetricsError> {
        let sessions = gauges(
            "sessions",
            "Sessions: live are those that are awake, stored are all",
            &["state"],
        )?;
        let breakers = gauges(
            "breaker_state",
            "1 for the state that a provider's breaker is in: open fails calls at once",
            &["provider", "state"],
        )?;
        Ok(Self {
            sessions: registered(registry, sessions)?,
            breakers: registered(registry, breakers)?,
        })
    }

    fn take(&self, now: &Now) {
        for (state, count) in [("live", now.live), ("stored", now.stored)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.sessions.with_label_values(&[state]).set(count);
        }
        // One that the registry names no more has no breaker.
        self.breakers.reset();
        for (provider, breaker) in &now.breakers {
            for (state, word) in Breaker::WORDS {
                let gauge = self.breakers.with_label_values(&[provider.as_str(), word]);
                gauge.set(i64::from(state == *breaker));
            }
        }
    }
}

impl Breaker {
    const WORDS: [(Self, &'static str); 3] = [
        (Self::Closed, "closed"),
        (Self::Open, "open"),
        (Self::Probing, "half_open"),
    ];
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn in_flight() -> Result<IntGauge, MetricsError> {
    let help = "Requests of clients that have no answer yet";
    Ok(IntGauge::with_opts(ours("active_requests", help))?)
}

fn mcp_sessions() -> Result<IntGauge, MetricsError> {
    let help = "Clients that initialized and did not end that, of sessions that are awake";
    Ok(IntGauge::with_opts(ours("mcp_sessions", help))?)
}

fn spans_lost() -> Result<IntCounter, MetricsError> {
    let help = "Spans that did not reach the collector of traces";
    Ok(IntCounter::with_opts(ours("spans_lost_total", help))?)
}

fn counters(name: &str, help: &str) -> Result<IntCounterVec, MetricsError> {
    let opts = ours(&format!("{name}_total"), help);
    Ok(IntCounterVec::new(opts, &["provider"])?)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, MetricsError> {
    Ok(IntGaugeVec::new(ours(name, help), labels)?)
}

/// One for which the conventions have no name.
fn ours(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("mcp_gateway")
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, MetricsError> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests;
