//! The time of day, for display, for records, and for how long what is stored is kept.
//!
//! It is read once, at the start, and goes on with the monotonic clock: when somebody sets the machine's
//! clock, nothing that is in use expires, and nothing that has expired is back. What was set shows after
//! the next start. Deadlines need no time of day at all.

use std::{
    sync::LazyLock,
    time::{Duration, Instant, SystemTime},
};

use crate::lanes;

static CLOCK: LazyLock<Clock> = LazyLock::new(|| Clock::set_to(SystemTime::now()));

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    CLOCK.at(lanes::now().into_std())
}

/// The moment so long ago.
pub(super) fn before_now_ms(ago: Duration) -> i64 {
    let ago_ms = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    now_ms().saturating_sub(ago_ms)
}

/// A clock that goes on evenly from when it was set.
struct Clock {
    set_to: Duration,
    set_at: Instant,
}

impl Clock {
    fn set_to(time: SystemTime) -> Self {
        Self {
            set_to: time
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or(Duration::ZERO),
            set_at: Instant::now(),
        }
    }

    fn at(&self, now: Instant) -> i64 {
        let since = self.set_to + now.saturating_duration_since(self.set_at);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_evenly_whatever_the_time_of_day_becomes() {
        // The time of day is given once; what it is later is not asked.
        let clock = Clock::set_to(SystemTime::UNIX_EPOCH + Duration::from_secs(1000));
        let later = |seconds| clock.at(clock.set_at + Duration::from_secs(seconds));
        assert_eq!(later(0), 1_000_000);
        assert_eq!(later(3600), 4_600_000);
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Clock::set_to(before).set_to, Duration::ZERO);
    }
}
