//! The scripted client and the scripted backend, face to face: no gateway, but where pairings stand up.

mod asking;
mod batches;
mod changes;
mod exactness;
mod faults;
mod features;
mod pairings;
mod resumption;
mod schemas;
mod splits;
mod tasks;
mod transcripts;

use serde_json::{Value, json};

use crate::world::{
    Answers, Cancelled, Client, FakeBackend, Program, client::MODERN, pairing::REVISIONS,
};

const LEGACY: &str = "2025-11-25";

/// A client that can do everything.
async fn capable(revision: &str, backend: &FakeBackend) -> Client {
    let program = Program::named("capable").capable();
    program.speaking(revision, &backend.url()).await
}

#[tokio::test]
async fn a_legacy_client_and_a_legacy_backend_shake_hands() {
    for answers in [Answers::Json, Answers::Sse] {
        for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let backend = FakeBackend::legacy()
                .revision(revision)
                .answers(answers)
                .instructions("be brief")
                .start();
            // Its refusals are those of real servers, which say `"id": null`.
            let program = Program::named("x").lenient();
            let client = program.legacy(&backend.url(), revision).await;
            assert_eq!(client.opening()["protocolVersion"], revision);
            assert_eq!(client.opening()["instructions"], "be brief");
            assert!(client.tool_names().await.contains(&"echo".to_owned()));
            let echo = client.call("echo", json!({"a": 1})).await;
            assert_eq!(echo.result()["structuredContent"], json!({"a": 1}));
            assert_eq!(echo.result().get("resultType"), None);
            assert_eq!((backend.initializations(), backend.sessions_open()), (1, 1));
            assert_eq!(client.delete().await, 200);
            assert_eq!(backend.sessions_open(), 0);
            assert_eq!(client.request("ping", json!({})).await.status, 404);
            assert_eq!(backend.complaints(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_modern_client_and_a_modern_backend_need_no_handshake() {
    for answers in [Answers::Json, Answers::Sse] {
        let backend = FakeBackend::modern().answers(answers).start();
        let client = Client::modern(&backend.url());
        let discovery = client.request("server/discover", json!({})).await.result();
        assert_eq!(discovery["supportedVersions"], json!([MODERN]));
        let list = client.request("tools/list", json!({})).await.result();
        assert_eq!(list["resultType"], "complete");
        assert_eq!(
            (&list["ttlMs"], &list["cacheScope"]),
            (&json!(60000), &json!("public"))
        );
        let echo = client.call("echo", json!({"a": 1})).await.result();
        assert_eq!(echo["structuredContent"], json!({"a": 1}));
        assert_eq!(echo["resultType"], "complete");
        assert_eq!(client.delete().await, 405);
        assert_eq!(client.request("nonsense", json!({})).await.status, 404);
    }
}

#[tokio::test]
async fn each_era_is_refused_by_a_backend_of_the_other() {
    let legacy = FakeBackend::legacy().start();
    let program = Program::named("x").lenient();
    let refusal = program
        .modern(&legacy.url())
        .request("server/discover", json!({}))
        .await;
    assert_eq!((refusal.status, refusal.error().code), (400, -32000));

    let open = FakeBackend::legacy().without_sessions().start();
    let refusal = Client::modern(&open.url())
        .request("server/discover", json!({}))
        .await;
    assert_eq!((refusal.status, refusal.error().code), (200, -32601));

    let modern = FakeBackend::modern().start();
    let opening = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {}});
    let refusal = Client::plain(&modern.url())
        .request("initialize", opening)
        .await;
    assert_eq!((refusal.status, refusal.error().code), (400, -32022));
    assert_eq!(refusal.error().data["supported"], json!([MODERN]));

    let both = FakeBackend::both().start();
    Client::legacy(&both.url(), LEGACY).await;
    let discovery = Client::modern(&both.url())
        .request("server/discover", json!({}))
        .await;
    assert_eq!(discovery.status, 200);
}

#[tokio::test]
async fn a_modern_backend_checks_headers_against_the_body() {
    let backend = FakeBackend::modern()
        .tool(r#"{"name":"where","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}"#)
        .start();
    let client = Client::modern(&backend.url());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = |name: &str, arguments: Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
               "params": {"name": name, "arguments": arguments, "_meta": meta}})
        .to_string()
    };
    let headers = [("mcp-method", "tools/call"), ("mcp-name", "where")];
    let code = async |body: &str, more: &[(&'static str, &str)]| {
        let answer = client.post_text(body, &[&headers, more].concat()).await;
        (answer.status, answer.error().code)
    };
    let here = call("where", json!({"region": "here"}));
    assert_eq!(code(&here, &[]).await, (400, -32020));
    assert_eq!(
        code(&here, &[("mcp-param-region", "there")]).await,
        (400, -32020)
    );
    assert_eq!(
        code(&here, &[("mcp-method", "tools/list")]).await,
        (400, -32020)
    );
    assert_eq!(code(&call("echo", json!({})), &[]).await, (400, -32020));
    let old = here.replace(MODERN, "2027-01-01");
    assert_eq!(code(&old, &[]).await, (400, -32020));
    assert_eq!(
        code(&old, &[("mcp-protocol-version", "2027-01-01")]).await,
        (400, -32022)
    );
    let bare = here.replace("clientCapabilities", "somethingElse");
    assert_eq!(code(&bare, &[]).await, (400, -32602));
    let encoded = [("mcp-param-region", "=?base64?aGVyZQ==?=")];
    let served = client
        .post_text(&here, &[&headers, encoded.as_slice()].concat())
        .await;
    assert_eq!(
        served.result()["structuredContent"],
        json!({"region": "here"})
    );
}

#[tokio::test]
async fn a_backend_demands_its_credential() {
    let bearer = FakeBackend::legacy().demands_bearer("right").start();
    let answer = Client::plain(&bearer.url())
        .request("ping", json!({}))
        .await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").is_some());
    let right = [("authorization", "Bearer right")];
    let answer = Client::plain(&bearer.url()).post_text("{}", &right).await;
    assert_eq!(answer.status, 400, "past the door, then no session");

    let key = FakeBackend::legacy()
        .demands_header("x-api-key", "right")
        .start();
    let wrong = [("x-api-key", "wrong")];
    assert_eq!(
        Client::plain(&key.url())
            .post_text("{}", &wrong)
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn pages_follow_each_other_and_some_never_end() {
    let backend = FakeBackend::legacy().page_size(2).start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    let names = client.tool_names().await;
    assert_eq!(
        (names.len(), names[0].as_str(), names[8].as_str()),
        (9, "echo", "ask")
    );
    assert_eq!(backend.requests_of("tools/list").len(), 5);
    let stray = client.request("tools/list", json!({"cursor": "x"})).await;
    assert_eq!(stray.error().code, -32602);

    let endless = FakeBackend::legacy().endless_pages().start();
    let client = Client::legacy(&endless.url(), LEGACY).await;
    let page = client
        .request("tools/list", json!({"cursor": "page-7"}))
        .await;
    assert_eq!(page.result()["nextCursor"], "page-8");
}

#[tokio::test]
async fn results_and_arguments_keep_their_bytes() {
    let backend = FakeBackend::modern().start();
    let client = Client::modern(&backend.url());
    let result = r#"{"z":1.0, "a":10000000000000000000000001,"resultType":"complete","content":[],"é":"\u00e9"}"#;
    backend.set_exact(result);
    let answer = client.call("exact", json!({})).await;
    assert_eq!(answer.result_raw(), result);
    let arguments = r#"{"z": 1.50,"a":[1e2 , -0.0]}"#;
    let params = format!(r#"{{"name":"echo","arguments":{arguments}}}"#);
    let answer = client.request_raw("tools/call", &params).await;
    assert_eq!(answer.text(), arguments);
    assert!(
        answer
            .result_raw()
            .contains(&format!(r#""structuredContent":{arguments}"#))
    );
}

#[tokio::test]
async fn steps_are_reported_one_by_one() {
    let backend = FakeBackend::legacy().start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    let params =
        r#"{"name":"progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":"t"}}"#;
    let mut exchange = client.open("tools/call", params).await;
    for step in 1..=2 {
        let progress = exchange.next().await.unwrap().json();
        assert_eq!(progress["method"], "notifications/progress");
        assert_eq!(progress["params"]["progressToken"], "t");
        assert_eq!(progress["params"]["progress"], step);
        assert_eq!(backend.completions("progress"), 0);
        backend.step();
    }
    let answer = exchange.finish().await;
    assert_eq!(answer.events[0].method().unwrap(), "notifications/message");
    assert_eq!(answer.text(), "2 steps");
}

#[tokio::test]
async fn a_waiting_call_learns_that_it_is_cancelled() {
    let backend = FakeBackend::legacy().start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    let waiting = client.open_as("\"w\"", "tools/call", r#"{"name":"wait"}"#);
    let cancelling = async {
        backend
            .until("the call", |it| it.executions("wait") == 1)
            .await;
        client.cancel("\"w\"").await;
    };
    let (waiting, ()) = tokio::join!(waiting, cancelling);
    assert!(waiting.finish().await.response.is_none());
    let cancellation = &backend.cancellations()[0];
    assert_eq!(cancellation.request_id, "\"w\"");
    assert_eq!(cancellation.how, Cancelled::ByNotification);

    let backend = FakeBackend::modern().answers(Answers::Sse).start();
    let client = Client::modern(&backend.url());
    let waiting = client.open("tools/call", r#"{"name":"wait"}"#).await;
    backend
        .until("the call", |it| it.executions("wait") == 1)
        .await;
    drop(waiting);
    backend
        .until("the close", |it| it.cancellations().len() == 1)
        .await;
    assert_eq!(backend.cancellations()[0].how, Cancelled::ByClose);
}
