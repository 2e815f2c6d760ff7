//! What was asked of a session lately, for its owner to watch: what, of whom, how it ended, how long it took. Never what
//! stood in it.
//!
//! The last few are kept, whoever looks; whoever watches reads them from there, so that nobody has a queue of their own,
//! and an exchange costs no more for being watched.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use smol_str::SmolStr;
use tokio::{sync::Notify, time::Instant};

use crate::{
    limits::{ACTIVITY_KEPT, ACTIVITY_WATCHERS_MAX},
    mcp::name::BackendName,
};

/// One exchange that is over.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its method, shortened.
    pub method: SmolStr,
    /// What it was about, shortened: a tool, a prompt, a resource, a task.
    pub subject: Option<SmolStr>,
    /// The backend that answered, if one did.
    pub backend: Option<BackendName>,
    /// How it ended, as the log says it.
    pub outcome: &'static str,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// When it was over.
    pub at: Instant,
}

/// A session's last exchanges. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ring: Mutex<Ring>,
    news: Notify,
    over: AtomicBool,
    watchers: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ring {
    done: VecDeque<Done>,
    /// How many there were ever.
    noted: u64,
}

/// Somebody who watches a session.
pub struct Watcher {
    activity: Activity,
    /// How many of all that were noted it has passed.
    passed: u64,
}

impl Activity {
    /// Notes an exchange that is over.
    pub fn note(&self, done: Done) {
        {
            let mut ring = self.ring();
            if ring.done.len() >= ACTIVITY_KEPT {
                ring.done.pop_front();
            }
            ring.done.push_back(done);
            ring.noted += 1;
        }
        // Whoever is not counted yet has not looked into the ring yet either.
        if self.0.watchers.load(Ordering::Relaxed) > 0 {
            self.0.news.notify_waiters();
        }
    }

    /// Ends whoever watches: the session ends, or the gateway does.
    pub(super) fn end(&self) {
        self.0.over.store(true, Ordering::Release);
        self.0.news.notify_waiters();
    }

    /// Watches from the first exchange on that is kept; `None` when as many watch as may.
    #[must_use]
    pub fn watch(&self) -> Option<Watcher> {
        let order = Ordering::Relaxed;
        let watchers = self.0.watchers.fetch_update(order, order, |watchers| {
            (watchers < ACTIVITY_WATCHERS_MAX).then_some(watchers + 1)
        });
        watchers.ok().map(|_| Watcher {
            activity: self.clone(),
            passed: 0,
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watcher {
    /// Waits for further exchanges; `None` at the end of the session. Those that were pushed out before they were read
    /// are left out.
    pub async fn next(&mut self) -> Option<Vec<Done>> {
        let activity = Arc::clone(&self.activity.0);
        loop {
            // Before the look: what is noted behind it wakes this.
            let news = activity.news.notified();
            let done = self.further();
            if !done.is_empty() {
                return Some(done);
            }
            if activity.over.load(Ordering::Acquire) {
                return None;
            }
            news.await;
        }
    }

    fn further(&mut self) -> Vec<Done> {
        let ring = self.activity.ring();
        let new = usize::try_from(ring.noted - self.passed).unwrap_or(usize::MAX);
        let skipped = ring.done.len().saturating_sub(new);
        let done = ring.done.iter().skip(skipped).cloned().collect();
        self.passed = ring.noted;
        done
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.activity.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use smol_str::ToSmolStr as _;

    use super::*;

    fn done(number: usize) -> Done {
        Done {
            method: "tools/call".into(),
            subject: Some(number.to_smolstr()),
            backend: None,
            outcome: "ok",
            elapsed_ms: 1,
            at: Instant::now(),
        }
    }

    async fn subjects(watcher: &mut Watcher) -> Vec<SmolStr> {
        let done = watcher.next().await.unwrap();
        done.into_iter().filter_map(|done| done.subject).collect()
    }

    #[tokio::test]
    async fn who_watches_sees_what_is_kept_and_then_each_once() {
        let activity = Activity::default();
        for number in 0..ACTIVITY_KEPT + 5 {
            activity.note(done(number));
        }
        let mut watcher = activity.watch().unwrap();
        let seen = subjects(&mut watcher).await;
        assert_eq!((seen.len(), seen[0].as_str()), (ACTIVITY_KEPT, "5"));
        let mut waits = waiting(&mut watcher);
        activity.note(done(777));
        assert_eq!(waits.as_mut().await.unwrap().len(), 1);
        drop(waits);
        for number in 0..ACTIVITY_KEPT * 2 {
            activity.note(done(number));
        }
        assert_eq!(subjects(&mut watcher).await.len(), ACTIVITY_KEPT);
        activity.note(done(1));
        activity.end();
        assert_eq!(subjects(&mut watcher).await, ["1"]);
        assert!(watcher.next().await.is_none());
    }

    /// A watcher that waits already.
    fn waiting(
        watcher: &mut Watcher,
    ) -> std::pin::Pin<Box<impl Future<Output = Option<Vec<Done>>>>> {
        use futures_util::FutureExt as _;
        let mut waiting = Box::pin(watcher.next());
        assert!(waiting.as_mut().now_or_never().is_none());
        waiting
    }

    #[test]
    fn only_so_many_watch_at_once() {
        let activity = Activity::default();
        let watchers: Vec<_> = (0..ACTIVITY_WATCHERS_MAX)
            .map(|_| activity.watch().unwrap())
            .collect();
        assert!(activity.watch().is_none());
        drop(watchers);
        assert!(activity.watch().is_some());
    }
}
