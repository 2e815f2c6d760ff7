//! A credential goes to its backend and nowhere else.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Fault, Gateway},
};

const TOKEN: &str = "tok-5e2f1c9a8b7d6e4f";
const KEY: &str = "key-0a1b2c3d4e5f6071";
const DEFAULT: &str = "def-77aa88bb99cc00dd";
const WRONG: &str = "bad-1234567890abcdef";
const ARGUMENT: &str = "arg-feedfacecafebeef";

fn all() -> [&'static str; 4] {
    [TOKEN, KEY, DEFAULT, WRONG]
}

fn wide_world() -> ([FakeBackend; 3], Gateway, Value) {
    let backends = [
        FakeBackend::legacy().demands_bearer(TOKEN).start(),
        FakeBackend::modern().demands_header("x-key", KEY).start(),
        FakeBackend::legacy()
            .demands_header("x-api-key", DEFAULT)
            .start(),
    ];
    let default = "auth: { type: api_key, default: env:DEFAULT_KEY }";
    let gateway = Gateway::setup()
        .provider_with("bearer", &backends[0], "auth: { type: bearer }")
        .provider_with(
            "key",
            &backends[1],
            "auth: { type: api_key, header: x-key }",
        )
        .provider_with("default", &backends[2], default)
        .environment("DEFAULT_KEY", DEFAULT)
        .log_level("trace")
        .start();
    let request = json!({"servers": ["bearer", "key", "default"], "credentials":
        {"bearer": {"token": TOKEN}, "key": {"api_key": KEY}}});
    (backends, gateway, request)
}

#[tokio::test]
async fn no_log_holds_a_credential_or_a_body() {
    let (backends, mut gateway, request) = wide_world();
    let session = gateway.create_session(&request).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        for name in ["bearer.echo", "key.echo", "default.echo"] {
            client
                .call(name, json!({"secret": ARGUMENT}))
                .await
                .result();
        }
    }
    for backend in &backends {
        for fault in [Fault::Html, Fault::ResetBeforeHeaders, Fault::status(401)] {
            backend.inject(fault.on("tools/call").times(1));
        }
    }
    let client = Client::plain(&session.endpoint);
    for name in ["bearer.echo", "key.echo", "default.echo"] {
        for _ in 0..3 {
            client.call(name, json!({"secret": ARGUMENT})).await;
        }
    }
    let mut wrong = request.clone();
    wrong["credentials"]["bearer"]["token"] = WRONG.into();
    let refused = gateway.create_session(&wrong).await;
    let client = Client::plain(&refused.endpoint);
    client.call("bearer.echo", json!({})).await.error();
    gateway.restart();
    Client::plain(&session.endpoint)
        .call("bearer.echo", json!({}))
        .await
        .result();
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("bearer.echo"), "calls are logged");
    for secret in all().into_iter().chain([ARGUMENT]) {
        let line = logs.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}

#[tokio::test]
async fn no_file_holds_a_credential_in_the_clear() {
    let (_backends, mut gateway, request) = wide_world();
    let session = gateway.create_session(&request).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("bearer.echo", json!({})).await.result();
    for stopped in [false, true] {
        if stopped {
            gateway.stop();
        }
        let mut databases = 0;
        for entry in std::fs::read_dir(gateway.folder()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            for secret in all() {
                let found = bytes
                    .windows(secret.len())
                    .any(|it| it == secret.as_bytes());
                assert!(!found, "{secret} in {}", path.display());
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == "registry.yaml" {
                continue;
            }
            databases += usize::from(name.starts_with("gateway.db"));
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{name}");
        }
        assert!(databases > 0);
    }
}

#[tokio::test]
async fn no_answer_of_the_api_holds_a_credential() {
    let (_backends, gateway, request) = wide_world();
    let session = gateway.create_session(&request).await;
    Client::plain(&session.endpoint)
        .call("bearer.echo", json!({}))
        .await
        .result();
    let mut bad = request.clone();
    bad["credentials"]["nobody"] = json!({"token": TOKEN});
    let refusal = gateway.post("/create-session", &bad).await;
    assert_eq!(refusal.status, 400);
    let mut texts = vec![refusal.text];
    for path in ["/sessions".to_owned(), format!("/session/{}", session.id)] {
        texts.push(gateway.get(&path).await.text);
    }
    for text in texts {
        for secret in all() {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn a_backend_sees_its_own_credential_only() {
    let (backends, gateway, request) = wide_world();
    let session = gateway.create_session(&request).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for name in ["bearer.echo", "key.echo", "default.echo"] {
        client.call(name, json!({})).await.result();
    }
    for (backend, own) in backends.iter().zip([TOKEN, KEY, DEFAULT]) {
        for request in backend.requests() {
            let text = format!("{:?} {:?} {}", request.headers, request.body, request.path);
            assert!(text.contains(own));
            for other in all().into_iter().filter(|it| *it != own) {
                assert!(!text.contains(other), "{text}");
            }
            assert!(!text.contains(&session.id), "{text}");
        }
    }
}

#[tokio::test]
async fn a_backend_that_quotes_its_credential_is_not_quoted() {
    let backend = FakeBackend::legacy().demands_bearer(TOKEN).start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": TOKEN}}});
    let session = gateway.create_session(&request).await;
    let client = Client::plain(&session.endpoint);
    let quote = json!({"code": -32000, "message": format!("bad token {TOKEN}")});
    client.call("it.fail", quote).await.error();
    assert!(!gateway.logs().contains(TOKEN));
}

#[tokio::test]
async fn a_redirect_takes_no_credential_along() {
    let thief = FakeBackend::legacy().start();
    let backend = FakeBackend::legacy()
        .demands_header("x-api-key", KEY)
        .start();
    backend.inject(Fault::Redirect(thief.url()));
    let gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: api_key }")
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"api_key": KEY}}});
    let session = gateway.create_session(&request).await;
    let client = Client::plain(&session.endpoint);
    client.call("it.echo", json!({})).await.error();
    assert!(!backend.requests().is_empty());
    assert_eq!(thief.requests().len(), 0);
}

const SEALING_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_key_of_the_environment_opens_what_it_sealed_and_another_does_not() {
    let backend = FakeBackend::legacy().demands_bearer(TOKEN).start();
    let mut gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .environment("GATEWAY_SECRET_KEY", SEALING_KEY)
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": TOKEN}}});
    let session = gateway.create_session(&request).await;
    gateway.restart();
    let client = Client::plain(&session.endpoint);
    client.call("it.echo", json!({})).await.result();
    gateway.kill();
    backend.hear_out().await;
    let asked = backend.requests().len();
    gateway.set_environment("GATEWAY_SECRET_KEY", &SEALING_KEY.replace('0', "f"));
    gateway.restart();
    let error = client.call("it.echo", json!({})).await.error();
    assert!(error.message.contains("it"), "{error:?}");
    let more = backend.requests().split_off(asked);
    assert!(more.is_empty(), "no garbage is sent: {more:?}");
}
