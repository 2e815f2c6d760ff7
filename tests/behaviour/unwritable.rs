//! A database that cannot be written to for a while: requests that need it are told so, nothing is
//! promised that is not kept, and all goes on by itself afterwards.

use std::{fs, process::Command};

use sea_orm::{
    Database, DatabaseConnection, SqliteTransactionMode, TransactionOptions, TransactionTrait,
};
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{Client, FakeBackend, Gateway, gateway::HttpAnswer, gateway::Session},
};

const INTERNAL_ERROR: i64 = -32603;

/// Bytes of a page of the write-ahead log.
const PAGE: u64 = 4096 + 24;

async fn world() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

/// Lets no file of the gateway grow beyond so many bytes, as a disk does that is full.
fn limit_files(gateway: &Gateway, bytes: &str) {
    let done = Command::new("prlimit")
        .args(["--pid", &gateway.process_id().to_string()])
        // The soft limit only: whoever may not raise the hard one can still lift it again.
        .arg(format!("--fsize={bytes}:"))
        .status()
        .unwrap();
    assert!(done.success(), "prlimit ended with {done}");
}

/// Fails unless the answer is a refusal that says when to come again, and why.
fn assert_unavailable(answer: &HttpAnswer, reason: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 0);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains(reason) && detail.contains("log"),
        "{detail}"
    );
}

async fn listed(gateway: &Gateway) -> Vec<String> {
    let page = gateway.get("/sessions?limit=500").await.json();
    let sessions = page["sessions"].as_array().unwrap();
    let id = |it: &Value| it["session_id"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = sessions.iter().map(id).collect();
    ids.sort_unstable();
    ids
}

/// What must hold while nothing can be written.
async fn assert_nothing_is_promised(gateway: &Gateway, session: &Session, reason: &str) {
    let path = format!("/session/{}", session.id);
    let request = json!({"servers": ["it"]});
    let (created, deleted) = tokio::join!(
        gateway.post("/create-session", &request),
        gateway.delete(&path),
    );
    assert_unavailable(&created, reason);
    assert_unavailable(&deleted, reason);
    assert_eq!(gateway.get(&path).await.status, 200, "it was not deleted");
    let client = Client::modern(&session.endpoint);
    client.call("it.echo", json!({})).await.result();

    let opening = json!({"protocolVersion": LATEST_LEGACY, "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"}});
    let plain = Client::plain(&session.endpoint);
    let refused = plain.request("initialize", opening).await;
    assert_eq!(refused.error().code, INTERNAL_ERROR, "{refused:?}");
    assert_eq!(refused.header("mcp-session-id"), None);
}

/// What must hold as soon as something can be written again.
async fn assert_all_goes_on(gateway: &Gateway, session: &Session) {
    let another = gateway.session(&["it"]).await;
    let client = Client::legacy(&another.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    let path = format!("/session/{}", session.id);
    assert_eq!(gateway.delete(&path).await.status, 204);
    assert_eq!(gateway.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_cannot_keep_and_costs_nothing_else() {
    let (_backend, mut gateway, session) = world().await;
    let log = gateway.folder().join("gateway.db-wal");
    // Not at the end of a page, so that a write is cut short once, and fails at once the next time.
    let room = fs::metadata(&log).unwrap().len() + 2 * PAGE + 100;
    limit_files(&gateway, &room.to_string());
    let mut kept = vec![session.id.clone()];
    let refused = loop {
        let request = json!({"servers": ["it"], "name": "n".repeat(100)});
        let answer = gateway.post("/create-session", &request).await;
        if answer.status != 201 {
            break answer;
        }
        kept.push(answer.json()["session_id"].as_str().unwrap().to_owned());
        assert!(kept.len() < 100, "there is no limit");
    };
    kept.sort_unstable();
    assert_unavailable(&refused, "");
    for _ in 0..3 {
        assert_nothing_is_promised(&gateway, &session, "").await;
    }
    assert_eq!(listed(&gateway).await, kept);

    limit_files(&gateway, "unlimited");
    assert_all_goes_on(&gateway, &session).await;
    let after = listed(&gateway).await;
    gateway.restart();
    assert_eq!(listed(&gateway).await, after, "nothing was half there");
    assert!(
        kept.iter()
            .all(|id| *id == session.id || after.contains(id))
    );
    assert_eq!(after.len(), kept.len(), "one more, one less");
}

#[tokio::test]
async fn a_client_that_opened_while_the_disk_was_full_goes_on_afterwards() {
    // One that has nothing of its own for each client.
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let log = gateway.folder().join("gateway.db-wal");
    limit_files(&gateway, &fs::metadata(&log).unwrap().len().to_string());
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for _ in 0..2 {
        let refused = client.call("it.echo", json!({})).await;
        assert_eq!(refused.error().code, INTERNAL_ERROR, "{refused:?}");
    }
    limit_files(&gateway, "unlimited");
    client.call("it.echo", json!({})).await.result();
    gateway.kill();
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
}

/// Another process, this one, writes into the gateway's database.
async fn intruder(gateway: &Gateway) -> DatabaseConnection {
    let database = gateway.folder().join("gateway.db");
    let url = format!("sqlite://{}?mode=rw", database.display());
    Database::connect(url).await.unwrap()
}

#[tokio::test]
async fn a_database_that_another_process_holds_is_busy_and_then_free_again() {
    let (_backend, mut gateway, session) = world().await;
    let intruder = intruder(&gateway).await;
    let alone = || TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let lock = intruder.begin_with_options(alone()).await.unwrap();
    assert_nothing_is_promised(&gateway, &session, "busy").await;
    lock.rollback().await.unwrap();
    assert_all_goes_on(&gateway, &session).await;

    // A lock at the start passes as well.
    let lock = intruder.begin_with_options(alone()).await.unwrap();
    gateway.restart();
    let kept = listed(&gateway).await;
    assert_eq!(kept.len(), 1);
    lock.rollback().await.unwrap();
    gateway.session(&["it"]).await;
    assert_eq!(listed(&gateway).await.len(), 2);
}
