//! How many sessions there may be, of everybody and of one caller, and how many requests of one caller at once.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mcp::failure::Failure;

use super::SessionsError;

/// What sessions and requests are capped at.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Sessions of everybody.
    pub sessions: u64,
    /// Sessions of one caller with a name.
    pub sessions_per_caller: u64,
    /// Sessions of the one caller without a name, if they are capped.
    pub sessions_of_anonymous: Option<u64>,
    /// Requests in flight of one caller with a name, over all its sessions.
    pub requests_per_caller: usize,
}

/// An owner, or nobody.
type Owner = Option<Arc<str>>;

/// Counts sessions: those stored and those that are being stored. Held only while a session is made, woken or
/// deleted; no request waits for it.
#[derive(Clone)]
pub(super) struct Quota {
    caps: Caps,
    all: Arc<AtomicU64>,
    of: Arc<Mutex<HashMap<Owner, u64>>>,
    /// The places of callers whose sessions are awake.
    requests: Arc<Mutex<HashMap<Arc<str>, Weak<Semaphore>>>>,
}

impl Quota {
    /// Begins with what is stored.
    pub(super) fn new(caps: Caps, stored: Vec<(Owner, u64)>) -> Self {
        let all = stored.iter().map(|(_, sessions)| sessions).sum();
        Self {
            caps,
            all: Arc::new(AtomicU64::new(all)),
            of: Arc::new(Mutex::new(stored.into_iter().collect())),
            requests: Arc::default(),
        }
    }

    /// How many sessions there are.
    pub(super) fn count(&self) -> u64 {
        self.all.load(Ordering::Relaxed)
    }

    /// Takes a place for a further session.
    ///
    /// # Errors
    ///
    /// When there are as many as there may be, of everybody or of this owner.
    pub(super) fn take(&self, owner: &Owner) -> Result<SessionPlace, SessionsError> {
        let mut of = locked(&self.of);
        let own = of.get(owner).copied().unwrap_or_default();
        let own_most = match owner {
            Some(_) => Some(self.caps.sessions_per_caller),
            None => self.caps.sessions_of_anonymous,
        };
        if let Some(limit) = own_most.filter(|most| own >= *most) {
            return Err(SessionsError::TooMany { limit });
        }
        if self.count() >= self.caps.sessions {
            return Err(SessionsError::Busy {
                limit: self.caps.sessions,
            });
        }
        of.insert(owner.clone(), own + 1);
        self.all.fetch_add(1, Ordering::Relaxed);
        Ok(SessionPlace {
            quota: self.clone(),
            owner: Some(owner.clone()),
        })
    }

    /// Gives back the place of a session that is deleted.
    pub(super) fn give_back(&self, owner: &Owner) {
        let mut of = locked(&self.of);
        let Some(own) = of.get_mut(owner) else {
            return;
        };
        *own -= 1;
        if *own == 0 {
            of.remove(owner);
        }
        self.all.fetch_sub(1, Ordering::Relaxed);
    }

    /// The places for requests of an owner, one set for all its sessions.
    pub(super) fn requests_of(&self, owner: &Arc<str>) -> CallerPlaces {
        let mut requests = locked(&self.requests);
        if let Some(places) = requests.get(owner).and_then(Weak::upgrade) {
            return CallerPlaces {
                places,
                limit: self.caps.requests_per_caller,
            };
        }
        requests.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(self.caps.requests_per_caller));
        requests.insert(Arc::clone(owner), Arc::downgrade(&places));
        CallerPlaces {
            places,
            limit: self.caps.requests_per_caller,
        }
    }
}

/// The places for requests in flight that a caller's sessions share.
#[derive(Clone)]
pub(super) struct CallerPlaces {
    places: Arc<Semaphore>,
    limit: usize,
}

impl CallerPlaces {
    /// Takes a place for a request.
    ///
    /// # Errors
    ///
    /// When the caller has all the requests in flight that it may have.
    pub(super) fn take(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let free = Arc::clone(&self.places).try_acquire_owned();
        free.map_err(|_| Failure::CallerBusy { limit: self.limit })
    }
}

/// The place of a session that is being stored; dropped, it is given back.
pub(super) struct SessionPlace {
    quota: Quota,
    owner: Option<Owner>,
}

impl SessionPlace {
    /// The session is stored: its place is given back when it is deleted.
    pub(super) fn keep(mut self) {
        self.owner = None;
    }
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.take() {
            self.quota.give_back(&owner);
        }
    }
}

/// What is counted stays right whatever a thread that held it did.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(sessions_of_anonymous: Option<u64>) -> Quota {
        let caps = Caps {
            sessions: 5,
            sessions_per_caller: 2,
            sessions_of_anonymous,
            requests_per_caller: 3,
        };
        Quota::new(caps, vec![(Some("ada".into()), 1), (None, 1)])
    }

    fn kept(quota: &Quota, owner: &Owner) -> bool {
        quota.take(owner).map(SessionPlace::keep).is_ok()
    }

    #[test]
    fn a_caller_has_its_own_cap_and_all_have_one() {
        let quota = quota(None);
        let (ada, bob) = (Some("ada".into()), Some("bob".into()));
        assert!(kept(&quota, &ada) && !kept(&quota, &ada));
        let refused = quota.take(&ada).err();
        assert!(matches!(refused, Some(SessionsError::TooMany { limit: 2 })));
        assert!(kept(&quota, &None) && kept(&quota, &bob));
        let refused = quota.take(&bob).err();
        assert!(matches!(refused, Some(SessionsError::Busy { limit: 5 })));
        quota.give_back(&ada);
        assert!(kept(&quota, &bob));
        assert_eq!(quota.count(), 5);
    }

    #[test]
    fn sessions_of_nobody_are_capped_only_where_that_is_asked_for() {
        assert!(!kept(&quota(Some(1)), &None));
        assert!(kept(&quota(Some(2)), &None));
    }

    #[test]
    fn a_place_that_was_not_kept_is_free_again() {
        let quota = quota(None);
        let bob = Some("bob".into());
        drop(quota.take(&bob));
        assert_eq!(quota.count(), 2);
        assert!(kept(&quota, &bob) && kept(&quota, &bob) && !kept(&quota, &bob));
    }

    #[test]
    fn the_sessions_of_a_caller_share_its_places() {
        let quota = quota(None);
        let (ada, bob) = ("ada".into(), "bob".into());
        let one = quota.requests_of(&ada);
        let _taken = Arc::clone(&one.places).try_acquire_many_owned(3).unwrap();
        assert_eq!(quota.requests_of(&ada).places.available_permits(), 0);
        assert_eq!(quota.requests_of(&bob).places.available_permits(), 3);
    }
}
