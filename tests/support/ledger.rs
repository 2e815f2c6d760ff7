//! What a gateway acknowledged, whatever happened to it since, and what it owes for that.

pub mod reckoning;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{attempt::Voice, dice::Dice, within};

/// The servers of every session in a ledger; each has the tool `act`.
pub const SERVERS: [&str; 2] = ["a", "b"];

/// What was promised of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// That it is there.
    Kept,
    /// That it is gone.
    Deleted,
    /// Nothing: its end was asked for, or its making, and no answer came.
    Unsure,
}

/// A session.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its id.
    pub id: String,
    /// What was promised of it.
    pub fate: Fate,
    /// How often its end was asked for since it was last seen.
    pub deletes: usize,
    /// The MCP sessions whose clients were given an id.
    pub mcp_sessions: Vec<String>,
}

impl Made {
    /// One of the ways in which it can be spoken to.
    pub fn voice(&self, dice: &mut Dice) -> Voice {
        match dice.pick(&self.mcp_sessions) {
            Some(id) if dice.below(2) == 0 => Voice::Legacy(id.clone()),
            _ if dice.below(2) == 0 => Voice::Modern,
            _ => Voice::Plain,
        }
    }
}

/// All that was acknowledged. A clone is the same.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    sessions: Arc<Mutex<HashMap<String, Made>>>,
    /// Marks of calls, and whether they were answered.
    calls: Arc<Mutex<HashMap<String, bool>>>,
    marks: Arc<AtomicUsize>,
    acknowledged: watch::Sender<usize>,
}

impl Ledger {
    /// The body that makes a session; its name and its credentials are its own.
    pub fn creation(&self) -> Value {
        let mark = self.mark();
        let tokens = SERVERS.map(|server| {
            let token = json!({"token": credential(server, &mark)});
            (server.to_owned(), token)
        });
        json!({"servers": SERVERS, "name": mark, "credentials": Value::from_iter(tokens)})
    }

    /// The mark of a new call, which nobody has answered yet.
    pub fn call(&self) -> String {
        let mark = self.mark();
        lock(&self.calls).insert(mark.clone(), false);
        mark
    }

    /// A call was answered with its result.
    pub fn answered(&self, call: &str) {
        lock(&self.calls).insert(call.to_owned(), true);
        self.acknowledge();
    }

    /// A session was made.
    pub fn created(&self, id: &str) {
        self.add(id, Fate::Kept);
        self.acknowledge();
    }

    /// Notes a session that the gateway lists, if nobody was told of it.
    pub fn found(&self, id: &str) {
        let is_known = lock(&self.sessions).contains_key(id);
        if !is_known {
            self.add(id, Fate::Unsure);
        }
    }

    /// A client was given an MCP session.
    pub fn opened(&self, id: &str, mcp_session: &str) {
        self.edit(id, |made| made.mcp_sessions.push(mcp_session.to_owned()));
        self.acknowledge();
    }

    /// Something else is promised of a session now.
    pub fn promise(&self, id: &str, fate: Fate) {
        self.edit(id, |made| {
            made.fate = fate;
            if fate == Fate::Kept {
                // It was seen, so that nothing came of them.
                made.deletes = 0;
            }
        });
        self.acknowledge();
    }

    /// The end of a session is about to be asked for: from now on nobody calls in it, and it may be gone.
    pub fn deleting(&self, id: &str) {
        self.edit(id, |made| {
            made.deletes += 1;
            // What was deleted before stays so.
            if made.fate == Fate::Kept {
                made.fate = Fate::Unsure;
            }
        });
    }

    /// Says whether a session may be unknown to whoever asks for it, because somebody else asked for its
    /// end: so often, at least.
    pub fn may_be_gone(&self, id: &str, deletes: usize) -> bool {
        lock(&self.sessions)
            .get(id)
            .is_some_and(|made| made.deletes >= deletes)
    }

    /// A session that is to be there.
    pub fn pick(&self, dice: &mut Dice) -> Option<Made> {
        let sessions = lock(&self.sessions);
        let kept = sessions.values().filter(|made| made.fate == Fate::Kept);
        let mut kept: Vec<&Made> = kept.collect();
        // The order of a map is of nobody's choice.
        kept.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        dice.pick(&kept).map(|made| (*made).clone())
    }

    /// Every session that was ever made.
    pub fn all(&self) -> Vec<Made> {
        lock(&self.sessions).values().cloned().collect()
    }

    /// The marks of all calls, and whether they were answered.
    pub fn calls(&self) -> Vec<(String, bool)> {
        let calls = lock(&self.calls);
        calls.iter().map(|(mark, it)| (mark.clone(), *it)).collect()
    }

    /// How many sessions there are of a fate.
    pub fn count(&self, fate: Fate) -> usize {
        let sessions = lock(&self.sessions);
        sessions.values().filter(|made| made.fate == fate).count()
    }

    /// How often something was acknowledged.
    pub fn acknowledged(&self) -> usize {
        *self.acknowledged.borrow()
    }

    /// Waits until something was acknowledged so often.
    pub async fn until_acknowledged(&self, enough: usize) {
        let mut seen = self.acknowledged.subscribe();
        let reached = seen.wait_for(|count| *count >= enough);
        within("so many answers", reached).await.unwrap();
    }

    /// A name that nothing else has.
    fn mark(&self) -> String {
        let number = self.marks.fetch_add(1, Ordering::Relaxed);
        format!("m{number}")
    }

    fn add(&self, id: &str, fate: Fate) {
        let made = Made {
            id: id.to_owned(),
            fate,
            deletes: 0,
            mcp_sessions: Vec::new(),
        };
        lock(&self.sessions).insert(id.to_owned(), made);
    }

    fn edit(&self, id: &str, edit: impl FnOnce(&mut Made)) {
        edit(lock(&self.sessions).get_mut(id).unwrap());
    }

    fn acknowledge(&self) {
        self.acknowledged.send_modify(|count| *count += 1);
    }
}

/// What a session of this mark brings for a server.
fn credential(server: &str, mark: &str) -> String {
    format!("credential-{server}-{mark}")
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
