//! Tells the time that a backend takes from the time that a client takes: while a client is asked
//! something, its backend's silence and a call's limit do not count.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::limits::REQUEST_STATE_TTL;

/// How long one call has waited for its client.
#[derive(Debug)]
pub(crate) struct Waiting(watch::Sender<Waits>);

#[derive(Debug, Clone, Copy, Default)]
struct Waits {
    /// How many are under way.
    open: usize,
    /// When the first of them began.
    since: Option<Instant>,
    /// How long those took that are over.
    over: Duration,
}

/// One wait under way; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Wait(Arc<Waiting>);

impl Waiting {
    /// The clock of a call whose client was asked nothing yet.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Waits::default())))
    }

    /// Begins to wait for the client.
    pub(crate) fn begin(self: &Arc<Self>) -> Wait {
        self.0.send_modify(|waits| {
            waits.open += 1;
            waits.since.get_or_insert_with(Instant::now);
        });
        Wait(Arc::clone(self))
    }

    /// Does some work for no longer than `limit`, the waits for the client left out. These are
    /// bounded by [`REQUEST_STATE_TTL`] altogether. `None` when the time is over.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::pin!(work);
        let mut changes = self.0.subscribe();
        let began = Instant::now();
        let before = changes.borrow().taken(began);
        loop {
            let now = *changes.borrow_and_update();
            // While one is under way its end is the next thing to look at.
            let taken = if now.open > 0 {
                REQUEST_STATE_TTL
            } else {
                now.over.min(REQUEST_STATE_TTL)
            };
            let deadline = began + limit + taken.saturating_sub(before);
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                // The sender is this clock itself.
                _changed = changes.changed() => {}
                () = sleep_until(deadline) => return None,
            }
        }
    }
}

impl Waits {
    fn taken(&self, now: Instant) -> Duration {
        let under_way = self.since.map_or(Duration::ZERO, |since| now - since);
        (self.over + under_way).min(REQUEST_STATE_TTL)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.0.0.send_modify(|waits| {
            waits.open = waits.open.saturating_sub(1);
            if waits.open == 0 {
                waits.over = waits.taken(Instant::now());
                waits.since = None;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn the_clients_time_is_not_the_backends() {
        let waiting = Waiting::new();
        let began = Instant::now();
        let waits = async {
            for _ in 0..2 {
                tokio::time::sleep(Duration::from_secs(3)).await;
                let (first, second) = (waiting.begin(), waiting.begin());
                tokio::time::sleep(Duration::from_mins(2)).await;
                drop((first, second));
            }
            pending::<()>().await;
        };
        assert_eq!(waiting.within(LIMIT, waits).await, None);
        assert_eq!(began.elapsed(), LIMIT + Duration::from_mins(4));
        assert_eq!(waiting.within(LIMIT, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), 2 * LIMIT + Duration::from_mins(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_answers_is_waited_for_so_long() {
        let waiting = Waiting::new();
        let _wait = waiting.begin();
        let began = Instant::now();
        assert_eq!(waiting.within(LIMIT, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), LIMIT + REQUEST_STATE_TTL);
    }
}
