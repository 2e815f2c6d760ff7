//! `tools/list`: names, order, pages, and definitions that pass untouched.

use std::collections::HashSet;

use serde_json::json;

use crate::{
    LATEST_LEGACY,
    world::{Client, FakeBackend, Fault, Gateway, Program, eventually},
};

#[tokio::test]
async fn tools_stand_in_the_order_of_the_session_and_of_their_backend() {
    let one = FakeBackend::modern()
        .without_tools()
        .tool_named("z")
        .tool_named("a")
        .start();
    let two = FakeBackend::legacy()
        .without_tools()
        .tool_named("m")
        .tool_named("a")
        .start();
    let gateway = Gateway::with(&[("one", &one), ("two", &two)]);
    let session = gateway.session(&["two", "one"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for _ in 0..3 {
        assert_eq!(
            client.tool_names().await,
            ["two.m", "two.a", "one.z", "one.a"]
        );
    }
}

#[tokio::test]
async fn a_definition_keeps_every_byte_but_its_name() {
    let rest = r#""title":"T","inputSchema":{"type":"object","properties":{"n":{"const":1.0},"big":{"const":10000000000000000000000001}}},"annotations":{"readOnlyHint":true,"x":1e2},"x-future":[ 1,2 ],"_meta":{"a/b":"\u00e9"}"#;
    let definition = format!(r#"{{"name":"t",{rest}}}"#);
    let backend = FakeBackend::modern()
        .without_tools()
        .tool(&definition)
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let answer = Client::modern(&session.endpoint)
        .request("tools/list", json!({}))
        .await;
    let raw = answer.result_raw();
    for part in [r#""name":"it.t""#, rest] {
        assert!(raw.contains(part), "{part} in {raw}");
    }
}

#[tokio::test]
async fn a_session_says_how_names_are_spelled() {
    let backend = FakeBackend::legacy()
        .without_tools()
        .tool_named("a.b")
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    for (naming, name) in [("auto", "it.a.b"), ("dot", "it.a.b"), ("none", "a.b")] {
        let request = json!({"servers": ["it"], "naming": naming});
        let session = gateway.create_session(&request).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        assert_eq!(client.tool_names().await, [name], "{naming}");
        client.call(name, json!({})).await.result();
    }
    let request = json!({"servers": ["it"], "naming": "underscores"});
    let session = gateway.create_session(&request).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let names = client.tool_names().await;
    assert!(names[0].starts_with("it__a_b"), "{names:?}");
    client.call(&names[0], json!({})).await.result();
    assert_eq!(backend.executions("a.b"), 4);
}

#[tokio::test]
async fn a_client_that_refuses_dots_sees_none() {
    let backend = FakeBackend::legacy()
        .without_tools()
        .tool_named("search")
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for (program, name) in [
        ("claude-ai", "it__search"),
        ("claude-ai (via mcp-remote 0.15.1)", "it__search"),
        ("cursor", "it.search"),
    ] {
        let legacy = Program::named(program)
            .legacy(&session.endpoint, LATEST_LEGACY)
            .await;
        assert_eq!(legacy.tool_names().await, [name], "{program}");
        let modern = Program::named(program).modern(&session.endpoint);
        assert_eq!(modern.tool_names().await, [name], "{program}");
    }
}

#[tokio::test]
async fn a_call_is_taken_under_either_spelling() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    for naming in ["auto", "dot", "underscores"] {
        let request = json!({"servers": ["it"], "naming": naming});
        let session = gateway.create_session(&request).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        for name in ["it.echo", "it__echo"] {
            client.call(name, json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn names_without_dots_are_short_unique_and_callable() {
    let long = "search_".repeat(20);
    let twins = [format!("{long}one"), format!("{long}two")];
    let backend = FakeBackend::legacy()
        .without_tools()
        .tool_named(&twins[0])
        .tool_named(&twins[1])
        .tool_named("with space/and.dot")
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let request = json!({"servers": ["it"], "naming": "underscores"});
    let session = gateway.create_session(&request).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let names = client.tool_names().await;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), 3);
    for name in &names {
        assert!(name.len() <= 64 && name.chars().all(allowed), "{name}");
        client.call(name, json!({})).await.result();
    }
    let called: Vec<_> = backend
        .requests_of("tools/call")
        .iter()
        .map(|it| it.params()["name"].clone())
        .collect();
    assert_eq!(
        called,
        [
            json!(twins[0]),
            json!(twins[1]),
            json!("with space/and.dot")
        ]
    );
    assert_eq!(client.tool_names().await, names, "the same every time");
}

#[tokio::test]
async fn a_merged_list_is_for_its_client_only() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::modern(&session.endpoint);
    let list = client.request("tools/list", json!({})).await.result();
    // The backend says `public`; the names depend on who asks.
    assert_eq!(list["cacheScope"], "private");
    assert_eq!(list["ttlMs"], 60000);
}

#[tokio::test]
async fn all_pages_of_all_backends_come_in_one() {
    let paged = FakeBackend::legacy().page_size(2).start();
    let modern = FakeBackend::modern().page_size(4).start();
    let gateway = Gateway::with(&[("paged", &paged), ("modern", &modern)]);
    let session = gateway.session(&["paged", "modern"]).await;
    for revision in crate::CLIENTS {
        let client = Client::speaking(revision, &session.endpoint).await;
        let list = client.request("tools/list", json!({})).await.result();
        assert_eq!(list["tools"].as_array().unwrap().len(), 18);
        assert_eq!(list.get("nextCursor"), None);
    }
}

#[tokio::test]
async fn pages_without_an_end_are_cut() {
    let endless = FakeBackend::legacy().endless_pages().start();
    let other = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("endless", &endless), ("other", &other)]);
    let session = gateway.session(&["endless", "other"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    // So many pages may be late where the machine is slow; nothing else has to be missing.
    eventually("the tools of both", async || {
        let names = client.tool_names().await;
        assert!(names.contains(&"other.echo".to_owned()), "{names:?}");
        names.contains(&"endless.tool_0".to_owned())
    })
    .await;
    assert!(
        gateway.logs().contains("WARN"),
        "a cut list is worth a warning"
    );
}

#[tokio::test]
async fn a_name_listed_twice_is_listed_once() {
    let backend = FakeBackend::legacy()
        .without_tools()
        .tool(r#"{"name":"t","title":"first","inputSchema":{"type":"object"}}"#)
        .tool(r#"{"name":"t","title":"second","inputSchema":{"type":"object"}}"#)
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let tools = client.tools().await;
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0]["title"], "first");
    eventually("a warning", async || {
        let logs = gateway.logs();
        logs.contains("WARN") && logs.contains("it.t")
    })
    .await;
}

#[tokio::test]
async fn what_is_no_tool_hides_no_other_and_is_warned_of() {
    let backend = FakeBackend::legacy()
        .without_tools()
        .tool(r#"{"title":"nameless","inputSchema":{"type":"object"}}"#)
        .tool(r#"{"name":"t","inputSchema":{"type":"object"}}"#)
        .tool("7")
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await, ["it.t"]);
    assert!(gateway.logs().contains("left out 2 tools of it"));
}

#[tokio::test]
async fn a_tool_with_a_wrong_header_annotation_is_left_out() {
    let tool = |name: &str, header: &str| {
        format!(
            r#"{{"name":"{name}","inputSchema":{{"type":"object","properties":{{"a":{{"type":"string","x-mcp-header":"{header}"}}}}}}}}"#
        )
    };
    let backend = FakeBackend::modern()
        .without_tools()
        .tool(&tool("good", "Region"))
        .tool(&tool("bad", "not a header name"))
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    assert_eq!(
        Client::modern(&session.endpoint).tool_names().await,
        ["it.good"]
    );
}

#[tokio::test]
async fn a_list_that_cannot_be_read_hides_no_other() {
    let (good, bad) = (FakeBackend::legacy().start(), FakeBackend::legacy().start());
    let gateway = Gateway::setup()
        .provider("good", &good)
        .provider_with("bad", &bad, crate::IMPATIENT)
        .start();
    for fault in [
        Fault::BrokenJson,
        Fault::Html,
        Fault::status(500),
        Fault::HangMidBody,
    ] {
        bad.inject(fault.on("tools/list"));
        let session = gateway.session(&["bad", "good"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let names = client.tool_names().await;
        assert_eq!((names.len(), names[0].as_str()), (9, "good.echo"));
        bad.clear_faults();
    }
}
