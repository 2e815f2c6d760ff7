//! Tokens that were checked, so that the next request with one costs a hash.

use std::sync::Arc;

use dashmap::DashMap;
use sha2::{Digest as _, Sha256};

use crate::{callers::Caller, limits::TOKENS_SEEN_MAX};

/// Tells tokens apart without keeping one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }
}

/// Whom a token lets in, and until when: seconds since 1970.
#[derive(Clone)]
pub(in crate::callers) struct Vouched {
    pub(in crate::callers) caller: Caller,
    pub(in crate::callers) until: u64,
}

/// The tokens that were found right.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<DashMap<Fingerprint, Vouched>>);

impl Seen {
    pub(super) fn get(&self, token: &Fingerprint, now: u64) -> Option<Vouched> {
        let vouched = self.0.get(token)?;
        (now < vouched.until).then(|| vouched.clone())
    }

    pub(super) fn put(&self, token: Fingerprint, vouched: Vouched, now: u64) {
        if self.0.len() >= TOKENS_SEEN_MAX {
            self.0.retain(|_, vouched| now < vouched.until);
        }
        if self.0.len() >= TOKENS_SEEN_MAX {
            // All of them are in use, or might be: each is checked once more.
            self.0.clear();
        }
        self.0.insert(token, vouched);
    }

    /// Has this token checked again.
    pub(super) fn take_out(&self, token: &Fingerprint) {
        self.0.remove(token);
    }

    /// Has every token checked again.
    pub(super) fn forget(&self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vouched(until: u64) -> Vouched {
        Vouched {
            caller: Caller::of_token("i", "s", false),
            until,
        }
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let seen = Seen::default();
        let token = Fingerprint::of("a");
        seen.put(token, vouched(10), 0);
        assert!(seen.get(&token, 9).is_some());
        assert!(seen.get(&token, 10).is_none());
        assert!(seen.get(&Fingerprint::of("b"), 0).is_none());
        seen.take_out(&token);
        assert!(seen.get(&token, 0).is_none());
        seen.put(token, vouched(10), 0);
        seen.forget();
        assert!(seen.get(&token, 0).is_none());
    }

    #[test]
    fn no_more_are_kept_than_may_be() {
        let seen = Seen::default();
        let token = |number: usize| Fingerprint::of(&number.to_string());
        for number in 0..TOKENS_SEEN_MAX {
            seen.put(token(number), vouched(5), 0);
        }
        seen.put(token(TOKENS_SEEN_MAX), vouched(20), 10);
        assert_eq!(seen.0.len(), 1, "the expired ones are gone");
        for number in 0..2 * TOKENS_SEEN_MAX {
            seen.put(token(number), vouched(20), 10);
            assert!(seen.0.len() <= TOKENS_SEEN_MAX);
        }
    }
}
