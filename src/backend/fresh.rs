//! How long a list stays good that a backend gave.
//!
//! A backend that says how long is believed. One that announces changes instead is, for as long as it is
//! heard where it would announce them. All others are asked anew each time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{limits::LIST_KEPT_MAX, mcp::kind::ListKind};

/// Counts how often each kind of a connection's lists became another one, as far as anybody knows.
#[derive(Debug, Default)]
pub(super) struct Changes {
    tools: AtomicU64,
    prompts: AtomicU64,
    resources: AtomicU64,
}

impl Changes {
    /// Notes that lists of a kind may be others now.
    pub(super) fn note(&self, kind: ListKind) {
        self.of(kind).fetch_add(1, Ordering::Release);
    }

    /// Notes that lists of these kinds may be others now.
    pub(super) fn note_each(&self, kinds: &[ListKind]) {
        for kind in kinds {
            self.note(*kind);
        }
    }

    /// Notes that all lists may be others now.
    pub(super) fn note_all(&self) {
        self.note_each(&ListKind::ALL);
    }

    fn count(&self, kind: ListKind) -> u64 {
        self.of(kind).load(Ordering::Acquire)
    }

    const fn of(&self, kind: ListKind) -> &AtomicU64 {
        match kind {
            ListKind::Tools => &self.tools,
            ListKind::Prompts => &self.prompts,
            ListKind::Resources => &self.resources,
        }
    }
}

/// A list that is being asked for: what becomes another one from now on counts.
#[derive(Debug)]
pub(super) struct Asked {
    changes: Arc<Changes>,
    kind: ListKind,
    count: u64,
}

/// What tells that a list is still the one its backend would give.
#[derive(Debug)]
pub(crate) struct Fresh {
    asked: Asked,
    /// Where a change is heard of, and whether it would be now; `None` where the backend said how long
    /// the list is good.
    hears: Option<watch::Receiver<bool>>,
    until: Instant,
}

impl Asked {
    pub(super) fn now(changes: &Arc<Changes>, kind: ListKind) -> Self {
        Self {
            count: changes.count(kind),
            changes: Arc::clone(changes),
            kind,
        }
    }

    /// The kind of list.
    pub(super) const fn kind(&self) -> ListKind {
        self.kind
    }

    /// What came is good for so long, as its backend says; `None` for not at all.
    pub(super) fn stays(self, ttl_ms: u64) -> Option<Fresh> {
        let stays = Duration::from_millis(ttl_ms).min(LIST_KEPT_MAX);
        (!stays.is_zero()).then(|| Fresh {
            asked: self,
            hears: None,
            until: Instant::now() + stays,
        })
    }

    /// What came is good until a change is heard of.
    pub(super) fn announced(self, hears: watch::Receiver<bool>) -> Fresh {
        Fresh {
            asked: self,
            hears: Some(hears),
            until: Instant::now() + LIST_KEPT_MAX,
        }
    }
}

impl Fresh {
    /// Whether the list is good now.
    pub(crate) fn is_fresh(&self) -> bool {
        let Asked {
            changes,
            kind,
            count,
        } = &self.asked;
        // A stream that is no longer wanted does not say that it ended.
        let hears =
            |stream: &watch::Receiver<bool>| stream.has_changed().is_ok() && *stream.borrow();
        changes.count(*kind) == *count
            && self.hears.as_ref().is_none_or(hears)
            && Instant::now() < self.until
    }
}

#[cfg(test)]
impl Fresh {
    /// What stays good for as long as may be.
    pub(crate) fn lasting() -> Self {
        let until = Instant::now() + LIST_KEPT_MAX;
        Self {
            asked: Asked::now(&Arc::default(), ListKind::Tools),
            hears: None,
            until,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    fn asked() -> (Arc<Changes>, Asked) {
        let changes = Arc::default();
        let asked = Asked::now(&changes, ListKind::Tools);
        (changes, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_good_for_as_long_as_its_backend_says() {
        let (_changes, nothing) = asked();
        assert!(nothing.stays(0).is_none());
        let (_changes, short) = asked();
        let short = short.stays(1000).unwrap();
        sleep(Duration::from_millis(999)).await;
        assert!(short.is_fresh());
        sleep(Duration::from_millis(1)).await;
        assert!(!short.is_fresh());
        let (_changes, endless) = asked();
        let endless = endless.stays(u64::MAX).unwrap();
        sleep(LIST_KEPT_MAX).await;
        assert!(!endless.is_fresh());
    }

    #[tokio::test]
    async fn a_change_of_its_kind_ends_it_even_while_it_is_asked_for() {
        let (changes, before) = asked();
        let other = Asked::now(&changes, ListKind::Prompts).stays(1000).unwrap();
        changes.note(ListKind::Tools);
        assert!(!before.stays(1000).unwrap().is_fresh());
        let after = Asked::now(&changes, ListKind::Tools).stays(1000).unwrap();
        assert!(after.is_fresh() && other.is_fresh());
        changes.note_all();
        assert!(!after.is_fresh() && !other.is_fresh());
    }

    #[tokio::test]
    async fn what_is_announced_is_good_while_its_stream_is_open() {
        let (opens, hears) = watch::channel(false);
        let (_changes, announced) = asked();
        let announced = announced.announced(hears);
        for open in [true, false, true] {
            opens.send_replace(open);
            assert_eq!(announced.is_fresh(), open);
        }
        drop(opens);
        assert!(!announced.is_fresh());
    }
}
