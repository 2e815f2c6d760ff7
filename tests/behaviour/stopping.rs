//! SIGTERM: nobody new comes in, what is in flight ends, streams end as they should, and the gateway does.

use serde_json::json;
use tokio::net::TcpStream;

use super::restart;
use crate::{
    LATEST_LEGACY, MODERN,
    world::{Answers, Client, FakeBackend, Fault, Gateway, Pairing, Program, Raw, eventually},
};

/// The code for what the gateway has no more time for.
const STOPPING: i64 = -31004;

/// Waits until nobody new comes in.
async fn is_closed(gateway: &Gateway) {
    let address = gateway.address();
    eventually("connections to be refused", async || {
        TcpStream::connect(address).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn nobody_new_comes_in_while_calls_finish() {
    for answers in [Answers::Json, Answers::Sse] {
        let backend = FakeBackend::legacy().answers(answers).start();
        let mut gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        backend.inject(Fault::Hold);
        let call = client.call("it.count", json!({}));
        let stopping = async {
            backend
                .until("the call", |it| it.requests_of("tools/call").len() == 1)
                .await;
            gateway.ask_to_stop();
            is_closed(&gateway).await;
            backend.release();
        };
        let (answer, ()) = tokio::join!(call, stopping);
        assert_eq!(answer.text(), "1");
        assert_eq!(
            answer.header("connection"),
            Some("close"),
            "no further request"
        );
        assert!(gateway.wait_for_end().success());
        assert_eq!(backend.executions("count"), 1);
    }
}

#[tokio::test]
async fn streams_that_listen_end_at_once_and_those_of_calls_with_their_answers() {
    let backend = FakeBackend::both().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let legacy = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let older = Client::legacy(&session.endpoint, "2025-06-18").await;
    let modern = Client::modern(&session.endpoint);
    let mut listening = [legacy.get_stream().await, older.get_stream().await];
    let listen = r#"{"notifications":{"toolsListChanged":true}}"#;
    let mut changes = modern.open("subscriptions/listen", listen).await;
    assert!(
        changes.next().await.unwrap().method().is_some(),
        "it is acknowledged"
    );
    let params = r#"{"name":"it.progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":1}}"#;
    let mut calls = [
        legacy.open("tools/call", params).await,
        modern.open("tools/call", params).await,
    ];
    backend.step();
    backend.step();
    for call in &mut calls {
        call.next().await.unwrap();
    }
    gateway.ask_to_stop();
    for stream in &mut listening {
        // It fails the test where a stream breaks off instead of ending.
        assert_eq!(stream.next().await.map(|it| it.json()), None);
    }
    let last = changes.next().await.unwrap();
    assert!(last.is_response(), "{last:?}");
    assert!(changes.next().await.is_none());
    // Only now do the calls go on, which the gateway has waited for all the time.
    backend.step();
    backend.step();
    for call in calls {
        assert_eq!(call.finish().await.text(), "2 steps");
    }
    assert!(gateway.wait_for_end().success());
}

#[tokio::test]
async fn a_call_that_outlasts_its_time_is_answered_and_taken_back() {
    for pairing in Pairing::eras() {
        let backend = pairing.script().start();
        let mut gateway = Gateway::setup()
            .provider("it", &backend)
            .argument("--drain-timeout=200ms")
            .start();
        let session = gateway.session(&["it"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        let call = client.call("it.wait", json!({}));
        let stopping = async {
            backend
                .until("the call", |it| it.executions("wait") == 1)
                .await;
            gateway.ask_to_stop();
        };
        let (answer, ()) = tokio::join!(call, stopping);
        let error = answer.error();
        assert_eq!(error.code, STOPPING, "{pairing}");
        let words = "may have been carried out";
        assert!(error.message.contains(words), "{error:?}");
        assert!(gateway.wait_for_end().success());
        backend
            .until("the cancellation", |it| !it.cancellations().is_empty())
            .await;
        assert!(!gateway.logs().contains("cut requests"), "it was cut");
    }
}

#[tokio::test]
async fn a_stream_that_has_begun_ends_with_that_answer() {
    for revision in [LATEST_LEGACY, MODERN] {
        let backend = FakeBackend::legacy().start();
        let mut gateway = Gateway::setup()
            .provider("it", &backend)
            .argument("--drain-timeout=200ms")
            .start();
        let session = gateway.session(&["it"]).await;
        let client = Client::speaking(revision, &session.endpoint).await;
        let params = r#"{"name":"it.progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":1}}"#;
        let mut call = client.open("tools/call", params).await;
        backend.step();
        call.next().await.unwrap();
        gateway.ask_to_stop();
        assert_eq!(call.finish().await.error().code, STOPPING);
        assert!(gateway.wait_for_end().success());
    }
}

#[tokio::test]
async fn clients_that_wait_or_dawdle_hold_nothing_up() {
    let backend = FakeBackend::legacy().start();
    // Longer than any test waits.
    let mut gateway = Gateway::setup()
        .provider("it", &backend)
        .argument("--drain-timeout=5m")
        .start();
    let session = gateway.session(&["it"]).await;
    let program = Program::named("x").capable();
    let modern = program.modern(&session.endpoint);
    // Asked, it would have to come back.
    let params = json!({"name": "it.ask", "arguments": {}});
    modern.request("tools/call", params).await.result();
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let mut idle = Raw::send_to(gateway.address(), format!("{get}\r\n")).await;
    idle.until("200 OK").await;
    let half = Raw::send_to(gateway.address(), get).await;
    let silent = Raw::send_to(gateway.address(), "").await;
    gateway.stop();
    for client in [half, silent] {
        assert_eq!(client.rest().await, "");
    }
    assert_eq!(idle.statuses().await, [200]);
    backend
        .until("the cancellation", |it| !it.cancellations().is_empty())
        .await;
}

#[tokio::test]
async fn a_signal_while_it_starts_or_wakes_its_sessions_ends_it_well() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    gateway.stop();
    restart::fill(&gateway).await;
    // It ends well whenever it is asked, and once while it wakes them, however slow whoever asks is.
    loop {
        let logged = gateway.logs().len();
        gateway.restart();
        let wakes_them = !gateway.logs()[logged..].contains("woke ");
        gateway.stop();
        if wakes_them {
            break;
        }
    }
    let locked = restart::lock(&gateway).await;
    gateway.launch();
    // It listens before it opens the database, and hears signals before that.
    restart::until_it_listens(&gateway).await;
    gateway.ask_to_stop();
    assert!(gateway.wait_for_end().success());
    let logs = gateway.logs();
    assert!(logs.contains("stopped before it served"), "{logs}");
    drop(locked);
    gateway.restart();
    assert_eq!(gateway.get("/sessions").await.status, 200);
}
