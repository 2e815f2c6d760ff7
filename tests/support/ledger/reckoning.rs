//! Holds a gateway to all that it acknowledged.

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::{Fate, Ledger, Made, SERVERS, credential};
use crate::world::{
    FakeBackend,
    attempt::{Attempts, Outcome, Voice},
    gateway::HttpAnswer,
};

/// Sessions looked at at once.
const LOOKS: usize = 16;

/// What a gateway owes, each in words.
#[derive(Debug, Default)]
pub struct Losses {
    /// Acknowledged sessions that are not there.
    pub lost: Vec<String>,
    /// Deleted sessions that are.
    pub back: Vec<String>,
    /// Sessions that do not work with every server of theirs.
    pub halves: Vec<String>,
    /// Calls that came with another credential than their session's.
    pub crossed: Vec<String>,
    /// MCP sessions that do not go on.
    pub mcp_sessions: Vec<String>,
    /// Calls that ran more than once, or were answered without having run.
    pub runs: Vec<String>,
}

impl Losses {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        let kinds = [
            &self.lost,
            &self.back,
            &self.halves,
            &self.crossed,
            &self.mcp_sessions,
            &self.runs,
        ];
        kinds.into_iter().flatten()
    }

    fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.back.extend(other.back);
        self.halves.extend(other.halves);
        self.crossed.extend(other.crossed);
        self.mcp_sessions.extend(other.mcp_sessions);
        self.runs.extend(other.runs);
    }
}

/// Looks at every session and every call of a ledger, while nobody else uses the gateway. What was
/// unsure is settled by it.
pub async fn reckon(attempts: &Attempts, ledger: &Ledger, backends: [&FakeBackend; 2]) -> Losses {
    for id in listed(attempts).await {
        // What was made without being acknowledged may be there, but then whole.
        ledger.found(&id);
    }
    let mut losses = Losses::default();
    let all = ledger.all();
    let looks = all
        .iter()
        .map(|made| look(attempts, ledger, made, backends));
    let mut looks = stream::iter(looks).buffer_unordered(LOOKS);
    while let Some(found) = looks.next().await {
        losses.add(found);
    }
    for (mark, answered) in ledger.calls() {
        let runs = backends.iter().map(|it| it.runs_of(&mark)).sum::<usize>();
        if runs > 1 || answered && runs == 0 {
            losses
                .runs
                .push(format!("{mark} ran {runs} times, answered: {answered}"));
        }
    }
    losses
}

async fn look(
    attempts: &Attempts,
    ledger: &Ledger,
    made: &Made,
    backends: [&FakeBackend; 2],
) -> Losses {
    let mut losses = Losses::default();
    let described = answered(attempts.get(&format!("/session/{}", made.id)).await);
    let is_there = match described.status {
        200 => true,
        404 => false,
        _ => {
            losses.halves.push(format!("{made:?}: {described:?}"));
            return losses;
        }
    };
    match (made.fate, is_there) {
        (Fate::Kept, false) => losses.lost.push(format!("{made:?}")),
        (Fate::Deleted, true) => losses.back.push(format!("{made:?}")),
        (Fate::Unsure, false) => ledger.promise(&made.id, Fate::Deleted),
        (Fate::Deleted, false) => {}
        (Fate::Kept | Fate::Unsure, true) => {
            ledger.promise(&made.id, Fate::Kept);
            use_servers(attempts, ledger, &described.json(), backends, &mut losses).await;
            use_mcp_sessions(attempts, ledger, made, &mut losses).await;
        }
    }
    losses
}

/// Calls each server of a session and looks with whose credential the call came.
async fn use_servers(
    attempts: &Attempts,
    ledger: &Ledger,
    described: &Value,
    backends: [&FakeBackend; 2],
    losses: &mut Losses,
) {
    let text = |member: &str| described[member].as_str().unwrap_or_default();
    let (id, name) = (text("session_id"), text("name"));
    for (server, backend) in SERVERS.iter().zip(backends) {
        let mark = ledger.call();
        let tool = format!("{server}.act");
        let called = attempts.call(id, &Voice::Modern, &tool, &mark).await;
        let answer = answered(called);
        if answer.echoed().as_ref() != Some(&mark) {
            losses
                .halves
                .push(format!("{described} at {server}: {answer:?}"));
            continue;
        }
        let came_with = backend.credential_of(&mark).unwrap_or_default();
        if came_with != format!("Bearer {}", credential(server, name)) {
            losses
                .crossed
                .push(format!("{described} came with {came_with}"));
        }
    }
}

async fn use_mcp_sessions(attempts: &Attempts, ledger: &Ledger, made: &Made, losses: &mut Losses) {
    for mcp_session in &made.mcp_sessions {
        let mark = ledger.call();
        let voice = Voice::Legacy(mcp_session.clone());
        let answer = answered(attempts.call(&made.id, &voice, "a.act", &mark).await);
        if answer.echoed().as_ref() != Some(&mark) {
            let told = format!("{mcp_session} of {made:?}: {answer:?}");
            losses.mcp_sessions.push(told);
        }
    }
}

/// Every session the gateway knows.
async fn listed(attempts: &Attempts) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    loop {
        let after = ids.last().map(|id| format!("&after={id}"));
        let path = format!("/sessions?limit=500{}", after.unwrap_or_default());
        let page = answered(attempts.get(&path).await).json();
        let sessions = page["sessions"].as_array().unwrap();
        if sessions.is_empty() {
            return ids;
        }
        let id = |it: &Value| it["session_id"].as_str().unwrap().to_owned();
        ids.extend(sessions.iter().map(id));
    }
}

/// The answer of a gateway that runs.
fn answered(outcome: Outcome) -> HttpAnswer {
    match outcome {
        Outcome::Answered(answer) => answer,
        Outcome::Broken(how) => panic!("a gateway that runs breaks off: {how}"),
        outcome => panic!("a gateway that runs does not answer: {outcome:?}"),
    }
}
