//! What goes on on one connection, as far as its deadlines ask.
//!
//! Written by the socket, by requests as they come and by answers as they go; read by the
//! connection's task when a deadline may be over. So a request costs no timer of its own.

use std::{
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::ServerBounds;

/// What a connection's requests, answers and socket tell of themselves.
pub(super) struct Activity {
    began: Instant,
    in_flight: AtomicUsize,
    /// Since when nothing is in flight; as all times here, in milliseconds since it began.
    quiet_since_ms: AtomicU64,
    /// Since when the headers of a request arrive; 0 while none do.
    headers_since_ms: AtomicU64,
    is_used: AtomicBool,
    is_http2: AtomicBool,
    /// The client reads nothing of what is sent to it, at the moment.
    is_blocked: AtomicBool,
    leases: Mutex<Vec<Weak<dyn Lease>>>,
    /// What came since the last request began, as long as it can be a request's headers.
    head: Mutex<Vec<u8>>,
    /// Bytes of that which are kept: what hyper takes, and what it may have read beyond it.
    head_bytes_max: usize,
}

/// How HTTP/2 begins, where nobody asks for what came.
const PREFACE: &[u8] = b"PRI ";
/// What is kept of its memory for the next request.
const HEAD_BYTES_USUAL: usize = 4 * 1024;

/// An answer that holds something for as long as its client may take it.
pub(super) trait Lease: Send + Sync {
    /// Lets go of it if the client has taken nothing for that long.
    fn end_if_stalled(&self, now_ms: u64, stall_max: Duration);
}

/// A request in flight, until it is dropped.
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    /// Begins with a connection whose requests have headers of so many bytes at most.
    pub(super) fn new(headers_bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            in_flight: AtomicUsize::new(0),
            quiet_since_ms: AtomicU64::new(0),
            headers_since_ms: AtomicU64::new(0),
            is_used: AtomicBool::new(false),
            is_http2: AtomicBool::new(false),
            is_blocked: AtomicBool::new(false),
            leases: Mutex::default(),
            head: Mutex::default(),
            head_bytes_max: headers_bytes_max.saturating_mul(2),
        })
    }

    /// Milliseconds since the connection began, never 0.
    pub(super) fn now_ms(&self) -> u64 {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_add(1)
    }

    /// Takes note of a request whose headers are there.
    pub(super) fn begin(self: &Arc<Self>, is_http2: bool) -> Busy {
        self.in_flight.fetch_add(1, Relaxed);
        self.headers_since_ms.store(0, Relaxed);
        self.is_used.store(true, Relaxed);
        if is_http2 {
            self.is_http2.store(true, Relaxed);
        }
        let mut head = self.head();
        head.clear();
        head.shrink_to(HEAD_BYTES_USUAL);
        drop(head);
        Busy(Arc::clone(self))
    }

    /// Whether no request has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.is_used.load(Relaxed)
    }

    /// Takes note of bytes from the client.
    pub(super) fn heard(&self, bytes: &[u8]) {
        // What comes while a request is in flight is its body, or waits for its turn.
        if self.in_flight.load(Relaxed) > 0 || self.is_http2() {
            return;
        }
        if self.headers_since_ms.load(Relaxed) == 0 {
            self.headers_since_ms.store(self.now_ms(), Relaxed);
        }
        let mut head = self.head();
        if !head.starts_with(PREFACE) && head.len() < self.head_bytes_max {
            let room = self.head_bytes_max - head.len();
            head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    /// What came before the request that begins now: its headers at least, if they are known. They are
    /// not of a client that sends requests before it has the answers to the earlier ones.
    pub(super) fn take_head(&self) -> Vec<u8> {
        mem::take(&mut *self.head())
    }

    fn head(&self) -> MutexGuard<'_, Vec<u8>> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of whether something waits to be sent that the client does not read.
    pub(super) fn blocked(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Relaxed);
    }

    /// Whether a request is in flight, or the end of an answer is.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Relaxed) > 0 || self.is_blocked.load(Relaxed)
    }

    pub(super) fn is_http2(&self) -> bool {
        self.is_http2.load(Relaxed)
    }

    /// When the connection is given up unless something happens before; `None` while it is busy.
    pub(super) fn deadline(&self, bounds: &ServerBounds) -> Option<Instant> {
        if self.is_busy() {
            return None;
        }
        if self.is_fresh() {
            return Some(self.began + bounds.headers_within);
        }
        let at = |since_ms: u64, within| self.began + Duration::from_millis(since_ms) + within;
        let headers_since_ms = self.headers_since_ms.load(Relaxed);
        // Of HTTP/2 none are noted: what it says between requests need not be a request's begin.
        if headers_since_ms != 0 {
            return Some(at(headers_since_ms, bounds.headers_within));
        }
        Some(at(self.quiet_since_ms.load(Relaxed), bounds.idle_max))
    }

    /// Watches over what an answer holds.
    pub(super) fn watch(&self, lease: Weak<dyn Lease>) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if leases.len() == leases.capacity() {
            leases.retain(|lease| lease.strong_count() > 0);
        }
        leases.push(lease);
    }

    /// Has every answer let go whose client has taken nothing for that long.
    pub(super) fn end_stalled(&self, stall_max: Duration) {
        let now_ms = self.now_ms();
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|lease| lease.strong_count() > 0);
        let live: Vec<_> = leases.iter().filter_map(Weak::upgrade).collect();
        // What an answer lets go of may end in a request's end, which comes back here.
        drop(leases);
        for lease in live {
            lease.end_if_stalled(now_ms, stall_max);
        }
    }
}

impl Busy {
    /// The connection that the request came by.
    pub(super) const fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        // Before it counts as quiet: the time of an earlier quiet is over long since.
        self.0.quiet_since_ms.store(self.0.now_ms(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const HEADERS: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(1);

    fn bounds() -> ServerBounds {
        ServerBounds {
            headers_within: HEADERS,
            idle_max: IDLE,
            ..ServerBounds::default()
        }
    }

    /// How long the connection has left, in seconds: timers are exact to a few milliseconds.
    fn left(activity: &Activity) -> Option<u128> {
        let left = activity.deadline(&bounds())? - Instant::now();
        Some((left.as_millis() + 500) / 1000)
    }

    #[tokio::test(start_paused = true)]
    async fn headers_and_idleness_have_deadlines_of_their_own() {
        let activity = Activity::new(1024);
        assert_eq!(left(&activity), Some(10), "the first request");
        sleep(Duration::from_secs(4)).await;
        activity.heard(b"GET");
        assert_eq!(
            left(&activity),
            Some(6),
            "bytes gain a first request nothing"
        );
        let busy = activity.begin(false);
        sleep(IDLE * 2).await;
        assert_eq!(left(&activity), None, "a request takes its time");
        drop(busy);
        assert_eq!(left(&activity), Some(60));
        sleep(Duration::from_secs(58)).await;
        assert_eq!(left(&activity), Some(2));
        activity.heard(b"GET");
        assert_eq!(left(&activity), Some(10), "a late request has time, too");
        sleep(Duration::from_secs(5)).await;
        activity.heard(b"GET");
        assert_eq!(left(&activity), Some(5), "however it trickles");
        drop(activity.begin(false));
        assert_eq!(left(&activity), Some(60));
    }

    #[tokio::test]
    async fn what_came_is_kept_within_bounds_until_a_request_begins() {
        let activity = Activity::new(8);
        activity.heard(b"GET /");
        activity.heard(&[b'x'; 100]);
        assert_eq!(activity.take_head(), b"GET /xxxxxxxxxxx");
        activity.heard(b"GET");
        drop(activity.begin(false));
        assert_eq!(activity.take_head(), b"");
        activity.heard(b"PRI * HTTP/2.0");
        activity.heard(b"and more");
        assert_eq!(activity.take_head(), b"PRI * HTTP/2.0");
    }

    #[tokio::test(start_paused = true)]
    async fn what_http2_says_between_requests_is_no_request() {
        let activity = Activity::new(1024);
        drop(activity.begin(true));
        sleep(Duration::from_secs(55)).await;
        activity.heard(b"GET");
        assert_eq!(left(&activity), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_an_answer_counts_as_long_as_it_waits_to_be_read() {
        let activity = Activity::new(1024);
        drop(activity.begin(false));
        activity.blocked(true);
        assert_eq!(left(&activity), None);
        activity.blocked(false);
        assert_eq!(left(&activity), Some(60));
    }
}
