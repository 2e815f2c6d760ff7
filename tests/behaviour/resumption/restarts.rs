//! Streams that are open while the gateway or a backend dies.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, QUICK, UNAVAILABLE,
    world::{Client, FakeBackend, Gateway, Pairing, Program, Wanted, World, pairing::REVISIONS},
};

const STEPS: &str = r#"{"name":"it.progress","arguments":{"steps":3,"gated":true},"_meta":{"progressToken":"mine"}}"#;

fn name() -> Value {
    json!({"action": "accept", "content": {"name": "Ada"}})
}

async fn stand(pairing: Pairing) -> World {
    let program = Program::named("x").capable();
    pairing.stand(pairing.script(), program).await
}

#[tokio::test]
async fn a_client_goes_on_after_kill_9_under_each_of_its_open_streams() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // What it has open is shown below.
        }
        let mut w = stand(pairing).await;
        let mut stream = w.client.get_stream().await;
        let uri = json!({"uri": "fake://text"});
        w.client.request("resources/subscribe", uri).await.result();
        let standalone = stream.primed().await.id.clone().unwrap();
        let mut call = w.client.open("tools/call", STEPS).await;
        let of_call = call.primed().await.id.clone().unwrap();
        call.next().await.unwrap();
        let mut asking = w.client.open("tools/call", r#"{"name":"it.ask"}"#).await;
        let question = asking.next().await.unwrap();
        w.gateway.kill();
        w.backend.hear_out().await;
        w.gateway.restart();
        // What was said on the call's stream is gone with the process that said it.
        let gone = w.client.resume(&of_call).await;
        assert_eq!(gone.status(), 400);
        assert!(
            gone.finish()
                .await
                .error()
                .message
                .contains("Last-Event-ID")
        );
        // The stand-alone stream begins anew.
        let mut again = w.client.resume(&standalone).await;
        assert_eq!(again.status(), 200);
        assert_ne!(again.primed().await.id.as_ref(), Some(&standalone));
        // An answer to a question of before is for nobody.
        assert_eq!(w.client.respond(&question, name()).await, 202);
        // And all the rest is as it was.
        w.client.call("it.echo", json!({})).await.result();
        let answer = w
            .client
            .call_answering("it.ask", json!({}), |_, _| name())
            .await;
        assert_eq!(answer.text(), "answered");
        let tell = || w.backend.announce_update("fake://text");
        let heard = again.next_updated(tell).await;
        assert_eq!(heard.json()["params"]["uri"], "fake://text");
        // The old connections are dead, not hanging.
        call.broken().await;
        stream.broken().await;
    }
}

#[tokio::test]
async fn a_modern_client_subscribes_and_asks_again_after_kill_9() {
    for pairing in Pairing::eras() {
        if !pairing.has_modern_client() {
            continue; // Shown above.
        }
        let mut w = stand(pairing).await;
        let changes = w
            .client
            .changes(Wanted::lists().and_resource("fake://text"))
            .await;
        let mut call = w.client.open("tools/call", STEPS).await;
        call.next().await.unwrap();
        let ask = json!({"name": "it.ask"});
        let asked = w.client.request("tools/call", ask.clone()).await.result();
        w.gateway.kill();
        w.backend.hear_out().await;
        w.gateway.restart();
        call.broken().await;
        drop(changes);
        let mut changes = w.client.changes(Wanted::resource("fake://text")).await;
        let tell = || w.backend.announce_update("fake://text");
        changes.next_updated(tell).await;
        let key = asked["inputRequests"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone();
        let mut retry = ask;
        retry["inputResponses"] = json!({key: name()});
        retry["requestState"] = asked["requestState"].clone();
        let retried = w.client.request("tools/call", retry).await;
        if pairing.has_modern_backend() {
            assert_eq!(retried.text(), "answered", "nothing of it was in memory");
        } else {
            // The backend's call was parked in the process that is gone.
            assert_eq!(retried.error().code, -32602);
        }
        let answer = w
            .client
            .call_answering("it.ask", json!({}), |_, _| name())
            .await;
        assert_eq!(answer.text(), "answered");
    }
}

/// A backend whose failures are quick, and a gateway before it.
async fn quick(backend: &FakeBackend) -> (Gateway, String) {
    let gateway = Gateway::setup().provider_with("it", backend, QUICK).start();
    let session = gateway.session(&["it"]).await;
    (gateway, session.endpoint)
}

async fn restart(backend: &FakeBackend) {
    backend.go_down().await;
    backend.forget_sessions();
    backend.come_back();
}

#[tokio::test]
async fn a_backend_that_restarts_fails_its_calls_clearly_and_serves_the_next() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let (_gateway, endpoint) = quick(&backend).await;
        for client_revision in REVISIONS {
            let program = Program::named("x").capable();
            let client = program.speaking(client_revision, &endpoint).await;
            let runs = backend.executions("progress");
            // In the middle of a stream.
            let mut call = client.open("tools/call", STEPS).await;
            call.next().await.unwrap();
            // And of a question.
            let asked = client.open("tools/call", r#"{"name":"it.sample"}"#).await;
            backend
                .until("the question", |it| it.executions("sample") > 0)
                .await;
            restart(&backend).await;
            let error = call.finish().await.error();
            assert_eq!(error.code, UNAVAILABLE, "{error:?}");
            assert!(error.message.contains("broke off"), "{error:?}");
            assert_eq!(
                backend.executions("progress"),
                runs + 1,
                "{client_revision}"
            );
            let answer = client.call("it.echo", json!({})).await;
            assert_eq!(answer.status, 200);
            answer.result();
            drop(asked);
        }
    }
}

#[tokio::test]
async fn a_question_of_a_backend_that_restarts_ends_with_an_error() {
    for revision in ["2025-06-18", LATEST_LEGACY] {
        let backend = FakeBackend::speaking(revision).start();
        let (_gateway, endpoint) = quick(&backend).await;
        for client_revision in REVISIONS {
            let program = Program::named("x").capable();
            let client = program.speaking(client_revision, &endpoint).await;
            let before = backend.executions("sample");
            let params = json!({"name": "it.sample"});
            let sampled = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "x"}});
            let error = if client_revision == crate::MODERN {
                let asked = client.request("tools/call", params.clone()).await.result();
                let key = asked["inputRequests"]
                    .as_object()
                    .unwrap()
                    .keys()
                    .next()
                    .unwrap();
                let mut retry = params;
                retry["inputResponses"] = json!({key: sampled});
                retry["requestState"] = asked["requestState"].clone();
                restart(&backend).await;
                client.request("tools/call", retry).await.error()
            } else {
                let mut call = client.open("tools/call", &params.to_string()).await;
                let question = call.next().await.unwrap();
                restart(&backend).await;
                let error = call.finish().await.error();
                // Nobody waits for this any more.
                assert_eq!(client.respond(&question, sampled).await, 202);
                error
            };
            assert_eq!(error.code, UNAVAILABLE, "{client_revision}: {error:?}");
            assert_eq!(backend.executions("sample"), before + 1);
            client.call("it.echo", json!({})).await.result();
        }
        assert_eq!(backend.open_questions(), 0);
    }
}

#[tokio::test]
async fn subscriptions_and_listening_outlive_a_backends_restart() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let (_gateway, endpoint) = quick(&backend).await;
        let mut listening = Vec::new();
        for client_revision in REVISIONS {
            let client = Client::speaking(client_revision, &endpoint).await;
            let wanted = Wanted::lists().and_resource("fake://text");
            let changes = client.changes(wanted).await;
            listening.push((client, changes));
        }
        backend
            .until("the subscription", |it| {
                it.subscriptions() == ["fake://text"]
            })
            .await;
        restart(&backend).await;
        // Whoever calls finds it again; what was wanted is wanted still.
        for (client, _) in &listening {
            client.call("it.echo", json!({})).await.result();
        }
        for (client, changes) in &mut listening {
            // Each gets its stream back in its own time.
            let tell = || backend.announce_update("fake://text");
            let heard = changes.next_updated(tell).await;
            assert_eq!(heard.json()["params"]["uri"], "fake://text");
            client.call("it.echo", json!({})).await.result();
        }
        assert_eq!(backend.complaints(), [""; 0], "{revision}");
    }
}

#[tokio::test]
async fn clients_are_told_that_a_backend_is_gone_and_back() {
    for revision in [LATEST_LEGACY, crate::MODERN] {
        let backend = FakeBackend::speaking(revision).start();
        let (_gateway, endpoint) = quick(&backend).await;
        let mut listening = Vec::new();
        for client_revision in REVISIONS {
            let client = Client::speaking(client_revision, &endpoint).await;
            let changes = client.changes(Wanted::lists()).await;
            listening.push((client, changes));
        }
        backend.go_down().await;
        let error = listening[0].0.call("it.echo", json!({})).await.error();
        assert_eq!(error.code, UNAVAILABLE);
        for (_, changes) in &mut listening {
            changes.next_of("notifications/tools/list_changed").await;
        }
        backend.come_back();
        for (client, changes) in &mut listening {
            changes.next_of("notifications/tools/list_changed").await;
            client.call("it.echo", json!({})).await.result();
        }
    }
}
