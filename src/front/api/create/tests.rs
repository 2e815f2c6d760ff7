//! What is refused, with which field, and that no refusal tells a credential.

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use warp::Reply;

use super::*;
use crate::{front::fixture, limits::HEADER_VALUE_BYTES_MAX};

const SECRET: &str = "hf_S3cr3t";

fn read_value(body: &Value) -> Result<NewSession, Problem> {
    read(body.to_string().as_bytes(), &fixture::registry(), None)
}

fn refused(body: &[u8]) -> Value {
    let problem = read(body, &fixture::registry(), None).err().unwrap();
    assert_eq!(problem.status(), 400);
    let response = problem.into_response();
    let body = futures_util::FutureExt::now_or_never(http_body_util::BodyExt::collect(
        response.into_body(),
    ));
    let bytes = body.unwrap().unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

fn secrets(new: &NewSession) -> Vec<Option<&str>> {
    let credentials = new.servers.iter().map(|server| server.credential.as_ref());
    credentials
        .map(|secret| secret.map(ExposeSecret::expose_secret))
        .collect()
}

#[test]
fn a_whole_request_is_read() {
    let new = read_value(&json!({
        "servers": ["key", "open", "bearer", "anonymous", "preset"],
        "credentials": {"key": {"api_key": "k"}, "open": {}, "bearer": {"token": "t"}},
        "name": "Työ 1",
        "naming": "underscores",
    }))
    .unwrap();
    let names: Vec<_> = new
        .servers
        .iter()
        .map(|server| server.backend.as_str())
        .collect();
    assert_eq!(names, ["key", "open", "bearer", "anonymous", "preset"]);
    assert_eq!(secrets(&new), [Some("k"), None, Some("t"), None, None]);
    assert_eq!(
        (new.name.as_deref(), new.naming),
        (Some("Työ 1"), Naming::Underscores)
    );
}

#[test]
fn what_is_optional_may_be_left_out_or_null() {
    for body in [
        json!({"servers": ["open"]}),
        json!({"servers": ["open"], "credentials": null, "name": null, "naming": null}),
        json!({"servers": ["anonymous"], "credentials": {"anonymous": {}}, "naming": "none"}),
    ] {
        let new = read_value(&body).unwrap();
        assert_eq!(new.name, None);
        assert_eq!(secrets(&new), [None]);
    }
}

#[test]
fn an_api_key_goes_by_three_names() {
    for member in ["api_key", "token", "key"] {
        let body = json!({"servers": ["key"], "credentials": {"key": {member: "k"}}});
        assert_eq!(secrets(&read_value(&body).unwrap()), [Some("k")]);
    }
}

#[test]
fn a_mistake_is_told_by_its_field() {
    let many: Vec<_> = (0..=SERVERS_MAX).map(|_| "open").collect();
    for (body, field, told) in [
        (json!({}), "servers", "open"),
        (json!({"servers": null}), "servers", "known servers"),
        (
            json!({"servers": []}),
            "servers",
            "open, bearer, anonymous, preset, key",
        ),
        (
            json!({"servers": "open"}),
            "servers",
            "must be a list, not a string",
        ),
        (json!({"servers": many}), "servers", "more than 100"),
        (
            json!({"servers": ["open", 7]}),
            "servers[1]",
            "must be a string, not a number",
        ),
        (
            json!({"servers": ["opne"]}),
            "servers[0]",
            "open, bearer, anonymous, preset, key",
        ),
        (
            json!({"servers": [""]}),
            "servers[0]",
            "open, bearer, anonymous, preset, key",
        ),
        (json!({"servers": ["open", "open"]}), "servers[1]", "twice"),
        (json!({"servers": ["open"], "extra": 1}), "extra", FIELDS),
        (json!({"servers": ["open"], "name": ""}), "name", "blank"),
        (
            json!({"servers": ["open"], "name": 1}),
            "name",
            "must be a string",
        ),
        (
            json!({"servers": ["open"], "name": "a\nb"}),
            "name",
            "control character",
        ),
        (
            json!({"servers": ["open"], "name": "x".repeat(101)}),
            "name",
            "100 characters",
        ),
        (
            json!({"servers": ["open"], "naming": "dots"}),
            "naming",
            "auto, dot, underscores or none",
        ),
        (
            json!({"servers": ["open", "anonymous"], "naming": "none"}),
            "naming",
            "one server",
        ),
        (
            json!({"servers": ["bearer"]}),
            "credentials.bearer",
            "bearer needs a bearer token",
        ),
        (
            json!({"servers": ["bearer"], "credentials": {"bearer": {}}}),
            "credentials.bearer",
            r#"{"token": ".."}"#,
        ),
        (
            json!({"servers": ["key"]}),
            "credentials.key",
            r#"{"api_key": ".."}"#,
        ),
        (
            json!({"servers": ["open"], "credentials": []}),
            "credentials",
            "must be an object, not a list",
        ),
        (
            json!({"servers": ["open"], "credentials": {"open": null}}),
            "credentials.open",
            "must be an object, not null",
        ),
    ] {
        let problem = refused(body.to_string().as_bytes());
        assert_eq!(problem["field"], field, "{body}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{body}: {detail}");
    }
}

#[test]
fn what_is_no_object_is_refused_without_a_field() {
    for body in [
        "",
        "{",
        "7",
        "[]",
        "\"text\"",
        "{\"servers\": [\"open\"]} x",
    ] {
        let problem = refused(body.as_bytes());
        assert_eq!(problem.get("field"), None, "{body}: {problem}");
    }
    let problem = refused(br#"{"servers": ["open"], "servers": ["open"]}"#);
    assert_eq!(problem["field"], "servers");
}

#[test]
fn no_refusal_tells_a_credential() {
    let spoilt = |what: &str| format!("{SECRET}{what}");
    let long = spoilt(&"x".repeat(HEADER_VALUE_BYTES_MAX));
    for (credentials, field) in [
        (json!(SECRET), "credentials"),
        (json!({"bearer": SECRET}), "credentials.bearer"),
        (json!({"bearer": [SECRET]}), "credentials.bearer"),
        (json!({"bearer": {SECRET: 1}}), "credentials.bearer"),
        (json!({"bearer": {"bearer": SECRET}}), "credentials.bearer"),
        (json!({"bearer": {"api_key": SECRET}}), "credentials.bearer"),
        (
            json!({"bearer": {"token": [SECRET]}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": {"token": SECRET}}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("\r\nx: y")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("\n")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("\u{0}")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("\u{7f}")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("\t")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt("ä")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": spoilt(" ")}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": long}}),
            "credentials.bearer.token",
        ),
        (json!({"bearer": {"token": ""}}), "credentials.bearer.token"),
        (
            json!({"bearer": {"token": "  "}}),
            "credentials.bearer.token",
        ),
        (
            json!({"bearer": {"token": null}}),
            "credentials.bearer.token",
        ),
        (
            json!({"key": {"api_key": SECRET, "token": SECRET}}),
            "credentials.key",
        ),
        (json!({"key": {"bearer": SECRET}}), "credentials.key"),
        (json!({"open": {"token": SECRET}}), "credentials.open"),
        (json!({"preset": {"token": SECRET}}), "credentials.preset"),
        (json!({"nobody": {"token": SECRET}}), "credentials.nobody"),
    ] {
        let body = json!({"servers": ["bearer", "key", "open"], "credentials": credentials});
        let problem = refused(body.to_string().as_bytes());
        assert_eq!(problem["field"], field, "{body}");
        assert!(!problem.to_string().contains(SECRET), "{problem}");
    }
}

#[test]
fn no_refusal_tells_a_credential_of_broken_json() {
    for body in [
        format!(r#"{{"servers": ["bearer"], "credentials": {{"bearer": {{"token": {SECRET}}}}}}}"#),
        format!(r#"{{"servers": ["bearer"], "credentials": {{"bearer": {{"token": "{SECRET}"#),
        format!(
            r#"{{"servers": ["bearer"], "credentials": {{"bearer": {{"token": "{SECRET}\x"}}}}}}"#
        ),
        format!(
            r#"{{"servers": ["bearer"], "credentials": {{"bearer": {{"{SECRET}": 1, "{SECRET}": 2}}}}}}"#
        ),
        format!(
            r#"{{"servers": ["bearer"], "credentials": {{"bearer": {{"token": "{SECRET}", "token": "{SECRET}"}}}}}}"#
        ),
        format!("servers=bearer&token={SECRET}"),
    ] {
        let problem = refused(body.as_bytes());
        assert!(!problem.to_string().contains(SECRET), "{problem}");
    }
}
