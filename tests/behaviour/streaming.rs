//! What comes before a response comes as it comes.

use serde_json::json;

use crate::{
    CLIENTS, LATEST_LEGACY, MODERN,
    world::{Answers, Client, FakeBackend, Gateway, Program, client::Message},
};

#[tokio::test]
async fn progress_arrives_before_the_backend_takes_its_next_step() {
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in CLIENTS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let params = r#"{"name":"it.progress","arguments":{"steps":3,"gated":true},"_meta":{"progressToken":"mine"}}"#;
            let done = backend.completions("progress");
            let mut exchange = client.open("tools/call", params).await;
            assert!(
                exchange
                    .header("content-type")
                    .unwrap()
                    .starts_with("text/event-stream")
            );
            for step in 1..=3 {
                let event = exchange.next().await.unwrap().json();
                assert_eq!(event["params"]["progress"], step, "{event}");
                assert_eq!(event["params"]["progressToken"], "mine");
                assert_eq!(backend.completions("progress"), done);
                backend.step();
            }
            assert_eq!(exchange.finish().await.text(), "3 steps");
        }
    }
}

#[tokio::test]
async fn tokens_of_two_calls_never_meet() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let clients = [
        Client::legacy(&session.endpoint, LATEST_LEGACY).await,
        Client::modern(&session.endpoint),
    ];
    let call = json!({"name": "it.progress", "arguments": {"steps": 2, "delay_ms": 20},
                      "_meta": {"progressToken": 1}});
    let [one, other] = clients
        .each_ref()
        .map(|client| client.request("tools/call", call.clone()));
    let (one, other) = tokio::join!(one, other);
    for answer in [one, other] {
        let steps = answer.events.iter().map(Message::json);
        let steps: Vec<_> = steps
            .filter(|it| it["method"] == "notifications/progress")
            .collect();
        assert_eq!(steps.len(), 2, "{steps:?}");
        assert!(
            steps
                .iter()
                .all(|step| step["params"]["progressToken"] == 1)
        );
    }
    let seen = backend.requests_of("tools/call");
    let token = |index: usize| seen[index].params()["_meta"]["progressToken"].clone();
    assert!(!token(0).is_null());
    let (first, second) = (&seen[0], &seen[1]);
    if first.header("mcp-session-id") == second.header("mcp-session-id") {
        assert_ne!(token(0), token(1));
    }
}

#[tokio::test]
async fn a_backend_without_a_token_is_not_asked_for_progress() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let answer = client.call("it.progress", json!({"steps": 1})).await;
    let methods: Vec<_> = answer.events.iter().filter_map(Message::method).collect();
    assert_eq!(methods, ["notifications/message"]);
    let seen = backend.requests_of("tools/call").pop().unwrap();
    assert_eq!(seen.params()["_meta"].get("progressToken"), None);
}

#[tokio::test]
async fn log_messages_come_with_the_call_they_belong_to() {
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
    let session = gateway.session(&["legacy", "modern"]).await;
    let logged = async |client: &Client, tool: &str| {
        let answer = client.call(tool, json!({"steps": 1})).await;
        let logs = answer.events.iter().map(Message::json);
        logs.filter(|event| event["method"] == "notifications/message")
            .map(|event| event["params"]["data"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let old = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(logged(&old, "legacy.progress").await, ["all steps done"]);
    let program = Program::named("curious").log_level("info");
    let curious = program.modern(&session.endpoint);
    let deaf = Client::modern(&session.endpoint);
    for tool in ["legacy.progress", "modern.progress"] {
        assert_eq!(logged(&curious, tool).await, ["all steps done"], "{tool}");
        assert_eq!(
            logged(&deaf, tool).await,
            [""; 0],
            "{tool}: no level, no logs"
        );
    }
}

#[tokio::test]
async fn an_answer_without_notifications_is_plain_json() {
    for answers in [Answers::Json, Answers::Sse] {
        let backend = FakeBackend::legacy().answers(answers).start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            let answer = client.call("it.echo", json!({})).await;
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn a_large_result_passes_whole() {
    for answers in [Answers::Json, Answers::Sse] {
        let backend = FakeBackend::modern().answers(answers).start();
        let text = "0123456789".repeat(200_000);
        backend.set_exact(&format!(
            r#"{{"resultType":"complete","content":[{{"type":"text","text":"{text}"}}]}}"#
        ));
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            let answer = client.call("it.exact", json!({})).await;
            assert!(answer.text() == text, "{} bytes", answer.body.len());
        }
    }
}
