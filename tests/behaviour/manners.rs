//! How the endpoint treats requests that are not as they should be, in the manner of each era.

use http::Method;
use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, gateway::Session},
};

async fn world() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

#[tokio::test]
async fn a_modern_request_is_checked_in_the_order_of_the_specification() {
    let (backend, _gateway, session) = world().await;
    let client = Client::modern(&session.endpoint);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({"jsonrpc": "2.0", "id": "x", "method": "tools/call",
                      "params": {"name": "it.echo", "_meta": meta}})
    .to_string();
    let right = [("mcp-method", "tools/call"), ("mcp-name", "it.echo")];
    let refused = async |body: &str, more: &[(&'static str, &str)], code: i64| {
        let answer = client.post_text(body, &[&right, more].concat()).await;
        assert_eq!(
            (answer.status, answer.error().code),
            (400, code),
            "{body} {more:?}"
        );
        answer
    };
    refused("{\"jsonrpc\"", &[], -32700).await;
    let bare = body.replace("clientCapabilities", "other");
    refused(&bare, &[], -32602).await;
    refused(&body, &[("mcp-protocol-version", "2027-01-01")], -32020).await;
    refused(&body, &[("mcp-method", "tools/list")], -32020).await;
    refused(&body, &[("mcp-name", "echo")], -32020).await;
    let future = body.replace(MODERN, "2027-01-01");
    let answer = refused(&future, &[("mcp-protocol-version", "2027-01-01")], -32022).await;
    let data = answer.error().data;
    assert_eq!(data["requested"], "2027-01-01");
    assert!(
        data["supported"]
            .as_array()
            .unwrap()
            .contains(&json!(MODERN)),
        "{data}"
    );
    assert_eq!(answer.id().as_deref(), Some("\"x\""));
    assert_eq!(backend.executions("echo"), 0);
    client.post_text(&body, &right).await.result();
    let encoded = [("mcp-name", "=?base64?aXQuZWNobw==?=")];
    client
        .post_text(&body, &[&right, encoded.as_slice()].concat())
        .await
        .result();
}

#[tokio::test]
async fn headers_a_modern_request_must_have_are_demanded() {
    let (_backend, gateway, session) = world().await;
    let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }}})
    .to_string();
    let all = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/list"),
    ];
    for missing in 0..=all.len() {
        let mut request = gateway
            .request(Method::POST, path)
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json");
        for (index, (name, value)) in all.iter().enumerate() {
            if index != missing {
                request = request.header(*name, *value);
            }
        }
        let answer = gateway.send(request.body(body.clone())).await;
        if missing == all.len() {
            assert_eq!(answer.status, 200, "{answer:?}");
        } else {
            assert_eq!(answer.status, 400, "without {}: {answer:?}", all[missing].0);
            assert_eq!(answer.json()["error"]["code"], -32020);
        }
    }
}

#[tokio::test]
async fn media_types_and_methods_are_held_to() {
    let (_backend, gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let html = client.post_text(ping, &[("accept", "text/html")]).await;
    assert_eq!(html.status, 406);
    let text = client
        .post_text(ping, &[("content-type", "text/plain")])
        .await;
    assert_eq!(text.status, 415);
    let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
    for method in [Method::PUT, Method::PATCH] {
        let answer = gateway.send(gateway.request(method.clone(), path)).await;
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").is_some());
    }
    let stray = client
        .post_text(ping, &[("mcp-protocol-version", "1999-01-01")])
        .await;
    assert_eq!(stray.status, 400);
}

#[tokio::test]
async fn what_is_no_message_is_refused_and_harms_nobody() {
    let (backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("\u{feff}x", -32700),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
    ] {
        let answer = client.post_text(body, &[]).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.error().code, code, "{body}");
        let id = answer.response.unwrap().json().get("id").cloned();
        assert_ne!(
            id,
            Some(json!(null)),
            "an id nobody gave is left out: {body}"
        );
    }
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn what_is_nested_too_deep_is_refused_and_reaches_nobody() {
    let (backend, _gateway, session) = world().await;
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"name":"it.echo","arguments":{{"a":{open}{close}}}}}"#)
    };
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client
        .request_raw("tools/call", &nested(100))
        .await
        .result();
    for levels in [126, 10_000, 1_000_000] {
        let params = nested(levels);
        let deep = client.open_as("\"deep\"", "tools/call", &params).await;
        let deep = deep.finish().await;
        assert_eq!((deep.status, deep.error().code), (400, -32600), "{levels}");
        assert_eq!(deep.id().as_deref(), Some("\"deep\""));
        let words = deep.error().message;
        assert!(words.contains("more than 128 levels"), "{words}");
    }
    assert_eq!(backend.executions("echo"), 1);
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_held_to_its_bounds() {
    let (backend, gateway, session) = world().await;
    backend.tolerate();
    let plain = Client::plain(&session.endpoint);
    let large = |bytes: usize| json!({"name": "x".repeat(bytes)});
    let wrong = [
        ("clientInfo", large(16 * 1024)),
        ("clientInfo", json!({"name": 7})),
        ("clientInfo", json!("x")),
        ("capabilities", large(16 * 1024)),
        ("capabilities", json!([])),
    ];
    let right = json!({"protocolVersion": LATEST_LEGACY, "capabilities": large(16_000),
                       "clientInfo": large(16_000)});
    for (member, value) in &wrong {
        let mut opening = right.clone();
        opening[member] = value.clone();
        let answer = plain.request("initialize", opening).await;
        assert_eq!((answer.status, answer.error().code), (200, -32602));
        let words = answer.error().message;
        assert!(words.contains(member), "{words}");
        assert_eq!(answer.header("mcp-session-id"), None);
    }
    for member in ["protocolVersion", "capabilities", "clientInfo"] {
        let mut opening = right.clone();
        opening.as_object_mut().unwrap().remove(member);
        let answer = plain.request("initialize", opening).await;
        assert_eq!(answer.error().code, -32602, "{member}");
    }
    let state = gateway.get(&format!("/session/{}", session.id)).await;
    assert_eq!(state.json()["mcp_sessions"], 0);
    plain.request("initialize", right).await.result();

    let modern = Client::modern(&session.endpoint);
    for (member, value) in wrong {
        let member = match member {
            "capabilities" => "io.modelcontextprotocol/clientCapabilities",
            _ => "io.modelcontextprotocol/clientInfo",
        };
        let params = json!({"_meta": {member: value}});
        let answer = modern.request("tools/list", params).await;
        assert_eq!((answer.status, answer.error().code), (400, -32602));
        let words = answer.error().message;
        assert!(words.contains(member), "{words}");
    }
}

#[tokio::test]
async fn a_call_that_names_no_tool_is_told_so() {
    let (backend, _gateway, session) = world().await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let status = if revision == MODERN { 400 } else { 200 };
        for params in [json!({}), json!({"name": 7}), json!({"name": null})] {
            let answer = client.request("tools/call", params).await;
            assert_eq!((answer.status, answer.error().code), (status, -32602));
            let words = answer.error().message;
            assert!(words.contains("params.name, a string"), "{words}");
        }
    }
    let plain = Client::plain(&session.endpoint);
    // A wrong name does not hide what tells the era: headers are missed as in any modern request.
    let meta = json!({"io.modelcontextprotocol/protocolVersion": MODERN,
                      "io.modelcontextprotocol/clientCapabilities": {}});
    let call = json!({"name": 7, "_meta": meta});
    let answer = plain.request("tools/call", call).await;
    assert_eq!((answer.status, answer.error().code), (400, -32020));
    let doubled = r#"{"name":"it.echo","name":"it.count"}"#;
    let answer = plain.request_raw("tools/call", doubled).await;
    assert_eq!((answer.status, answer.error().code), (400, -32600));
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}

#[tokio::test]
async fn a_request_writes_little_into_the_log_whatever_its_names() {
    let (_backend, gateway, session) = world().await;
    // As long as a header can be, for the era that repeats names in headers.
    for (revision, long) in [(LATEST_LEGACY, 1_000_000), (MODERN, 20_000)] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let name = format!("it.{}", "x".repeat(long));
        let refused = client.request("tools/call", json!({"name": format!("a{name}")}));
        let words = refused.await.error().message;
        assert!(words.len() < 500 && words.contains('…'), "{words}");
        // What no revision defines is the only backend's to answer.
        client.request(&name, json!({})).await.error();
        client.call(&name, json!({})).await.error();
    }
    let mut gateway = gateway;
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("it.xxx"), "{logs}");
    let longest = logs.lines().map(str::len).max().unwrap();
    assert!(longest < 2000, "{longest} bytes in a line");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .argument("--max-body=64KiB")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let call = |bytes: usize| json!({"name": "it.echo", "arguments": {"text": "x".repeat(bytes)}});
    let fits = client.request("tools/call", call(60 * 1024)).await;
    assert_eq!(fits.status, 200);
    let large = client.request("tools/call", call(70 * 1024)).await;
    assert_eq!(large.status, 413);
}

#[tokio::test]
async fn what_clients_probe_for_is_not_there() {
    let (_backend, gateway, session) = world().await;
    let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
    for probe in [
        "/.well-known/oauth-protected-resource".to_owned(),
        format!("/.well-known/oauth-protected-resource{path}"),
        "/.well-known/oauth-authorization-server".to_owned(),
        "/.well-known/openid-configuration".to_owned(),
    ] {
        assert_eq!(gateway.get(&probe).await.status, 404, "{probe}");
    }
    // A GET without an MCP session: anything but 401, which would start OAuth in a browser.
    let request = gateway
        .request(Method::GET, path)
        .header("accept", "text/event-stream");
    let answer = gateway.send(request).await;
    assert!([400, 404, 405].contains(&answer.status), "{answer:?}");
}

#[tokio::test]
async fn a_legacy_request_may_carry_headers_of_the_modern_era() {
    let (_backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it.echo"}}"#;
    let answer = client
        .post_text(call, &[("mcp-method", "tools/call")])
        .await;
    assert_eq!(answer.result().get("resultType"), None);
}

#[tokio::test]
async fn what_no_backend_offers_is_not_promised() {
    let backend = FakeBackend::legacy()
        .without_prompts()
        .without_resources()
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        for list in ["prompts", "resources"] {
            let answer = client.request(&format!("{list}/list"), json!({})).await;
            assert_eq!(answer.result()[list], json!([]), "{revision}");
        }
        let promised = if revision == MODERN {
            client.request("server/discover", json!({})).await.result()
        } else {
            client.opening().clone()
        };
        for name in ["prompts", "resources"] {
            assert_eq!(promised["capabilities"].get(name), None, "{name}");
        }
    }
}

#[tokio::test]
async fn a_response_nobody_waits_for_is_taken_from_clients_of_each_era() {
    let (_backend, _gateway, session) = world().await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let body = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        assert_eq!(client.post_text(body, &[]).await.status, 202, "{revision}");
    }
}

#[tokio::test]
async fn a_notification_is_accepted_without_a_body() {
    let (_backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let body = r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#;
    let answer = client.post_text(body, &[]).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
}
