//! What a request shows of its caller: near to what lets somebody in, and far from it.

use proptest::prelude::*;
use serde_json::json;

use super::{
    arena::{assert_no_mistake, exchange, request, run},
    bytes::damaged,
};
use crate::world::{
    FakeBackend, Gateway,
    issuer::{SigningKey, key_set, now},
};

const ISSUER: &str = "https://login.example.com/realm";

/// A gateway with a key for `ada`, and a token of an authorization server that lets its subject in.
fn world() -> (FakeBackend, Gateway, String) {
    let backend = FakeBackend::modern().start();
    let key = SigningKey::p256("one");
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .caller("ada")
        .file("keys.json", &key_set(&[&key]))
        .argument(&format!("--jwt-issuer={ISSUER}"))
        .argument("--jwt-audience=gateway")
        .argument("--jwks=keys.json")
        .log_level("info")
        .start();
    let claims = json!({"iss": ISSUER, "sub": "ada", "aud": "gateway", "exp": now() + 3600});
    let token = key.token(&claims);
    (backend, gateway, token)
}

/// What may stand in a header.
fn fitting(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.retain(|byte| *byte >= b' ' && *byte != 0x7f);
    bytes
}

#[test]
fn nothing_near_to_a_key_or_a_token_lets_anybody_in() {
    let (_backend, gateway, token) = world();
    let key = gateway.key("ada").to_owned();
    for right in [&key, &token] {
        let shown = [("authorization", format!("Bearer {right}").into_bytes())];
        let heard = exchange(&gateway, &request("GET", "/sessions", &shown, b"")).unwrap();
        assert_eq!(heard.status, 200, "{heard:?}");
    }
    let whole = prop::sample::select(vec![key.clone(), token.clone()]);
    let scheme = prop::sample::select(vec!["Bearer ", "bearer ", "Basic ", "", "Bearer  "]);
    let header = prop::sample::select(vec!["authorization", "x-api-key"]);
    let near = damaged(whole.prop_map(String::into_bytes)).prop_map(fitting);
    run(&(near, scheme, header), |(near, scheme, header)| {
        let is_right = [&key, &token]
            .iter()
            .any(|it| it.as_bytes() == near.trim_ascii());
        let value = [scheme.as_bytes(), &near].concat();
        let heard = exchange(
            &gateway,
            &request("GET", "/sessions", &[(header, value)], b""),
        )?;
        heard.assert_not_ours()?;
        prop_assert!(is_right || [400, 401].contains(&heard.status), "{heard:?}");
        Ok(())
    });
    assert_no_mistake(&gateway);
}
