//! Several messages in one body: the manner of one revision.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, gateway::Session},
};

const BATCHES: &str = "2025-03-26";

async fn world() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

#[tokio::test]
async fn every_message_of_a_batch_is_carried_out_and_each_request_answered() {
    let (backend, _gateway, session) = world().await;
    let messages = [
        ("ping", json!({})),
        ("tools/call", json!({"name": "it.count"})),
        (
            "notifications/cancelled",
            json!({"requestId": "nobody's", "reason": "none"}),
        ),
        ("tools/call", json!({})),
        ("tools/list", json!({})),
    ];
    let clients = [
        Client::legacy(&session.endpoint, BATCHES).await,
        Client::plain(&session.endpoint),
    ];
    for (index, client) in clients.iter().enumerate() {
        let (answer, responses) = client.batch(&messages).await;
        assert_eq!(answer.status, 200);
        assert_eq!(responses.len(), 4);
        assert_eq!(responses[0].result(), json!({}));
        assert_eq!(responses[2].json()["error"]["code"], -32602);
        assert!(responses[3].result()["tools"].is_array());
        assert_eq!(backend.executions("count"), index + 1);
    }
}

#[tokio::test]
async fn the_calls_of_a_batch_run_side_by_side() {
    let (backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, BATCHES).await;
    let steps = |token: u8| {
        let arguments = json!({"steps": 1, "gated": true});
        json!({"name": "it.progress", "arguments": arguments, "_meta": {"progressToken": token}})
    };
    let both = [("tools/call", steps(1)), ("tools/call", steps(2))];
    let running = async {
        let all = |it: &FakeBackend| it.requests_of("tools/call").len() == 2;
        backend.until("both calls under way", all).await;
        backend.step();
        backend.step();
    };
    let ((answer, responses), ()) = tokio::join!(client.batch(&both), running);
    assert_eq!(responses.len(), 2);
    let told = answer.events.iter().map(|event| event.json());
    let mut tokens: Vec<_> = told
        .filter_map(|event| event["params"]["progressToken"].as_u64())
        .collect();
    tokens.sort_unstable();
    assert_eq!(tokens, [1, 2], "each tells of its own");
}

#[tokio::test]
async fn a_batch_that_wants_no_answer_gets_none() {
    let (_backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, BATCHES).await;
    let notes = [
        ("notifications/roots/list_changed", json!({})),
        ("notifications/cancelled", json!({"requestId": 7})),
    ];
    let (answer, responses) = client.batch(&notes).await;
    assert_eq!((answer.status, responses.len()), (202, 0));
    assert_eq!(answer.body.len(), 0);
}

#[tokio::test]
async fn a_client_that_takes_json_only_gets_one_list() {
    let (_backend, gateway, session) = world().await;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":"x","method":5},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"it.echo"}}]"#;
    let path = format!("/session/{}/mcp", session.id);
    let request = gateway
        .request(http::Method::POST, &path)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .body(batch);
    let answer = gateway.send(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    let of = |id: Value| {
        let list = list.as_array().unwrap();
        let found = list.iter().find(|response| response["id"] == id);
        found.unwrap_or_else(|| panic!("no {id} in {list:?}"))
    };
    assert_eq!(list.as_array().map(Vec::len), Some(3));
    assert_eq!(of(json!(1))["result"], json!({}));
    assert_eq!(of(json!("x"))["error"]["code"], -32600);
    assert!(of(json!(2))["result"]["content"].is_array());
}

#[tokio::test]
async fn what_is_no_batch_of_that_revision_is_refused_whole() {
    let (backend, _gateway, session) = world().await;
    let call = ("tools/call", json!({"name": "it.count"}));
    for revision in ["2024-11-05", "2025-06-18", LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let (answer, _) = client.batch(std::slice::from_ref(&call)).await;
        assert_eq!(answer.status, 400, "{revision}");
    }
    let client = Client::legacy(&session.endpoint, BATCHES).await;
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it.count"}}"#;
    let opening = r#"{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}"#;
    for body in [
        "[]".to_owned(),
        "[".to_owned(),
        format!("[{message},{opening}]"),
        format!("[{}]", vec![message; 101].join(",")),
    ] {
        let answer = client.post_text(&body, &[]).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(backend.executions("count"), 0);
    client.delete().await;
    let (answer, _) = client.batch(&[call]).await;
    assert_eq!(answer.status, 404);
}
