//! A client that gives a call up ends it at the backend, in each pairing of eras.
//!
//! The Python SDK 1 has no part in this: it abandons a call without telling the server.

use std::time::Duration;

use serde_json::json;
use tokio::time::{self, Instant};

use crate::{
    client::{Client, text},
    gateway::Gateway,
    install::{Node, Python},
    scripted_client::ScriptedClient,
    server::Server,
};

const DEADLINE: Duration = Duration::from_secs(30);
const POLL_EVERY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_cancelled_call_ends_at_a_legacy_backend() {
    let (Some(node), Some(sdk_1), Some(sdk_2)) = (
        Node::installed(),
        Python::with_sdk_1(),
        Python::with_sdk_2(),
    ) else {
        return;
    };
    cancels_at(Server::legacy(&sdk_1).await, &node, &sdk_2).await;
}

#[tokio::test]
async fn a_cancelled_call_ends_at_a_modern_backend() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    cancels_at(Server::modern(&node).await, &node, &sdk_2).await;
}

async fn cancels_at(server: Server, node: &Node, sdk_2: &Python) {
    let gateway = Gateway::start(&format!(
        "providers:\n  backend:\n    url: {}\n",
        server.url()
    ))
    .await;
    let endpoint = gateway
        .create_session(json!({"servers": ["backend"]}))
        .await;
    let clients = [
        ScriptedClient::typescript_1(node, &endpoint),
        ScriptedClient::typescript_2(node, &endpoint, "legacy"),
        ScriptedClient::typescript_2(node, &endpoint, "2026-07-28"),
        ScriptedClient::python_2(sdk_2, &endpoint, "legacy"),
        ScriptedClient::python_2(sdk_2, &endpoint, "2026-07-28"),
    ];
    for (mut client, cancelled) in clients.into_iter().zip(1..) {
        client.connect().await;
        let seen = client
            .cancel_at_progress("backend.wait_until_cancelled")
            .await
            .unwrap();
        assert_eq!(seen["cancelled"], true, "{seen}");
        // The client does not wait until the backend knows.
        counts(&mut client, cancelled).await;
    }
}

/// The backend counts this many cancelled calls before long.
async fn counts(client: &mut ScriptedClient, cancelled: u32) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let counted = client
            .call("backend.cancelled_calls", json!({}))
            .await
            .unwrap();
        if text(&counted) == cancelled.to_string() {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the backend counts {} cancelled calls, not {cancelled}",
            text(&counted)
        );
        time::sleep(POLL_EVERY).await;
    }
}
