//! A backend that is down, late or restarted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN, QUICK, UNAVAILABLE,
    world::{Client, FakeBackend, Fault, Gateway, eventually},
};

#[tokio::test]
async fn a_backend_that_is_down_does_not_fail_the_others() {
    for down in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let up = FakeBackend::legacy().start();
        down.go_down().await;
        let gateway = Gateway::setup()
            .provider_with("down", &down, QUICK)
            .provider("up", &up)
            .start();
        let session = gateway.session(&["down", "up"]).await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            let names = client.tool_names().await;
            assert_eq!((names.len(), names[0].as_str()), (9, "up.echo"));
            client.call("up.echo", json!({})).await.result();
            let answer = client.call("down.echo", json!({})).await;
            assert_eq!(answer.status, 200);
            let error = answer.error();
            assert_eq!(error.code, UNAVAILABLE);
            assert!(error.message.contains("down"), "{error:?}");
            assert!(error.message.contains("refused"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_backend_that_comes_back_is_announced() {
    let (one, other) = (FakeBackend::legacy().start(), FakeBackend::legacy().start());
    one.go_down().await;
    let gateway = Gateway::setup()
        .provider_with("one", &one, QUICK)
        .provider("other", &other)
        .start();
    let session = gateway.session(&["one", "other"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await.len(), 9);
    let mut stream = client.get_stream().await;
    one.come_back();
    let heard = stream.next().await.expect("an announcement");
    assert_eq!(heard.method().unwrap(), "notifications/tools/list_changed");
    assert_eq!(client.tool_names().await.len(), 18);
    client.call("one.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_late_backend_does_not_hold_up_the_opening() {
    let (late, prompt) = (FakeBackend::legacy().start(), FakeBackend::legacy().start());
    late.inject(Fault::Hold);
    let gateway = Gateway::setup()
        .provider("late", &late)
        .provider("prompt", &prompt)
        .argument("--initialize-deadline=300ms")
        .start();
    let session = gateway.session(&["late", "prompt"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("prompt.echo", json!({})).await.result();
    late.release();
    eventually("the late tools", async || {
        client.tool_names().await.len() == 18
    })
    .await;
    client.call("late.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_restarted_backend_is_used_again_without_a_word() {
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.call("it.echo", json!({})).await.result();
        backend.go_down().await;
        backend.forget_sessions();
        backend.come_back();
        for _ in 0..3 {
            client.call("it.count", json!({})).await.result();
        }
        assert_eq!(backend.executions("count"), 3);
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_dead_backend_is_not_hammered() {
    let backend = FakeBackend::legacy().start();
    backend.inject(Fault::status(503));
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "retries: { attempts: 0 }")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::plain(&session.endpoint);
    // Far enough apart that a call may try by itself.
    for _ in 0..3 {
        let error = client.call("it.echo", json!({})).await.error();
        assert_eq!(error.code, UNAVAILABLE);
        tokio::time::sleep(Duration::from_millis(1050)).await;
    }
    // By now the pauses are long: in one of them there is no try, unless a call left a timer behind.
    let path = format!("/session/{}", session.id);
    let (mut begun, mut promised) = (Instant::now(), None);
    eventually("a pause between two tries", async || {
        begun = Instant::now();
        let servers = gateway.get(&path).await.json()["servers"].take();
        promised = servers[0]["retry_in_ms"].as_u64();
        promised.is_some()
    })
    .await;
    let before = backend.requests().len();
    backend
        .until("the next try", |it| it.requests().len() > before)
        .await;
    let (kept, promised) = (begun.elapsed(), Duration::from_millis(promised.unwrap()));
    assert!(kept >= promised, "{kept:?} of {promised:?}");
}

#[tokio::test]
async fn the_description_of_a_session_tells_how_its_connections_stand() {
    let (up, down) = (FakeBackend::modern().start(), FakeBackend::legacy().start());
    let old = FakeBackend::legacy().revision("2025-06-18").start();
    down.go_down().await;
    let gateway = Gateway::setup()
        .provider("up", &up)
        .provider_with("down", &down, QUICK)
        .provider("old", &old)
        .start();
    let session = gateway.session(&["up", "down", "old"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.tool_names().await;
    let path = format!("/session/{}", session.id);
    eventually("all three to be known", async || {
        let servers = gateway.get(&path).await.json()["servers"].take();
        let down = &servers[1];
        servers[0]["state"] == "ready"
            && down["last_error"].is_string()
            && servers[2]["state"] == "ready"
    })
    .await;
    let servers = gateway.get(&path).await.json()["servers"].take();
    assert_eq!(servers[0]["name"], "up");
    assert_eq!(
        (&servers[0]["era"], &servers[0]["revision"]),
        (&json!("modern"), &json!(MODERN))
    );
    assert_eq!(servers[0]["tools"], 9);
    assert_eq!(
        (&servers[2]["era"], &servers[2]["revision"]),
        (&json!("legacy"), &json!("2025-06-18"))
    );
    assert!(
        servers[1]["last_error"]
            .as_str()
            .unwrap()
            .contains("refused"),
        "{servers}"
    );
}
