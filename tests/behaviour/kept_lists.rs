//! Lists that are sent again as they were made, and never when they would be others.

use serde_json::json;

use crate::{
    LATEST_LEGACY,
    world::{
        Client, FakeBackend, Gateway, List, Program, client::Exchange, eventually,
        fake_backend::Script,
    },
};

const NEW: &str = r#"{"name":"new","inputSchema":{"type":"object"}}"#;

/// A client in front of a backend, with the stream it listens on if it needs one.
struct World {
    backend: FakeBackend,
    gateway: Gateway,
    client: Client,
    _stream: Option<Exchange>,
}

/// Clients of both eras before backends of both, each of which would be told of a change.
async fn worlds(legacy: fn() -> Script, modern: fn() -> Script) -> Vec<World> {
    let mut worlds = Vec::new();
    let scripts = [legacy, legacy, modern, modern];
    for (number, script) in scripts.into_iter().enumerate() {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let (client, stream) = if number % 2 == 0 {
            let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
            let stream = client.get_stream().await;
            (client, Some(stream))
        } else {
            (Client::modern(&session.endpoint), None)
        };
        worlds.push(World {
            backend,
            gateway,
            client,
            _stream: stream,
        });
    }
    worlds
}

fn lists(backend: &FakeBackend) -> usize {
    backend.requests_of("tools/list").len()
}

/// Waits until a client's lists cost the backend nothing.
async fn is_kept(client: &Client, backend: &FakeBackend) {
    eventually("a list to be kept", async || {
        client.tool_names().await;
        let before = lists(backend);
        client.tool_names().await;
        client.tool_names().await;
        lists(backend) == before
    })
    .await;
}

async fn shows(client: &Client, tool: &str) -> bool {
    client.tool_names().await.iter().any(|name| name == tool)
}

#[tokio::test]
async fn a_list_is_asked_for_once_until_it_is_announced_to_be_another() {
    for world in worlds(FakeBackend::legacy, FakeBackend::modern).await {
        let World {
            backend, client, ..
        } = &world;
        is_kept(client, backend).await;
        backend.add(List::Tools, NEW);
        assert!(!shows(client, "it.new").await, "nothing was said of it");
        backend.announce_change(List::Tools);
        eventually("the new list", async || shows(client, "it.new").await).await;
        is_kept(client, backend).await;
        let resources = async || client.request("resources/list", json!({})).await.result();
        let asked = || backend.requests_of("resources/list").len();
        resources().await;
        let before = asked();
        resources().await;
        assert_eq!(asked(), before, "all lists are kept");
    }
}

#[tokio::test]
async fn a_backend_that_promises_nothing_is_asked_each_time() {
    let silent = || FakeBackend::legacy().capabilities(json!({"tools": {"listChanged": null}}));
    let stale = || FakeBackend::modern().fresh_for(0, "public");
    for world in worlds(silent, stale).await {
        for _ in 0..3 {
            let before = lists(&world.backend);
            world.client.tool_names().await;
            assert!(lists(&world.backend) > before);
        }
    }
    // To this client alone something might be announced, where nobody listens.
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for _ in 0..3 {
        let before = lists(&backend);
        client.tool_names().await;
        assert!(lists(&backend) > before);
    }
}

#[tokio::test]
async fn a_list_is_kept_no_longer_than_its_backend_says() {
    let backend = FakeBackend::modern().fresh_for(500, "public").start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::modern(&session.endpoint);
    is_kept(&client, &backend).await;
    backend.add(List::Tools, NEW);
    eventually("the new list", async || shows(&client, "it.new").await).await;
}

#[tokio::test]
async fn what_is_told_of_a_kept_lists_time_is_what_is_left_of_it() {
    let backend = FakeBackend::modern().fresh_for(60_000, "public").start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::modern(&session.endpoint);
    let left = async || {
        let result = client.request("tools/list", json!({})).await.result();
        result["ttlMs"].as_u64().unwrap()
    };
    assert_eq!(left().await, 60_000);
    eventually("time to go by", async || {
        (1..60_000).contains(&left().await)
    })
    .await;
}

#[tokio::test]
async fn nothing_is_kept_of_a_backend_that_went_away() {
    for world in worlds(FakeBackend::legacy, FakeBackend::modern).await {
        let World {
            backend, client, ..
        } = &world;
        is_kept(client, backend).await;
        backend.go_down().await;
        // A list that is good for a time may be shown until somebody meets that its backend is gone.
        client.call("it.count", json!({})).await.error();
        assert!(!shows(client, "it.count").await);
        backend.add(List::Tools, NEW);
        backend.come_back();
        eventually("its tools to be back", async || {
            shows(client, "it.new").await
        })
        .await;
        drop(world.gateway);
    }
}

#[tokio::test]
async fn each_client_is_sent_the_list_that_was_made_for_it() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let clients = [
        (Program::named("x").modern(&session.endpoint), "it.count"),
        (
            Program::named("claude-ai").modern(&session.endpoint),
            "it__count",
        ),
        (
            Program::named("x").capable().modern(&session.endpoint),
            "it.count",
        ),
    ];
    for (client, _) in &clients {
        is_kept(client, &backend).await;
    }
    let before = lists(&backend);
    for (client, tool) in &clients {
        assert!(shows(client, tool).await, "{tool}");
    }
    assert_eq!(lists(&backend), before);
    // What a backend shows may depend on all that it is told of a client.
    let another = Program::named("y").modern(&session.endpoint);
    assert!(shows(&another, "it.count").await);
    assert!(lists(&backend) > before);
}

#[tokio::test]
async fn clients_that_say_the_same_of_themselves_share_the_list_of_a_backend_without_state() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    // None of them listens, and each has an MCP session of its own.
    let first = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    is_kept(&first, &backend).await;
    let shown = first.tool_names().await;
    let before = lists(&backend);
    for _ in 0..3 {
        let other = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        assert_eq!(other.tool_names().await, shown);
    }
    assert_eq!(lists(&backend), before);
    let another = Program::named("y")
        .legacy(&session.endpoint, LATEST_LEGACY)
        .await;
    assert_eq!(another.tool_names().await, shown);
    assert!(lists(&backend) > before);
}
