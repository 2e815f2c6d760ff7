//! `kill -9` at any moment: what was acknowledged is there, what was deleted is not, and nothing is
//! there by halves.

mod ledger;

use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::task::JoinSet;

use self::ledger::{Fate, Ledger, Made};
use crate::world::{
    FakeBackend, Gateway,
    attempt::{Attempts, Outcome, Voice},
    dice::Dice,
    gateway::HttpAnswer,
    within,
};

/// How often the gateway is killed. `KILL_ROUNDS` has it killed more often, `KILL_SEED` as in an
/// earlier run.
const ROUNDS: usize = 15;
/// Clients at work when it is.
const CLIENTS: usize = 12;
/// The most that they are told between two kills.
const ACKNOWLEDGED_MAX: usize = 60;
/// Sessions looked at at once afterwards.
const LOOKS: usize = 16;

#[tokio::test]
#[expect(clippy::print_stderr, reason = "a failure is to be had again")]
async fn kill_9_under_load_loses_no_session_and_brings_none_back() {
    let (mut dice, seed) = Dice::from_environment("KILL_SEED");
    eprintln!("KILL_SEED={seed}");
    let rounds = std::env::var("KILL_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let scripts = [FakeBackend::legacy(), FakeBackend::modern()];
    let backends = scripts.map(|script| script.tool_named("act").forgets_requests().start());
    let bearer = "auth: { type: bearer }";
    let mut gateway = Gateway::setup()
        .provider_with("a", &backends[0], bearer)
        .provider_with("b", &backends[1], bearer)
        .log_level("info")
        .start();
    let attempts = Attempts::at(&gateway);
    let ledger = Ledger::default();
    for _ in 0..rounds {
        let enough = ledger.acknowledged() + 1 + dice.below(ACKNOWLEDGED_MAX);
        let mut load = JoinSet::new();
        for _ in 0..CLIENTS {
            load.spawn(work(attempts.clone(), ledger.clone(), dice.split()));
        }
        ledger.until_acknowledged(enough).await;
        gateway.kill();
        within("all clients to notice", load.join_all()).await;
        // It says where it listens only when the database is open, and whole.
        gateway.restart();
        reckon(&attempts, &ledger, &backends).await;
    }
    let (kept, deleted) = ledger.counts();
    assert!(
        kept > 0 && deleted > 0,
        "{kept} kept, {deleted} deleted: no load"
    );
    let logs = gateway.logs();
    assert!(!logs.contains("panicked"), "{logs}");
}

/// Makes sessions, deletes them, opens MCP sessions and calls, until nobody answers any more.
async fn work(attempts: Attempts, ledger: Ledger, mut dice: Dice) {
    while turn(&attempts, &ledger, &mut dice).await.is_some() {}
}

/// One request; `None` if it was cut short.
async fn turn(attempts: &Attempts, ledger: &Ledger, dice: &mut Dice) -> Option<()> {
    let act = dice.below(10);
    let Some(made) = ledger.pick(dice).filter(|_| act > 2) else {
        let mark = ledger.mark();
        let token = |server: &str| json!({"token": credential(server, &mark)});
        let request = json!({"servers": ["a", "b"], "name": mark,
            "credentials": {"a": token("a"), "b": token("b")}});
        let answer = attempts.create(&request).await.answer()?;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["session_id"].as_str().unwrap().to_owned();
        ledger.created(&id);
        return Some(());
    };
    match act {
        3 => {
            // From now on nobody calls in it, and it may be gone.
            ledger.change(&made.id, |fate| *fate = Fate::Unsure);
            let answer = attempts.delete(&made.id).await.answer()?;
            // Two may have picked it.
            assert!([204, 404].contains(&answer.status), "{answer:?}");
            ledger.change(&made.id, |fate| *fate = Fate::Deleted);
        }
        4 | 5 => {
            let answer = attempts.initialize(&made.id).await.answer()?;
            if let Some(id) = answer.header("mcp-session-id") {
                ledger.opened(&made.id, id);
            }
        }
        _ => {
            let (voice, token) = (made.voice(dice), ledger.call());
            let answer = attempts.call(&made.id, &voice, "a.act", &token).await;
            // The session may just have been deleted.
            if answer.answer()?.echoed().as_deref() == Some(token.as_str()) {
                ledger.answered(&token);
            }
        }
    }
    Some(())
}

fn credential(server: &str, mark: &str) -> String {
    format!("credential-{server}-{mark}")
}

/// Holds the gateway to all that was acknowledged so far.
async fn reckon(attempts: &Attempts, ledger: &Ledger, backends: &[FakeBackend; 2]) {
    for id in listed(attempts).await {
        // What was made without being acknowledged may be there, but then whole.
        ledger.found(&id);
    }
    let all = ledger.all();
    let looks = all.iter().map(|made| async move {
        match made.fate {
            Fate::Kept => look(attempts, ledger, made, backends).await,
            Fate::Unsure if is_there(attempts, &made.id).await => {
                ledger.change(&made.id, |fate| *fate = Fate::Kept);
                look(attempts, ledger, made, backends).await;
            }
            Fate::Unsure => ledger.change(&made.id, |fate| *fate = Fate::Deleted),
            Fate::Deleted => assert!(!is_there(attempts, &made.id).await, "{made:?} is back"),
        }
    });
    stream::iter(looks)
        .buffer_unordered(LOOKS)
        .for_each(async |()| {})
        .await;
    for (token, answered) in ledger.calls() {
        let runs = backends[0].runs_of(&token);
        let right = if answered { runs == 1 } else { runs <= 1 };
        assert!(right, "{token} ran {runs} times, answered: {answered}");
    }
}

/// Fails unless a session works with both its servers, each under its own credential, and all MCP
/// sessions of its clients go on.
async fn look(attempts: &Attempts, ledger: &Ledger, made: &Made, backends: &[FakeBackend; 2]) {
    let described = answered(attempts.get(&format!("/session/{}", made.id)).await);
    assert_eq!(described.status, 200, "{made:?} is lost: {described:?}");
    let described = described.json();
    assert_eq!(described["servers"].as_array().unwrap().len(), 2);
    let mark = described["name"].as_str().unwrap();
    for ((server, tool), backend) in [("a", "a.act"), ("b", "b.act")].iter().zip(backends) {
        let token = ledger.call();
        let answer = answered(attempts.call(&made.id, &Voice::Modern, tool, &token).await);
        assert_eq!(
            answer.echoed().as_deref(),
            Some(token.as_str()),
            "{answer:?}"
        );
        let came_with = backend.credential_of(&token);
        let own = format!("Bearer {}", credential(server, mark));
        assert_eq!(came_with, Some(own), "{made:?}");
    }
    for id in &made.mcp_sessions {
        let (voice, token) = (Voice::Legacy(id.clone()), ledger.call());
        let answer = answered(attempts.call(&made.id, &voice, "a.act", &token).await);
        assert_eq!(
            answer.echoed().as_deref(),
            Some(token.as_str()),
            "{id} of {made:?}: {answer:?}"
        );
    }
}

async fn is_there(attempts: &Attempts, id: &str) -> bool {
    let answer = answered(attempts.get(&format!("/session/{id}")).await);
    assert!([200, 404].contains(&answer.status), "{answer:?}");
    answer.status == 200
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
        let id = |it: &serde_json::Value| it["session_id"].as_str().unwrap().to_owned();
        ids.extend(sessions.iter().map(id));
    }
}

/// The answer of a gateway that runs.
fn answered(outcome: Outcome) -> HttpAnswer {
    let told = format!("no answer, but: {outcome:?}");
    outcome.answer().unwrap_or_else(|| unreachable!("{told}"))
}
