//! Changes at the same time as others, and as a deletion.

use futures_util::future::join_all;
use serde_json::json;

use super::{change, path};
use crate::world::{Client, FakeBackend, Gateway};

#[tokio::test]
async fn a_change_that_races_a_deletion_brings_nothing_back() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend), ("other", &backend)]);
    let mut sessions = Vec::new();
    for round in 0..24 {
        let session = gateway.session(&["it"]).await;
        let path = path(&session);
        let changes = (0..4).map(|number| {
            let body = json!({"servers": ["it", "other"], "name": format!("n{number}")});
            let (gateway, path) = (&gateway, &path);
            async move { gateway.patch(path, &body).await.status }
        });
        let deletion = async {
            // At another moment in each round.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            gateway.delete(&path).await.status
        };
        let (patched, deleted) = tokio::join!(join_all(changes), deletion);
        assert_eq!(deleted, 204);
        assert!(
            patched.iter().all(|status| [200, 404].contains(status)),
            "{patched:?}"
        );
        assert_eq!(gateway.get(&path).await.status, 404);
        assert_eq!(
            gateway.patch(&path, &json!({"name": "x"})).await.status,
            404
        );
        sessions.push(session);
    }
    // Who is killed says no farewell any more.
    backend
        .until("the farewells", |it| it.sessions_open() == 0)
        .await;
    gateway.restart();
    for session in &sessions {
        assert_eq!(gateway.get(&path(session)).await.status, 404);
    }
    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"], json!([]));
    assert_eq!(backend.sessions_open(), 0);
}

#[tokio::test]
async fn changes_at_once_are_made_one_after_the_other_each_wholly() {
    let backend = FakeBackend::modern().start();
    let names = ["p0", "p1", "p2", "p3", "p4", "p5"];
    let mut gateway = Gateway::with(&names.map(|name| (name, &backend)));
    let session = gateway.session(&["p0"]).await;
    let client = Client::modern(&session.endpoint);
    let patches = names.map(|name| {
        let body = json!({"servers": [name], "name": name});
        let (gateway, path) = (&gateway, path(&session));
        async move { gateway.patch(&path, &body).await }
    });
    for (answer, name) in join_all(patches).await.into_iter().zip(names) {
        assert_eq!(answer.status, 200, "{answer:?}");
        let described = answer.json();
        assert_eq!(
            described["name"], name,
            "what it asked for, not what a later one did"
        );
        assert_eq!(described["servers"][0]["name"], name);
    }
    let last = gateway.get(&path(&session)).await.json();
    let name = last["name"].as_str().unwrap();
    assert_eq!(last["servers"].as_array().unwrap().len(), 1);
    assert_eq!(last["servers"][0]["name"], name);
    client
        .call(&format!("{name}.echo"), json!({}))
        .await
        .result();
    gateway.restart();
    let stored = gateway.get(&path(&session)).await.json();
    assert_eq!(stored["name"], last["name"]);
    assert_eq!(stored["servers"][0]["name"], last["servers"][0]["name"]);
}

#[tokio::test]
async fn another_session_notices_nothing() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let sessions = [
        gateway.session(&["it"]).await,
        gateway.session(&["it"]).await,
    ];
    let client = Client::legacy(&sessions[1].endpoint, "2025-11-25").await;
    client.call("it.count", json!({})).await.result();
    change(&gateway, &sessions[0], json!({"name": "x"})).await;
    let described = gateway.get(&path(&sessions[1])).await.json();
    assert_eq!(described["name"], json!(null));
    assert_eq!(client.call("it.count", json!({})).await.text(), "2");
}
