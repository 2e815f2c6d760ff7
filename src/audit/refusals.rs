//! Requests that are not let in: anybody can send as many as they like, and none of their lines may cost those of
//! callers their place in the files.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Bounds how many of their lines are written in a span of time, and counts the others.
pub(super) struct Refusals {
    max: u64,
    within: Duration,
    state: Mutex<State>,
}

struct State {
    /// When the present span ends.
    until: Instant,
    /// Lines of the present span that were written.
    written: u64,
    /// Lines that were left out, and are not told of yet.
    left_out: u64,
}

impl Refusals {
    /// So many lines within each such span.
    pub(super) fn new(max: u64, within: Duration) -> Self {
        Self {
            max,
            within,
            state: Mutex::new(State {
                until: Instant::now() + within,
                written: 0,
                left_out: 0,
            }),
        }
    }

    /// Whether a further line may be written; if not, it is counted.
    pub(super) fn may_write(&self, now: Instant) -> bool {
        let mut state = self.state();
        if now >= state.until {
            state.until = now + self.within;
            state.written = 0;
        }
        if state.written == self.max {
            state.left_out += 1;
            return false;
        }
        state.written += 1;
        true
    }

    /// How long whoever writes may wait for a line before it has to look here: for as long as it likes unless lines are
    /// left out.
    pub(super) fn look_in(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        let is_full = state.written == self.max || state.left_out > 0;
        is_full.then(|| state.until.saturating_duration_since(now))
    }

    /// How many lines were left out until a span ended, once.
    pub(super) fn left_out(&self, now: Instant) -> u64 {
        let mut state = self.state();
        if now < state.until {
            return 0;
        }
        state.written = 0;
        std::mem::take(&mut state.left_out)
    }

    /// The same at the end of everything.
    pub(super) fn left_out_at_last(&self) -> u64 {
        std::mem::take(&mut self.state().left_out)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_pass_within_a_span_and_the_others_are_told_of_when_it_ends() {
        let within = Duration::from_mins(1);
        let refusals = Refusals::new(3, within);
        let begin = Instant::now();
        assert_eq!(refusals.look_in(begin), None);
        let passed = (0..10).filter(|_| refusals.may_write(begin)).count();
        assert_eq!(passed, 3);
        assert!(refusals.look_in(begin).is_some());
        assert_eq!(refusals.left_out(begin), 0, "it goes on");
        let later = begin + 2 * within;
        assert_eq!(refusals.left_out(later), 7);
        assert_eq!(refusals.left_out(later), 0, "told once");
        assert_eq!(refusals.look_in(later), None);
        let passed = (0..10).filter(|_| refusals.may_write(later)).count();
        assert_eq!(passed, 3);
        assert_eq!(refusals.left_out_at_last(), 7);
    }
}
