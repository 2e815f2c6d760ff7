//! What a gateway acknowledged before it was killed.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

use crate::world::{attempt::Voice, dice::Dice, within};

/// What was promised of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// That it is there.
    Kept,
    /// That it is gone.
    Deleted,
    /// Nothing: its end was asked for, or its making, and no answer came.
    Unsure,
}

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) fate: Fate,
    /// Those of its clients that were given an id.
    pub(super) mcp_sessions: Vec<String>,
}

impl Made {
    /// One of the ways in which it can be spoken to.
    pub(super) fn voice(&self, dice: &mut Dice) -> Voice {
        match dice.pick(&self.mcp_sessions) {
            Some(id) if dice.below(2) == 0 => Voice::Legacy(id.clone()),
            _ if dice.below(2) == 0 => Voice::Modern,
            _ => Voice::Plain,
        }
    }
}

/// All that was acknowledged. A clone is the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    sessions: Arc<Mutex<Vec<Made>>>,
    /// Marks of calls, and whether they were answered.
    calls: Arc<Mutex<HashMap<String, bool>>>,
    marks: Arc<AtomicUsize>,
    acknowledged: watch::Sender<usize>,
}

impl Ledger {
    /// A name that nothing else has.
    pub(super) fn mark(&self) -> String {
        let number = self.marks.fetch_add(1, Ordering::Relaxed);
        format!("m{number}")
    }

    /// The mark of a new call, which nobody has answered yet.
    pub(super) fn call(&self) -> String {
        let mark = self.mark();
        lock(&self.calls).insert(mark.clone(), false);
        mark
    }

    pub(super) fn answered(&self, call: &str) {
        lock(&self.calls).insert(call.to_owned(), true);
        self.acknowledge();
    }

    pub(super) fn created(&self, id: &str) {
        self.add(id, Fate::Kept);
        self.acknowledge();
    }

    /// Notes a session that the gateway lists, if nobody was told of it.
    pub(super) fn found(&self, id: &str) {
        let is_known = lock(&self.sessions).iter().any(|made| made.id == id);
        if !is_known {
            self.add(id, Fate::Unsure);
        }
    }

    pub(super) fn opened(&self, id: &str, mcp_session: &str) {
        self.edit(id, |made| made.mcp_sessions.push(mcp_session.to_owned()));
        self.acknowledge();
    }

    pub(super) fn change(&self, id: &str, change: impl FnOnce(&mut Fate)) {
        self.edit(id, |made| change(&mut made.fate));
        self.acknowledge();
    }

    /// A session that is to be there.
    pub(super) fn pick(&self, dice: &mut Dice) -> Option<Made> {
        let sessions = lock(&self.sessions);
        let kept: Vec<&Made> = sessions
            .iter()
            .filter(|made| made.fate == Fate::Kept)
            .collect();
        dice.pick(&kept).map(|made| (*made).clone())
    }

    pub(super) fn all(&self) -> Vec<Made> {
        lock(&self.sessions).clone()
    }

    pub(super) fn calls(&self) -> Vec<(String, bool)> {
        let calls = lock(&self.calls);
        calls.iter().map(|(mark, it)| (mark.clone(), *it)).collect()
    }

    /// How many sessions are kept, and how many deleted.
    pub(super) fn counts(&self) -> (usize, usize) {
        let sessions = lock(&self.sessions);
        let of = |fate| sessions.iter().filter(|made| made.fate == fate).count();
        (of(Fate::Kept), of(Fate::Deleted))
    }

    pub(super) fn acknowledged(&self) -> usize {
        *self.acknowledged.borrow()
    }

    pub(super) async fn until_acknowledged(&self, enough: usize) {
        let mut seen = self.acknowledged.subscribe();
        let reached = seen.wait_for(|count| *count >= enough);
        within("so many answers", reached).await.unwrap();
    }

    fn add(&self, id: &str, fate: Fate) {
        lock(&self.sessions).push(Made {
            id: id.to_owned(),
            fate,
            mcp_sessions: Vec::new(),
        });
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Made)) {
        let mut sessions = lock(&self.sessions);
        edit(sessions.iter_mut().find(|made| made.id == id).unwrap());
    }

    fn acknowledge(&self) {
        self.acknowledged.send_modify(|count| *count += 1);
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
