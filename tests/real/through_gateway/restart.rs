//! The gateway, or a backend, is killed and started again under a connected client, which notices nothing.

use serde_json::json;

use crate::{
    client::{Client, text},
    gateway::Gateway,
    install::{Node, Python},
    mcp_remote::McpRemote,
    rust_client::RustClient,
    scripted_client::ScriptedClient,
    server::Server,
};

async fn behind_gateway(server: &Server) -> (Gateway, String) {
    let gateway = Gateway::start(&format!(
        "providers:\n  backend:\n    url: {}\n",
        server.url()
    ))
    .await;
    let endpoint = gateway
        .create_session(json!({"servers": ["backend"]}))
        .await;
    (gateway, endpoint)
}

async fn echoes(client: &mut impl Client) {
    let result = client
        .call("backend.echo", json!({"message": "hi"}))
        .await
        .unwrap();
    assert_eq!(text(&result), "Echo: hi");
}

async fn adds(client: &mut impl Client) {
    let result = client
        .call("backend.add", json!({"a": 1, "b": 2}))
        .await
        .unwrap();
    assert_eq!(text(&result), "3");
}

#[tokio::test]
async fn a_client_goes_on_after_the_gateway_is_killed_and_restarted() {
    let Some(node) = Node::installed() else {
        return;
    };
    let server = Server::everything(&node).await;
    let (mut gateway, endpoint) = behind_gateway(&server).await;
    let mut client = ScriptedClient::typescript_1(&node, &endpoint);
    let opened = client.connect().await;
    assert!(opened["mcpSession"].is_string(), "{opened}");
    echoes(&mut client).await;

    gateway.kill_and_restart().await;

    let seen = client
        .watch("backend.echo", json!({"message": "again"}))
        .await;
    assert_eq!(text(&seen["result"]), "Echo: again");
    assert_eq!(seen["mcpSession"], opened["mcpSession"]);
}

#[tokio::test]
async fn mcp_remote_goes_on_after_the_gateway_is_killed_and_restarted() {
    let Some(node) = Node::installed() else {
        return;
    };
    let server = Server::everything(&node).await;
    let (mut gateway, endpoint) = behind_gateway(&server).await;
    let mut client = McpRemote::start(&node, &endpoint);
    client.initialize("acceptance").await;
    echoes(&mut client).await;

    gateway.kill_and_restart().await;

    echoes(&mut client).await;
}

#[tokio::test]
async fn modern_clients_go_on_after_the_gateway_is_killed_and_restarted() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let server = Server::everything(&node).await;
    let (mut gateway, endpoint) = behind_gateway(&server).await;
    let mut typescript = ScriptedClient::typescript_2(&node, &endpoint, "2026-07-28");
    let mut python = ScriptedClient::python_2(&sdk_2, &endpoint, "2026-07-28");
    typescript.connect().await;
    python.connect().await;
    let mut rust = RustClient::modern(&endpoint).await;

    gateway.kill_and_restart().await;

    echoes(&mut typescript).await;
    echoes(&mut python).await;
    echoes(&mut rust).await;
}

/// It answers 404 to the MCP session that the gateway remembers.
#[tokio::test]
async fn a_client_goes_on_after_a_backend_is_killed_and_restarted() {
    let (Some(node), Some(sdk_1)) = (Node::installed(), Python::with_sdk_1()) else {
        return;
    };
    let mut server = Server::legacy(&sdk_1).await;
    let (_gateway, endpoint) = behind_gateway(&server).await;
    let mut client = ScriptedClient::typescript_1(&node, &endpoint);
    client.connect().await;
    adds(&mut client).await;

    server.restart().await;

    adds(&mut client).await;
}

/// It answers 400 instead of 404, as many servers do that follow the TypeScript SDK's first example.
#[tokio::test]
async fn a_client_goes_on_after_server_everything_is_killed_and_restarted() {
    let Some(node) = Node::installed() else {
        return;
    };
    let mut server = Server::everything(&node).await;
    let (_gateway, endpoint) = behind_gateway(&server).await;
    let mut client = ScriptedClient::typescript_1(&node, &endpoint);
    client.connect().await;
    echoes(&mut client).await;

    server.restart().await;

    echoes(&mut client).await;
}
