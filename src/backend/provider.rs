//! What the connections of all sessions share of one provider: its HTTP clients, how much may be
//! repeated, and whether it is gone. Nothing of a session: no credential, no id.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    lanes,
    limits::RETRY_BUDGET_TOLD,
    mcp::{
        discovery::{Discovery, Offer},
        name::BackendName,
    },
    metrics::{self, ProviderMetrics},
    registry::ProviderSpec,
};

use super::{
    alike::Alike,
    breaker::{Breaker, Sign, Turn, Verdict, Witness},
    budget::Budget,
    catalogue::Catalogue,
    error::BackendError,
    presence::Looked,
    transport::streamable_http::{Address, Content, Reply},
};

/// One provider, as all sessions know it together.
pub(super) struct Provider {
    name: BackendName,
    /// The entry by which it is met.
    pub(super) spec: Arc<ProviderSpec>,
    pub(super) address: Arc<Address>,
    catalogues: Alike<Catalogue>,
    offers: Alike<Offer>,
    breaker: Breaker,
    /// For people who ask whether it answers.
    pub(super) looked: Looked,
    /// What the last attempt met while it is gone. Nobody reads it who can use it.
    cause: Mutex<Arc<str>>,
    budget: Budget,
    /// Its clock's beginning.
    since: Instant,
    /// When the log last said that the budget is used up, in milliseconds of that clock.
    told_ms: AtomicU64,
    /// Where what happens to it is counted.
    pub(super) metrics: Arc<ProviderMetrics>,
}

/// Leave to use a provider once.
pub(super) enum Leave<'a> {
    /// As everybody has.
    Free,
    /// To find out whether it is back.
    Probe(Probe<'a>),
}

/// The one attempt that a provider which was gone is given. Dropped before it showed anything, it
/// makes way for another.
pub(super) struct Probe<'a> {
    provider: &'a Provider,
    noted: bool,
}

impl Provider {
    pub(super) fn new(
        spec: Arc<ProviderSpec>,
        address: Address,
        metrics: Arc<ProviderMetrics>,
    ) -> Self {
        Self {
            name: spec.name.clone(),
            spec,
            address: Arc::new(address),
            catalogues: Alike::default(),
            offers: Alike::default(),
            breaker: Breaker::default(),
            looked: Looked::default(),
            cause: Mutex::new(Arc::from("")),
            budget: Budget::new(),
            since: Instant::now(),
            told_ms: AtomicU64::new(0),
            metrics,
        }
    }

    /// Asks for leave to use it.
    ///
    /// # Errors
    ///
    /// When it is gone for everybody, or somebody is just looking whether it is back.
    pub(super) fn ask(&self) -> Result<Leave<'_>, BackendError> {
        match self.breaker.ask(self.now()) {
            Verdict::Passes => Ok(Leave::Free),
            Verdict::Probes => Ok(Leave::Probe(Probe {
                provider: self,
                noted: false,
            })),
            Verdict::Fails { retry_in } => Err(self.gone_for(retry_in)),
        }
    }

    /// Why it cannot be used by anybody just now, if that is so.
    pub(super) fn gone(&self) -> Option<BackendError> {
        if self.breaker.is_closed() {
            return None;
        }
        let retry_in = self.breaker.shut_for(self.now())?;
        Some(self.gone_for(retry_in))
    }

    /// How its breaker stands.
    pub(super) fn breaker(&self) -> metrics::Breaker {
        self.breaker.shows()
    }

    fn gone_for(&self, retry_in: Duration) -> BackendError {
        let cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        BackendError::Gone {
            cause: Arc::clone(&cause),
            retry_in,
        }
    }

    /// Notes what an attempt showed, and how it ended if that is a bad sign.
    pub(super) fn note(
        &self,
        leave: Leave<'_>,
        sign: Option<Sign>,
        cause: impl FnOnce() -> String,
    ) {
        let is_probe = matches!(leave, Leave::Probe(_));
        let turn = match (leave, sign) {
            (Leave::Free, Some(Sign::There)) => self.breaker.note_there(),
            (Leave::Free, Some(sign)) => self.breaker.note(sign, self.now()),
            (Leave::Free, None) => None,
            (Leave::Probe(mut probe), sign) => {
                probe.noted = true;
                self.breaker.probed(sign, self.now())
            }
        };
        let is_bad = sign.is_some_and(|sign| sign != Sign::There);
        if is_bad && (is_probe || turn == Some(Turn::Opened)) {
            *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = cause().into();
        }
        match turn {
            Some(Turn::Opened) => {
                self.metrics.breaker_opened();
                tracing::warn!(backend.name = %self.name, "{} is gone for every session: calls fail at once until it is back", self.name);
            }
            Some(Turn::Closed) => {
                tracing::info!(backend.name = %self.name, "{} is back for every session", self.name);
            }
            None => {}
        }
    }

    /// What a list showed, as all sessions have it that it showed the same.
    pub(super) fn share_catalogue(&self, catalogue: Catalogue) -> Arc<Catalogue> {
        self.catalogues.one_of(Arc::new(catalogue))
    }

    /// What it said of itself, as all sessions have it that it told the same.
    pub(super) fn share_discovery(&self, discovery: Discovery) -> Discovery {
        Discovery::of(self.offers.one_of(discovery.into_offer()))
    }

    /// Counts a request that is sent for the first time.
    pub(super) fn earn_repeats(&self) {
        self.budget.deposit(self.now());
    }

    /// Whether a request may be repeated as far as the provider's traffic goes; it counts as one.
    pub(super) fn may_repeat(&self) -> bool {
        let now = self.now();
        let may = self.budget.withdraw(now);
        if may {
            self.metrics.retried();
        } else if self.is_worth_telling(now) {
            tracing::warn!(backend.name = %self.name, "too much sent to {} fails: for now its failures are not repeated", self.name);
        }
        may
    }

    fn is_worth_telling(&self, now: Duration) -> bool {
        // 0 says that it was never told.
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX).max(1);
        let told_ms = self.told_ms.load(Ordering::Relaxed);
        let is_due = told_ms == 0
            || Duration::from_millis(now_ms - told_ms.min(now_ms)) >= RETRY_BUDGET_TOLD;
        let swapped = |now_ms| {
            let order = Ordering::Relaxed;
            let told = self.told_ms.compare_exchange(told_ms, now_ms, order, order);
            told.is_ok()
        };
        is_due && swapped(now_ms)
    }

    fn now(&self) -> Duration {
        lanes::now().duration_since(self.since)
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if !self.noted {
            self.provider.breaker.probed(None, self.provider.now());
        }
    }
}

/// What the head of an answer to a call shows of the provider, or that it did not come.
///
/// Silence shows nothing: the call's tool may be slow.
pub(super) fn sign_of_head(head: &Result<Reply, BackendError>, witness: Witness) -> Option<Sign> {
    match head {
        Ok(reply) => Some(match &reply.content {
            Content::Refused(refusal) if is_unwell(refusal.status) => Sign::Unwell(witness),
            _ => Sign::There,
        }),
        Err(BackendError::Silent { .. }) => None,
        Err(error) => sign_of_error(error, witness),
    }
}

/// The words for a head that is a bad sign.
pub(super) fn cause_of_head(head: &Result<Reply, BackendError>) -> String {
    match head {
        Ok(Reply {
            content: Content::Refused(refusal),
            ..
        }) => format!("it answered HTTP {}", refusal.status),
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// What a handshake, or another request that has to be answered at once, shows of the provider.
pub(super) fn sign_of<T>(outcome: &Result<T, BackendError>, witness: Witness) -> Option<Sign> {
    match outcome {
        Ok(_) => Some(Sign::There),
        Err(error) => sign_of_error(error, witness),
    }
}

fn sign_of_error(error: &BackendError, witness: Witness) -> Option<Sign> {
    match error {
        BackendError::Unreachable { .. } => Some(Sign::Unreachable),
        BackendError::Interrupted { .. }
        | BackendError::Truncated
        | BackendError::Silent { .. }
        | BackendError::BadGateway { .. } => Some(Sign::Unwell(witness)),
        BackendError::Overloaded { status, .. } if is_unwell(*status) => {
            Some(Sign::Unwell(witness))
        }
        // Nothing was sent.
        BackendError::Gone { .. }
        | BackendError::CredentialUnusable { .. }
        | BackendError::Unregistered
        | BackendError::TooManyLinks { .. }
        | BackendError::Crowded { .. } => None,
        // It said something.
        _ => Some(Sign::There),
    }
}

/// Whether a status says that nobody is served. 429 speaks of one caller.
pub(super) const fn is_unwell(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}
