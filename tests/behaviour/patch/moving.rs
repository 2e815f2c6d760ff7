//! Servers come, go and change places, and all that belongs to them goes along.

use serde_json::{Value, json};

use super::{CHANGED, NEW, OLD, change, path, stand, token, tokens_after};
use crate::world::{
    Answers, Client, FakeBackend, Gateway, Pairing, Program, Wanted, client::Changes,
};

const TEXT: &str = "fake://text";

fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

/// Waits until every kind of list was said to have changed.
async fn all_changed(changes: &mut Changes) {
    let mut left = CHANGED.to_vec();
    while !left.is_empty() {
        let method = changes.next().await.method().unwrap_or_default();
        left.retain(|wanted| *wanted != method);
    }
}

/// What the client hears of that is updated.
async fn updated(backend: &FakeBackend, changes: &mut Changes) -> String {
    let tell = || backend.announce_update(TEXT);
    let update = changes.next_updated(tell).await;
    update.json()["params"]["uri"].as_str().unwrap().to_owned()
}

fn providers(names: &[String]) -> Vec<&str> {
    let mut providers: Vec<&str> = names
        .iter()
        .map(|name| name.split('.').next().unwrap())
        .collect();
    providers.dedup();
    providers
}

#[tokio::test]
async fn servers_come_and_go_under_clients_that_are_told() {
    for pairing in Pairing::eras() {
        let backends = [pairing.script().start(), pairing.script().start()];
        let gateway = Gateway::with(&[("one", &backends[0]), ("two", &backends[1])]);
        let session = gateway.session(&["one"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        let before = client.tool_names().await;
        let mut changes = client.changes(Wanted::lists()).await;

        let described = change(&gateway, &session, json!({"servers": ["one", "two"]})).await;
        assert_eq!(described["servers"][1]["name"], "two");
        all_changed(&mut changes).await;
        let both = client.tool_names().await;
        assert_eq!(providers(&both), ["one", "two"]);
        assert!(both.starts_with(&before), "no name changes under a client");
        client.call("two.echo", json!({})).await.result();

        change(&gateway, &session, json!({"servers": ["two"]})).await;
        all_changed(&mut changes).await;
        assert_eq!(providers(&client.tool_names().await), ["two"]);
        let error = client.call("one.echo", json!({})).await.error();
        let told = "this session has the providers two";
        assert!(error.message.contains(told), "{error:?}");
        backends[0]
            .until("the farewells", |it| it.sessions_open() == 0)
            .await;
        client.call("two.echo", json!({})).await.result();
        // And it may come back.
        change(&gateway, &session, json!({"servers": ["two", "one"]})).await;
        assert_eq!(providers(&client.tool_names().await), ["two", "one"]);
        client.call("one.echo", json!({})).await.result();
        for backend in &backends {
            assert_eq!(backend.complaints(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_subscription_moves_with_its_backend() {
    for pairing in pairings() {
        let names = ["a", "b", "c"];
        let backends = names.map(|_| pairing.script().start());
        let providers: Vec<_> = names.into_iter().zip(&backends).collect();
        let gateway = Gateway::with(&providers);
        let session = gateway.session(&["a", "b"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        for name in ["a.echo", "b.echo"] {
            client.call(name, json!({})).await.result();
        }
        let public = "mcp-gateway://b/fake://text";
        let mut changes = client.subscribe(public).await;
        let subscribed = |it: &FakeBackend| it.subscriptions() == [TEXT];
        backends[1].until("the subscription", subscribed).await;

        change(&gateway, &session, json!({"servers": ["c", "b"]})).await;
        change(&gateway, &session, json!({"servers": ["b", "c"]})).await;
        client.call("c.echo", json!({})).await.result();
        backends[2].announce_update(TEXT);
        assert_eq!(
            updated(&backends[1], &mut changes).await,
            public,
            "{pairing}"
        );
        assert_eq!(backends[2].subscriptions(), [""; 0]);

        // Where its server left, it is over, and does not come back with it.
        change(&gateway, &session, json!({"servers": ["c"]})).await;
        let over = |it: &FakeBackend| it.subscriptions().is_empty();
        backends[1].until("the end of the subscription", over).await;
        change(&gateway, &session, json!({"servers": ["c", "b"]})).await;
        client.call("b.echo", json!({})).await.result();
        assert_eq!(backends[1].subscriptions(), [""; 0]);
    }
}

#[tokio::test]
async fn a_subscription_goes_on_with_another_credential() {
    for pairing in pairings() {
        let (backend, gateway, session, client) = stand(pairing).await;
        client.call("it.echo", json!({})).await.result();
        let mut changes = client.subscribe(TEXT).await;
        let subscribed = |it: &FakeBackend| it.subscriptions() == [TEXT];
        backend.until("the subscription", subscribed).await;
        let before = backend.requests().len();
        change(&gateway, &session, token(NEW)).await;
        // Without a further request of the client.
        let again = |it: &FakeBackend| {
            let asks = ["resources/subscribe", "subscriptions/listen"];
            let mut seen = tokens_after(it, before).into_iter();
            seen.any(|(what, token)| asks.contains(&what.as_str()) && token == NEW)
        };
        backend.until("the new subscription", again).await;
        let farewell = |it: &FakeBackend| {
            let mut seen = tokens_after(it, before).into_iter();
            pairing.has_modern_backend()
                || seen.any(|(what, token)| what == "DELETE" && token == OLD)
        };
        backend.until("the farewell", farewell).await;
        backend
            .until("the streams", |it| subscribed(it) && it.listeners() > 0)
            .await;
        assert_eq!(updated(&backend, &mut changes).await, TEXT, "{pairing}");
    }
}

#[tokio::test]
async fn a_resource_is_read_where_it_is_after_servers_changed_places() {
    for pairing in pairings() {
        let backends = [pairing.script().start(), pairing.script().start()];
        let gateway = Gateway::with(&[("one", &backends[0]), ("two", &backends[1])]);
        let session = gateway.session(&["one", "two"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        let reads = |at: usize| backends[at].requests_of("resources/read").len();
        client.resources().await;
        client.read(TEXT).await.result();
        assert_eq!((reads(0), reads(1)), (1, 0), "the first that lists it");
        change(&gateway, &session, json!({"servers": ["two", "one"]})).await;
        client.read(TEXT).await.result();
        assert_eq!((reads(0), reads(1)), (1, 1), "the first one now");
        client.read("mcp-gateway://one/fake://text").await.result();
        assert_eq!((reads(0), reads(1)), (2, 1));
    }
}

#[tokio::test]
async fn clients_that_can_be_asked_are_asked_over_their_new_links() {
    for pairing in pairings() {
        let script = pairing.script().demands_bearer(OLD).demands_bearer(NEW);
        let backend = script.start();
        let gateway = Gateway::setup()
            .provider_with("it", &backend, "auth: { type: bearer }")
            .start();
        let mut request = token(OLD);
        request["servers"] = json!(["it"]);
        let session = gateway.create_session(&request).await;
        let program = Program::named("x").capable();
        let client = program.speaking(pairing.client, &session.endpoint).await;
        for next in [Some(NEW), None] {
            let answer = client
                .call_answering(
                    "it.ask",
                    json!({}),
                    |_, _| json!({"action": "accept", "content": {"name": "x"}}),
                )
                .await;
            assert_eq!(answer.asked.len(), 1, "{pairing}");
            answer.result();
            if let Some(next) = next {
                change(&gateway, &session, token(next)).await;
            }
        }
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_change_outlives_kill_9_and_nothing_of_before_is_taken_up() {
    for pairing in pairings() {
        let (backend, mut gateway, session, client) = stand(pairing).await;
        client.call("it.echo", json!({})).await.result();
        let mut body = token(NEW);
        body["name"] = "kept".into();
        change(&gateway, &session, body).await;
        // At once, without a pause in which something could still be written.
        gateway.kill();
        // What it was still saying of before is not said by the one that comes after it.
        backend.hear_out().await;
        let old: Vec<Value> = backend
            .requests()
            .iter()
            .filter(|it| it.header("authorization") == Some(&format!("Bearer {OLD}")))
            .filter_map(|it| it.header("mcp-session-id").map(Into::into))
            .collect();
        let before = backend.requests().len();
        gateway.restart();
        client.call("it.echo", json!({})).await.result();
        let after = backend.requests().split_off(before);
        for request in &after {
            let token = request.header("authorization").unwrap();
            assert_eq!(token, format!("Bearer {NEW}"), "{pairing}");
            let mcp_session = request.header("mcp-session-id").map(Value::from);
            assert!(mcp_session.is_none_or(|id| !old.contains(&id)));
        }
        let described = gateway.get(&path(&session)).await.json();
        assert_eq!(described["name"], "kept");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_session_that_sleeps_is_changed_as_one_that_lives() {
    let backends = [FakeBackend::legacy().start(), FakeBackend::modern().start()];
    let mut gateway = Gateway::with(&[("one", &backends[0]), ("two", &backends[1])]);
    let session = gateway.session(&["one"]).await;
    let client = Client::legacy(&session.endpoint, "2025-06-18").await;
    gateway.restart();
    change(&gateway, &session, json!({"servers": ["two"]})).await;
    client.call("two.echo", json!({})).await.result();
    gateway.restart();
    assert_eq!(providers(&client.tool_names().await), ["two"]);
}
