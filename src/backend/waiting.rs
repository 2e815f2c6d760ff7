//! Tells the time that a backend takes from the time that a client takes: while a client is asked
//! something, its backend's silence and a call's limit do not count.

use std::{
    future::poll_fn,
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::{
    channel::is_let_go_within,
    lanes,
    limits::{PARTS, REQUEST_STATE_TTL},
};

/// While a client is asked something, whether the time is over is looked at no more often than so.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// How long one call has waited for its client.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Whether it ever did. Nearly none does: their calls begin without a lock.
    ever: AtomicBool,
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
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
        Arc::default()
    }

    /// Begins to wait for the client.
    pub(crate) fn begin(self: &Arc<Self>) -> Wait {
        let mut waits = self.waits();
        self.ever.store(true, Relaxed);
        waits.open += 1;
        waits.since.get_or_insert_with(Instant::now);
        drop(waits);
        Wait(Arc::clone(self))
    }

    /// Does some work for no longer than `limit`, the waits for the client left out. These are
    /// bounded by [`REQUEST_STATE_TTL`] altogether. `None` when the time is over.
    ///
    /// A wait only ever puts the end off. So nobody has to be woken for one: it is enough to ask, when the time would be
    /// over, how much of it was no wait.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        mut work: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        let began = lanes::now();
        let before = if self.ever.load(Relaxed) {
            self.waits().taken(began)
        } else {
            Duration::ZERO
        };
        let part = limit / PARTS;
        let mut due = began + part;
        // How much of the time the gateway stood still, and did not wait: it looks several times, so that it sees that.
        let (mut still, mut taken_before) = (Duration::ZERO, Duration::ZERO);
        let mut alarm = pin!(sleep_until(due));
        let mut is_first = true;
        loop {
            let rings = poll_fn(|context| {
                // Polled again in time, it sets the alarm then.
                if mem::take(&mut is_first) && is_let_go_within(part) {
                    return Poll::Pending;
                }
                alarm.as_mut().poll(context)
            });
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = rings => {}
            }
            let now = Instant::now();
            let waits = self.waits();
            let taken = waits.taken(now).saturating_sub(before);
            let late = now.saturating_duration_since(due);
            still += late.saturating_sub(taken.saturating_sub(taken_before));
            taken_before = taken;
            let left = (began + limit + taken + still).saturating_duration_since(now);
            if left.is_zero() {
                return None;
            }
            let pause = if waits.open > 0 {
                LOOK_PAUSE
            } else {
                Duration::ZERO
            };
            due = now + left.min(part).max(pause);
            alarm.as_mut().reset(due);
        }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut waits = self.0.waits();
        waits.open = waits.open.saturating_sub(1);
        if waits.open == 0 {
            waits.over = waits.taken(Instant::now());
            waits.since = None;
        }
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
        assert_eq!(waiting.within(LIMIT, pin!(waits)).await, None);
        assert_eq!(began.elapsed(), LIMIT + Duration::from_mins(4));
        assert_eq!(waiting.within(LIMIT, pending::<()>()).await, None);
        assert_eq!(began.elapsed(), 2 * LIMIT + Duration::from_mins(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_while_the_client_is_waited_for_counts_once() {
        let waiting = Waiting::new();
        let began = Instant::now();
        let waits = async {
            let wait = waiting.begin();
            // Nothing runs meanwhile.
            tokio::time::advance(10 * LIMIT).await;
            tokio::task::yield_now().await;
            drop(wait);
            pending::<()>().await;
        };
        assert_eq!(waiting.within(LIMIT, pin!(waits)).await, None);
        assert_eq!(began.elapsed(), 11 * LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_standstill_takes_one_part_of_the_time() {
        let waiting = Waiting::new();
        let began = Instant::now();
        let stands_still = async {
            tokio::time::advance(10 * LIMIT).await;
            pending::<()>().await;
        };
        assert_eq!(waiting.within(LIMIT, pin!(stands_still)).await, None);
        assert_eq!(began.elapsed(), 10 * LIMIT + LIMIT / PARTS * (PARTS - 1));
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
