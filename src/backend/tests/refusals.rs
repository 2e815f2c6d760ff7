//! What a connection does when its backend, or its credential, will not do.

use super::{
    asking::{NAME, unavailable},
    mocked::Answers,
    world::World,
};
use crate::backend::State;

const BEARER: &str = "auth: { type: bearer }";
const API_KEY: &str = "auth: { type: api_key }";
const OPTIONAL: &str = "auth: { type: bearer, required: false }";

/// Who is refused with which status, and the words for what was refused.
const REFUSALS: [(usize, &str, Option<&str>, &str); 4] = [
    (
        401,
        BEARER,
        Some("t0k"),
        "refused the bearer token (HTTP 401",
    ),
    (
        403,
        BEARER,
        Some("t0k"),
        "refused the bearer token (HTTP 403",
    ),
    (401, API_KEY, Some("k3y"), "refused the API key (HTTP 401"),
    (
        403,
        OPTIONAL,
        None,
        "refused to serve without a credential (HTTP 403",
    ),
];

#[tokio::test]
async fn a_refused_credential_is_named_and_not_tried_again() {
    for (status, auth, credential, words) in REFUSALS {
        let mut world = World::with(&[auth], credential).await;
        let probe = world.on("server/discover").with_status(status);
        let probe = probe.expect(1).create();
        let handshake = world.opens("first").expect(0).create();

        let failure = world.connect().await.unwrap_err();
        assert!(unavailable(&failure).contains(words), "{failure}");
        assert!(failure.to_string().contains(NAME), "{failure}");

        let stands = world.describe().await;
        assert_eq!(stands.state, State::Refused);
        assert_eq!(stands.retry_in, None);
        assert!(stands.last_error.unwrap().contains(words));
        probe.assert();
        handshake.assert();
    }
}

#[tokio::test]
async fn a_credential_that_only_the_handshake_refuses_is_named_too() {
    for (status, auth, credential, words) in REFUSALS {
        let mut world = World::with(&[auth], credential).await;
        world.is_legacy_but_for_initialize();
        let handshake = world.on("initialize").with_status(status);
        let handshake = handshake.expect(1).create();
        let failure = world.connect().await.unwrap_err();
        assert!(unavailable(&failure).contains(words), "{failure}");
        assert_eq!(world.state().await, State::Refused);
        handshake.assert();
    }
}

#[tokio::test]
async fn a_call_with_a_refused_credential_is_sent_once() {
    for (status, auth, credential, words) in REFUSALS {
        let mut world = World::with(&[auth], credential).await;
        world.is_legacy();
        // A JSON-RPC error beside the status does not make it the tool's own answer.
        let sent = world.on("tools/call").with_status(status);
        let sent = sent.error(r#"{"code":-32001,"message":"no"}"#);
        let sent = sent.expect(1).create();
        let failure = world.pay().await.failure();
        assert!(unavailable(&failure).contains(words), "{failure}");
        sent.assert();
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut elsewhere = World::new().await;
        let followed = [
            elsewhere.on_http("POST").expect(0).create(),
            elsewhere.on_http("GET").expect(0).create(),
        ];
        for auth in [BEARER, API_KEY] {
            let mut world = World::with(&[auth], Some("t0k")).await;
            world
                .on_http("POST")
                .with_status(status)
                .with_header("location", &elsewhere.url())
                .create();
            let failure = world.connect().await.unwrap_err();
            let words = format!("it answered HTTP {status}");
            assert!(unavailable(&failure).starts_with(&words), "{failure}");
        }
        followed.iter().for_each(mockito::Mock::assert);
    }
}

#[tokio::test]
async fn a_call_is_not_redirected_either() {
    let mut elsewhere = World::new().await;
    let followed = elsewhere.on_http("POST").expect(0).create();
    let mut world = World::with(&[API_KEY], Some("k3y")).await;
    world.is_legacy();
    let sent = world
        .on("tools/call")
        .with_status(307)
        .with_header("location", &elsewhere.url())
        .expect(1)
        .create();
    let failure = world.pay().await.failure();
    assert!(unavailable(&failure).contains("HTTP 307"), "{failure}");
    sent.assert();
    followed.assert();
}

#[tokio::test]
async fn a_credential_that_could_forge_a_header_is_never_sent() {
    for credential in ["t0k\r\nx-evil: 1", "t0k\nx", "t0k\rx", "t0k\0x"] {
        let mut world = World::with(&[BEARER], Some(credential)).await;
        let sent = world.on_http("POST").expect(0).create();
        for failure in [
            world.connect().await.unwrap_err(),
            world.pay().await.failure(),
        ] {
            let words = unavailable(&failure);
            assert!(
                words.starts_with("the session's credential holds a character")
                    && words.contains("number 4")
                    && !words.contains("t0k"),
                "{failure}"
            );
        }
        assert_eq!(world.state().await, State::Refused);
        sent.assert();
    }
}
