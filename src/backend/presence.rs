//! Whether a provider answers at all, for people who choose: what every session met there, or else one look at it.
//!
//! However often somebody asks, a provider is looked at once in a while, by one task, without a credential; nothing
//! that this shows decides about a call.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    error::BackendError,
    provider::{Provider, is_unwell},
};
use crate::limits::PRESENCE_KEPT;

/// What is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Nothing yet: it is being looked at.
    Unknown,
    /// It answers.
    There,
    /// It does not, for this reason.
    Away(Arc<str>),
}

/// What one provider's last look showed.
pub(super) struct Looked(Mutex<Seen>);

struct Seen {
    presence: Presence,
    at: Option<Instant>,
    under_way: bool,
}

/// The one look under way; another may begin when it is dropped.
struct Looking(Arc<Provider>);

impl Default for Looked {
    fn default() -> Self {
        Self(Mutex::new(Seen {
            presence: Presence::Unknown,
            at: None,
            under_way: false,
        }))
    }
}

impl Looked {
    /// What is known, and whether whoever asks is to look now.
    fn ask(&self) -> (Presence, bool) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = seen.at.is_none_or(|at| at.elapsed() >= PRESENCE_KEPT);
        let looks = is_due && !seen.under_way;
        seen.under_way |= looks;
        (seen.presence.clone(), looks)
    }

    fn end(&self, shown: Option<Presence>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.under_way = false;
        if let Some(presence) = shown {
            seen.presence = presence;
            seen.at = Some(Instant::now());
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looked.end(None);
    }
}

/// Tells what is known of a provider now, and has it looked at if that is old.
pub(super) fn of(provider: &Arc<Provider>, within: Duration, permits: &Arc<Semaphore>) -> Presence {
    // What calls meet counts for more than a look, and costs none.
    if let Some(BackendError::Gone { cause, .. }) = provider.gone() {
        return Presence::Away(cause);
    }
    let (presence, looks) = provider.looked.ask();
    if looks {
        let looking = Looking(Arc::clone(provider));
        tokio::spawn(look(looking, within, Arc::clone(permits)));
    }
    presence
}

async fn look(looking: Looking, within: Duration, permits: Arc<Semaphore>) {
    // Never closed.
    let Ok(_permit) = permits.acquire_owned().await else {
        return;
    };
    let presence = match looking.0.address.knock(within).await {
        Ok(status) if is_unwell(status) => {
            Presence::Away(format!("it answers HTTP {status}").into())
        }
        Ok(_) => Presence::There,
        Err(error) => Presence::Away(error.to_string().into()),
    };
    looking.0.looked.end(Some(presence));
}
