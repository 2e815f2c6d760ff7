//! The example server that is built in, through a gateway that was started for it.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::{
    CLIENTS,
    world::{Client, Gateway, Program, eventually},
};

/// A demo and the endpoint of its session.
async fn demo() -> (Gateway, String) {
    let gateway = Gateway::setup().argument("demo").start();
    let listed = gateway.get("/sessions").await.json();
    let session = &listed["sessions"][0];
    assert_eq!(
        (&session["name"], &session["servers"]),
        (&json!("demo"), &json!(["example"]))
    );
    let endpoint = gateway.url(session["mcp_endpoint"].as_str().unwrap());
    (gateway, endpoint)
}

/// Every message of a client is held against its revision's schema.
#[tokio::test]
async fn a_demo_has_one_of_everything_for_clients_of_every_revision() {
    let (mut gateway, endpoint) = demo().await;
    for revision in CLIENTS {
        let client = Program::named("x")
            .capable()
            .speaking(revision, &endpoint)
            .await;
        let tools = client.tool_names().await;
        assert_eq!(
            tools,
            ["echo", "add", "count", "order_tea"].map(|tool| format!("example.{tool}"))
        );
        assert_eq!(client.prompt_names().await.len(), 2);
        assert_eq!(client.resource_uris().await, ["example://notes"]);
        assert_eq!(client.templates().await.len(), 1);
        let sum = client
            .call("example.add", json!({"a": 2, "b": 3.5}))
            .await
            .result();
        assert_eq!(sum["structuredContent"]["sum"], 5.5, "{revision}");
        let wrong = client.call("example.add", json!({"a": "2"})).await.result();
        assert_eq!(wrong["isError"], true);
        let read = client.read("example://numbers/12").await.result();
        assert_eq!(read["contents"][0]["text"], "12 squared is 144");
        client.read("example://nothing").await.error();
        let welcome = client
            .prompt("example.welcome", json!({"name": "Ada"}))
            .await
            .result();
        assert!(
            welcome["messages"][0]["content"]["text"]
                .as_str()
                .unwrap()
                .contains("Ada")
        );
        let counting = r#"{"name":"example.count","arguments":{"to":3,"pause_ms":0},"_meta":{"progressToken":"t"}}"#;
        let counted = client.request_raw("tools/call", counting).await;
        let steps = counted
            .events
            .iter()
            .filter(|event| event.method().as_deref() == Some("notifications/progress"));
        let steps: Vec<Value> = steps
            .map(|event| event.json()["params"]["progress"].take())
            .collect();
        assert_eq!(steps, [1, 2, 3].map(Value::from), "{revision}");
    }
    gateway.stop();
    let left: Vec<_> = std::fs::read_dir(gateway.folder()).unwrap().collect();
    assert_eq!(
        left.len(),
        1,
        "the registry of this test, and nothing of the demo: {left:?}"
    );
}

#[tokio::test]
async fn a_demo_that_is_stopped_at_once_leaves_nothing_either() {
    let temporary = tempfile::tempdir().unwrap();
    let place = temporary.path().to_str().unwrap();
    let setup = Gateway::setup().argument("demo");
    let mut gateway = setup.environment("TMPDIR", place).start();
    let left = || -> Vec<_> {
        let entries = std::fs::read_dir(temporary.path()).unwrap();
        entries.map(Result::unwrap).collect()
    };
    let mode = left()[0].metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "nobody else sees its key");
    let listed = gateway.get("/sessions").await.json();
    let endpoint = listed["sessions"][0]["mcp_endpoint"].as_str().unwrap();
    let counting = r#"{"name":"example.count","arguments":{"to":20,"pause_ms":1000},"_meta":{"progressToken":1}}"#;
    let client = Client::plain(&gateway.url(endpoint));
    let _on_its_way = client.open("tools/call", counting).await;
    gateway.ask_to_stop();
    eventually("the first signal is heard", async || {
        gateway.logs().contains("stopping on SIGTERM")
    })
    .await;
    gateway.ask_to_stop();
    assert_eq!(gateway.wait_for_end().code(), Some(130));
    assert!(left().is_empty(), "{:?}", left());
}

#[tokio::test]
async fn a_demo_asks_its_user_in_both_eras() {
    let (_gateway, endpoint) = demo().await;
    for revision in [crate::LATEST_LEGACY, crate::MODERN] {
        let client = Program::named("x")
            .capable()
            .speaking(revision, &endpoint)
            .await;
        for (given, said) in [
            (
                json!({"action": "accept", "content": {"tea": "mint", "milk": true}}),
                "One cup of mint tea, with milk.",
            ),
            (json!({"action": "decline"}), "No tea, then."),
        ] {
            let answer = |_: &str, _: &Value| given.clone();
            let answered = client
                .call_answering("example.order_tea", json!({}), answer)
                .await;
            assert_eq!(answered.result()["content"][0]["text"], said, "{revision}");
            assert_eq!(answered.asked.len(), 1);
        }
    }
    let unable = Program::named("x")
        .speaking(crate::LATEST_LEGACY, &endpoint)
        .await;
    let refused = unable.call("example.order_tea", json!({})).await.result();
    assert_eq!(refused["isError"], true, "{refused}");
}
