//! What becomes of calls that are on their way when their session is changed.

use serde_json::json;

use super::{NEW, OLD, change, last_token, stand, token, tokens_after};
use crate::world::{Client, FakeBackend, Gateway, Pairing};

const GATED: &str =
    r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;

#[tokio::test]
async fn a_call_on_its_way_finishes_with_the_credential_it_began_with() {
    for pairing in Pairing::eras() {
        let (backend, gateway, session, client) = stand(pairing).await;
        let gated = client.open("tools/call", GATED);
        let meanwhile = async {
            let begun = |it: &FakeBackend| it.executions("progress") == 1;
            backend.until("the call", begun).await;
            let opened = backend.sessions_open();
            change(&gateway, &session, token(NEW)).await;
            // While the old one is under way.
            client.call("it.echo", json!({})).await.result();
            assert_eq!(last_token(&backend), NEW);
            assert!(backend.sessions_open() >= opened, "nothing is ended yet");
            let farewells = tokens_after(&backend, 0);
            assert!(farewells.iter().all(|(what, _)| what != "DELETE"));
            backend.step();
        };
        let answer = async { gated.await.finish().await };
        let (answer, ()) = tokio::join!(answer, meanwhile);
        assert_eq!(answer.text(), "1 steps", "{pairing}");
        assert_eq!(backend.completions("progress"), 1);
        assert_eq!(backend.executions("progress"), 1);
        if !pairing.has_modern_backend() {
            let farewell = |it: &FakeBackend| {
                let seen = tokens_after(it, 0);
                seen.contains(&("DELETE".to_owned(), OLD.to_owned()))
            };
            backend.until("the farewell", farewell).await;
        }
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_call_to_a_server_that_leaves_ends_with_its_reason() {
    for pairing in Pairing::eras() {
        let (leaves, stays) = (pairing.script().start(), pairing.script().start());
        let gateway = Gateway::with(&[("it", &leaves), ("other", &stays)]);
        let session = gateway.session(&["it", "other"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        client.call("other.echo", json!({})).await.result();
        let gated = client.open("tools/call", GATED);
        let waiting = GATED.replace("it.", "other.");
        let waiting = client.open("tools/call", &waiting);
        let meanwhile = async {
            for backend in [&leaves, &stays] {
                let begun = |it: &FakeBackend| it.executions("progress") == 1;
                backend.until("the call", begun).await;
            }
            change(&gateway, &session, json!({"servers": ["other"]})).await;
        };
        let answer = async { gated.await.finish().await };
        let others = async { waiting.await.finish().await };
        let release = async {
            let (answer, ()) = tokio::join!(answer, meanwhile);
            // Answered before the other one is let go.
            assert_eq!(stays.completions("progress"), 0);
            stays.step();
            answer
        };
        let (others, answer) = tokio::join!(others, release);
        assert_eq!(others.text(), "1 steps", "{pairing}");
        let error = answer.error();
        assert_eq!(error.code, -31001);
        assert!(error.message.contains("it was taken out of this session"));
        leaves
            .until("the cancellation", |it| it.cancellations().len() == 1)
            .await;
        leaves
            .until("the farewells", |it| it.sessions_open() == 0)
            .await;
        let mut complaints = leaves.complaints();
        // It is told by a message and by the end of a connection, in either order.
        complaints.retain(|it| !it.starts_with("cancels a stranger"));
        assert_eq!(complaints, [""; 0]);
    }
}

#[tokio::test]
async fn a_call_that_waits_for_a_server_that_leaves_ends_too() {
    let backend = FakeBackend::legacy().start();
    let other = FakeBackend::modern().start();
    backend.inject(crate::world::Fault::Hold.on("initialize"));
    let gateway = Gateway::with(&[("it", &backend), ("other", &other)]);
    let session = gateway.session(&["it", "other"]).await;
    let client = Client::modern(&session.endpoint);
    let call = client.call("it.echo", json!({}));
    let meanwhile = async {
        backend
            .until("the handshake", |it| !it.requests().is_empty())
            .await;
        change(&gateway, &session, json!({"servers": ["other"]})).await;
    };
    let (answer, ()) = tokio::join!(call, meanwhile);
    let message = answer.error().message;
    let told = [
        "taken out of this session",
        "this session has the providers other",
    ];
    assert!(
        told.iter().any(|words| message.contains(words)),
        "{message}"
    );
    backend.release();
    // A handshake that ends late leaves nothing open.
    backend
        .until("the farewell", |it| it.sessions_open() == 0)
        .await;
}
