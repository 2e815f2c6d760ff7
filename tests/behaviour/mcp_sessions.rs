//! `Mcp-Session-Id` on both sides: one for each client, renewed unseen, ended when asked.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    LATEST_LEGACY, MODERN, UNAVAILABLE,
    world::{Client, FakeBackend, Fault, Gateway},
};

#[tokio::test]
async fn twenty_calls_in_flight_survive_the_expiry_of_their_mcp_session() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        client.call("it.echo", json!({})).await.result();
        let (before, calls_before) = (
            backend.initializations(),
            backend.requests_of("tools/call").len(),
        );
        backend.inject(Fault::Hold.on("tools/call"));
        // Slow enough that all twenty meet the renewal.
        backend.inject(Fault::Delay(Duration::from_millis(200)).on("initialize"));
        let calls = join_all((0..20).map(|n| client.call("it.echo", json!({"n": n}))));
        let expiry = async {
            let all = |it: &FakeBackend| it.requests_of("tools/call").len() == calls_before + 20;
            backend.until("twenty calls in flight", all).await;
            backend.forget_sessions();
            backend.release();
        };
        let (answers, ()) = tokio::join!(calls, expiry);
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer.result()["structuredContent"]["n"], n);
        }
        assert_eq!(backend.initializations(), before + 1, "one renewal for all");
        backend.clear_faults();
    }
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_tool_runs_once_although_its_mcp_session_expired() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for number in 1..=5 {
        backend.forget_sessions();
        let answer = client.call("it.count", json!({})).await;
        assert_eq!(answer.text(), number.to_string());
    }
}

#[tokio::test]
async fn a_backend_that_forgets_at_once_ends_the_call_and_not_the_world() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, crate::QUICK)
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    let before = backend.initializations();
    backend.inject(Fault::status(404).on("tools/call"));
    let error = client.call("it.echo", json!({})).await.error();
    assert_eq!(error.code, UNAVAILABLE);
    assert!(
        backend.initializations() <= before + 3,
        "renewals are bounded"
    );
    backend.clear_faults();
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn each_legacy_client_has_an_mcp_session_of_its_own_at_the_backend() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let mut ours = HashSet::new();
    let mut theirs = HashSet::new();
    for _ in 0..3 {
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.call("it.echo", json!({})).await.result();
        ours.insert(client.mcp_session().unwrap().to_owned());
        let call = backend.requests_of("tools/call").pop().unwrap();
        theirs.insert(call.header("mcp-session-id").unwrap().to_owned());
    }
    assert_eq!((ours.len(), theirs.len()), (3, 3));
    assert!(ours.is_disjoint(&theirs), "ids of a backend stay inside");
}

#[tokio::test]
async fn the_end_of_a_clients_mcp_session_ends_the_backends() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let staying = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    staying.call("it.echo", json!({})).await.result();
    let leaving = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    leaving.call("it.echo", json!({})).await.result();
    let last = backend.requests_of("tools/call").pop().unwrap();
    let theirs = last.header("mcp-session-id").unwrap().to_owned();
    let status = leaving.delete().await;
    assert!([200, 204].contains(&status), "{status}");
    let ended = |it: &FakeBackend| {
        let deletes = it
            .requests()
            .into_iter()
            .filter(|it| it.http_method == "DELETE");
        deletes
            .filter_map(|it| it.header("mcp-session-id").map(str::to_owned))
            .any(|id| id == theirs)
    };
    backend
        .until("the backend's MCP session to end", ended)
        .await;
    let late = leaving.call("it.echo", json!({})).await;
    assert_eq!(late.status, 404);
    staying.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_stranger_to_the_session_is_told_to_open_again() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let (one, other) = (
        gateway.session(&["it"]).await,
        gateway.session(&["it"]).await,
    );
    let client = Client::legacy(&one.endpoint, LATEST_LEGACY).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it.echo"}}"#;
    let invented = uuid::Uuid::new_v4().to_string();
    for (endpoint, id) in [
        (&one.endpoint, invented.as_str()),
        (&one.endpoint, "not even a uuid"),
        // Another session's, even of the same gateway, is nobody's here.
        (&other.endpoint, client.mcp_session().unwrap()),
    ] {
        let headers = [("mcp-session-id", id)];
        let answer = Client::plain(endpoint).post_text(call, &headers).await;
        assert_eq!(answer.status, 404, "{id}");
    }
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}

#[tokio::test]
async fn a_client_may_open_anew_under_the_header_of_before() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let opening = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": LATEST_LEGACY, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let ended = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(ended.delete().await, 204);
    for stale in [ended.mcp_session().unwrap(), "some other server's"] {
        let headers = [("mcp-session-id", stale)];
        let client = Client::plain(&session.endpoint);
        let answer = client.post_text(&opening.to_string(), &headers).await;
        answer.result();
        let opened = answer.header("mcp-session-id").unwrap();
        assert_ne!(opened, stale);
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        let headers = [("mcp-session-id", opened)];
        client.post_text(ping, &headers).await.result();
    }
}

#[tokio::test]
async fn nothing_is_taken_over_an_mcp_session_that_has_ended() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let messages = [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
    ];
    for message in messages {
        assert_eq!(
            client.post_text(message, &[]).await.status,
            202,
            "{message}"
        );
    }
    assert_eq!(client.delete().await, 204);
    let plain = Client::plain(&session.endpoint);
    let nameless = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#;
    for message in messages {
        assert_eq!(
            client.post_text(message, &[]).await.status,
            404,
            "{message}"
        );
        assert_eq!(plain.post_text(message, &[]).await.status, 202, "{message}");
    }
    assert_eq!(client.post_text(nameless, &[]).await.status, 404);
}

#[tokio::test]
async fn the_end_of_a_session_ends_everything_in_it() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    assert_eq!(
        gateway
            .delete(&format!("/session/{}", session.id))
            .await
            .status,
        204
    );
    assert_eq!(client.call("it.echo", json!({})).await.status, 404);
    let opening = Client::plain(&session.endpoint)
        .request("ping", json!({}))
        .await;
    assert_eq!(opening.status, 404);
    backend
        .until("no MCP session to be left", |it| it.sessions_open() == 0)
        .await;
}
