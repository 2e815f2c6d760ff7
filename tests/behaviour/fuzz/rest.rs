//! The REST API: bodies, paths, queries and ids.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    arena::{Arena, request},
    bytes::damaged,
    json::{object, one_of, text},
};
use crate::world::FakeBackend;

fn arena() -> Arena {
    Arena::new(FakeBackend::modern().forgets_requests().start())
}

fn json_headers() -> [(&'static str, Vec<u8>); 1] {
    [("content-type", b"application/json".to_vec())]
}

/// The body of a `POST /create-session`, most of it right.
fn creation() -> impl Strategy<Value = Value> {
    object(
        12,
        [
            (
                "servers",
                one_of(vec![
                    json!(["it"]),
                    json!(["it"]),
                    json!(["it"]),
                    json!([]),
                    json!(["it", "it"]),
                    json!(["nobody"]),
                    json!(vec!["it"; 200]),
                ]),
            ),
            (
                "credentials",
                one_of(vec![
                    json!({}),
                    json!({"it": {}}),
                    json!({"it": {"token": "t"}}),
                    json!({"it": {"token": "a\r\nb: c"}}),
                    json!({"it": {"token": "\u{0}"}}),
                    json!({"it": null}),
                ]),
            ),
            (
                "name",
                prop_oneof![Just("a name".to_owned()), text()]
                    .prop_map(Value::from)
                    .boxed(),
            ),
            (
                "naming",
                one_of(vec![
                    json!("auto"),
                    json!("dot"),
                    json!("none"),
                    json!("camel"),
                ]),
            ),
            (
                "tools",
                one_of(vec![
                    json!({"it": {"allow": ["e*"], "deny": ["*a*a*b"]}}),
                    json!({"it": {"deny": ["?", ""]}}),
                    json!({"it": {"only": []}}),
                    json!({"it": null}),
                    json!({"nobody": {}}),
                ]),
            ),
            (
                "idle_expiry",
                one_of(vec![
                    json!("1h"),
                    json!("1"),
                    json!(60),
                    json!("99999999999999999999y"),
                ]),
            ),
        ],
    )
}

/// Sends a body to `POST /create-session`; a session that comes of it is deleted again.
fn create(arena: &Arena, body: &[u8]) -> Result<(), TestCaseError> {
    let bytes = request("POST", "/create-session", &json_headers(), body);
    let heard = arena.exchange(&bytes)?;
    heard.assert_not_ours()?;
    if heard.status == 201 {
        let made: Value = serde_json::from_slice(&heard.body).unwrap();
        let path = format!("/session/{}", made["session_id"].as_str().unwrap());
        let deleted = arena.exchange(&request("DELETE", &path, &[], b""))?;
        prop_assert_eq!(deleted.status, 204);
    } else {
        let kind = heard.header("content-type");
        prop_assert_eq!(kind, Some("application/problem+json"));
        let problem: Value = serde_json::from_slice(&heard.body).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        prop_assert!(!detail.contains(|c: char| c.is_control()), "{:?}", detail);
        prop_assert!(detail.len() < 2000, "{}", detail);
    }
    Ok(())
}

#[test]
fn no_body_of_a_creation_breaks_the_api() {
    let arena = arena();
    arena.run(&creation(), |body| {
        create(&arena, body.to_string().as_bytes())
    });
}

#[test]
fn no_damage_to_a_creation_breaks_the_api() {
    let arena = arena();
    let whole = creation().prop_map(|body| body.to_string().into_bytes());
    arena.run(&damaged(whole), |bytes| create(&arena, &bytes));
}

/// A change may be anything that a creation may; whatever comes of it, the session goes on.
#[test]
fn no_body_of_a_change_breaks_the_api() {
    let arena = arena();
    let path = format!("/session/{}", arena.session.id);
    let whole = creation().prop_map(|body| body.to_string().into_bytes());
    arena.run(&damaged(whole), |bytes| {
        let heard = arena.exchange(&request("PATCH", &path, &json_headers(), &bytes))?;
        heard.assert_not_ours()
    });
}

/// A part of a path or a query, as bytes that may stand in a request line.
fn part() -> impl Strategy<Value = String> {
    let escaped = prop::collection::vec(any::<u8>(), 0..6).prop_map(|bytes| {
        let bytes = bytes.iter().map(|byte| format!("%{byte:02X}"));
        bytes.collect::<String>()
    });
    prop_oneof![
        3 => prop::sample::select(vec![
            "",
            ".",
            "..",
            "%2e%2e",
            "%",
            "%zz",
            "session",
            "sessions",
            "create-session",
            "mcp",
            "docs",
            "index.css",
            "healthz",
            "00000000-0000-4000-8000-000000000000",
            "{00000000-0000-4000-8000-000000000000}",
            "urn:uuid:00000000-0000-4000-8000-000000000000",
            "00000000000040008000000000000000",
        ])
        .prop_map(str::to_owned),
        1 => "[!-~&&[^#?]]{0,12}",
        1 => escaped,
        1 => (1_usize..9000).prop_map(|length| "x".repeat(length)),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["limit", "after", "x", ""]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "1",
            "0",
            "-1",
            "501",
            "99999999999999999999",
            "1e3",
            "%00"
        ])
        .prop_map(str::to_owned),
        part(),
    ];
    let pairs = prop::collection::vec((name, value), 0..4);
    pairs.prop_map(|pairs| {
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    })
}

#[test]
fn no_path_and_no_query_breaks_the_server() {
    let arena = arena();
    let methods = vec![
        "GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "X",
    ];
    let cases = (
        prop::sample::select(methods),
        prop::collection::vec(part(), 0..5),
        query(),
    );
    arena.run(&cases, |(method, parts, query)| {
        let path = format!("/{}?{query}", parts.join("/"));
        let heard = arena.exchange(&request(method, &path, &json_headers(), b"{}"))?;
        heard.assert_not_ours()?;
        let id = "00000000-0000-4000-8000-000000000000";
        if path.contains(id) && path.starts_with("/session/") {
            prop_assert!(heard.status >= 400, "nobody's session answered {heard:?}");
        }
        Ok(())
    });
}

/// Ids near to one that is in use.
#[test]
fn no_other_spelling_of_an_id_is_that_session() {
    let arena = arena();
    let id = arena.session.id.clone();
    let cases = damaged(Just(id.clone().into_bytes()));
    arena.run(&cases, |bytes| {
        let escaped = bytes.iter().map(|byte| format!("%{byte:02x}"));
        let path = format!("/session/{}", escaped.collect::<String>());
        let heard = arena.exchange(&request("GET", &path, &[], b""))?;
        heard.assert_not_ours()?;
        let is_same = bytes == id.as_bytes();
        prop_assert!(is_same || heard.status >= 400, "{heard:?}");
        Ok(())
    });
    // Chance hardly finds those that readers of such ids commonly take.
    for spelling in [
        id.to_uppercase(),
        id.replace('-', ""),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
    ] {
        for tail in ["", "/mcp"] {
            let path = format!("/session/{spelling}{tail}");
            let heard = arena.exchange(&request("GET", &path, &[], b"")).unwrap();
            assert_eq!(heard.status, 404, "{path}: {heard:?}");
        }
    }
}
