//! What many connections hold alike is there once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many different ones are known at a time: sessions of one provider differ by what their credentials may see, or
/// for as long as not all of them have seen a change. What is not known any more is held as often as it comes.
const KNOWN_MAX: usize = 16;

/// Those that are held by somebody. It holds none of them itself.
pub(super) struct Alike<T>(Mutex<Vec<Weak<T>>>);

impl<T> Default for Alike<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PartialEq> Alike<T> {
    /// The one that is equal to this: somebody else's, or this one.
    pub(super) fn one_of(&self, this: Arc<T>) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| one.strong_count() > 0);
        let mut held = known.iter().filter_map(Weak::upgrade);
        if let Some(equal) = held.find(|one| *one == this) {
            return equal;
        }
        if known.len() == KNOWN_MAX {
            known.remove(0);
        }
        known.push(Arc::downgrade(&this));
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_ones_are_one_and_others_are_not() {
        let alike = Alike::default();
        let first = alike.one_of(Arc::new("a".to_owned()));
        assert!(Arc::ptr_eq(&first, &alike.one_of(Arc::new("a".to_owned()))));
        assert!(!Arc::ptr_eq(
            &first,
            &alike.one_of(Arc::new("b".to_owned()))
        ));
    }

    #[test]
    fn what_nobody_holds_is_forgotten_and_of_many_the_oldest_is() {
        let alike = Alike::default();
        drop(alike.one_of(Arc::new(0)));
        let held: Vec<_> = (1..=KNOWN_MAX + 1)
            .map(|one| alike.one_of(Arc::new(one)))
            .collect();
        assert_eq!(alike.0.lock().unwrap().len(), KNOWN_MAX);
        assert!(!Arc::ptr_eq(&held[0], &alike.one_of(Arc::new(1))));
        assert!(Arc::ptr_eq(
            &held[KNOWN_MAX],
            &alike.one_of(Arc::new(KNOWN_MAX + 1))
        ));
    }
}
