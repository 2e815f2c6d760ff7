//! Tools that run as tasks, in the two revisions that have such.

use serde_json::{Value, json};

use super::{LEGACY, capable};
use crate::world::{Client, FakeBackend, Wanted, client::MODERN};

const HAVE_TASKS: [&str; 2] = [LEGACY, MODERN];

fn answer(_: &str, _: &Value) -> Value {
    json!({"action": "accept", "content": {"name": "Ada"}})
}

#[tokio::test]
async fn a_task_runs_on_its_own_and_has_a_result() {
    for revision in HAVE_TASKS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        for tool in ["task", "task_only"] {
            let id = client.call_as_task(tool, json!({"gated": true})).await;
            let task = client.task("tasks/get", &id).await.result();
            assert_eq!(
                (&task["taskId"], &task["status"]),
                (&json!(id), &json!("working"))
            );
            backend.step();
            let result = client.finish_task(&id, answer).await;
            assert_eq!(result["content"][0]["text"], "task done");
            let task = client.task("tasks/get", &id).await.result();
            assert_eq!(task["status"], "completed");
        }
        assert_eq!(backend.tasks().len(), 2);
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_task_asks_and_a_task_fails() {
    for revision in HAVE_TASKS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let id = client.call_as_task("task", json!({"ask": true})).await;
        backend
            .until("the question", |it| it.tasks()[0].1 == "input_required")
            .await;
        let result = client.finish_task(&id, answer).await;
        let name = answer("", &Value::Null);
        assert_eq!(result["structuredContent"]["answers"]["name"], name);
        let id = client.call_as_task("task", json!({"fail": true})).await;
        assert_eq!(client.finish_task(&id, answer).await["error"], -32099);
    }
}

#[tokio::test]
async fn a_task_is_cancelled_and_a_stranger_is_not() {
    for revision in HAVE_TASKS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let id = client.call_as_task("task", json!({"gated": true})).await;
        client.task("tasks/cancel", &id).await.result();
        let task = client.task("tasks/get", &id).await.result();
        assert_eq!(task["status"], "cancelled");
        backend.step();
        let again = client.task("tasks/cancel", &id).await;
        if revision == MODERN {
            again.result();
        } else {
            assert_eq!(again.error().code, -32602);
            let other = capable(revision, &backend).await;
            assert_eq!(other.task("tasks/get", &id).await.error().code, -32602);
            let listed = client.request("tasks/list", json!({})).await.result();
            assert_eq!(listed["tasks"][0]["taskId"], json!(id));
        }
        assert_eq!(client.task("tasks/get", "none").await.error().code, -32602);
    }
}

#[tokio::test]
async fn the_turns_of_a_task_are_told() {
    for revision in HAVE_TASKS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let id = client
            .call_as_task("task", json!({"gated": true, "ask": true}))
            .await;
        let mut changes = client.changes(Wanted::default().and_task(&id)).await;
        backend.step();
        let method = if revision == MODERN {
            "notifications/tasks"
        } else {
            "notifications/tasks/status"
        };
        let told = changes.next_of(method).await.json();
        assert_eq!(told["params"]["taskId"], json!(id));
        assert_eq!(told["params"]["status"], "input_required");
        let asks = told["params"]["inputRequests"].is_object();
        assert_eq!(asks, revision == MODERN);
    }
}

#[tokio::test]
async fn only_a_client_that_knows_tasks_gets_one() {
    let backend = FakeBackend::modern().start();
    let client = Client::modern(&backend.url());
    assert_eq!(client.call("task", json!({})).await.text(), "task done");
    let refused = client.call("task_only", json!({})).await;
    assert_eq!((refused.status, refused.error().code), (400, -32021));
    let refused = client.task("tasks/get", "any").await;
    assert_eq!((refused.status, refused.error().code), (400, -32021));
    let listen = json!({"notifications": {"taskIds": ["any"]}});
    let refused = client.request("subscriptions/listen", listen).await;
    assert_eq!((refused.status, refused.error().code), (400, -32021));

    let backend = FakeBackend::legacy().start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    assert_eq!(client.call("task", json!({})).await.text(), "task done");
    assert_eq!(
        client.call("task_only", json!({})).await.error().code,
        -32601
    );
    let forbidden = json!({"name": "echo", "task": {}});
    let refused = client.request("tools/call", forbidden).await;
    assert_eq!(refused.error().code, -32601);
}
