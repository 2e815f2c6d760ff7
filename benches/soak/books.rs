//! What happened, counted, and what was promised, in the ledger.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::world::ledger::Ledger;

/// Examples that are kept of each loss: enough to begin with.
const EXAMPLES_MAX: usize = 5;

/// The books of one run. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Books {
    pub(crate) ledger: Ledger,
    counts: Arc<Mutex<BTreeMap<&'static str, u64>>>,
    losses: Arc<Mutex<BTreeMap<&'static str, Vec<String>>>>,
    /// Counts the ends and the starts of the gateway: it is even while it runs.
    upheavals: Arc<AtomicUsize>,
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

    /// The gateway is ended, or there again.
    pub(crate) fn upheaval(&self) {
        self.upheavals.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn upheavals(&self) -> usize {
        self.upheavals.load(Ordering::SeqCst)
    }

    /// Says whether the gateway ran from a moment until now without an end.
    pub(crate) fn was_calm_since(&self, upheavals: usize) -> bool {
        upheavals.is_multiple_of(2) && upheavals == self.upheavals()
    }

    /// Has everybody finish.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn are_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }
}
