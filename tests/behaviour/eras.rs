//! Every client era meets every backend era, with JSON and with event streams.

use serde_json::{Value, json};

use crate::{
    CLIENTS, LATEST_LEGACY, MODERN,
    world::{
        Answers, Client, FakeBackend, Gateway, Program, client::Message, fake_backend::Script,
    },
};

#[tokio::test]
async fn legacy_clients_use_legacy_backends() {
    for revision in &CLIENTS[..3] {
        meet(revision, FakeBackend::legacy).await;
    }
}

#[tokio::test]
async fn legacy_clients_use_modern_backends() {
    for revision in &CLIENTS[..3] {
        meet(revision, FakeBackend::modern).await;
    }
}

#[tokio::test]
async fn modern_clients_use_legacy_backends() {
    meet(MODERN, FakeBackend::legacy).await;
}

#[tokio::test]
async fn modern_clients_use_modern_backends() {
    meet(MODERN, FakeBackend::modern).await;
}

#[tokio::test]
async fn every_client_uses_backends_of_older_revisions_and_of_both_eras() {
    for revision in ["2025-03-26", "2025-06-18"] {
        meet(LATEST_LEGACY, || FakeBackend::legacy().revision(revision)).await;
        meet(MODERN, || FakeBackend::legacy().revision(revision)).await;
    }
    for client in [LATEST_LEGACY, MODERN] {
        meet(client, FakeBackend::both).await;
        meet(client, || FakeBackend::legacy().without_sessions()).await;
    }
}

async fn meet(revision: &str, script: impl Fn() -> Script) {
    let [json, sse] = [Answers::Json, Answers::Sse].map(|answers| {
        let script = script().answers(answers);
        script.instructions("say please").start()
    });
    let gateway = Gateway::with(&[("json", &json), ("sse", &sse)]);
    let session = gateway.session(&["json", "sse"]).await;
    let client = Client::speaking(revision, &session.endpoint).await;
    opens(revision, &client).await;
    lists(revision, &client).await;
    for provider in ["json", "sse"] {
        calls(revision, &client, provider).await;
        fails(&client, provider).await;
        progresses(&client, provider).await;
    }
    refuses(revision, &client).await;
    for backend in [json, sse] {
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

async fn opens(revision: &str, client: &Client) {
    let discovery;
    let opening = if revision == MODERN {
        discovery = client.request("server/discover", json!({})).await.result();
        let versions = discovery["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&json!(MODERN)), "{discovery}");
        let server = &discovery["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert!(server["name"].is_string(), "{discovery}");
        &discovery
    } else {
        let pong = client.request("ping", json!({})).await;
        assert_eq!(pong.result(), json!({}));
        assert!(client.mcp_session().is_some());
        assert!(client.opening()["serverInfo"]["name"].is_string());
        assert_eq!(client.opening()["protocolVersion"], revision);
        client.opening()
    };
    assert!(opening["capabilities"]["tools"].is_object(), "{opening}");
    let instructions = opening["instructions"].as_str().unwrap();
    for part in ["json", "sse", "say please"] {
        assert!(instructions.contains(part), "{instructions}");
    }
    has_marks_of_its_era(revision, opening, revision == MODERN);
}

async fn lists(revision: &str, client: &Client) {
    let list = client.request("tools/list", json!({})).await.result();
    has_marks_of_its_era(revision, &list, true);
    let names = list["tools"].as_array().unwrap().iter();
    let names: Vec<&str> = names.map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 18);
    assert_eq!((names[0], names[9]), ("json.echo", "sse.echo"));
}

async fn calls(revision: &str, client: &Client, provider: &str) {
    let arguments = json!({"provider": provider, "n": [1, 2.5]});
    let answer = client
        .call(&format!("{provider}.echo"), arguments.clone())
        .await;
    assert_eq!(answer.status, 200);
    let result = answer.result();
    assert_eq!(result["structuredContent"], arguments);
    has_marks_of_its_era(revision, &result, false);
}

async fn fails(client: &Client, provider: &str) {
    let error = json!({"code": -32050, "message": "no such luck", "data": {"luck": 0}});
    let answer = client
        .call(&format!("{provider}.fail"), error.clone())
        .await;
    let failure = answer.error();
    assert_eq!(failure.code, -32050);
    assert_eq!(failure.message, "no such luck");
    assert_eq!(failure.data, error["data"]);
}

async fn progresses(client: &Client, provider: &str) {
    for token in [json!("a token"), json!(7)] {
        let call = json!({
            "name": format!("{provider}.progress"),
            "arguments": {"steps": 2},
            "_meta": {"progressToken": token},
        });
        let answer = client.request("tools/call", call).await;
        assert_eq!(answer.text(), "2 steps");
        let steps = answer.events.iter().map(Message::json);
        let steps = steps.filter(|event| event["method"] == "notifications/progress");
        let steps: Vec<Value> = steps.map(|mut event| event["params"].take()).collect();
        assert_eq!(steps.len(), 2, "{answer:?}");
        assert_eq!(steps[1]["progressToken"], token);
        assert_eq!(steps[1]["progress"], 2);
        assert_eq!(steps[1]["message"], "step 2");
    }
}

async fn refuses(revision: &str, client: &Client) {
    let unknown = client.request("no/such", json!({})).await;
    let status = if revision == MODERN { 404 } else { 200 };
    assert_eq!((unknown.status, unknown.error().code), (status, -32601));
    let unknown = client.call("json.no_such_tool", json!({})).await;
    assert_eq!(unknown.error().code, -32602);
    let unknown = client.call("nobody.echo", json!({})).await;
    assert_eq!(unknown.error().code, -32602);
}

fn has_marks_of_its_era(revision: &str, result: &Value, cacheable: bool) {
    if revision == MODERN {
        assert_eq!(result["resultType"], "complete", "{result}");
        if cacheable {
            assert!(result["ttlMs"].is_u64(), "{result}");
            assert!(["public", "private"].contains(&result["cacheScope"].as_str().unwrap()));
        }
    } else {
        for mark in ["resultType", "ttlMs", "cacheScope"] {
            assert_eq!(result.get(mark), None, "{result}");
        }
    }
}

#[tokio::test]
async fn a_list_is_no_fresher_than_its_stalest_part() {
    let (modern, legacy) = (FakeBackend::modern().start(), FakeBackend::legacy().start());
    let gateway = Gateway::with(&[("modern", &modern), ("legacy", &legacy)]);
    for (servers, ttl) in [
        (vec!["modern"], json!(60000)),
        (vec!["modern", "legacy"], json!(0)),
    ] {
        let session = gateway.session(&servers).await;
        let client = Client::modern(&session.endpoint);
        let list = client.request("tools/list", json!({})).await.result();
        assert_eq!(list["ttlMs"], ttl, "{servers:?}");
    }
    let session = gateway.session(&["legacy"]).await;
    let client = Client::modern(&session.endpoint);
    let list = client.request("tools/list", json!({})).await.result();
    assert_eq!(list["cacheScope"], "private");
}

#[tokio::test]
async fn a_client_of_an_unknown_revision_is_offered_one_that_is_spoken() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    // Some clients offer the modern revision in a handshake.
    for asked in ["1999-01-01", MODERN, "2099-12-31"] {
        let client = Client::legacy(&session.endpoint, asked).await;
        assert_eq!(
            client.opening()["protocolVersion"],
            LATEST_LEGACY,
            "{asked}"
        );
        assert_eq!(client.call("it.echo", json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn a_pinned_revision_is_not_probed_for() {
    let legacy = FakeBackend::legacy().revision("2025-06-18").start();
    let both = FakeBackend::both().start();
    let gateway = Gateway::setup()
        .provider_with("old", &legacy, "protocol: 2025-06-18")
        .provider_with("new", &both, "protocol: 2026-07-28")
        .start();
    let session = gateway.session(&["old", "new"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await.len(), 18);
    assert_eq!(legacy.requests_of("server/discover").len(), 0);
    assert_eq!(both.initializations(), 0);
}

#[tokio::test]
async fn capabilities_of_a_client_reach_the_backend_and_nothing_more() {
    let capabilities = json!({"elicitation": {"form": {}}, "com.example/x": {"y": 1}});
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
    let session = gateway.session(&["legacy", "modern"]).await;
    let program = Program::named("someone").capabilities(capabilities.clone());
    let client = program.modern(&session.endpoint);
    client.call("modern.echo", json!({})).await.result();
    let call = &modern.requests_of("tools/call")[0];
    let seen = &call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(seen, &capabilities);
    // What the gateway cannot yet bridge it must not promise to a legacy backend.
    client.call("legacy.echo", json!({})).await.result();
    for opening in legacy.requests_of("initialize") {
        let promised = opening.params()["capabilities"].clone();
        for (name, _) in promised.as_object().unwrap() {
            assert!(capabilities.get(name).is_some(), "{promised}");
        }
    }
}
