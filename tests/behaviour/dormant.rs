//! A session that nobody uses sleeps: nothing of it is left but its row, and its next request wakes it as if
//! nothing was.

mod expiring;
mod keeping;
mod races;

use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, eventually, fake_backend::Script, gateway::Session},
};

const SOON: &str = "--session-dormant-after=100ms";

/// The latest revision whose streams cannot be taken up again. Those of a later one keep their session awake, which an
/// answer is on a machine where it takes long.
const LEGACY: &str = "2025-06-18";

/// What the log says of a session that fell asleep, and of one that was made or woken.
const ASLEEP: &str = "a session that nobody used sleeps";
const AWAKE: &str = "a session is awake";

fn start(backend: &FakeBackend) -> Gateway {
    let setup = Gateway::setup().provider("it", backend);
    setup.argument(SOON).start()
}

async fn stand(script: Script) -> (FakeBackend, Gateway, Session) {
    let backend = script.start();
    let gateway = start(&backend);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

/// What the log says of a session's sleep, in order.
fn turns(gateway: &Gateway, session: &Session) -> Vec<&'static str> {
    let short = &session.id[..8];
    let logs = gateway.logs();
    let lines = logs.lines().filter(|line| line.contains(short));
    let turn = |line: &str| [ASLEEP, AWAKE].into_iter().find(|it| line.contains(it));
    lines.filter_map(turn).collect()
}

fn sleeps(gateway: &Gateway, session: &Session) -> usize {
    let turns = turns(gateway, session);
    turns.into_iter().filter(|turn| *turn == ASLEEP).count()
}

async fn until_asleep(gateway: &Gateway, session: &Session) {
    let asleep = async || turns(gateway, session).last() == Some(&ASLEEP);
    eventually("the session's sleep", asleep).await;
}

fn path(session: &Session) -> String {
    format!("/session/{}", session.id)
}

#[tokio::test]
async fn a_client_goes_on_when_its_session_slept_as_if_nothing_was() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let (backend, gateway, session) = stand(script()).await;
        let mut clients = vec![Client::plain(&session.endpoint)];
        for revision in ["2025-03-26", LEGACY, LATEST_LEGACY, MODERN] {
            clients.push(Client::speaking(revision, &session.endpoint).await);
        }
        for client in &clients {
            client.call("it.count", json!({})).await.result();
        }
        let handshakes = || {
            let discovered = backend.requests_of("server/discover").len();
            (backend.initializations(), discovered)
        };
        let before = (handshakes(), backend.sessions_open());
        for round in 0..2 {
            for client in &clients {
                until_asleep(&gateway, &session).await;
                let answer = client.call("it.echo", json!({"round": round})).await;
                assert_eq!(answer.result()["structuredContent"]["round"], round);
                assert_eq!(client.tool_names().await.len(), 9);
            }
        }
        let after = (handshakes(), backend.sessions_open());
        assert_eq!(before, after, "nothing had to be asked again");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_sleeping_session_holds_no_stream_at_its_backends() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let (backend, gateway, session) = stand(script()).await;
        let client = Client::modern(&session.endpoint);
        client.call("it.echo", json!({})).await.result();
        until_asleep(&gateway, &session).await;
        backend
            .until("the end of the streams", |it| it.listeners() == 0)
            .await;
    }
}

#[tokio::test]
async fn what_clients_asked_to_hear_is_asked_of_backends_again() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        for revision in ["2025-03-26", LEGACY] {
            let (backend, gateway, session) = stand(script()).await;
            let client = Client::legacy(&session.endpoint, revision).await;
            let uri = json!({"uri": "fake://text"});
            client.request("resources/subscribe", uri).await.result();
            client.set_log_level("error").await;
            until_asleep(&gateway, &session).await;
            let mut stream = client.get_stream().await;
            let subscribed = |it: &FakeBackend| it.subscriptions() == ["fake://text"];
            backend.until("the subscription", subscribed).await;
            backend.announce_update("fake://text");
            loop {
                let message = stream.next().await.unwrap();
                if message.method().as_deref() == Some("notifications/resources/updated") {
                    break;
                }
            }
            drop(stream);
            let logged = client.call("it.log", json!({})).await;
            let levels: Vec<_> = logged
                .events
                .iter()
                .map(|it| it.json()["params"]["level"].take())
                .collect();
            assert_eq!(
                levels,
                ["error", "critical", "alert", "emergency"],
                "{logged:?}"
            );
            assert_eq!(backend.complaints(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_sleeping_session_can_be_looked_at_listed_and_changed() {
    let (backend, gateway, session) = stand(FakeBackend::legacy()).await;
    let client = Client::legacy(&session.endpoint, LEGACY).await;
    until_asleep(&gateway, &session).await;
    let listed = gateway.get("/sessions").await;
    assert!(listed.text.contains(&session.id));
    let described = gateway.get(&path(&session)).await.json();
    assert_eq!(described["mcp_sessions"], 1, "{described}");
    until_asleep(&gateway, &session).await;
    let renamed = gateway.patch(&path(&session), &json!({"name": "x"})).await;
    assert_eq!(renamed.json()["name"], "x");
    until_asleep(&gateway, &session).await;
    assert_eq!(gateway.get(&path(&session)).await.json()["name"], "x");
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn the_end_of_a_sleeping_session_is_told_to_its_backends() {
    let (backend, mut gateway, session) = stand(FakeBackend::legacy()).await;
    let _clients = [
        Client::legacy(&session.endpoint, LEGACY).await,
        Client::legacy(&session.endpoint, "2025-03-26").await,
    ];
    until_asleep(&gateway, &session).await;
    assert!(backend.sessions_open() > 0);
    assert_eq!(gateway.delete(&path(&session)).await.status, 204);
    backend
        .until("the farewells", |it| it.sessions_open() == 0)
        .await;
    assert_eq!(gateway.get(&path(&session)).await.status, 404);
    gateway.restart();
    assert_eq!(gateway.get(&path(&session)).await.status, 404);
    let client = Client::modern(&session.endpoint);
    assert_eq!(client.call("it.echo", json!({})).await.status, 404);
}

#[tokio::test]
async fn an_mcp_session_that_ended_stays_ended_when_its_session_slept() {
    let (backend, gateway, session) = stand(FakeBackend::legacy()).await;
    let client = Client::legacy(&session.endpoint, LEGACY).await;
    let other = Client::legacy(&session.endpoint, LEGACY).await;
    until_asleep(&gateway, &session).await;
    assert_eq!(client.delete().await, 204);
    until_asleep(&gateway, &session).await;
    assert_eq!(client.call("it.echo", json!({})).await.status, 404);
    other.call("it.echo", json!({})).await.result();
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_session_whose_backend_is_away_sleeps_and_finds_it_back() {
    for revision in [LEGACY, MODERN] {
        let (backend, gateway, session) = stand(FakeBackend::both()).await;
        let client = Client::speaking(revision, &session.endpoint).await;
        client.call("it.echo", json!({})).await.result();
        backend.go_down().await;
        client.call("it.echo", json!({})).await.error();
        until_asleep(&gateway, &session).await;
        backend.come_back();
        // Who found it gone for every session lets it be for a moment.
        eventually("it to be found back", async || {
            let answer = client.call("it.echo", json!({})).await;
            answer.body_text().contains("\"result\"")
        })
        .await;
    }
}
