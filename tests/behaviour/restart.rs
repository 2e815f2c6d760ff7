//! What was acknowledged outlives the process, however it ends.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use mcp_gateway::{
    mcp::name::Naming,
    store::{SealingKey, ServerRecord, SessionRecord, Store},
};
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection};
use serde_json::json;
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, eventually},
};

#[tokio::test]
async fn a_client_goes_on_after_kill_9_as_if_nothing_was() {
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let mut gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
    let session = gateway.session(&["legacy", "modern"]).await;
    let clients = [
        Client::legacy(&session.endpoint, LATEST_LEGACY).await,
        Client::legacy(&session.endpoint, "2025-03-26").await,
        Client::modern(&session.endpoint),
        Client::plain(&session.endpoint),
    ];
    for client in &clients {
        client.call("legacy.echo", json!({})).await.result();
    }
    for round in 0..2 {
        gateway.restart();
        for client in &clients {
            for name in ["legacy.echo", "modern.echo"] {
                let answer = client.call(name, json!({"round": round})).await;
                assert_eq!(answer.result()["structuredContent"]["round"], round);
            }
            assert_eq!(client.tool_names().await.len(), 18);
        }
    }
    assert_eq!(legacy.complaints(), [""; 0]);
}

#[tokio::test]
async fn the_mcp_session_of_a_backend_outlives_the_gateway() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    gateway.kill();
    backend.hear_out().await;
    let before = (
        backend.initializations(),
        backend.requests_of("server/discover").len(),
    );
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
    let calls = backend.requests_of("tools/call");
    let id = |index: usize| calls[index].header("mcp-session-id").map(str::to_owned);
    assert_eq!(id(0), id(1), "whoever keeps state there finds it again");
    let after = (
        backend.initializations(),
        backend.requests_of("server/discover").len(),
    );
    assert_eq!(before, after, "nothing had to be asked again");
}

#[tokio::test]
async fn a_backend_that_restarted_too_is_opened_again_unseen() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.count", json!({})).await.result();
    gateway.kill();
    backend.go_down().await;
    backend.forget_sessions();
    backend.come_back();
    gateway.restart();
    assert_eq!(client.call("it.count", json!({})).await.text(), "2");
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn clients_that_only_opened_go_on_after_a_stop() {
    // One that has nothing of its own for each client.
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let opening = (0..200).map(|_| Client::legacy(&session.endpoint, LATEST_LEGACY));
    let clients = join_all(opening).await;
    gateway.stop();
    gateway.restart();
    for client in clients {
        client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn credentials_and_options_outlive_the_process() {
    let backend = FakeBackend::legacy().demands_bearer("the-token").start();
    let mut gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": "the-token"}},
                         "naming": "underscores", "name": "my session"});
    let session = gateway.create_session(&request).await;
    gateway.restart();
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await[0], "it__echo");
    client.call("it__echo", json!({})).await.result();
    let described = gateway
        .get(&format!("/session/{}", session.id))
        .await
        .json();
    assert_eq!(described["name"], "my session");
    assert_eq!(described["naming"], "underscores");
}

#[tokio::test]
async fn every_acknowledged_session_is_there_and_no_deleted_one() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(gateway.session(&["it"]).await);
    }
    let (deleted, kept) = sessions.split_at(10);
    for session in deleted {
        let path = format!("/session/{}", session.id);
        assert_eq!(gateway.delete(&path).await.status, 204);
    }
    // At once, without a pause in which something could still be written.
    gateway.kill();
    gateway.restart();
    for session in kept {
        let answer = Client::modern(&session.endpoint)
            .call("it.echo", json!({}))
            .await;
        answer.result();
    }
    for session in deleted {
        let answer = Client::modern(&session.endpoint)
            .call("it.echo", json!({}))
            .await;
        assert_eq!(answer.status, 404);
        assert_eq!(
            gateway
                .get(&format!("/session/{}", session.id))
                .await
                .status,
            404
        );
    }
}

#[tokio::test]
async fn an_ended_mcp_session_stays_ended() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.delete().await;
    gateway.restart();
    assert_eq!(client.call("it.echo", json!({})).await.status, 404);
}

/// Far more than are woken at the start.
const STORED: usize = 10_000;

#[tokio::test]
async fn ten_thousand_stored_sessions_delay_no_first_answer() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    gateway.stop();
    let stored = fill(&gateway).await;
    // Whoever calls is there first: it listens before it opens the database.
    gateway.launch();
    until_it_listens(&gateway).await;
    // The one used longest ago is the last that would be woken; it is not among those that are.
    for id in [stored[0], stored[STORED / 2]] {
        let endpoint = gateway.url(&format!("/session/{id}/mcp"));
        let answer = Client::modern(&endpoint).call("it.echo", json!({})).await;
        answer.result();
    }
    let woken = |logs: &str| logs.find("woke ");
    eventually("the end of the waking", async || {
        woken(&gateway.logs()).is_some()
    })
    .await;
    let logs = gateway.logs();
    let line = logs.lines().find(|line| line.contains("woke ")).unwrap();
    assert!(line.contains("woke 200 stored sessions"), "{line}");
    let called = logs.find("tools/call it.echo: ok").unwrap();
    assert!(
        called < woken(&logs).unwrap(),
        "the first answer waited for the others"
    );
    let listed = gateway.get("/sessions?limit=500").await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 500);
}

/// Waits until a gateway that was launched takes connections, though it may serve them later.
pub(super) async fn until_it_listens(gateway: &Gateway) {
    let address = gateway.address();
    eventually("it to listen", async || {
        TcpStream::connect(address).await.is_ok()
    })
    .await;
}

/// Keeps everybody else from writing to the database, until what is returned is dropped.
pub(super) async fn lock(gateway: &Gateway) -> DatabaseConnection {
    let database = gateway.folder().join("gateway.db");
    let mut options = ConnectOptions::new(format!("sqlite://{}", database.display()));
    options.max_connections(1);
    let database = Database::connect(options).await.unwrap();
    database
        .execute_unprepared("BEGIN EXCLUSIVE")
        .await
        .unwrap();
    database
}

/// Stores sessions of the provider `it` while no gateway runs; each was used just now, and later than
/// the one before.
pub(super) async fn fill(gateway: &Gateway) -> Vec<Uuid> {
    let database = gateway.folder().join("gateway.db");
    let key = SealingKey::parse(&"11".repeat(32).into()).unwrap();
    let store = Store::open(&format!("sqlite://{}", database.display()), key)
        .await
        .unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    let records: Vec<SessionRecord> = (0..STORED)
        .map(|number| SessionRecord {
            id: Uuid::new_v4(),
            owner: None,
            name: None,
            naming: Naming::Auto,
            idle_expiry: None,
            servers: vec![ServerRecord {
                backend: "it".parse().unwrap(),
                credential: None,
                tools: None,
            }],
            created_ms: 1,
            last_used_ms: now_ms - i64::try_from(STORED - number).unwrap(),
        })
        .collect();
    let ids = records.iter().map(|record| record.id).collect();
    for some in records.chunks(64) {
        let creates = some.iter().map(|it| store.create_session(it.clone()));
        futures_util::future::try_join_all(creates).await.unwrap();
    }
    store.close().await;
    ids
}

#[tokio::test]
async fn a_stopped_gateway_ends_well_and_finishes_what_it_began() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let call = client.call("it.progress", json!({"steps": 1, "gated": true}));
    let stopping = async {
        backend
            .until("the call", |it| it.executions("progress") == 1)
            .await;
        gateway.ask_to_stop();
        backend.step();
    };
    let (answer, ()) = tokio::join!(call, stopping);
    assert_eq!(answer.text(), "1 steps");
    assert!(gateway.wait_for_end().success());
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_hung_call_does_not_keep_a_stopped_gateway_alive() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::setup()
        .provider("it", &backend)
        .argument("--drain-timeout=500ms")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, MODERN).await;
    let _stream = client.get_stream().await;
    let hung = client.open("tools/call", r#"{"name":"it.wait"}"#);
    let stopping = async {
        backend
            .until("the call", |it| it.executions("wait") == 1)
            .await;
        gateway.stop();
    };
    // Whether the call still gets an answer or a broken connection is not what this is about.
    tokio::select! {
        _ = hung => {}
        () = stopping => {}
    }
}
