//! HTTP requests as they were answered: by method, by route and by status, whatever was in them.

use std::{sync::OnceLock, time::Duration};

use prometheus::{Histogram, HistogramOpts, HistogramVec};

use super::{Metrics, MetricsError, OTHER};

/// The methods that have a label of their own; the most frequent one first.
const METHODS: [&str; 7] = ["POST", "GET", "DELETE", "PATCH", "HEAD", "OPTIONS", "PUT"];

/// The statuses that the gateway answers with; the most frequent ones first.
const STATUSES: [u16; 20] = [
    200, 202, 401, 404, 400, 403, 201, 204, 405, 406, 408, 409, 413, 415, 421, 429, 500, 503, 304,
    428,
];

/// In seconds: those that the conventions advise.
const BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// How long answers to HTTP requests took to begin: a histogram for each kind, made when it is first needed.
pub struct HttpAnswers {
    vec: HistogramVec,
    routes: Vec<&'static str>,
    /// By route, then by method, then by status.
    made: Box<[OnceLock<Histogram>]>,
}

impl Metrics {
    /// Counts answers by these routes; what goes to another path is counted as [`OTHER`].
    #[must_use]
    pub fn http_answers(&self, routes: Vec<&'static str>) -> HttpAnswers {
        let count = (routes.len() + 1) * (METHODS.len() + 1) * (STATUSES.len() + 1);
        HttpAnswers {
            vec: self.0.http.clone(),
            routes,
            made: (0..count).map(|_| OnceLock::new()).collect(),
        }
    }
}

impl HttpAnswers {
    /// An answer begins; `route` is the number of its route.
    pub fn observe(&self, method: &str, route: Option<usize>, status: u16, elapsed: Duration) {
        let known = |found: Option<usize>, others: usize| found.unwrap_or(others);
        let method = known(METHODS.iter().position(|it| *it == method), METHODS.len());
        let route = known(route, self.routes.len());
        let status = known(STATUSES.iter().position(|it| *it == status), STATUSES.len());
        let slot = (route * (METHODS.len() + 1) + method) * (STATUSES.len() + 1) + status;
        if let Some(slot) = self.made.get(slot) {
            let histogram = slot.get_or_init(|| self.make(method, route, status));
            histogram.observe(elapsed.as_secs_f64());
        }
    }

    fn make(&self, method: usize, route: usize, status: usize) -> Histogram {
        let status = STATUSES.get(status).map(u16::to_string);
        self.vec.with_label_values(&[
            METHODS.get(method).copied().unwrap_or(OTHER),
            self.routes.get(route).copied().unwrap_or(OTHER),
            status.as_deref().unwrap_or(OTHER),
        ])
    }
}

/// The histograms of all of them.
pub(super) fn http() -> Result<HistogramVec, MetricsError> {
    let opts = HistogramOpts::new(
        "http_server_request_duration_seconds",
        "HTTP requests, from when their headers were there until their answer began",
    );
    Ok(HistogramVec::new(
        opts.buckets(BUCKETS.to_vec()),
        &[
            "http_request_method",
            "http_route",
            "http_response_status_code",
        ],
    )?)
}
