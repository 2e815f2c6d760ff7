//! How a limit of time is kept by a process that may stand still itself.

use std::{pin::pin, time::Duration};

use tokio::time::{error::Elapsed, timeout};

/// The parts of a limit, of which a standstill of the gateway, however long, takes one at most: what came meanwhile is
/// still to be read, and who was to send it may have stood still with the whole machine.
pub(crate) const PARTS: u32 = 4;

/// Does some work for no longer than `limit`, of the time in which the gateway itself goes on.
///
/// # Errors
///
/// [`Elapsed`] when the time is over.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Elapsed> {
    let mut work = pin!(work);
    for _ in 1..PARTS {
        if let Ok(done) = timeout(limit / PARTS, work.as_mut()).await {
            return Ok(done);
        }
    }
    timeout(limit / PARTS, work).await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{Instant, advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(8);

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_as_long_as_it_says() {
        let began = Instant::now();
        within(LIMIT, pending::<()>()).await.unwrap_err();
        assert!(began.elapsed() >= LIMIT);
        assert!(began.elapsed() < LIMIT + Duration::from_secs(1));
        let done = within(LIMIT, sleep(LIMIT * 7 / 8)).await;
        assert_eq!(done, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_takes_one_part_of_it_at_most() {
        let work = async {
            // Nothing runs meanwhile.
            advance(LIMIT * 10).await;
            sleep(LIMIT / PARTS * 2).await;
        };
        assert_eq!(within(LIMIT, work).await, Ok(()));
    }
}
