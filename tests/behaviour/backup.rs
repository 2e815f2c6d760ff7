//! A backup taken while the gateway runs, and what comes of it.

use std::fs;

use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;

use crate::world::{Client, FakeBackend, Gateway};

/// As SECURITY.md tells it, with the test's own connection in the place of the `sqlite3` command.
async fn back_up(gateway: &Gateway) {
    let database = gateway.folder().join("gateway.db");
    let url = format!("sqlite://{}?mode=ro", database.display());
    let reader = Database::connect(url).await.unwrap();
    let copy = gateway.folder().join("backup.db");
    let copied = format!("VACUUM INTO '{}'", copy.display());
    reader.execute_unprepared(&copied).await.unwrap();
    reader.close().await.unwrap();
}

#[tokio::test]
async fn a_backup_of_a_running_gateway_brings_all_of_its_moment_back() {
    let backend = FakeBackend::legacy().demands_bearer("the-token").start();
    let mut gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": "the-token"}}});
    let kept = gateway.create_session(&request).await;
    let client = Client::legacy(&kept.endpoint, "2025-11-25").await;
    client.call("it.echo", json!({})).await.result();
    back_up(&gateway).await;
    // All of this was after the backup.
    let path = format!("/session/{}", kept.id);
    assert_eq!(gateway.delete(&path).await.status, 204);
    let later = gateway.create_session(&request).await;
    gateway.kill();

    let file = |name: &str| gateway.folder().join(name);
    for name in ["gateway.db", "gateway.db-wal", "gateway.db-shm"] {
        fs::remove_file(file(name)).unwrap();
    }
    fs::rename(file("backup.db"), file("gateway.db")).unwrap();
    gateway.restart();
    client.call("it.echo", json!({})).await.result();
    let gone = gateway.get(&format!("/session/{}", later.id)).await;
    assert_eq!(gone.status, 404);
    gateway.create_session(&request).await;
}
