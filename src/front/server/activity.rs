//! What goes on on one connection, as far as its deadlines ask.
//!
//! Written by the socket, by requests as they come and by answers as they go; read by the
//! connection's task when a deadline may be over. So a request costs no timer of its own.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::lanes;

use super::{
    ServerBounds,
    heads::{Head, Heads},
};

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
    /// Of HTTP/1, what has come of requests that have not begun.
    heads: Mutex<Heads>,
}

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
            // What hyper takes, and what it may have read beyond it.
            heads: Mutex::new(Heads::new(headers_bytes_max.saturating_mul(2))),
        })
    }

    /// Milliseconds since the connection began, never 0.
    pub(super) fn now_ms(&self) -> u64 {
        let elapsed = lanes::now().duration_since(self.began);
        let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_add(1)
    }

    /// Takes note of an HTTP/1 request whose headers are there, with a body of so many bytes; `None` if it
    /// comes in chunks.
    pub(super) fn begin(self: &Arc<Self>, body_bytes: Option<u64>) -> (Busy, Head) {
        let busy = self.busy();
        let mut heads = self.heads();
        let head = heads.begin(body_bytes);
        let since_ms = if heads.is_empty() { 0 } else { self.now_ms() };
        drop(heads);
        self.headers_since_ms.store(since_ms, Relaxed);
        (busy, head)
    }

    /// Takes note of an HTTP/2 request.
    pub(super) fn begin_stream(self: &Arc<Self>) -> Busy {
        self.is_http2.store(true, Relaxed);
        self.headers_since_ms.store(0, Relaxed);
        self.busy()
    }

    fn busy(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Relaxed);
        self.is_used.store(true, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether no request has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        !self.is_used.load(Relaxed)
    }

    /// Takes note of bytes from the client.
    pub(super) fn heard(&self, bytes: &[u8]) {
        if self.is_http2() || !self.heads().hear(bytes) {
            return;
        }
        if self.headers_since_ms.load(Relaxed) == 0 {
            self.headers_since_ms.store(self.now_ms(), Relaxed);
        }
    }

    fn heads(&self) -> MutexGuard<'_, Heads> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
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
        // Before it counts as quiet: the time of an earlier quiet is over long since, and that of headers
        // which have waited for their turn begins.
        let now_ms = self.0.now_ms();
        self.0.quiet_since_ms.store(now_ms, Relaxed);
        if self.0.headers_since_ms.load(Relaxed) != 0 {
            self.0.headers_since_ms.store(now_ms, Relaxed);
        }
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const HEADERS: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_mins(1);
    const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

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
        activity.heard(GET);
        assert_eq!(
            left(&activity),
            Some(6),
            "bytes gain a first request nothing"
        );
        let (busy, _) = activity.begin(Some(0));
        sleep(IDLE * 2).await;
        assert_eq!(left(&activity), None, "a request takes its time");
        drop(busy);
        assert_eq!(left(&activity), Some(60));
        sleep(Duration::from_secs(58)).await;
        assert_eq!(left(&activity), Some(2));
        activity.heard(b"GET");
        assert_eq!(left(&activity), Some(10), "a late request has time, too");
        sleep(Duration::from_secs(5)).await;
        activity.heard(b" / HTTP/1.1\r\n\r\nG");
        assert_eq!(left(&activity), Some(5), "however it trickles");
        let (busy, _) = activity.begin(Some(0));
        sleep(IDLE).await;
        drop(busy);
        assert_eq!(
            left(&activity),
            Some(10),
            "it came while another was answered"
        );
        activity.heard(b"ET / HTTP/1.1\r\n\r\n");
        let (busy, _) = activity.begin(Some(2));
        activity.heard(b"{}");
        drop(busy);
        assert_eq!(left(&activity), Some(60), "a body is no request");
    }

    #[tokio::test(start_paused = true)]
    async fn what_http2_says_between_requests_is_no_request() {
        let activity = Activity::new(1024);
        drop(activity.begin_stream());
        sleep(Duration::from_secs(55)).await;
        activity.heard(b"GET");
        assert_eq!(left(&activity), Some(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_an_answer_counts_as_long_as_it_waits_to_be_read() {
        let activity = Activity::new(1024);
        activity.heard(GET);
        drop(activity.begin(Some(0)));
        activity.blocked(true);
        assert_eq!(left(&activity), None);
        activity.blocked(false);
        assert_eq!(left(&activity), Some(60));
    }
}
