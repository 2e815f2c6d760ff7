//! What happened, counted, and what was promised, in the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::world::ledger::Ledger;

/// Examples that are kept of each loss: enough to begin with.
const EXAMPLES_MAX: usize = 5;

/// What the gateway's own life goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upheaval {
    /// It is about to be killed.
    Kill,
    /// It is about to be asked to stop.
    Stop,
    /// It listens again.
    Start,
}

/// What a request met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// The gateway ran all the time.
    Calm,
    /// It ran when the request began, and has only been asked to stop since: it owes an answer to what
    /// had reached it.
    Stopped,
    /// It was killed, or did not run when the request began.
    Rough,
}

/// The books of one run. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    losses: Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>,
    /// The ends and the starts of the gateway in their order, one after the other.
    upheavals: Arc<Mutex<Vec<Upheaval>>>,
    closed: Arc<AtomicBool>,
}

impl Books {
    pub(crate) fn count(&self, what: &'static str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.clone()
    }

    pub(crate) fn lose(&self, what: &'static str, example: String) {
        self.count(what);
        let mut losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        let examples = losses.entry(what).or_default();
        if examples.len() < EXAMPLES_MAX {
            examples.push(example);
        }
    }

    pub(crate) fn examples(&self) -> BTreeMap<&'static str, Vec<String>> {
        let losses = self.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.clone()
    }

    pub(crate) fn upheaval(&self, what: Upheaval) {
        self.all_upheavals().push(what);
    }

    /// A moment, for [`Self::weather_since`].
    pub(crate) fn now(&self) -> usize {
        self.all_upheavals().len()
    }

    /// What the gateway went through since a moment.
    pub(crate) fn weather_since(&self, moment: usize) -> Weather {
        let upheavals = self.all_upheavals();
        let was_down = |it: Option<&Upheaval>| it.is_some_and(|it| *it != Upheaval::Start);
        let before = moment.checked_sub(1).and_then(|last| upheavals.get(last));
        let since = upheavals.get(moment..).unwrap_or_default();
        if since.is_empty() && !was_down(before) {
            Weather::Calm
        } else if since.contains(&Upheaval::Kill) || was_down(before) {
            Weather::Rough
        } else {
            Weather::Stopped
        }
    }

    fn all_upheavals(&self) -> MutexGuard<'_, Vec<Upheaval>> {
        let upheavals = self.upheavals.lock();
        upheavals.unwrap_or_else(PoisonError::into_inner)
    }

    /// Has everybody finish.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
