//! Changes of lists: told to every client that hears of them, in its own era.

use serde_json::json;

use crate::world::{
    Answers, Client, FakeBackend, List, Pairing, Program, Wanted, World,
    client::{Changes, Exchange},
};

/// A new entry of every list, and the kind that tells of it.
const NEWS: [(List, &str, &str); 4] = [
    (List::Prompts, r#"{"name":"new"}"#, "prompts"),
    (
        List::Resources,
        r#"{"uri":"new://1","name":"new"}"#,
        "resources",
    ),
    (
        List::Templates,
        r#"{"uriTemplate":"new://{id}","name":"new"}"#,
        "resources",
    ),
    (
        List::Tools,
        r#"{"name":"new","inputSchema":{"type":"object"}}"#,
        "tools",
    ),
];

/// The public name or URI under which a list shows its new entry.
async fn shows(client: &Client, list: List) -> bool {
    match list {
        List::Tools => client.tool_names().await.contains(&"it.new".to_owned()),
        List::Prompts => client.prompt_names().await.contains(&"it.new".to_owned()),
        List::Resources => client.resource_uris().await.contains(&"new://1".to_owned()),
        List::Templates => {
            let templates = client.templates().await;
            templates.iter().any(|it| it["uriTemplate"] == "new://{id}")
        }
    }
}

/// A world whose backend is there: that it comes is a change, too.
async fn stand(pairing: Pairing) -> World {
    let world = pairing.stand(pairing.script(), Program::named("x")).await;
    world.client.call("it.echo", json!({})).await.result();
    // What it announces before somebody listens is heard by nobody.
    let listens = |it: &FakeBackend| it.listeners() > 0;
    world.backend.until("the gateway to listen", listens).await;
    world
}

/// Ends the session; nothing may have been told that was not heard.
async fn hears_no_more(world: &World, mut changes: Changes, pairing: Pairing) {
    let path = format!("/session/{}", world.session.id);
    assert_eq!(world.gateway.delete(&path).await.status, 204);
    if pairing.has_modern_client() {
        assert_eq!(changes.next().await.result()["resultType"], "complete");
    }
    let more = changes.next_or_end().await;
    assert!(more.is_none(), "told twice: {more:?}");
}

#[tokio::test]
async fn changes_of_all_three_kinds_are_told_once_and_shown() {
    for pairing in Pairing::all() {
        let world = stand(pairing).await;
        let mut changes = world.client.changes(Wanted::lists()).await;
        for (list, entry, kind) in NEWS {
            world.backend.add(list, entry);
            world.backend.announce_change(list);
            let heard = changes.next().await.method().unwrap();
            assert_eq!(heard, format!("notifications/{kind}/list_changed"));
            assert!(shows(&world.client, list).await, "{list:?}");
        }
        hears_no_more(&world, changes, pairing).await;
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_subscription_hears_only_of_the_kinds_it_asks_for() {
    for pairing in Pairing::eras() {
        if !pairing.has_modern_client() {
            continue; // a legacy client cannot ask for less than all
        }
        let world = stand(pairing).await;
        let kinds = ["tools", "prompts", "resources"];
        let mut streams: Vec<Exchange> = Vec::new();
        for kind in kinds {
            let params = json!({"notifications": {format!("{kind}ListChanged"): true}});
            let params = params.to_string();
            let mut stream = world.client.open("subscriptions/listen", &params).await;
            let first = stream.next().await.unwrap().json();
            assert_eq!(
                first["params"]["notifications"],
                json!({format!("{kind}ListChanged"): true})
            );
            streams.push(stream);
        }
        for list in [List::Resources, List::Prompts] {
            world.backend.announce_change(list);
        }
        world.backend.add(NEWS[3].0, NEWS[3].1);
        world.backend.announce_change(List::Tools);
        for (stream, kind) in streams.iter_mut().zip(kinds) {
            let heard = stream.next().await.unwrap().method().unwrap();
            assert_eq!(heard, format!("notifications/{kind}/list_changed"));
        }
        let path = format!("/session/{}", world.session.id);
        world.gateway.delete(&path).await;
        for stream in &mut streams {
            assert!(stream.next().await.unwrap().is_response());
        }
    }
}

#[tokio::test]
async fn every_client_of_a_session_hears_of_a_change() {
    for pairing in Pairing::eras() {
        let world = stand(pairing).await;
        let endpoint = &world.session.endpoint;
        let mut all = vec![world.client.changes(Wanted::lists()).await];
        let mut others = Vec::new();
        for revision in ["2024-11-05", "2025-06-18", crate::MODERN] {
            let other = Client::speaking(revision, endpoint).await;
            all.push(other.changes(Wanted::lists()).await);
            others.push(other);
        }
        for (list, entry, kind) in NEWS {
            world.backend.add(list, entry);
            world.backend.announce_change(list);
            for changes in &mut all {
                let heard = changes.next().await.method().unwrap();
                assert_eq!(heard, format!("notifications/{kind}/list_changed"));
            }
        }
    }
}

#[tokio::test]
async fn changes_are_heard_again_after_a_restart_of_the_gateway() {
    for pairing in Pairing::eras() {
        if pairing.answers == Answers::Sse {
            continue; // what is announced has one form
        }
        let mut world = stand(pairing).await;
        drop(world.client.changes(Wanted::lists()).await);
        world.gateway.kill();
        world.backend.hear_out().await;
        world.gateway.restart();
        let mut changes = world.client.changes(Wanted::lists()).await;
        // What is announced before somebody listens again is heard by nobody.
        let listens = |it: &FakeBackend| it.listeners() > 0;
        world.backend.until("the new one to listen", listens).await;
        world.backend.add(NEWS[0].0, NEWS[0].1);
        world.backend.announce_change(List::Prompts);
        changes.next_of("notifications/prompts/list_changed").await;
        assert!(shows(&world.client, List::Prompts).await);
    }
}
