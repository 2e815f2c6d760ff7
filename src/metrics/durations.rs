//! How long requests took, by method and by how they ended: a histogram each, made when it is first needed.

use std::{sync::OnceLock, time::Duration};

use prometheus::{Histogram, HistogramOpts, HistogramVec};

use crate::mcp::method::REQUESTS;

use super::MetricsError;

/// The label of every method that is none of the protocol's requests.
pub const OTHER: &str = "_other";

/// In seconds: those that the conventions advise, and two for what the gateway answers by itself.
const BUCKETS: [f64; 16] = [
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Well,
    /// Its backend answered with an error.
    Error,
    /// It could not be carried out.
    Failed,
    /// It was taken back.
    Cancelled,
    /// Its client left before the answer.
    Left,
    /// It was turned away unread.
    Refused,
}

impl Ending {
    const ALL: [Self; 6] = [
        Self::Well,
        Self::Error,
        Self::Failed,
        Self::Cancelled,
        Self::Left,
        Self::Refused,
    ];

    /// The convention's `error.type`, which what ended well has not.
    #[must_use]
    pub const fn error_type(self) -> &'static str {
        match self {
            Self::Well => "",
            Self::Error => "error",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Left => "client_left",
            Self::Refused => "refused",
        }
    }
}

/// The durations of all requests, or of one provider's.
pub(super) struct Durations {
    vec: HistogramVec,
    provider: Option<Box<str>>,
    /// By method, then by ending.
    made: Box<[OnceLock<Histogram>]>,
}

impl Durations {
    pub(super) fn new(vec: HistogramVec, provider: Option<&str>) -> Self {
        let count = (REQUESTS.len() + 1) * Ending::ALL.len();
        Self {
            vec,
            provider: provider.map(Into::into),
            made: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }

    pub(super) fn observe(&self, method: &str, ending: Ending, elapsed: Duration) {
        let known = REQUESTS.iter().position(|known| *known == method);
        let method = known.unwrap_or(REQUESTS.len());
        let Some(slot) = self.made.get(method * Ending::ALL.len() + ending as usize) else {
            return;
        };
        let histogram = slot.get_or_init(|| self.make(method, ending));
        histogram.observe(elapsed.as_secs_f64());
    }

    fn make(&self, method: usize, ending: Ending) -> Histogram {
        let method = REQUESTS.get(method).copied().unwrap_or(OTHER);
        let provider = self.provider.as_deref().into_iter();
        let labels: Vec<&str> = provider.chain([method, ending.error_type()]).collect();
        self.vec.with_label_values(&labels)
    }
}

/// Histograms of durations.
pub(super) fn durations(
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, MetricsError> {
    let opts = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
    Ok(HistogramVec::new(opts, labels)?)
}
