//! The registry is another while the gateway runs: what has to do with its changes follows, and nothing else does.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN, UNAVAILABLE,
    world::{
        Answers, Client, FakeBackend, Gateway, Pairing, Wanted, client::Changes, eventually,
        gateway::Session, within,
    },
};

const GATED: &str =
    r#"{"name":"one.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;

fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

/// Puts another registry in the place of the one before, in one step, as careful operators do.
fn write(gateway: &Gateway, text: &str) {
    let path = gateway.folder().join("registry.yaml");
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

/// Has the gateway read a registry of these providers; returns when it says what that changed.
async fn rewrite(gateway: &Gateway, providers: &[(&str, &FakeBackend)], differs: &str) {
    let mut text = "providers:\n".to_owned();
    for (name, backend) in providers {
        writeln!(text, "  {name}: {{ url: {} }}", backend.url()).unwrap();
    }
    let line = format!("again: {differs}");
    let said = || gateway.logs().matches(&line).count();
    let before = said();
    write(gateway, &text);
    gateway.hang_up();
    eventually("the registry to be read", async || said() > before).await;
}

/// Waits until all kinds of lists were said to have changed.
async fn all_changed(changes: &mut Changes) {
    for list in ["tools", "prompts", "resources"] {
        let method = format!("notifications/{list}/list_changed");
        within("all lists to change", changes.next_of(&method)).await;
    }
}

fn handshakes(backend: &FakeBackend) -> usize {
    backend.requests_of("initialize").len() + backend.requests_of("server/discover").len()
}

/// How often a stream for announcements was opened.
fn tries_to_listen(backend: &FakeBackend) -> usize {
    let requests = backend.requests().into_iter();
    let tries = requests
        .filter(|it| it.http_method == "GET" || it.method() == Some("subscriptions/listen"));
    tries.count()
}

async fn known_to_openapi(gateway: &Gateway) -> serde_json::Value {
    let mut document = gateway.get("/openapi.json").await.json();
    let pointer = "/components/schemas/CreateSession/properties/servers/items/enum";
    document.pointer_mut(pointer).unwrap().take()
}

async fn described(gateway: &Gateway, session: &Session) -> serde_json::Value {
    gateway
        .get(&format!("/session/{}", session.id))
        .await
        .json()
}

#[tokio::test]
async fn a_provider_that_is_changed_is_met_anew_and_nobody_else_notices() {
    for pairing in pairings() {
        let [old, new, two] = [(); 3].map(|()| pairing.script().start());
        let gateway = Gateway::with(&[("one", &old), ("two", &two)]);
        let session = gateway.session(&["one", "two"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        for name in ["one.echo", "two.echo"] {
            client.call(name, json!({})).await.result();
        }
        client.tool_names().await;
        let mut changes = client.changes(Wanted::lists()).await;
        // A legacy client's own link with a legacy backend has a stream of its own.
        let of_its_own = !pairing.has_modern_client() && !pairing.has_modern_backend();
        let streams = if of_its_own { 2 } else { 1 };
        let settled = |it: &FakeBackend| it.listeners() == streams;
        two.until("the streams", settled).await;
        let met = (handshakes(&two), tries_to_listen(&two));
        let gated = client.open("tools/call", GATED);
        let meanwhile = async {
            let begun = |it: &FakeBackend| it.executions("progress") == 1;
            old.until("the call", begun).await;
            rewrite(&gateway, &[("one", &new), ("two", &two)], "changed one").await;
            all_changed(&mut changes).await;
            client.call("one.echo", json!({})).await.result();
            assert_eq!(new.executions("echo"), 1, "{pairing}");
            old.step();
        };
        let answer = async { gated.await.finish().await };
        let (answer, ()) = tokio::join!(answer, meanwhile);
        assert_eq!(
            answer.text(),
            "1 steps",
            "a call under way ends where it began"
        );
        old.until("the farewells", |it| it.sessions_open() == 0)
            .await;
        client.call("two.echo", json!({})).await.result();
        let still = (handshakes(&two), tries_to_listen(&two));
        assert_eq!((still, two.listeners()), (met, streams), "{pairing}");
        new.until("somebody to listen", |it| it.listeners() > 0)
            .await;
        for backend in [&old, &new, &two] {
            assert_eq!(backend.complaints(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_removed_is_gone_until_it_is_back() {
    for pairing in pairings() {
        let [one, two, three] = [(); 3].map(|()| pairing.script().start());
        let gateway = Gateway::with(&[("one", &one), ("two", &two)]);
        let session = gateway.session(&["one", "two"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        client.call("one.echo", json!({})).await.result();
        let before = client.tool_names().await;
        let mut changes = client.changes(Wanted::lists()).await;

        rewrite(
            &gateway,
            &[("two", &two), ("three", &three)],
            "added three; removed one",
        )
        .await;
        all_changed(&mut changes).await;
        let names = client.tool_names().await;
        assert!(
            names.iter().all(|name| name.starts_with("two.")),
            "{names:?}"
        );
        let error = client.call("one.echo", json!({})).await.error();
        assert_eq!(error.code, UNAVAILABLE);
        assert!(error.message.contains("restore its entry"), "{error:?}");
        one.until("the farewells", |it| it.sessions_open() == 0)
            .await;
        assert_eq!(known_to_openapi(&gateway).await, json!(["two", "three"]));
        let refused = gateway
            .post("/create-session", &json!({"servers": ["one"]}))
            .await;
        assert_eq!(
            (refused.status, &refused.json()["field"]),
            (400, &json!("servers[0]"))
        );
        let of_three = gateway.session(&["three"]).await;
        let other = Client::speaking(pairing.client, &of_three.endpoint).await;
        other.call("three.echo", json!({})).await.result();
        let told = described(&gateway, &session).await;
        let words = told["servers"][0]["last_error"].as_str().unwrap();
        assert!(words.contains("restore its entry"), "{told}");

        rewrite(
            &gateway,
            &[("one", &one), ("two", &two)],
            "added one; removed three",
        )
        .await;
        all_changed(&mut changes).await;
        eventually("all tools", async || client.tool_names().await == before).await;
        client.call("one.echo", json!({})).await.result();
        assert_eq!(one.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_session_that_sleeps_meets_what_the_registry_says_when_it_is_woken() {
    let [old, new] = [(); 2].map(|()| FakeBackend::legacy().start());
    let gateway = Gateway::setup()
        .provider("one", &old)
        .argument("--session-dormant-after=100ms")
        .start();
    let session = gateway.session(&["one"]).await;
    // An answer that takes long keeps no session awake where it cannot be taken up again.
    let client = Client::legacy(&session.endpoint, "2025-06-18").await;
    client.call("one.echo", json!({})).await.result();
    let sleeps = async || gateway.logs().contains("a session that nobody used sleeps");
    eventually("the session to sleep", sleeps).await;
    let of_old = old.requests();
    let of_old = of_old.iter().filter_map(|it| it.header("mcp-session-id"));
    let of_old: Vec<String> = of_old.map(str::to_owned).collect();
    assert!(!of_old.is_empty());
    rewrite(&gateway, &[("one", &new)], "changed one").await;
    client.call("one.echo", json!({})).await.result();
    assert_eq!(new.executions("echo"), 1);
    // What the one server gave is not shown to the other.
    for request in new.requests() {
        let id = request.header("mcp-session-id").unwrap_or_default();
        assert!(!of_old.iter().any(|it| it == id), "{id}");
    }
}

#[tokio::test]
async fn a_server_that_is_another_after_a_restart_hears_nothing_of_the_one_before() {
    let [old, new] = [(); 2].map(|()| FakeBackend::legacy().start());
    let mut gateway = Gateway::setup().provider("one", &old).start();
    let session = gateway.session(&["one"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("one.echo", json!({})).await.result();
    gateway.kill();
    let entry = format!("providers:\n  one: {{ url: {} }}\n", new.url());
    write(&gateway, &entry);
    gateway.restart();
    client.call("one.echo", json!({})).await.result();
    assert_eq!(new.executions("echo"), 1);
    assert!(
        !new.requests_of("initialize").is_empty(),
        "a handshake of its own"
    );
    let of_old = old.requests();
    let of_old: Vec<_> = of_old
        .iter()
        .filter_map(|it| it.header("mcp-session-id"))
        .collect();
    assert!(!of_old.is_empty());
    for request in new.requests() {
        let id = request.header("mcp-session-id").unwrap_or_default();
        assert!(!of_old.contains(&id), "{id}");
    }
    assert_eq!(new.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_registry_that_is_broken_or_gone_changes_nothing_and_says_why() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("one", &backend)]);
    let session = gateway.session(&["one"]).await;
    let legacy = Client::speaking(LATEST_LEGACY, &session.endpoint).await;
    let modern = Client::speaking(MODERN, &session.endpoint).await;
    for client in [&legacy, &modern] {
        client.call("one.echo", json!({})).await.result();
    }
    let met = handshakes(&backend);
    let path = gateway.folder().join("registry.yaml");
    let unchanged = || gateway.logs().matches("changed nothing").count();
    for text in [
        Some("providers:\n  one:\n    ulr: http://127.0.0.1:9/mcp\n"),
        Some("providers: ["),
        None,
    ] {
        let before = unchanged();
        // No signal: it is looked at now and then.
        match text {
            Some(text) => write(&gateway, text),
            None => std::fs::remove_file(&path).unwrap(),
        }
        eventually("the complaint", async || unchanged() > before).await;
        for client in [&legacy, &modern] {
            client.call("one.echo", json!({})).await.result();
        }
    }
    let logs = gateway.logs();
    assert!(
        logs.contains(
            "registry.yaml:3:5: providers.one.ulr: is not a known field; did you mean url?"
        ),
        "{logs}"
    );
    assert_eq!(known_to_openapi(&gateway).await, json!(["one"]));
    rewrite(&gateway, &[("one", &backend)], "no provider is another").await;
    assert_eq!(handshakes(&backend), met, "nothing was connected to anew");
    assert_eq!(
        described(&gateway, &session).await["servers"][0]["state"],
        "ready"
    );
}
