//! What the scripted backend does wrong, and when.

use std::time::Duration;

use serde_json::json;

use super::LEGACY;
use crate::world::{FakeBackend, Fault, Program, client::MODERN};

#[tokio::test]
async fn faults_come_as_often_as_they_were_asked_for() {
    let backend = FakeBackend::modern().start();
    let client = Program::named("x").lenient().modern(&backend.url());
    backend.inject(Fault::retry_after(503, "7").on("tools/call").times(1));
    assert_eq!(client.request("tools/list", json!({})).await.status, 200);
    let refused = client.call("count", json!({})).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("7"))
    );
    assert_eq!(backend.executions("count"), 0, "a 503 carries nothing out");
    assert_eq!(client.call("count", json!({})).await.text(), "1");
    backend.inject(Fault::status(502).times(1));
    assert_eq!(client.call("count", json!({})).await.status, 502);
    assert_eq!(backend.executions("count"), 2, "a 502 does");

    backend.inject(Fault::WrongId.times(1));
    let stranger = client.call("count", json!({})).await;
    assert_eq!(stranger.id().unwrap(), r#""an-id-nobody-used""#);
    for (fault, status) in [
        (Fault::Html, 200),
        (Fault::BrokenJson, 200),
        (Fault::Garbage, 200),
    ] {
        backend.inject(fault.times(1));
        let answer = client.call("echo", json!({})).await;
        assert_eq!((answer.status, answer.response.is_none()), (status, true));
    }
    backend.inject(Fault::Oversized(200_000).times(1));
    assert_eq!(client.call("echo", json!({})).await.text().len(), 200_000);
    backend.inject(Fault::Delay(Duration::from_millis(1)));
    backend.clear_faults();
    assert_eq!(client.call("count", json!({})).await.text(), "4");
}

#[tokio::test]
async fn a_lost_answer_was_carried_out() {
    let backend = FakeBackend::modern().start();
    let url = backend.url();
    let call = async || {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"count","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
        let request = crate::world::client::http_client()
            .post(&url)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", "tools/call")
            .header("mcp-name", "count")
            .body(call);
        match request.send().await {
            Ok(response) => response.bytes().await.map_err(|_| "in the body"),
            Err(error) if error.is_connect() => Err("at the door"),
            Err(_) => Err("before the headers"),
        }
    };
    let lost = [
        (Fault::ResetBeforeHeaders, "before the headers"),
        (Fault::ResetAfterHeaders, "in the body"),
        (Fault::ResetMidBody, "in the body"),
    ];
    for (done, (fault, place)) in lost.into_iter().enumerate() {
        backend.inject(fault.times(1));
        assert_eq!(call().await, Err(place));
        assert_eq!(backend.executions("count"), done + 1);
    }
    let slow = [
        Fault::HangBeforeHeaders,
        Fault::HangAfterHeaders,
        Fault::HangMidBody,
    ];
    for (done, fault) in slow.into_iter().enumerate() {
        backend.inject(fault.clone().times(1));
        let mut waiting = std::pin::pin!(call());
        let ran = |it: &FakeBackend| it.executions("count") == done + 4;
        tokio::select! {
            ended = &mut waiting => unreachable!("{ended:?} under {fault:?}"),
            () = backend.until("the call to run", ran) => {}
        }
        let hangs = tokio::time::timeout(Duration::from_millis(200), waiting).await;
        assert!(hangs.is_err(), "{fault:?}");
    }
    backend.go_down().await;
    assert_eq!(call().await, Err("at the door"));
    backend.come_back();
    assert!(call().await.is_ok());
}

#[tokio::test]
async fn held_requests_meet_what_happened_meanwhile() {
    let backend = FakeBackend::legacy().start();
    let program = Program::named("x").lenient();
    let client = program.legacy(&backend.url(), LEGACY).await;
    backend.inject(Fault::Hold.on("tools/call"));
    let calls = futures_util::future::join_all((0..5).map(|_| client.call("echo", json!({}))));
    let forgetting = async {
        let held = |it: &FakeBackend| it.requests_of("tools/call").len() == 5;
        backend.until("five calls", held).await;
        backend.forget_sessions();
        backend.release();
    };
    let (answers, ()) = tokio::join!(calls, forgetting);
    assert!(answers.iter().all(|answer| answer.status == 404));
    assert_eq!(backend.executions("echo"), 0);
}
