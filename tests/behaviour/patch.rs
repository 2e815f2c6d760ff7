//! A session is changed while clients use it: its servers, its credentials, its name.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, Pairing, eventually, gateway::Session},
};

const OLD: &str = "tok-old-5e2f1c9a8b7d";
const NEW: &str = "tok-new-0a1b2c3d4e5f";
const CHANGED: [&str; 3] = [
    "notifications/tools/list_changed",
    "notifications/prompts/list_changed",
    "notifications/resources/list_changed",
];

mod in_flight;
mod moving;
mod races;
mod refusals;

fn path(session: &Session) -> String {
    format!("/session/{}", session.id)
}

async fn change(gateway: &Gateway, session: &Session, body: Value) -> Value {
    let answer = gateway.patch(&path(session), &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn token(token: &str) -> Value {
    json!({"credentials": {"it": {"token": token}}})
}

/// A backend that takes either token, and a session that has the old one.
async fn stand(pairing: Pairing) -> (FakeBackend, Gateway, Session, Client) {
    let script = pairing.script().demands_bearer(OLD).demands_bearer(NEW);
    let backend = script.start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .start();
    let mut request = token(OLD);
    request["servers"] = json!(["it"]);
    let session = gateway.create_session(&request).await;
    let client = Client::speaking(pairing.client, &session.endpoint).await;
    (backend, gateway, session, client)
}

/// What each request to a backend that came after `before` others was, and with which token.
fn tokens_after(backend: &FakeBackend, before: usize) -> Vec<(String, String)> {
    let requests = backend.requests().split_off(before);
    let seen = requests.iter().map(|request| {
        let what = request.method().unwrap_or(request.http_method.as_str());
        let token = request.header("authorization").unwrap_or_default();
        (what.to_owned(), token.replace("Bearer ", ""))
    });
    seen.collect()
}

fn last_token(backend: &FakeBackend) -> String {
    let calls = backend.requests_of("tools/call");
    let call = calls.last().unwrap();
    call.header("authorization").unwrap().replace("Bearer ", "")
}

#[tokio::test]
async fn a_new_credential_serves_the_next_call_of_the_same_clients() {
    for pairing in Pairing::eras() {
        let (backend, gateway, session, client) = stand(pairing).await;
        client.call("it.echo", json!({})).await.result();
        assert_eq!(last_token(&backend), OLD);
        let mcp_sessions = backend.sessions_open();
        let described = change(&gateway, &session, token(NEW)).await;
        assert_eq!(described["session_id"], session.id.as_str());
        assert!(!described.to_string().contains("tok-"));

        client.call("it.echo", json!({})).await.result();
        assert_eq!(last_token(&backend), NEW);
        // The backend's old MCP sessions are ended, with the credential that they were opened with.
        let ended = |it: &FakeBackend| {
            let requests = tokens_after(it, 0);
            let farewell = |(what, token): &&(String, String)| what == "DELETE" && token == OLD;
            requests.iter().filter(farewell).count() == mcp_sessions
        };
        backend.until("the farewells", ended).await;
        // What it listened with may have been on its way still; from some time on nothing of the old one comes.
        eventually("the old token's end", async || {
            let before = backend.requests().len();
            client.call("it.echo", json!({})).await.result();
            let tokens = tokens_after(&backend, before);
            tokens.iter().all(|(_, token)| token == NEW)
        })
        .await;
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_credential_that_was_refused_is_mended() {
    for client in [LATEST_LEGACY, MODERN] {
        for script in [FakeBackend::legacy(), FakeBackend::modern()] {
            let backend = script.demands_bearer(NEW).start();
            let gateway = Gateway::setup()
                .provider_with("it", &backend, "auth: { type: bearer }")
                .start();
            let mut request = token(OLD);
            request["servers"] = json!(["it"]);
            let session = gateway.create_session(&request).await;
            let client = Client::speaking(client, &session.endpoint).await;
            let error = client.call("it.echo", json!({})).await.error();
            assert!(error.message.contains("with PATCH"), "{error:?}");
            change(&gateway, &session, token(NEW)).await;
            client.call("it.echo", json!({})).await.result();
            let described = gateway.get(&path(&session)).await.json();
            assert_eq!(described["servers"][0]["state"], "ready", "{described}");
        }
    }
}

#[tokio::test]
async fn an_optional_credential_is_taken_away_and_given() {
    let backend = FakeBackend::legacy().start();
    let optional = "auth: { type: bearer, required: false }";
    let gateway = Gateway::setup()
        .provider_with("it", &backend, optional)
        .start();
    let mut request = token(OLD);
    request["servers"] = json!(["it"]);
    let session = gateway.create_session(&request).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let none = json!({"credentials": {"it": null}});
    for (body, expected) in [(none, None), (token(NEW), Some(format!("Bearer {NEW}")))] {
        change(&gateway, &session, body).await;
        client.call("it.echo", json!({})).await.result();
        let calls = backend.requests_of("tools/call");
        let given = calls.last().unwrap().header("authorization");
        assert_eq!(given.map(str::to_owned), expected);
    }
}

#[tokio::test]
async fn a_name_is_changed_and_taken_away_without_a_word_to_backends() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    let before = backend.initializations();
    for (body, name) in [
        (json!({"name": "Työ 2"}), json!("Työ 2")),
        (json!({}), json!("Työ 2")),
        (json!({"servers": ["it"]}), json!("Työ 2")),
        (json!({"name": null}), json!(null)),
    ] {
        let described = change(&gateway, &session, body).await;
        assert_eq!(described["name"], name);
    }
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.initializations(), before, "its connection goes on");
}
