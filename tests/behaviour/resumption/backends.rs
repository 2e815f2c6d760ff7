//! Backends that close a call's stream, or break it, before the answer.
//!
//! Spec: 2025-11-25 basic/transports, "Sending Messages to the Server"; SEP-1699.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, UNAVAILABLE,
    world::{
        Answers, Client, FakeBackend, Fault, Gateway, Pairing, Program, World, client::Message,
        pairing::REVISIONS,
    },
};

const STEPS: &str = r#"{"name":"it.progress","arguments":{"steps":3,"gated":true},"_meta":{"progressToken":"mine"}}"#;

/// Every client with each backend whose streams may be resumed.
fn pairings() -> Vec<Pairing> {
    let mut pairings = Pairing::revisions();
    // The streams of a modern backend are not resumed, and the first revision has none that could be.
    pairings.retain(|it| !it.has_modern_backend() && it.backend != "2024-11-05");
    pairings
}

async fn stand(pairing: Pairing) -> World {
    let script = pairing.script().resumable();
    pairing.stand(script, Program::named("x").capable()).await
}

/// How often a stream was gone on with.
fn resumptions(backend: &FakeBackend) -> usize {
    let requests = backend.requests().into_iter();
    requests
        .filter(|it| it.header("last-event-id").is_some())
        .count()
}

fn steps(messages: &[Message]) -> Vec<Value> {
    let messages = messages.iter().map(Message::json);
    let progress = messages.filter(|it| it["method"] == "notifications/progress");
    progress
        .map(|it| {
            assert_eq!(it["params"]["progressToken"], "mine");
            it["params"]["progress"].clone()
        })
        .collect()
}

#[tokio::test]
async fn a_call_goes_on_though_its_backend_closes_its_stream() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        for after in 0..4 {
            let fault = Fault::CloseAfter(after);
            w.backend.inject(fault.on("tools/call").times(1));
            let params = json!({"name": "it.progress", "arguments": {"steps": 3},
                                "_meta": {"progressToken": "mine"}});
            let answer = w.client.request("tools/call", params).await;
            assert_eq!(answer.text(), "3 steps", "after {after}");
            assert_eq!(steps(&answer.events), [1, 2, 3], "after {after}");
            assert_eq!(w.backend.executions("progress"), after + 1);
            assert_eq!(resumptions(&w.backend), after + 1);
        }
        assert_eq!(w.backend.cancellations(), []);
        assert_eq!(
            w.backend.complaints(),
            [""; 0],
            "the pause it asks for is kept"
        );
    }
}

#[tokio::test]
async fn a_call_goes_on_though_its_stream_breaks() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        for after in 1..4 {
            let mut call = w.client.open("tools/call", STEPS).await;
            let mut heard = Vec::new();
            for step in 1..4 {
                heard.push(call.next().await.unwrap());
                if step == after {
                    w.backend.break_off();
                }
                w.backend.step();
            }
            let answer = call.finish().await;
            assert_eq!(answer.text(), "3 steps", "after {after}");
            assert_eq!(steps(&heard), [1, 2, 3], "after {after}");
            assert_eq!(steps(&answer.events), [0; 0], "after {after}");
            assert_eq!(w.backend.executions("progress"), after);
        }
        assert!(resumptions(&w.backend) >= 3);
        assert_eq!(w.backend.cancellations(), []);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_backend_may_close_a_stream_as_often_as_it_likes() {
    for pairing in pairings() {
        if pairing.client != LATEST_LEGACY && !pairing.has_modern_client() {
            // What a backend does is the same for all legacy clients.
            continue;
        }
        let w = stand(pairing).await;
        let mut call = w.client.open("tools/call", STEPS).await;
        call.next().await.unwrap();
        // More often than fruitless tries are made.
        for round in 1..=12 {
            w.backend.hang_up();
            w.backend
                .until("the stream to be gone on with", |it| {
                    resumptions(it) >= round
                })
                .await;
        }
        for _ in 0..3 {
            w.backend.step();
        }
        let answer = call.finish().await;
        assert_eq!(answer.text(), "3 steps");
        assert_eq!(steps(&answer.events), [2, 3]);
        assert_eq!(w.backend.executions("progress"), 1);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn what_a_backend_asks_survives_the_end_of_its_stream() {
    for pairing in pairings() {
        if pairing.client == "2024-11-05" || pairing.client == "2025-03-26" {
            // Nobody can be asked for a form there.
            continue;
        }
        if pairing.backend == "2025-03-26" {
            continue; // It asks for none.
        }
        let w = stand(pairing).await;
        for end in [FakeBackend::hang_up, FakeBackend::break_off] {
            let answer = w
                .client
                .call_answering("it.ask_twice", json!({}), |_, params| {
                    // Between the question and its answer.
                    end(&w.backend);
                    let member = params["requestedSchema"]["required"][0].as_str().unwrap();
                    json!({"action": "accept", "content": {member: "Ada"}})
                })
                .await;
            assert_eq!(answer.text(), "answered");
            assert_eq!(answer.asked.len(), 2);
        }
        assert_eq!(w.backend.executions("ask_twice"), 2);
        assert_eq!(w.backend.complaints(), [""; 0]);
        assert_eq!(w.backend.open_questions(), 0);
    }
}

#[tokio::test]
async fn a_backend_that_does_not_take_a_stream_up_again_fails_its_call_clearly() {
    for pairing in pairings() {
        for status in [400, 404, 405] {
            let w = stand(pairing).await;
            let mut call = w.client.open("tools/call", STEPS).await;
            call.next().await.unwrap();
            w.backend.inject(Fault::status(status).on("GET"));
            w.backend.hang_up();
            let error = call.finish().await.error();
            assert_eq!(error.code, UNAVAILABLE);
            assert!(error.message.contains("broke off"), "{error:?}");
            assert!(error.message.contains("not sent again"), "{error:?}");
            assert_eq!(w.backend.executions("progress"), 1, "{status}");
            w.backend.clear_faults();
            w.client.call("it.echo", json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn a_backend_that_is_busy_when_a_stream_goes_on_is_asked_again() {
    for client in [LATEST_LEGACY, crate::MODERN] {
        let pairing = Pairing {
            client,
            backend: LATEST_LEGACY,
            answers: Answers::Sse,
        };
        let w = stand(pairing).await;
        let mut call = w.client.open("tools/call", STEPS).await;
        call.next().await.unwrap();
        w.backend.inject(Fault::status(503).on("GET").times(3));
        w.backend
            .inject(Fault::ResetBeforeHeaders.on("GET").times(2));
        w.backend.hang_up();
        for _ in 0..3 {
            w.backend.step();
        }
        let answer = call.finish().await;
        assert_eq!(answer.text(), "3 steps");
        assert_eq!(steps(&answer.events), [2, 3]);
        assert_eq!(w.backend.executions("progress"), 1);
    }
}

#[tokio::test]
async fn a_stream_without_ids_that_breaks_fails_its_call_and_runs_it_once() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for client in REVISIONS {
            let client = Client::speaking(client, &session.endpoint).await;
            let before = backend.executions("count");
            backend.inject(Fault::TruncatedSse.on("tools/call").times(1));
            let error = client.call("it.count", json!({})).await.error();
            assert_eq!(error.code, UNAVAILABLE, "{error:?}");
            assert!(
                error.message.contains("may have been carried out"),
                "{error:?}"
            );
            assert_eq!(backend.executions("count"), before + 1);
        }
    }
}

#[tokio::test]
async fn announcements_made_while_nobody_listens_are_heard_afterwards() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let mut changes = w.client.subscribe("fake://text").await;
        w.backend
            .until("the subscription", |it| {
                it.subscriptions() == ["fake://text"]
            })
            .await;
        for _ in 0..2 {
            // Whoever comes back waits at the door meanwhile.
            w.backend.inject(Fault::Hold.on("GET"));
            w.backend.hang_up();
            w.backend
                .until("nobody to listen", |it| it.listeners() == 0)
                .await;
            w.backend.announce_update("fake://text");
            w.backend.release();
            let heard = changes.next_of("notifications/resources/updated").await;
            assert_eq!(heard.json()["params"]["uri"], "fake://text");
        }
        assert!(resumptions(&w.backend) > 0);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}
