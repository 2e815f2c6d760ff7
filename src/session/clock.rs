//! Wall-clock time, for display and records; deadlines use the monotonic clock.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// The moment so long ago.
pub(super) fn before_now_ms(ago: Duration) -> i64 {
    let ago_ms = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
    now_ms().saturating_sub(ago_ms)
}
