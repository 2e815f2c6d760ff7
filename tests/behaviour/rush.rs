//! Many sessions made at once: each is there when it is answered for, and connects when there is time.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway},
};

/// Far more at once than are a rush.
const SESSIONS: usize = 64;

#[tokio::test]
async fn sessions_made_in_a_rush_connect_when_it_is_over() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    join_all((0..SESSIONS).map(|_| gateway.session(&["it"]))).await;
    backend
        .until("the connections", |it| it.sessions_open() == SESSIONS)
        .await;
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_session_made_in_a_rush_is_used_at_once_and_outlives_the_process() {
    let backend = FakeBackend::both().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let made = (0..SESSIONS).map(async |number| {
        let session = gateway.session(&["it"]).await;
        let revision = [LATEST_LEGACY, MODERN][number % 2];
        let client = Client::speaking(revision, &session.endpoint).await;
        let answer = client.call("it.echo", json!({"n": number})).await;
        assert_eq!(answer.result()["structuredContent"]["n"], number);
        client
    });
    let clients = join_all(made).await;
    gateway.restart();
    for client in &clients {
        client.call("it.echo", json!({})).await.result();
    }
    assert_eq!(backend.complaints(), [""; 0]);
}
