//! How much of a provider's traffic may be repeats: a share of what is sent for the first time, and
//! a little for who sends little. Without I/O, without a clock, without a lock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::limits::{RETRY_BUDGET_FLOOR, RETRY_BUDGET_MAX, RETRY_BUDGET_SHARE};

/// One provider's budget, shared by all that use it.
///
/// tower's budget of the same kind takes a lock for every request; this one is a word.
#[derive(Debug)]
pub(super) struct Budget(AtomicU64);

/// What a budget holds, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Credit {
    /// Up to which second the floor was added.
    second: u32,
    /// In parts of a repeat: each first attempt adds one, a repeat takes [`RETRY_BUDGET_SHARE`].
    parts: u32,
}

const PARTS_MAX: u32 = RETRY_BUDGET_MAX * RETRY_BUDGET_SHARE;

impl Budget {
    /// A budget that nobody drew on yet.
    pub(super) fn new() -> Self {
        let full = Credit {
            second: 0,
            parts: PARTS_MAX,
        };
        Self(AtomicU64::new(full.write()))
    }

    /// Adds what a first attempt at `now` earns.
    pub(super) fn deposit(&self, now: Duration) {
        self.change(now, |credit| Some(credit.plus(1)));
    }

    /// Takes a repeat's price; tells whether it was there.
    pub(super) fn withdraw(&self, now: Duration) -> bool {
        self.change(now, |credit| {
            let parts = credit.parts.checked_sub(RETRY_BUDGET_SHARE)?;
            Some(Credit { parts, ..credit })
        })
    }

    fn change(&self, now: Duration, change: impl Fn(Credit) -> Option<Credit>) -> bool {
        let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let Some(next) = change(Credit::read(word).at(second)) else {
                return false;
            };
            let next = next.write();
            // Of a provider in good health it is full: once a second something is written.
            if next == word {
                return true;
            }
            let swapped =
                self.0
                    .compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed);
            match swapped {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
    }
}

impl Credit {
    /// With what the seconds since have added.
    fn at(self, second: u32) -> Self {
        let passed = second.saturating_sub(self.second);
        if passed == 0 {
            return self;
        }
        let floor = passed.saturating_mul(RETRY_BUDGET_FLOOR * RETRY_BUDGET_SHARE);
        Self { second, ..self }.plus(floor)
    }

    fn plus(self, parts: u32) -> Self {
        Self {
            parts: self.parts.saturating_add(parts).min(PARTS_MAX),
            ..self
        }
    }

    fn read(word: u64) -> Self {
        let half = |half: u64| u32::try_from(half & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self {
            second: half(word >> 32),
            parts: half(word),
        }
    }

    fn write(self) -> u64 {
        (u64::from(self.second) << 32) | u64::from(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn withdrawn(budget: &Budget, now: Duration) -> u32 {
        (0..10_000).map(|_| u32::from(budget.withdraw(now))).sum()
    }

    #[test]
    fn a_fifth_of_the_traffic_may_be_repeats() {
        let budget = Budget::new();
        assert_eq!(withdrawn(&budget, at(0)), RETRY_BUDGET_MAX);
        for _ in 0..100 {
            budget.deposit(at(0));
        }
        assert_eq!(withdrawn(&budget, at(0)), 20);
    }

    #[test]
    fn who_sends_little_may_repeat_a_little() {
        let budget = Budget::new();
        // A full one has no use for the time before.
        assert_eq!(withdrawn(&budget, at(50)), RETRY_BUDGET_MAX);
        assert_eq!(withdrawn(&budget, at(51)), RETRY_BUDGET_FLOOR);
        assert_eq!(withdrawn(&budget, at(53)), 2 * RETRY_BUDGET_FLOOR);
        assert_eq!(withdrawn(&budget, at(53)), 0);
    }

    #[test]
    fn what_is_not_used_does_not_pile_up() {
        let budget = Budget::new();
        withdrawn(&budget, at(10));
        for _ in 0..1_000_000 {
            budget.deposit(at(10));
        }
        assert_eq!(withdrawn(&budget, at(1_000_000)), RETRY_BUDGET_MAX);
    }

    #[test]
    fn many_at_once_are_counted_right() {
        let budget = Budget::new();
        let taken: u32 = std::thread::scope(|scope| {
            let take = || withdrawn(&budget, at(0));
            let taking: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
            taking.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(taken, RETRY_BUDGET_MAX);
    }
}
