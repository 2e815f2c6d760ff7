//! Requests that come in the moment in which a session goes to sleep, and in every other.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{ASLEEP, AWAKE, LEGACY, path, sleeps, start, turns, until_asleep};
use crate::{
    MODERN,
    world::{Client, FakeBackend, Gateway, dice::Dice, gateway::Session},
};

const SESSIONS: usize = 12;
/// How often each of them is called between two looks at how often they slept, and how often that is done at least.
const ROUNDS: usize = 8;
const LOOKS: u32 = 5;

/// Around the moment in which a session that was used just now goes to sleep.
fn pause(dice: &mut Dice) -> Duration {
    let ms = 95 + dice.below(70);
    Duration::from_millis(u64::try_from(ms).unwrap())
}

/// Calls that come about when the session goes to sleep; whether it does is chance.
async fn call_again_and_again(gateway: &Gateway, session: &Session, mut dice: Dice, slow: u32) {
    let revision = if dice.below(2) == 0 { LEGACY } else { MODERN };
    let client = Client::speaking(revision, &session.endpoint).await;
    for round in 0..ROUNDS {
        // Not to wait for anything: the pause is what is tried.
        tokio::time::sleep(pause(&mut dice) * slow).await;
        match dice.below(4) {
            0 => {
                let name = json!({"name": format!("n{round}")});
                let renamed = gateway.patch(&path(session), &name).await;
                assert_eq!(renamed.json()["name"], name["name"], "{renamed:?}");
            }
            1 => {
                let calls = (0..3).map(|n| client.call("it.echo", json!({"n": n, "r": round})));
                for (n, answer) in join_all(calls).await.into_iter().enumerate() {
                    assert_eq!(answer.result()["structuredContent"]["n"], n);
                }
            }
            _ => {
                let answer = client.call("it.echo", json!({"round": round})).await;
                assert_eq!(answer.result()["structuredContent"]["round"], round);
            }
        }
    }
}

#[tokio::test]
async fn a_request_in_the_moment_of_falling_asleep_is_answered_and_no_row_has_two_actors() {
    let backend = FakeBackend::both().forgets_requests().start();
    let gateway = start(&backend);
    let (mut dice, seed) = Dice::from_environment("DORMANT_SEED");
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(gateway.session(&["it"]).await);
    }
    let slept = || -> usize { sessions.iter().map(|it| sleeps(&gateway, it)).sum() };
    let (mut looks, mut slow) = (0, 1);
    while looks < LOOKS || slept() <= 2 * SESSIONS {
        let busy = sessions
            .iter()
            .map(|session| call_again_and_again(&gateway, session, dice.split(), slow));
        let before = slept();
        join_all(busy).await;
        looks += 1;
        if slept() < before + SESSIONS {
            // On a machine that is slow, that moment comes later.
            slow += 1;
        }
    }
    for session in &sessions {
        until_asleep(&gateway, session).await;
        let turns = turns(&gateway, session);
        for turn in turns.chunks(2) {
            assert_eq!(turn, [AWAKE, ASLEEP], "seed {seed}");
        }
    }
    assert_eq!(backend.complaints(), [""; 0], "seed {seed}");
    let logs = gateway.logs();
    assert!(
        !logs.contains("died") && !logs.contains("panicked"),
        "seed {seed}"
    );
}

#[tokio::test]
async fn a_deletion_in_the_moment_of_falling_asleep_deletes() {
    let backend = FakeBackend::legacy().forgets_requests().start();
    let mut gateway = start(&backend);
    let (mut dice, seed) = Dice::from_environment("DORMANT_SEED");
    let mut sessions = Vec::new();
    for _ in 0..4 * SESSIONS {
        sessions.push(gateway.session(&["it"]).await);
    }
    let deletions = sessions.iter().map(|session| {
        let (gateway, pause) = (&gateway, pause(&mut dice));
        async move {
            let client = Client::legacy(&session.endpoint, LEGACY).await;
            client.call("it.echo", json!({})).await.result();
            tokio::time::sleep(pause).await;
            let path = path(session);
            let call = client.call("it.echo", json!({}));
            let (answer, deleted) = tokio::join!(call, gateway.delete(&path));
            assert_eq!(deleted.status, 204, "seed {seed}");
            // It came before the deletion, or after it.
            assert!(
                [200, 404].contains(&answer.status),
                "seed {seed}: {answer:?}"
            );
            assert_eq!(gateway.get(&path).await.status, 404, "seed {seed}");
        }
    });
    join_all(deletions).await;
    backend
        .until("the farewells", |it| it.sessions_open() == 0)
        .await;
    gateway.restart();
    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"], json!([]), "seed {seed}");
}
