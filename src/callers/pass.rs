//! What let a caller in, for as long as it does.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    Caller, Callers,
    key::{KeyHash, KeyId},
    tokens::now,
};

/// Tells when a caller is not let in any more by what it showed: its key was revoked or is another caller's, its token has expired, or the
/// keys that tokens are checked with are others now. A request needs none; a stream that stays open does.
#[derive(Clone)]
pub struct Pass {
    callers: Callers,
    shown: Shown,
}

/// What was shown, as far as it has to be known again.
#[derive(Clone)]
pub(super) enum Shown {
    /// Nobody was asked.
    Nothing,
    Key {
        id: KeyId,
        hash: KeyHash,
        /// Whom it let in.
        caller: Caller,
    },
    Token {
        /// Seconds since 1970.
        until: u64,
        /// Of which reading of the key set.
        reading: u64,
    },
}

impl Pass {
    pub(super) const fn new(callers: Callers, shown: Shown) -> Self {
        Self { callers, shown }
    }

    /// Waits until it lets nobody in any more.
    pub async fn over(self) {
        let mut changes = self.callers.0.changes.subscribe();
        while self.is_good() {
            let next = changes.changed();
            match &self.shown {
                Shown::Token { until, .. } => {
                    let left = Duration::from_secs(until.saturating_sub(now()));
                    // Either way it is looked at again.
                    let _expired = timeout(left, next).await;
                }
                // Its sender is in the callers that are held here.
                _ => drop(next.await),
            }
        }
    }

    fn is_good(&self) -> bool {
        match &self.shown {
            Shown::Nothing => !self.callers.are_authenticated(),
            Shown::Key { id, hash, caller } => {
                self.callers.0.keys.find(*id, hash).as_ref() == Some(caller)
            }
            Shown::Token { until, reading } => {
                let tokens = self.callers.0.tokens.as_ref();
                now() < *until && tokens.is_some_and(|tokens| tokens.reading() == *reading)
            }
        }
    }
}
