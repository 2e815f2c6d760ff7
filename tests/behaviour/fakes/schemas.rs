//! The schemas catch what is wrong, on either side.

use serde_json::json;

use super::{LEGACY, REVISIONS, capable};
use crate::world::{
    Client, FakeBackend, Program,
    client::MODERN,
    schema::{self, Sender},
};

#[test]
fn each_revision_knows_its_own_methods() {
    let notice = |method: &str| json!({"jsonrpc": "2.0", "method": method});
    for revision in REVISIONS {
        let changed = notice("notifications/tools/list_changed");
        assert_eq!(
            schema::notification(revision, Sender::Server, &changed),
            Ok(())
        );
        assert!(schema::notification(revision, Sender::Client, &changed).is_err());
        let unheard = notice("notifications/com.example/x");
        assert_eq!(
            schema::notification(revision, Sender::Client, &unheard),
            Ok(())
        );
        let opened = notice("notifications/initialized");
        let verdict = schema::notification(revision, Sender::Client, &opened);
        assert_eq!(verdict.is_ok(), revision != MODERN);
        let mut stray = changed.clone();
        stray["extra"] = 1.into();
        assert!(schema::notification(revision, Sender::Server, &stray).is_err());
    }
    let ask = json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params":
        {"message": "?", "requestedSchema": {"type": "object", "properties": {}}}});
    for (revision, knows) in REVISIONS.into_iter().zip([false, false, true, true, false]) {
        let verdict = schema::request(revision, Sender::Server, &ask);
        assert_eq!(verdict.is_ok(), knows, "{revision}: {verdict:?}");
    }
}

#[test]
fn a_result_is_held_against_what_was_asked() {
    let verdict = |revision: &str, method: &str, result: serde_json::Value| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "result": result});
        schema::result(revision, method, &message).is_ok()
    };
    let content = json!({"content": [{"type": "text", "text": ""}]});
    assert!(verdict(LEGACY, "tools/call", content.clone()));
    assert!(!verdict(LEGACY, "tools/list", content.clone()));
    assert!(!verdict(MODERN, "tools/call", content), "no resultType");
    let asks = json!({"resultType": "input_required", "requestState": "x"});
    assert!(verdict(MODERN, "tools/call", asks.clone()));
    assert!(!verdict(MODERN, "tools/list", asks.clone()));
    assert!(!verdict(LEGACY, "tools/call", asks));
    let nothing = json!({"resultType": "input_required"});
    assert!(!verdict(MODERN, "tools/call", nothing));
    assert!(verdict(LEGACY, "ping", json!({})));
    let task = json!({"resultType": "complete", "taskId": "x", "status": "completed",
        "createdAt": "", "lastUpdatedAt": "", "ttlMs": null, "result": {}});
    assert!(verdict(MODERN, "tasks/get", task.clone()));
    let mut failed = task;
    failed["status"] = "failed".into();
    assert!(!verdict(MODERN, "tasks/get", failed), "no error");
    let null = json!({"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": ""}});
    assert!(schema::error_response(LEGACY, &null).is_err());
}

#[tokio::test]
async fn a_backend_complains_of_what_breaks_the_schema() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        backend.tolerate();
        let client = Program::named("x").lenient();
        let client = client.speaking(revision, &backend.url()).await;
        let odd = json!({"name": "echo", "arguments": 7});
        client.request("tools/call", odd).await.result();
        let complaint = &backend.complaints()[0];
        assert!(complaint.contains("is no CallToolRequest"), "{complaint}");
    }
}

#[tokio::test]
#[should_panic(expected = "is no CallToolRequest")]
async fn a_breach_fails_the_test_when_the_backend_goes() {
    let backend = FakeBackend::modern().start();
    let client = Program::named("x").lenient().modern(&backend.url());
    let odd = json!({"name": "echo", "arguments": 7});
    client.request("tools/call", odd).await.result();
}

#[tokio::test]
#[should_panic(expected = "is no CallToolResult")]
async fn a_client_fails_the_test_on_a_result_that_breaks_the_schema() {
    let backend = FakeBackend::modern().start();
    backend.set_exact(r#"{"resultType":"complete"}"#);
    Client::modern(&backend.url())
        .call("exact", json!({}))
        .await;
}

#[tokio::test]
#[should_panic(expected = "was answered though it sent")]
async fn a_client_fails_the_test_when_its_own_breach_is_answered() {
    let backend = FakeBackend::modern().start();
    backend.tolerate();
    let odd = json!({"name": "echo", "arguments": 7});
    Client::modern(&backend.url())
        .request("tools/call", odd)
        .await;
}

#[tokio::test]
#[should_panic(expected = "this client did not declare")]
async fn a_client_fails_the_test_when_it_is_asked_too_much() {
    let backend = FakeBackend::legacy().asks_anyway().start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    client.call("roots", json!({})).await;
}

#[tokio::test]
async fn a_refusal_of_what_is_odd_is_right() {
    let backend = FakeBackend::modern().start();
    let client = capable(MODERN, &backend).await;
    let odd = json!({"name": "none", "arguments": 7});
    assert_eq!(client.request("tools/call", odd).await.error().code, -32602);
    assert_eq!(backend.complaints(), [""; 0]);
}
