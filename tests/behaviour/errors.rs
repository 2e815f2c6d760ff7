//! What goes wrong is said clearly, and costs nobody else anything.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    CLIENTS, IMPATIENT, LATEST_LEGACY, MODERN, QUICK, TIMED_OUT, UNAVAILABLE,
    world::{Answers, Client, FakeBackend, Fault, Gateway, eventually},
};

/// Where the gateway's own codes lie; a backend's own are elsewhere.
const OWN_CODES: std::ops::RangeInclusive<i64> = -31999..=-31000;

#[tokio::test]
async fn a_lying_backend_costs_only_the_call_it_lied_to() {
    let honest = FakeBackend::legacy().start();
    for liar in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::setup()
            .provider("honest", &honest)
            .provider_with("liar", &liar, QUICK)
            .start();
        let session = gateway.session(&["honest", "liar"]).await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            for fault in [
                Fault::Html,
                Fault::BrokenJson,
                Fault::WrongId,
                Fault::TruncatedSse,
                Fault::Garbage,
                Fault::ResetMidBody,
                Fault::status(500),
            ] {
                liar.inject(fault.clone().on("tools/call").times(1));
                let error = client.call("liar.count", json!({})).await.error();
                assert!(OWN_CODES.contains(&error.code), "{fault:?}: {error:?}");
                assert!(error.message.contains("liar"), "{fault:?}: {error:?}");
                client.call("honest.echo", json!({})).await.result();
                client.call("liar.echo", json!({})).await.result();
            }
        }
    }
}

#[tokio::test]
async fn a_silent_backend_is_timed_out() {
    join_all(
        [FakeBackend::legacy, FakeBackend::modern].map(async |script| {
            let backend = script().start();
            let gateway = Gateway::setup()
                .provider_with("it", &backend, IMPATIENT)
                .start();
            let session = gateway.session(&["it"]).await;
            let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
            let silences = [
                Fault::HangBeforeHeaders,
                Fault::HangAfterHeaders,
                Fault::HangMidBody,
            ];
            for fault in silences {
                client.is_served("it.echo").await;
                backend.inject(fault.clone().on("tools/call"));
                let error = client.call("it.count", json!({})).await.error();
                assert_eq!(error.code, TIMED_OUT, "{fault:?}: {error:?}");
                assert!(error.message.contains("it"), "{error:?}");
                backend.clear_faults();
            }
            client.is_served("it.echo").await;
            // The last one may have begun only now, where this process stood still.
            let ran = |it: &FakeBackend| it.executions("count") >= 3;
            backend.until("all of them to run", ran).await;
            assert_eq!(backend.executions("count"), 3, "each ran once");
        }),
    )
    .await;
}

#[tokio::test]
async fn a_lively_call_outlasts_the_idle_limit() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "timeouts: { idle: 2s }")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    // Where this process stands still, the backend is silent for longer than it means to be.
    let mut answers = Vec::new();
    for _ in 0..3 {
        let call = json!({"name": "it.progress", "arguments": {"steps": 6, "delay_ms": 500},
                          "_meta": {"progressToken": 1}});
        let answer = client.request("tools/call", call).await;
        answers.push(answer.body_text());
        if answers.iter().any(|answer| answer.contains("6 steps")) {
            return;
        }
    }
    panic!("no call came to its end: {answers:?}");
}

#[tokio::test]
async fn a_call_that_never_ends_is_ended() {
    let backend = FakeBackend::modern().answers(Answers::Sse).start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "timeouts: { idle: 5s, call: 1s }")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    // On a slow machine its time may be over before anything was heard of it.
    eventually("a call that has begun to end", async || {
        let call = json!({"name": "it.progress", "arguments": {"steps": 6000, "delay_ms": 100},
                          "_meta": {"progressToken": 1}});
        let answer = client.request("tools/call", call).await;
        answer.error().code == TIMED_OUT && !answer.events.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_backends_own_error_passes_untouched() {
    let odd = r#"{"code":-31001,"message":"mine: {\"x\"} é","data":{"n":1.0,"big":10000000000000000000000001}}"#;
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in CLIENTS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let params = format!(r#"{{"name":"it.fail","arguments":{odd}}}"#);
            let answer = client.request_raw("tools/call", &params).await;
            assert!(answer.body_text().contains(odd), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_client_capability_is_the_clients_to_hear_of() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let answer = Client::modern(&session.endpoint)
        .call("it.ask", json!({}))
        .await;
    assert_eq!(answer.status, 400);
    let error = answer.error();
    assert_eq!(error.code, -32021);
    assert_eq!(
        error.data["requiredCapabilities"],
        json!({"elicitation": {}})
    );
}

#[tokio::test]
async fn a_refused_credential_is_said_without_starting_oauth_and_without_the_credential() {
    let bearer = FakeBackend::legacy().demands_bearer("right-token").start();
    let key = FakeBackend::modern()
        .demands_header("x-key", "right-key")
        .start();
    let gateway = Gateway::setup()
        .provider_with("bearer", &bearer, "auth: { type: bearer }")
        .provider_with("key", &key, "auth: { type: api_key, header: x-key }")
        .start();
    let right = json!({"servers": ["bearer", "key"], "credentials":
        {"bearer": {"token": "right-token"}, "key": {"api_key": "right-key"}}});
    let session = gateway.create_session(&right).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await.len(), 18);
    client.call("bearer.echo", json!({})).await.result();
    client.call("key.echo", json!({})).await.result();

    let wrong = json!({"servers": ["bearer", "key"], "credentials":
        {"bearer": {"token": "wrong-token"}, "key": {"api_key": "wrong-key"}}});
    let session = gateway.create_session(&wrong).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        for (name, status) in [("bearer", "401"), ("key", "403")] {
            let answer = client.call(&format!("{name}.echo"), json!({})).await;
            assert_eq!(answer.header("www-authenticate"), None);
            assert!(![401, 403].contains(&answer.status), "{answer:?}");
            let error = answer.error();
            assert_eq!(error.code, UNAVAILABLE);
            for part in [name, status] {
                assert!(error.message.contains(part), "{error:?}");
            }
            assert!(!answer.body_text().contains("wrong-"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::plain(&session.endpoint);
    client.call("it.echo", json!({})).await.result();
    // Far above any cap one would choose; the fake makes it as it is read.
    backend.inject(Fault::Oversized(1 << 30).on("tools/call").times(1));
    let exchange = client
        .open("tools/call", r#"{"name":"it.count","arguments":{}}"#)
        .await;
    // What came so far is with the client already: its answer breaks off.
    exchange.broken().await;
    client.call("it.echo", json!({})).await.result();
}
