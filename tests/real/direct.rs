//! The clients and servers without the gateway between them. If one of these tests fails, the foreign parts or their
//! scripts are at fault, not the gateway.

use serde_json::json;

use crate::{
    client::{Client, text},
    install::{Node, Python},
    mcp_remote::McpRemote,
    rust_client::RustClient,
    scripted_client::ScriptedClient,
    server::Server,
};

#[tokio::test]
async fn every_client_speaks_with_a_legacy_server() {
    let (Some(node), Some(sdk_1), Some(sdk_2)) = (
        Node::installed(),
        Python::with_sdk_1(),
        Python::with_sdk_2(),
    ) else {
        return;
    };
    let server = Server::everything(&node).await;
    let endpoint = server.url();
    let scripted = [
        ScriptedClient::typescript_1(&node, &endpoint),
        ScriptedClient::typescript_2(&node, &endpoint, "auto"),
        ScriptedClient::python_1(&sdk_1, &endpoint),
        ScriptedClient::python_2(&sdk_2, &endpoint, "auto"),
    ];
    for mut client in scripted {
        assert_eq!(client.connect().await["revision"], "2025-11-25");
        echoes(&mut client).await;
    }

    let mut remote = McpRemote::start(&node, &endpoint);
    assert_eq!(
        remote.initialize("acceptance").await["protocolVersion"],
        "2025-11-25"
    );
    echoes(&mut remote).await;

    let mut rust = RustClient::legacy(&endpoint).await;
    assert_eq!(rust.opened()["protocolVersion"], "2025-11-25");
    echoes(&mut rust).await;
}

async fn echoes(client: &mut impl Client) {
    assert!(client.tools().await.contains(&"echo".to_owned()));
    let result = client.call("echo", json!({"message": "hi"})).await.unwrap();
    assert_eq!(text(&result), "Echo: hi");
}

#[tokio::test]
async fn every_modern_client_speaks_with_a_modern_server() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let server = Server::modern(&node).await;
    let endpoint = server.url();
    let scripted = [
        ScriptedClient::typescript_2(&node, &endpoint, "2026-07-28"),
        ScriptedClient::typescript_2(&node, &endpoint, "auto"),
        ScriptedClient::python_2(&sdk_2, &endpoint, "auto"),
    ];
    for mut client in scripted {
        assert_eq!(client.connect().await["revision"], "2026-07-28");
        tells_the_weather(&mut client).await;
    }
    tells_the_weather(&mut RustClient::modern(&endpoint).await).await;
}

/// This tool's argument travels as a header, which the client must find out from the list of tools.
async fn tells_the_weather(client: &mut impl Client) {
    assert!(client.tools().await.contains(&"weather".to_owned()));
    let result = client
        .call("weather", json!({"region": "Zürich"}))
        .await
        .unwrap();
    assert_eq!(text(&result), "fine in Zürich");
}

#[tokio::test]
async fn a_cancelled_call_reaches_the_tool() {
    let (Some(node), Some(sdk_1)) = (Node::installed(), Python::with_sdk_1()) else {
        return;
    };
    let legacy = Server::legacy(&sdk_1).await;
    let modern = Server::modern(&node).await;
    let clients = [
        ScriptedClient::typescript_1(&node, &legacy.url()),
        ScriptedClient::typescript_2(&node, &modern.url(), "2026-07-28"),
    ];
    for mut client in clients {
        client.connect().await;
        let seen = client.cancel_at_progress("wait_until_cancelled").await;
        assert_eq!(seen["cancelled"], true);
        let counted = client.call("cancelled_calls", json!({})).await.unwrap();
        assert_eq!(text(&counted), "1");
    }
}

#[tokio::test]
async fn fastmcp_lets_in_only_who_shows_the_right_credential() {
    let Some(sdk_2) = Python::with_sdk_2() else {
        return;
    };
    let with_bearer = Server::with_bearer(&sdk_2, "right").await;
    let with_api_key = Server::with_api_key(&sdk_2, "right").await;
    let cases = [
        (&with_bearer, "authorization", "Bearer right", 200),
        (&with_bearer, "authorization", "Bearer wrong", 401),
        (&with_bearer, "x-api-key", "right", 401),
        (&with_api_key, "x-api-key", "right", 200),
        (&with_api_key, "x-api-key", "wrong", 401),
        (&with_api_key, "authorization", "Bearer right", 401),
    ];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let client = json!({"name": "acceptance", "version": "1.0.0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).to_string();
    for (server, header, value, status) in cases {
        let post = http
            .post(server.url())
            .header(header, value)
            .body(body.clone());
        let post = post.header("content-type", "application/json");
        let answer = post
            .header("accept", "application/json, text/event-stream")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{header}: {value}");
    }
}
