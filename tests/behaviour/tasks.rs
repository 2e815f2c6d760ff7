//! Tools that run as tasks: the extension of the modern era, and what 2025-11-25 has.

use serde_json::{Value, json};

use crate::world::{Client, FakeBackend, Pairing, Program, Wanted};

/// Tasks exist where client and backend have the same kind of them: they have other methods, other
/// states and other results in each era, and neither can be made of the other without asking
/// somebody who is not there.
fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.has_modern_client() == it.has_modern_backend())
}

fn capable() -> Program {
    Program::named("x").capable()
}

fn answer(_: &str, _: &Value) -> Value {
    json!({"action": "accept", "content": {"name": "Ada"}})
}

/// A backend's own id behind a public one.
fn own<'a>(public: &'a str, provider: &str) -> &'a str {
    let rest = public.strip_prefix(provider).unwrap();
    rest.strip_prefix('.').unwrap()
}

#[tokio::test]
async fn a_task_runs_on_its_own_and_has_a_result() {
    for pairing in pairings() {
        let world = pairing.stand(pairing.script(), capable()).await;
        let client = &world.client;
        for tool in ["it.task", "it.task_only"] {
            let id = client.call_as_task(tool, json!({"gated": true})).await;
            let made = world.backend.tasks().pop().unwrap();
            assert_eq!((own(&id, "it"), "working"), (made.0.as_str(), &*made.1));
            let task = client.task("tasks/get", &id).await.result();
            assert_eq!(task["taskId"], json!(id));
            assert_eq!(task["status"], "working");
            world.backend.step();
            let result = client.finish_task(&id, answer).await;
            assert_eq!(result["content"][0]["text"], "task done");
            let task = client.task("tasks/get", &id).await.result();
            assert_eq!(task["taskId"], json!(id));
            assert_eq!(task["status"], "completed");
        }
        assert_eq!(world.backend.tasks().len(), 2);
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_task_asks_fails_and_is_cancelled() {
    for pairing in pairings() {
        let world = pairing.stand(pairing.script(), capable()).await;
        let client = &world.client;
        let id = client.call_as_task("it.task", json!({"ask": true})).await;
        world
            .backend
            .until("the question", |it| it.tasks()[0].1 == "input_required")
            .await;
        let result = client.finish_task(&id, answer).await;
        let name = answer("", &Value::Null);
        assert_eq!(result["structuredContent"]["answers"]["name"], name);

        let id = client.call_as_task("it.task", json!({"fail": true})).await;
        assert_eq!(client.finish_task(&id, answer).await["error"], -32099);

        let id = client.call_as_task("it.task", json!({"gated": true})).await;
        client.task("tasks/cancel", &id).await.result();
        let task = client.task("tasks/get", &id).await.result();
        assert_eq!(task["status"], "cancelled");
        assert_eq!(world.backend.tasks()[2].1, "cancelled");
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn the_turns_of_a_task_are_told_under_its_public_id() {
    for pairing in pairings() {
        let world = pairing.stand(pairing.script(), capable()).await;
        let arguments = json!({"gated": true, "ask": true});
        let id = world.client.call_as_task("it.task", arguments).await;
        let wanted = Wanted::default().and_task(&id);
        let mut changes = world.client.changes(wanted).await;
        let method = if pairing.has_modern_client() {
            assert_eq!(changes.acknowledged(), &json!({"taskIds": [id]}));
            "notifications/tasks"
        } else {
            "notifications/tasks/status"
        };
        world.backend.step();
        let told = changes.next_of(method).await.json();
        assert_eq!(told["params"]["taskId"], json!(id));
        assert_eq!(told["params"]["status"], "input_required");
        let asks = told["params"]["inputRequests"].is_object();
        assert_eq!(asks, pairing.has_modern_client());
    }
}

#[tokio::test]
async fn equal_ids_of_two_backends_do_not_meet() {
    for pairing in pairings() {
        let scripts = vec![
            ("one", pairing.script().numbers_tasks()),
            ("two", pairing.script().numbers_tasks()),
        ];
        let world = pairing.stand_among(scripts, capable()).await;
        let client = &world.client;
        let mut ids = Vec::new();
        for tool in ["one.task", "two.task"] {
            ids.push(client.call_as_task(tool, json!({"gated": true})).await);
        }
        assert_eq!(ids, ["one.task-1", "two.task-1"]);
        let wanted = Wanted::default().and_task(&ids[1]);
        let mut changes = client.changes(wanted).await;
        client.task("tasks/cancel", &ids[0]).await.result();
        let statuses = |at: usize| world.backends[at].tasks()[0].1.clone();
        assert_eq!((&*statuses(0), &*statuses(1)), ("cancelled", "working"));
        world.backends[1].step();
        let result = client.finish_task(&ids[1], answer).await;
        assert_eq!(result["content"][0]["text"], "task done");
        let told = loop {
            let told = changes.next().await.json()["params"].take();
            if told["taskId"] == json!(ids[1]) {
                break told;
            }
            // A legacy client hears of all its tasks.
            assert!(!pairing.has_modern_client(), "{told}");
        };
        assert_eq!(told["status"], "completed");
        if !pairing.has_modern_client() {
            let listed = client.request("tasks/list", json!({})).await.result();
            let listed = listed["tasks"].as_array().unwrap();
            let listed: Vec<_> = listed.iter().map(|it| it["taskId"].clone()).collect();
            assert_eq!(listed, ids);
        }
        for stranger in ["two.task-9", "three.task-1", "task-1", ""] {
            let refused = client.task("tasks/get", stranger).await;
            assert_eq!(refused.error().code, -32602, "{stranger}");
        }
    }
}

#[tokio::test]
async fn a_task_outlives_the_gateway() {
    for pairing in pairings() {
        let mut world = pairing.stand(pairing.script(), capable()).await;
        let arguments = json!({"gated": true});
        let id = world.client.call_as_task("it.task", arguments).await;
        world.gateway.restart();
        let task = world.client.task("tasks/get", &id).await.result();
        assert_eq!(task["status"], "working");
        world.backend.step();
        let result = world.client.finish_task(&id, answer).await;
        assert_eq!(result["content"][0]["text"], "task done");
    }
}

#[tokio::test]
async fn a_session_without_prefixes_shows_a_backends_own_ids() {
    for pairing in pairings() {
        let script = pairing.script().numbers_tasks();
        let world = pairing.stand(script, capable()).await;
        let request = json!({"servers": ["it"], "naming": "none"});
        let session = world.gateway.create_session(&request).await;
        let client = capable().speaking(pairing.client, &session.endpoint).await;
        let id = client.call_as_task("task", json!({})).await;
        assert_eq!(id, "task-1");
        let result = client.finish_task(&id, answer).await;
        assert_eq!(result["content"][0]["text"], "task done");
    }
}

#[tokio::test]
async fn a_client_of_one_era_is_not_given_tasks_of_the_other() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() == pairing.has_modern_backend() {
            continue; // shown above
        }
        let world = pairing.stand(pairing.script(), capable()).await;
        let client = &world.client;
        let declared = if pairing.has_modern_client() {
            client.request("server/discover", json!({})).await.result()
        } else {
            client.opening().clone()
        };
        let declared = &declared["capabilities"];
        assert!(declared.get("tasks").is_none(), "{declared}");
        let extension = &declared["extensions"]["io.modelcontextprotocol/tasks"];
        assert!(extension.is_null(), "{declared}");
        // A tool that may run as a task runs as any other.
        let call = client.call("it.task", json!({})).await;
        assert_eq!(call.text(), "task done");
        let code = if pairing.has_modern_backend() {
            -32021
        } else {
            -32601
        };
        let refused = client.call("it.task_only", json!({})).await;
        assert_eq!(refused.error().code, code);
        assert_eq!(world.backend.tasks().len(), 0);
    }
}

#[tokio::test]
async fn only_who_knows_tasks_gets_one() {
    for pairing in pairings() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let call = world.client.call("it.task", json!({})).await;
        assert_eq!(call.text(), "task done");
        let refused = world.client.call("it.task_only", json!({})).await;
        if pairing.has_modern_client() {
            assert_eq!((refused.status, refused.error().code), (400, -32021));
            let refused = world.client.task("tasks/get", "it.any").await;
            assert_eq!((refused.status, refused.error().code), (400, -32021));
            let listen = json!({"notifications": {"taskIds": ["it.any"]}});
            let refused = world.client.request("subscriptions/listen", listen).await;
            assert_eq!((refused.status, refused.error().code), (400, -32021));
        } else {
            assert_eq!(refused.error().code, -32601);
        }
        assert_eq!(world.backend.tasks().len(), 0);
    }
}

#[tokio::test]
async fn a_legacy_clients_tasks_are_its_own() {
    for pairing in pairings() {
        if pairing.has_modern_client() {
            continue; // without sessions, whoever knows a task's id may ask for it
        }
        let world = pairing.stand(pairing.script(), capable()).await;
        let other: Client = capable()
            .speaking(pairing.client, &world.session.endpoint)
            .await;
        let id = world.client.call_as_task("it.task", json!({})).await;
        let refused = other.task("tasks/get", &id).await;
        assert_eq!(refused.error().code, -32602);
        let listed = other.request("tasks/list", json!({})).await.result();
        assert_eq!(listed["tasks"], json!([]));
        let of: &FakeBackend = &world.backend;
        assert_eq!(of.tasks().len(), 1);
    }
}
