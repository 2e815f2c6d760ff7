//! Every client uses every feature of every kind of backend.
//!
//! | Client | What it cannot do |
//! | --- | --- |
//! | TypeScript SDK 1; TypeScript SDK 2 and Rust SDK, each in both eras | |
//! | Python SDK 2, in both eras | |
//! | Python SDK 1 | cancellation: [`PYTHON_1_LACKS`] |
//! | `mcp-remote` | |
//! | The Inspector's CLI | all but tools, prompts and resources: it has [tests of its own](super::inspector) |
//!
//! What a backend cannot do stands in [`stage`](super::stage).

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tokio::time::{self, Instant};

use super::stage::{Act, Feature, Gaps, Stage, everything, ours};
use crate::{
    client::{Client, reported, text},
    gateway::Gateway,
    install::{Node, Python},
    mcp_remote::McpRemote,
    rust_client::RustClient,
    scripted_client::ScriptedClient,
    server::Server,
};

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_mins(3);
const POLL_EVERY: Duration = Duration::from_millis(50);
const PYTHON_1: &str = "Python SDK 1";
const PYTHON_1_LACKS: Gaps = &[(
    Feature::Cancellation,
    "it abandons a call without telling the server",
)];
const SCRIPTED: [&str; 6] = [
    "TypeScript SDK 1",
    "TypeScript SDK 2, legacy",
    "TypeScript SDK 2, modern",
    PYTHON_1,
    "Python SDK 2, legacy",
    "Python SDK 2, modern",
];

#[tokio::test]
async fn every_client_uses_every_feature_of_a_legacy_server() {
    let Some(clients) = Clients::installed() else {
        return;
    };
    let server = Server::legacy(&clients.sdk_1).await;
    clients.use_all(&server, "auto", &ours(&[])).await;
}

#[tokio::test]
async fn every_client_uses_every_feature_of_a_modern_server() {
    let Some(clients) = Clients::installed() else {
        return;
    };
    let server = Server::modern(&clients.node).await;
    clients.use_all(&server, "auto", &ours(&[])).await;
}

#[tokio::test]
async fn every_client_uses_every_feature_of_server_everything() {
    let Some(clients) = Clients::installed() else {
        return;
    };
    let server = Server::everything(&clients.node).await;
    clients.use_all(&server, "auto", &everything()).await;
}

#[tokio::test]
async fn every_client_uses_every_feature_of_fastmcp_in_the_modern_era() {
    let Some(clients) = Clients::installed() else {
        return;
    };
    let server = Server::fastmcp(&clients.sdk_2).await;
    clients.use_all(&server, "2026-07-28", &ours(FASTMCP)).await;
}

#[tokio::test]
async fn every_client_uses_every_feature_of_fastmcp_in_the_legacy_era() {
    let Some(clients) = Clients::installed() else {
        return;
    };
    let server = Server::fastmcp(&clients.sdk_2).await;
    clients.use_all(&server, "2025-11-25", &ours(FASTMCP)).await;
}

const FASTMCP: Gaps = &[(
    Feature::Subscriptions,
    "it knows neither resources/subscribe nor subscriptions/listen",
)];

/// The programs that the clients are made with.
struct Clients {
    node: Node,
    sdk_1: Python,
    sdk_2: Python,
}

impl Clients {
    fn installed() -> Option<Self> {
        Some(Self {
            node: Node::installed()?,
            sdk_1: Python::with_sdk_1()?,
            sdk_2: Python::with_sdk_2()?,
        })
    }

    /// Puts every client before this backend, one after the other.
    async fn use_all(&self, server: &Server, protocol: &str, stage: &Stage) {
        let about = json!({"url": server.url(), "protocol": protocol});
        let gateway = Gateway::start(&json!({"providers": {"backend": about}}).to_string()).await;
        let session = json!({"servers": ["backend"]});
        let endpoint = gateway.create_session(session).await;
        let mut failed = Vec::new();
        for name in SCRIPTED {
            let mut client = self.scripted(name, &endpoint);
            let is_modern = client.connect().await["revision"] == "2026-07-28";
            let lacks = if name == PYTHON_1 {
                PYTHON_1_LACKS
            } else {
                &[]
            };
            let gaps = stage.gaps(lacks, is_modern);
            failed.extend(put_through(name, &mut client, stage, &gaps).await);
        }
        let gaps = stage.gaps(&[], false);
        let mut rust = RustClient::legacy(&endpoint).await;
        failed.extend(put_through("Rust SDK, legacy", &mut rust, stage, &gaps).await);
        let mut remote = McpRemote::start(&self.node, &endpoint);
        remote.initialize("acceptance").await;
        failed.extend(put_through("mcp-remote", &mut remote, stage, &gaps).await);
        let gaps = stage.gaps(&[], true);
        let mut rust = RustClient::modern(&endpoint).await;
        failed.extend(put_through("Rust SDK, modern", &mut rust, stage, &gaps).await);
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }

    fn scripted(&self, name: &str, endpoint: &str) -> ScriptedClient {
        match name {
            "TypeScript SDK 1" => ScriptedClient::typescript_1(&self.node, endpoint),
            "TypeScript SDK 2, legacy" => {
                ScriptedClient::typescript_2(&self.node, endpoint, "legacy")
            }
            "TypeScript SDK 2, modern" => {
                ScriptedClient::typescript_2(&self.node, endpoint, "auto")
            }
            PYTHON_1 => ScriptedClient::python_1(&self.sdk_1, endpoint),
            "Python SDK 2, legacy" => ScriptedClient::python_2(&self.sdk_2, endpoint, "legacy"),
            _ => ScriptedClient::python_2(&self.sdk_2, endpoint, "auto"),
        }
    }
}

/// What went wrong with the client, if something did: the others are to be put through it nevertheless.
async fn put_through(
    name: &str,
    client: &mut impl Client,
    stage: &Stage,
    gaps: &[Feature],
) -> Option<String> {
    let all = AssertUnwindSafe(use_every_feature(client, stage, gaps)).catch_unwind();
    let panic = all.await.err()?;
    let words = panic.downcast_ref::<String>();
    Some(format!("{name}: {}", words.map_or("failed", |words| words)))
}

async fn use_every_feature(client: &mut impl Client, stage: &Stage, gaps: &[Feature]) {
    for feature in Feature::ALL {
        if gaps.contains(&feature) {
            continue; // The reason stands where the gap does.
        }
        match feature {
            Feature::Prompts => gets_a_prompt(client, stage).await,
            Feature::Resources => reads(client, stage).await,
            Feature::Completion => completes(client, stage).await,
            Feature::Logs => hears_logs(client, stage).await,
            Feature::Progress => hears_progress(client, stage).await,
            Feature::Elicitation => acts(client, &stage.elicitation).await,
            Feature::Sampling => acts(client, &stage.sampling).await,
            Feature::Roots => acts(client, &stage.roots).await,
            Feature::ListChanges => hears_of_changed_lists(client, stage).await,
            Feature::Subscriptions => hears_of_an_update(client, stage).await,
            Feature::Cancellation => cancels(client).await,
        }
    }
}

async fn acts(client: &mut impl Client, act: &Act) {
    let tool = format!("backend.{}", act.tool);
    let called = client.call(&tool, act.arguments.clone()).await;
    let result = called.unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(words(&result).contains(act.says), "{tool}: {result}");
}

/// The content of a tool's result, whatever it is.
fn words(result: &Value) -> String {
    result["content"].to_string()
}

async fn gets_a_prompt(client: &mut impl Client, stage: &Stage) {
    let [name, argument, value, says] = stage.prompt;
    let name = format!("backend.{name}");
    let listed = client.does(json!({"step": "prompts"})).await;
    let listed = listed["prompts"].as_array().unwrap();
    assert!(listed.contains(&json!(name)), "{listed:?}");
    let arguments = json!({ argument: value });
    let prompt = json!({"step": "prompt", "name": name, "arguments": arguments});
    let said = client.does(prompt).await;
    let content = &said["messages"][0]["content"];
    assert!(content["text"].as_str().unwrap().contains(says), "{said}");
}

async fn reads(client: &mut impl Client, stage: &Stage) {
    let [listed, listed_says] = stage.resource;
    let [template, of_template, of_template_says] = stage.template;
    let seen = client.does(json!({"step": "resources"})).await;
    let has = |kind: &str, one: &str| seen[kind].as_array().unwrap().contains(&json!(one));
    assert!(has("resources", listed), "{seen}");
    assert!(has("templates", template), "{seen}");
    for (uri, says) in [(listed, listed_says), (of_template, of_template_says)] {
        let read = client.does(json!({"step": "read", "uri": uri})).await;
        let text = read["contents"][0]["text"].as_str().unwrap();
        assert!(text.contains(says), "{text}");
    }
}

async fn completes(client: &mut impl Client, stage: &Stage) {
    let ([prompt, argument, begun], values) = stage.completion;
    let prompt = format!("backend.{prompt}");
    let complete =
        json!({"step": "complete", "prompt": prompt, "argument": argument, "begun": begun});
    assert_eq!(client.does(complete).await["values"], json!(values));
}

async fn hears_logs(client: &mut impl Client, stage: &Stage) {
    let (level, logged, act) = &stage.log;
    client
        .does(json!({"step": "setLevel", "level": level}))
        .await;
    acts(client, act).await;
    loop {
        let message = client.heard("notifications/message").await;
        let words = message["data"].to_string();
        assert!(!words.contains("quiet"), "{message}");
        if words.contains(logged) {
            return;
        }
    }
}

async fn hears_progress(client: &mut impl Client, stage: &Stage) {
    let act = &stage.progress;
    let tool = format!("backend.{}", act.tool);
    let seen = client.watch(&tool, act.arguments.clone()).await;
    assert!(words(&seen["result"]).contains(act.says), "{seen}");
    let progress = reported(&seen);
    let progress = progress
        .iter()
        .map(|one| (one["progress"].as_f64(), one["total"].as_f64()));
    let expected = [1.0, 2.0, 3.0].map(|step| (Some(step), Some(3.0)));
    assert_eq!(progress.collect::<Vec<_>>(), expected);
}

async fn hears_of_changed_lists(client: &mut impl Client, stage: &Stage) {
    let (act, lists) = &stage.change;
    client.does(json!({"step": "listen"})).await;
    acts(client, act).await;
    for list in *lists {
        client
            .heard(&format!("notifications/{list}/list_changed"))
            .await;
    }
}

async fn hears_of_an_update(client: &mut impl Client, stage: &Stage) {
    let (uri, act) = &stage.touch;
    client.does(json!({"step": "subscribe", "uri": uri})).await;
    acts(client, act).await;
    let updated = client.heard("notifications/resources/updated").await;
    assert_eq!(updated["uri"], *uri);
}

async fn cancels(client: &mut impl Client) {
    let before = cancelled(client).await;
    let seen = client
        .cancel_at_progress("backend.wait_until_cancelled")
        .await;
    assert_eq!(seen["cancelled"], true, "{seen}");
    // The client does not wait until the backend knows.
    let deadline = Instant::now() + DEADLINE;
    while cancelled(client).await == before {
        assert!(
            Instant::now() < deadline,
            "the backend knows of {before} only"
        );
        time::sleep(POLL_EVERY).await;
    }
    assert_eq!(cancelled(client).await, before + 1);
}

/// How many cancelled calls the backend counts.
async fn cancelled(client: &mut impl Client) -> u32 {
    let counted = client.call("backend.cancelled_calls", json!({})).await;
    text(&counted.unwrap()).parse().unwrap()
}
