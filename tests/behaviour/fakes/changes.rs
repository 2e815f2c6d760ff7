//! Changes: announced by the scripted backend, heard by the scripted client.

use serde_json::json;

use super::{LEGACY, REVISIONS, capable};
use crate::world::{
    Client, FakeBackend, List, Wanted,
    client::{Changes, MODERN},
};

#[tokio::test]
async fn a_listener_hears_what_is_announced() {
    let backend = FakeBackend::legacy().start();
    let client = Client::legacy(&backend.url(), LEGACY).await;
    let mut stream = client.get_stream().await;
    backend.until("the stream", |it| it.listeners() == 1).await;
    backend.announce(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let heard = stream.next().await.unwrap();
    assert_eq!(heard.method().unwrap(), "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_subscription_is_acknowledged_and_hears_what_is_announced() {
    let backend = FakeBackend::modern().start();
    let client = Client::modern(&backend.url());
    let wanted = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true}}"#;
    let mut stream = client
        .open_as("\"s\"", "subscriptions/listen", wanted)
        .await;
    let first = stream.next().await.unwrap();
    assert_eq!(
        first.method().unwrap(),
        "notifications/subscriptions/acknowledged"
    );
    assert_eq!(
        first.json()["params"]["notifications"],
        json!({"toolsListChanged": true, "promptsListChanged": true})
    );
    backend.announce(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let heard = stream.next().await.unwrap();
    assert_eq!(heard.method().unwrap(), "notifications/tools/list_changed");
    let meta = &heard.json()["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/subscriptionId"], "s");
    assert_eq!(backend.listeners(), 1);
    backend.end_streams();
    assert!(stream.next().await.is_none());
    assert_eq!(backend.listeners(), 0);
}

#[tokio::test]
async fn changes_of_all_three_kinds_of_lists_are_heard() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let mut changes = client.changes(Wanted::lists()).await;
        backend.add(List::Prompts, r#"{"name":"new"}"#);
        backend.announce_change(List::Prompts);
        backend.add(List::Resources, r#"{"uri":"fake://new","name":"new"}"#);
        backend.announce_change(List::Resources);
        backend.remove(List::Tools, "echo");
        backend.announce_change(List::Tools);
        for kind in ["prompts", "resources", "tools"] {
            let heard = changes.next().await.method().unwrap();
            assert_eq!(heard, format!("notifications/{kind}/list_changed"));
        }
        assert!(client.prompt_names().await.contains(&"new".to_owned()));
        let uris = client.resource_uris().await;
        assert!(uris.contains(&"fake://new".to_owned()));
        assert!(!client.tool_names().await.contains(&"echo".to_owned()));
    }
}

#[tokio::test]
async fn a_resource_is_heard_of_by_who_subscribed_to_it() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let other = capable(revision, &backend).await;
        let mut changes = client.subscribe("fake://text").await;
        let mut others = other
            .changes(Wanted::lists().and_resource("fake://items/7"))
            .await;
        assert_eq!(backend.subscriptions(), ["fake://items/7", "fake://text"]);
        backend.announce_update("fake://text");
        backend.announce_update("fake://items/7");
        backend.announce_change(List::Tools);
        let heard = changes.next_of("notifications/resources/updated").await;
        assert_eq!(heard.json()["params"]["uri"], "fake://text");
        let heard = others.next().await;
        assert_eq!(heard.json()["params"]["uri"], "fake://items/7");
        client.unsubscribe("fake://text", changes).await;
        let left = |it: &FakeBackend| it.subscriptions() == ["fake://items/7"];
        if revision == MODERN {
            backend.announce_change(List::Tools);
        }
        backend.until("the end of a subscription", left).await;
    }
}

#[tokio::test]
async fn a_subscription_honours_what_the_backend_has() {
    let without = json!({"tools": {"listChanged": false}, "resources": {"subscribe": false}});
    let backend = FakeBackend::modern().capabilities(without).start();
    let client = capable(MODERN, &backend).await;
    let wanted = Wanted::lists().and_resource("fake://text");
    let mut changes: Changes = client.changes(wanted.and_task("no-such-task")).await;
    let honoured = json!({"promptsListChanged": true, "resourcesListChanged": true});
    assert_eq!(changes.acknowledged(), &honoured);
    backend.announce_change(List::Tools);
    backend.blurt(r#"{"jsonrpc":"2.0","method":"notifications/com.example/news"}"#);
    let heard = changes.next().await.method().unwrap();
    assert_eq!(heard, "notifications/com.example/news");
    backend.close_subscriptions();
    let response = changes.next().await;
    assert_eq!(response.result()["resultType"], "complete");
    assert!(changes.next_or_end().await.is_none());
    assert_eq!(changes.stream().status(), 200);
}

#[tokio::test]
async fn each_mcp_session_hears_a_change_on_one_of_its_streams() {
    let backend = FakeBackend::legacy().start();
    let client = capable(LEGACY, &backend).await;
    let mut first = client.get_stream().await;
    let mut second = client.get_stream().await;
    backend.announce_change(List::Tools);
    backend.blurt(r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#);
    let heard = first.next().await.unwrap().method().unwrap();
    assert_eq!(heard, "notifications/tools/list_changed");
    let heard = second.next().await.unwrap().method().unwrap();
    assert_eq!(heard, "notifications/prompts/list_changed");
}
