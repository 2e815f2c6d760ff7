//! The Inspector's command line before all kinds of backends at once.
//!
//! It has no means for the rest: it completes nothing, hears nothing after its answer, gives no call up, and declines
//! what it is asked.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    gateway::Gateway,
    inspector::Inspector,
    install::{Node, Python},
    server::Server,
};

/// A tool of each backend, its arguments, and what its result's content has.
const CALLS: [[&str; 3]; 4] = [
    ["legacy.add", r#"{"a": 1, "b": 2}"#, r#""3""#],
    ["modern.add", r#"{"a": 1, "b": 2}"#, r#""3""#],
    ["everything.echo", r#"{"message": "hi"}"#, "Echo: hi"],
    ["fastmcp.greet", r#"{"name": "Ada"}"#, "Hello, Ada"],
];
/// A prompt of each backend, its argument, and what its message has.
const PROMPTS: [[&str; 3]; 4] = [
    ["legacy.greet", "name=Ada", "Say hello to Ada."],
    ["modern.greet", "name=Ada", "Say hello to Ada."],
    ["everything.args-prompt", "city=Paris", "weather in Paris"],
    ["fastmcp.greet", "name=Ada", "Say hello to Ada."],
];
/// A resource of each backend and what its content has. Three of them are `note://welcome` to their backends.
const RESOURCES: [[&str; 2]; 4] = [
    ["note://welcome", "Welcome."],
    ["mcp-gateway://modern/note://welcome", "Welcome."],
    [
        "demo://resource/static/document/features.md",
        "Server Features",
    ],
    ["mcp-gateway://fastmcp/note://welcome", "Welcome."],
];
/// One of the servers of ours, and one of the official example.
const TEMPLATES: [&str; 2] = [
    "note://about/{topic}",
    "demo://resource/dynamic/text/{resourceId}",
];

#[tokio::test]
async fn the_inspector_uses_tools_prompts_and_resources_of_every_kind_of_backend() {
    let (Some(node), Some(sdk_1), Some(sdk_2)) = (
        Node::installed(),
        Python::with_sdk_1(),
        Python::with_sdk_2(),
    ) else {
        return;
    };
    let servers = [
        ("legacy", Server::legacy(&sdk_1).await),
        ("modern", Server::modern(&node).await),
        ("everything", Server::everything(&node).await),
        ("fastmcp", Server::fastmcp(&sdk_2).await),
    ];
    let about = servers
        .each_ref()
        .map(|(name, server)| ((*name).to_owned(), json!({"url": server.url()})));
    let registry = json!({"providers": Value::from_iter(about)});
    let gateway = Gateway::start(&registry.to_string()).await;
    let names = servers.each_ref().map(|(name, _)| *name);
    let endpoint = gateway.create_session(json!({"servers": names})).await;

    let Some(inspectors) = ["legacy", "modern"]
        .map(|era| Inspector::installed(&endpoint, era))
        .into_iter()
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    join_all(inspectors.iter().map(inspects)).await;
}

async fn inspects(inspector: &Inspector) {
    let listed = listed(inspector, "tools/list", "tools", "name").await;
    for [tool, arguments, says] in CALLS {
        assert!(listed.contains(&json!(tool)), "{listed:?}");
        let flags = ["--tool-name", tool, "--tool-args-json", arguments];
        has(&inspector.request("tools/call", &flags).await, says);
    }
    let listed = self::listed(inspector, "prompts/list", "prompts", "name").await;
    for [prompt, argument, says] in PROMPTS {
        assert!(listed.contains(&json!(prompt)), "{listed:?}");
        let flags = ["--prompt-name", prompt, "--prompt-args", argument];
        has(&inspector.request("prompts/get", &flags).await, says);
    }
    let listed = self::listed(inspector, "resources/list", "resources", "uri").await;
    for [uri, says] in RESOURCES {
        assert!(listed.contains(&json!(uri)), "{listed:?}");
        let read = inspector.request("resources/read", &["--uri", uri]).await;
        has(&read, says);
    }
    let method = "resources/templates/list";
    let listed = self::listed(inspector, method, "resourceTemplates", "uriTemplate").await;
    for template in TEMPLATES {
        assert!(listed.contains(&json!(template)), "{listed:?}");
    }
}

/// What a list has of each of its entries.
async fn listed(inspector: &Inspector, method: &str, kind: &str, member: &str) -> Vec<Value> {
    let result = inspector.request(method, &[]).await;
    let entries = result[kind].as_array().unwrap().iter();
    entries.map(|entry| entry[member].clone()).collect()
}

fn has(result: &Value, says: &str) {
    assert!(result.to_string().contains(says), "{result}");
}
