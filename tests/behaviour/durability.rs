//! `kill -9` at any moment: what was acknowledged is there, what was deleted is not, and nothing is
//! there by halves.

use tokio::task::JoinSet;

use crate::world::{
    FakeBackend, Gateway,
    attempt::Attempts,
    dice::Dice,
    ledger::{Fate, Ledger, SERVERS, reckoning::reckon},
    within,
};

/// How often the gateway is killed. `KILL_ROUNDS` has it killed more often, `KILL_SEED` as in an
/// earlier run.
const ROUNDS: usize = 15;
/// Clients at work when it is.
const CLIENTS: usize = 12;
/// The most that they are told between two kills.
const ACKNOWLEDGED_MAX: usize = 60;

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
        .provider_with(SERVERS[0], &backends[0], bearer)
        .provider_with(SERVERS[1], &backends[1], bearer)
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
        let losses = reckon(&attempts, &ledger, backends.each_ref()).await;
        assert_eq!(losses.all().next(), None, "{losses:#?}");
    }
    let (kept, deleted) = (ledger.count(Fate::Kept), ledger.count(Fate::Deleted));
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
        let answer = attempts.create(&ledger.creation()).await.answer()?;
        assert_eq!(answer.status, 201, "{answer:?}");
        ledger.created(answer.json()["session_id"].as_str().unwrap());
        return Some(());
    };
    match act {
        3 => {
            ledger.deleting(&made.id);
            let answer = attempts.delete(&made.id).await.answer()?;
            // Two may have picked it.
            let is_second = answer.status == 404 && ledger.may_be_gone(&made.id, 2);
            assert!(answer.status == 204 || is_second, "{made:?}: {answer:?}");
            ledger.promise(&made.id, Fate::Deleted);
        }
        4 | 5 => {
            let answer = attempts.initialize(&made.id).await.answer()?;
            if let Some(id) = answer.header("mcp-session-id") {
                // What is only opened is stored later; what was answered in is.
                let answer = attempts.ping(&made.id, id).await.answer()?;
                if answer.is_result() {
                    ledger.opened(&made.id, id);
                }
            }
        }
        6 => {
            let (voice, token) = (made.voice(dice), ledger.call());
            let told = attempts.progress(&made.id, &voice, &token, 2).await;
            if told.answer()?.echoed().as_deref() == Some(token.as_str()) {
                ledger.answered(&token);
            }
        }
        7 => {
            let mcp_session = made.mcp_sessions.first().map_or("none", String::as_str);
            attempts.glance(&made.id, mcp_session).await.answer()?;
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
