//! What a change cannot be, and that nothing is changed then.

use serde_json::{Value, json};

use super::{OLD, path};
use crate::world::{FakeBackend, Gateway, gateway::Session};

const SECRET: &str = "tok-not-to-be-told-77";

async fn stand() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("open", &backend)
        .provider_with("bearer", &backend, "auth: { type: bearer }")
        .provider_with("key", &backend, "auth: { type: api_key }")
        .start();
    let request = json!({"servers": ["open", "bearer"], "name": "n",
                         "credentials": {"bearer": {"token": OLD}}});
    let session = gateway.create_session(&request).await;
    (backend, gateway, session)
}

/// All of a description that a change may change.
async fn described(gateway: &Gateway, session: &Session) -> (Value, Vec<Value>) {
    let mut described = gateway.get(&path(session)).await.json();
    let servers = described["servers"].as_array().unwrap();
    let names = servers.iter().map(|server| server["name"].clone());
    let names = names.collect();
    (described["name"].take(), names)
}

#[tokio::test]
async fn a_refused_change_names_its_field_and_changes_nothing() {
    let (_backend, gateway, session) = stand().await;
    let before = described(&gateway, &session).await;
    for (body, field) in [
        (json!({"name": "m", "nmae": 1}), "nmae"),
        (json!({"name": "m", "naming": "dots"}), "naming"),
        (json!({"name": "m", "servers": []}), "servers"),
        (json!({"name": "m", "servers": ["nobody"]}), "servers[0]"),
        (
            json!({"name": "m", "servers": ["open", "open"]}),
            "servers[1]",
        ),
        (
            json!({"name": "m", "servers": ["open", "key"]}),
            "credentials.key",
        ),
        (
            json!({"name": "m", "credentials": {"bearer": null}}),
            "credentials.bearer",
        ),
        (
            json!({"name": "m", "credentials": {"bearer": {}}}),
            "credentials.bearer",
        ),
        (
            json!({"name": "m", "credentials": {"bearer": SECRET}}),
            "credentials.bearer",
        ),
        (
            json!({"name": "m", "credentials": {"key": {"api_key": SECRET}}}),
            "credentials.key",
        ),
        (
            json!({"name": "m", "servers": ["open"], "credentials": {"bearer": {"token": SECRET}}}),
            "credentials.bearer",
        ),
        (json!({"name": 5}), "name"),
    ] {
        let answer = gateway.patch(&path(&session), &body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        let problem = answer.json();
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().len() > 20);
        assert!(!answer.text.contains(SECRET), "{problem}");
        assert_eq!(described(&gateway, &session).await, before, "{body}");
    }
    assert!(!gateway.logs().contains(SECRET));
}

#[tokio::test]
async fn a_body_that_is_no_object_of_json_is_refused() {
    let (_backend, gateway, session) = stand().await;
    let send = |body: &'static str, content_type: &'static str| {
        let request = gateway.request(http::Method::PATCH, &path(&session));
        gateway.send(request.header("content-type", content_type).body(body))
    };
    let json = "application/json";
    for (body, content_type, status) in [
        ("{", json, 400),
        ("[]", json, 400),
        ("", json, 400),
        (r#"{"name":"a","name":"b"}"#, json, 400),
        (
            r#"{"credentials":{"bearer":{"token":"tok-not-to-be-told-77"},"bearer":{}}}"#,
            json,
            400,
        ),
        (r#"{"name":"a"}"#, "text/plain", 415),
    ] {
        let answer = send(body, content_type).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert!(!answer.text.contains(SECRET));
    }
    assert_eq!(described(&gateway, &session).await.0, "n");
}

#[tokio::test]
async fn a_session_whose_tools_have_their_own_names_keeps_one_server() {
    let (_backend, gateway, _) = stand().await;
    let own = json!({"servers": ["open"], "naming": "none"});
    let session = gateway.create_session(&own).await;
    let body = json!({"servers": ["open", "bearer"], "credentials": {"bearer": {"token": OLD}}});
    let answer = gateway.patch(&path(&session), &body).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["field"], "servers");
    let other = json!({"servers": ["bearer"], "credentials": {"bearer": {"token": OLD}}});
    assert_eq!(gateway.patch(&path(&session), &other).await.status, 200);
}

#[tokio::test]
async fn a_session_that_is_none_is_not_changed() {
    let (_backend, gateway, _) = stand().await;
    for id in [uuid::Uuid::new_v4().to_string(), "x".to_owned()] {
        let answer = gateway
            .patch(&format!("/session/{id}"), &json!({"name": "x"}))
            .await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
}
