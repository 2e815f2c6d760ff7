//! Each client lists and calls the tools of a legacy and a modern backend through one session.

use std::collections::HashSet;

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

/// `server-everything` and the modern server behind one session.
struct TwoBackends {
    endpoint: String,
    _gateway: Gateway,
    _servers: [Server; 2],
}

impl TwoBackends {
    async fn start(node: &Node) -> Self {
        let servers = [Server::everything(node).await, Server::modern(node).await];
        let [everything, modern] = servers.each_ref().map(Server::url);
        let registry = format!(
            "providers:\n  everything:\n    url: {everything}\n  modern:\n    url: {modern}\n"
        );
        let gateway = Gateway::start(&registry).await;
        let endpoint = gateway
            .create_session(json!({"servers": ["everything", "modern"]}))
            .await;
        Self {
            endpoint,
            _gateway: gateway,
            _servers: servers,
        }
    }
}

#[tokio::test]
async fn typescript_sdk_1_lists_and_calls_tools_of_two_backends() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::typescript_1(&node, &world.endpoint);
    assert_eq!(client.connect().await["revision"], "2025-11-25");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn typescript_sdk_2_lists_and_calls_tools_of_two_backends_in_the_legacy_era() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::typescript_2(&node, &world.endpoint, "legacy");
    assert_eq!(client.connect().await["revision"], "2025-11-25");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn typescript_sdk_2_finds_out_the_modern_era_and_calls_tools_of_two_backends() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::typescript_2(&node, &world.endpoint, "auto");
    assert_eq!(client.connect().await["revision"], "2026-07-28");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn python_sdk_1_lists_and_calls_tools_of_two_backends() {
    let (Some(node), Some(sdk_1)) = (Node::installed(), Python::with_sdk_1()) else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::python_1(&sdk_1, &world.endpoint);
    assert_eq!(client.connect().await["revision"], "2025-11-25");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn python_sdk_2_lists_and_calls_tools_of_two_backends_in_the_legacy_era() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::python_2(&sdk_2, &world.endpoint, "legacy");
    assert_eq!(client.connect().await["revision"], "2025-11-25");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn python_sdk_2_finds_out_the_modern_era_and_calls_tools_of_two_backends() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = ScriptedClient::python_2(&sdk_2, &world.endpoint, "auto");
    assert_eq!(client.connect().await["revision"], "2026-07-28");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn the_rust_sdk_lists_and_calls_tools_of_two_backends_in_the_legacy_era() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = RustClient::legacy(&world.endpoint).await;
    assert_eq!(client.opened()["protocolVersion"], "2025-11-25");
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn the_rust_sdk_lists_and_calls_tools_of_two_backends_in_the_modern_era() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    lists_and_calls(&mut RustClient::modern(&world.endpoint).await, ".").await;
}

#[tokio::test]
async fn mcp_remote_lists_and_calls_tools_of_two_backends() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = McpRemote::start(&node, &world.endpoint);
    let opened = client.initialize("acceptance").await;
    assert_eq!(opened["protocolVersion"], "2025-11-25");
    let instructions = opened["instructions"].as_str().unwrap();
    assert!(
        instructions.contains("Adds numbers."),
        "those of the modern backend are missing in {instructions}"
    );
    lists_and_calls(&mut client, ".").await;
}

#[tokio::test]
async fn an_application_that_refuses_dots_gets_names_without_dots_through_mcp_remote() {
    let Some(node) = Node::installed() else {
        return;
    };
    let world = TwoBackends::start(&node).await;
    let mut client = McpRemote::start(&node, &world.endpoint);
    client.initialize("claude-ai").await;
    lists_and_calls(&mut client, "__").await;
}

async fn lists_and_calls(client: &mut impl Client, separator: &str) {
    let tools = client.tools().await;
    let distinct: HashSet<&String> = tools.iter().collect();
    assert_eq!(distinct.len(), tools.len(), "{tools:?}");
    let of_everything = tools
        .iter()
        .filter(|name| name.starts_with(&format!("everything{separator}")))
        .count();
    assert!(
        tools.contains(&format!("everything{separator}echo")),
        "{tools:?}"
    );
    let of_modern = [
        "add",
        "weather",
        "fail",
        "wait_until_cancelled",
        "cancelled_calls",
        "work",
        "log",
        "ask",
        "sample",
        "roots",
        "touch",
        "change",
    ];
    let of_modern = of_modern.map(|tool| format!("modern{separator}{tool}"));
    assert_eq!(
        tools[of_everything..],
        of_modern,
        "in the order of the session, then of the backend"
    );

    // Whatever is listed, both spellings are accepted.
    for separator in [".", "__"] {
        let echoed = client
            .call(
                &format!("everything{separator}echo"),
                json!({"message": "hi"}),
            )
            .await
            .unwrap();
        assert_eq!(text(&echoed), "Echo: hi");
        let added = client
            .call(&format!("modern{separator}add"), json!({"a": 1, "b": 2}))
            .await
            .unwrap();
        assert_eq!(added["structuredContent"], json!({"sum": 3}));
    }
    // Its argument travels as a header towards the backend, in every era of the client.
    let fine = client
        .call(
            &format!("modern{separator}weather"),
            json!({"region": "Zürich"}),
        )
        .await
        .unwrap();
    assert_eq!(text(&fine), "fine in Zürich");
    let failed = client
        .call(&format!("modern{separator}fail"), json!({}))
        .await
        .unwrap();
    assert_eq!(failed["isError"], true);
    assert_eq!(text(&failed), "this tool always fails");

    let unknown = client
        .call(&format!("nobody{separator}echo"), json!({}))
        .await
        .unwrap_err();
    assert_eq!(unknown["code"], -32602, "{unknown}");
}
