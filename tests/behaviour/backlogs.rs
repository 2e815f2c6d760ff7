//! What waits for somebody slow is bounded in bytes: a few large messages are as much as thousands of small ones.

use std::fs;

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        Answers, Client, FakeBackend, Fault, Gateway, Pairing, Program, Says, World, eventually,
    },
};

const MIB: usize = 1024 * 1024;
const TEXT: &str = "fake://text";
const UPDATED: &str = "notifications/resources/updated";

/// The pairings of eras; what is announced has the same form whichever form answers have.
fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

async fn stand(pairing: Pairing) -> World {
    let world = pairing
        .stand(pairing.script(), Program::named("x").lenient())
        .await;
    world.client.call("it.echo", json!({})).await.result();
    // What it announces before somebody listens is heard by nobody.
    let listens = |it: &FakeBackend| it.listeners() > 0;
    world.backend.until("the gateway to listen", listens).await;
    world
}

fn resident(gateway: &Gateway) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", gateway.process_id())).unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// News of a resource, with so much in it.
fn news(number: usize, bytes: usize) -> String {
    let params = json!({"uri": TEXT, "n": number, "padding": "p".repeat(bytes)});
    json!({"jsonrpc": "2.0", "method": UPDATED, "params": params}).to_string()
}

#[tokio::test]
async fn large_news_that_a_listener_does_not_read_fill_no_memory() {
    // Fewer than a listener may be behind by, were they small.
    const NEWS: usize = 100;
    for pairing in pairings() {
        let world = stand(pairing).await;
        let sleepy = Program::named("y").lenient();
        let sleepy = sleepy
            .speaking(pairing.client, &world.session.endpoint)
            .await;
        let mut unread = sleepy.subscribe(TEXT).await;
        let mut changes = world.client.subscribe(TEXT).await;
        world
            .backend
            .until("the subscription", |it| it.subscriptions() == [TEXT])
            .await;
        let before = resident(&world.gateway);
        for number in 0..NEWS {
            world.backend.announce(&news(number, MIB));
            assert_eq!(changes.next().await.json()["params"]["n"], number);
        }
        let after = resident(&world.gateway);
        assert!(after < before + 48 * MIB, "{before} bytes, then {after}");
        // Its stream was ended, so that its client looks again; what came before that is all there.
        let mut heard = 0;
        while let Some(message) = unread.next_or_end().await
            && message.method().is_some()
        {
            assert_eq!(message.json()["params"]["n"], heard);
            heard += 1;
        }
        assert!((1..NEWS).contains(&heard), "{heard} came");
        // Who listens again hears what comes next.
        drop(unread);
        let mut again = sleepy.subscribe(TEXT).await;
        world.backend.announce(&news(NEWS, 0));
        assert_eq!(again.next().await.json()["params"]["n"], NEWS);
    }
}

#[tokio::test]
async fn large_events_of_a_call_that_nobody_reads_fill_no_memory() {
    const EVENTS: usize = 24;
    let filling = "x".repeat(4 * MIB);
    let said = |number: usize| {
        format!(
            "data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/com.example/said\",\"params\":{{\"n\":{number},\"filling\":\"{filling}\"}}}}\n\n"
        )
    };
    let mut text: String = (0..EVENTS).map(said).collect();
    text.push_str("data: {\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{\"content\":[]}}\n\n");
    for revision in [LATEST_LEGACY, MODERN] {
        let backend = FakeBackend::legacy().recites().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::speaking(revision, &session.endpoint).await;
        client.call("it.echo", json!({})).await.result();
        let before = resident(&gateway);
        let says = Says::json(200, &text).with("content-type", "text/event-stream");
        backend.inject(Fault::from(says).on("tools/call").times(1));
        let mut unread = client.open("tools/call", r#"{"name":"it.recite"}"#).await;
        unread.next().await.unwrap();
        // Meanwhile it could have read on.
        for _ in 0..20 {
            let steps = json!({"steps": 3, "delay_ms": 100});
            let answer = client.call("it.progress", steps).await;
            assert_eq!(answer.text(), "3 steps");
        }
        let after = resident(&gateway);
        assert!(after < before + 48 * MIB, "{before} bytes, then {after}");
        // And all of it is there for who reads it after all.
        let rest = unread.finish().await;
        let numbers = rest.events.iter().map(|it| it.json()["params"]["n"].take());
        assert!(numbers.eq((1..EVENTS).map(Value::from)));
    }
}

#[tokio::test]
async fn news_that_are_too_large_for_all_who_listen_are_told_to_nobody() {
    for pairing in pairings() {
        let world = stand(pairing).await;
        let mut changes = world.client.subscribe(TEXT).await;
        world
            .backend
            .until("the subscription", |it| it.subscriptions() == [TEXT])
            .await;
        world.backend.announce(&news(0, 4 * MIB));
        world.backend.announce(&news(1, 4 * MIB - 1024));
        assert_eq!(changes.next().await.json()["params"]["n"], 1);
        let is_told_of = async || world.gateway.logs().contains("too large to be told");
        eventually("a word of it", is_told_of).await;
    }
}
