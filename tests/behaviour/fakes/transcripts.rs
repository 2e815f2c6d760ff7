//! What is said between the fakes is written down, without what differs from run to run.

use serde_json::json;

use super::LEGACY;
use crate::world::{FakeBackend, Program, Transcript};

/// The script of both transcripts: a client that stands where the gateway does.
async fn told(revision: &str) -> String {
    let transcript = Transcript::new().without(&["tools/list"]);
    let script = FakeBackend::speaking(revision);
    let backend = script.recorded(&transcript, "backend").start();
    let program = Program::named("asked").capable();
    let client = program.speaking(revision, &backend.url()).await;
    transcript.forget();
    client.tool_names().await;
    transcript.note("the user is asked");
    let answer = |_: &str, _: &serde_json::Value| json!({"action": "decline"});
    client
        .call_answering("ask", json!({}), answer)
        .await
        .result();
    let id = client.call_as_task("task", json!({"gated": true})).await;
    client.task("tasks/get", &id).await.result();
    transcript.text()
}

#[tokio::test]
async fn a_transcript_is_the_same_each_time() {
    for revision in [LEGACY, crate::world::client::MODERN] {
        let text = told(revision).await;
        assert_eq!(text, told(revision).await);
        assert!(text.starts_with("== the user is asked ==\n"), "{text}");
        assert!(!text.contains("127.0.0.1"), "{text}");
        assert!(!text.contains("tools/list"), "{text}");
    }
}

#[tokio::test]
async fn a_client_and_a_backend_write_into_one_transcript() {
    let transcript = Transcript::new();
    let backend = FakeBackend::legacy();
    let backend = backend.recorded(&transcript, "backend").start();
    let program = Program::named("x").recorded(&transcript, "client");
    let client = program.legacy(&backend.url(), LEGACY).await;
    transcript.forget();
    let params = r#"{"name":"progress","arguments":{"steps":1},"_meta":{"progressToken":77}}"#;
    client.request_raw("tools/call", params).await.result();
    client.delete().await;
    transcript.assert_matches("fakes");
}

#[tokio::test]
async fn an_answer_that_comes_late_is_left_out_with_its_question() {
    let transcript = Transcript::new().without(&["tools/call", "notifications/progress"]);
    let backend = FakeBackend::legacy();
    let backend = backend.recorded(&transcript, "backend").start();
    let client = Program::named("x").legacy(&backend.url(), LEGACY).await;
    let params =
        r#"{"name":"progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":7}}"#;
    let mut call = client.open("tools/call", params).await;
    call.next().await.unwrap();
    transcript.forget();
    backend.step();
    call.finish().await.result();
    client.request("ping", json!({})).await.result();
    let text = transcript.text();
    assert!(text.contains("ping <#1>"), "{text}");
    assert_eq!(text.matches("result of").count(), 1, "{text}");
}
