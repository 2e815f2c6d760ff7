//! Callers that an authorization server vouches for, and where clients are told to log in.

use std::time::Instant;

use aws_lc_rs::hmac;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        FakeBackend, Gateway, Program, eventually,
        gateway::{HttpAnswer, Setup},
        issuer::{KeySetAddress, Served, SigningKey, encoded, key_set, now, unsigned},
        within,
    },
};

const ISSUER: &str = "https://login.example.com/realm";
const AUDIENCE: &str = "https://gateway.example.com";
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Claims that are right.
fn claims(subject: &str) -> Value {
    json!({"iss": ISSUER, "sub": subject, "aud": AUDIENCE, "exp": now() + 600})
}

fn with(subject: &str, name: &str, value: Value) -> Value {
    let mut claims = claims(subject);
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn setup(backend: &FakeBackend, jwks: &str) -> Setup {
    Gateway::setup()
        .provider("it", backend)
        .argument(&format!("--jwt-issuer={ISSUER}"))
        .argument(&format!("--jwt-audience={AUDIENCE},gateway"))
        .argument(&format!("--jwks={jwks}"))
}

/// A gateway that reads its key set from a file.
fn world(keys: &[&SigningKey]) -> (FakeBackend, Gateway) {
    let backend = FakeBackend::legacy().start();
    let setup = setup(&backend, "keys.json").file("keys.json", &key_set(keys));
    let gateway = setup.log_level("trace").start();
    (backend, gateway)
}

async fn get(gateway: &Gateway, path: &str, token: &str) -> HttpAnswer {
    let request = gateway.request(Method::GET, path).bearer_auth(token);
    gateway.send(request).await
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    get(gateway, "/sessions", token).await.status
}

#[tokio::test]
async fn a_token_of_every_common_kind_of_key_lets_its_subject_in() {
    let keys = [
        SigningKey::p256("a"),
        SigningKey::rsa("b"),
        SigningKey::ed25519("c"),
    ];
    let (_backend, gateway) = world(&[&keys[0], &keys[1], &keys[2]]);
    for key in &keys {
        // The second time it is remembered.
        let token = key.token(&claims("ada"));
        for _ in 0..2 {
            assert_eq!(status(&gateway, &token).await, 200, "{}", key.algorithm());
        }
    }
    for header in [
        json!({"typ": "at+jwt"}),
        json!({"typ": "application/at+jwt"}),
        json!({"typ": null}),
    ] {
        let mut all = keys[0].header();
        all["typ"] = header["typ"].clone();
        let token = keys[0].token_of(&all, &claims("ada"));
        assert_eq!(status(&gateway, &token).await, 200, "{header}");
    }
    for named in [
        json!("gateway"),
        json!(["other", AUDIENCE]),
        json!(format!("{AUDIENCE}/")),
        json!(format!(
            "{AUDIENCE}/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp"
        )),
    ] {
        let token = keys[0].token(&with("ada", "aud", named.clone()));
        assert_eq!(status(&gateway, &token).await, 200, "{named}");
    }
}

/// A token that lets nobody in, and what is wrong with it.
type Wrong = (String, String);

/// Signed as they should be, saying what they should not.
fn of_wrong_claims(key: &SigningKey) -> Vec<Wrong> {
    let times = now();
    let wrong = [
        ("exp", json!(times - 120)),
        ("exp", Value::Null),
        ("exp", json!("soon")),
        ("nbf", json!(times + 120)),
        ("aud", json!("https://another.example.com")),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("iss", json!("https://login.example.com/realm/")),
        ("iss", json!([ISSUER])),
        ("iss", Value::Null),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("sub", Value::Null),
    ];
    let token = |(name, value): (&str, Value)| {
        let what = format!("{name} {value}");
        (what, key.token(&with("ada", name, value)))
    };
    wrong.into_iter().map(token).collect()
}

/// Under headers that they should not have, or cut and put together anew.
fn of_wrong_form(key: &SigningKey) -> Vec<Wrong> {
    let right = key.token(&claims("ada"));
    let header = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.token_of(&header, &claims("ada"))
    };
    let (signed, signature) = right.rsplit_once('.').unwrap();
    let others = unsigned(&key.header(), &claims("bob"));
    [
        ("another's key", SigningKey::p256("a").token(&claims("ada"))),
        ("an unknown key", header("kid", json!("b"))),
        ("no access token", header("typ", json!("logout+jwt"))),
        ("a critical header", header("crit", json!(["b64"]))),
        ("another algorithm", header("alg", json!("RS256"))),
        ("an unknown algorithm", header("alg", json!("ES256K"))),
        ("no token", "a.b.c".to_owned()),
        ("too long", format!("{right}{}", "A".repeat(10_000))),
        ("others' claims", format!("{others}.{signature}")),
        ("no signature", format!("{signed}.")),
    ]
    .map(|(what, token)| (what.to_owned(), token))
    .into()
}

/// By whoever knows the public key, which is everybody.
fn forged(key: &SigningKey) -> Vec<Wrong> {
    let unsecured = ["none", "None", "NONE"].map(|none| {
        let header = json!({"typ": "JWT", "alg": none, "kid": "a"});
        let token = format!("{}.", unsigned(&header, &claims("ada")));
        (format!("alg {none}"), token)
    });
    let public = key.public();
    let coordinates = [&public["x"], &public["y"]].map(|it| it.as_str().unwrap().to_owned());
    let secrets = [
        public.to_string(),
        key_set(&[key]),
        coordinates.concat(),
        coordinates[0].clone(),
        String::new(),
    ];
    let shared = secrets.map(|secret| {
        let header = json!({"typ": "JWT", "alg": "HS256", "kid": "a"});
        let signed = unsigned(&header, &claims("ada"));
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = hmac::sign(&secret, signed.as_bytes());
        let token = format!("{signed}.{}", encoded(signature.as_ref()));
        ("HS256".to_owned(), token)
    });
    unsecured.into_iter().chain(shared).collect()
}

#[tokio::test]
async fn a_token_that_is_wrong_in_any_way_lets_nobody_in() {
    let key = SigningKey::p256("a");
    let (_backend, mut gateway) = world(&[&key]);
    assert_eq!(status(&gateway, &key.token(&claims("ada"))).await, 200);
    let wrong = [of_wrong_claims(&key), of_wrong_form(&key), forged(&key)].concat();
    // All of them are told the same.
    let told = get(&gateway, "/sessions", "x").await.text;
    for (what, token) in &wrong {
        let answer = get(&gateway, "/sessions", token).await;
        assert_eq!((answer.status, &answer.text), (401, &told), "{what}");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.contains(r#"error="invalid_token""#),
            "{what}: {challenge}"
        );
    }
    gateway.stop();
    let logs = gateway.logs();
    for (what, token) in wrong.iter().filter(|(_, token)| token.len() > 40) {
        assert!(!logs.contains(token), "{what} is in the log");
    }
}

#[tokio::test]
async fn clocks_may_differ_a_little() {
    let key = SigningKey::p256("a");
    let (_backend, gateway) = world(&[&key]);
    for (name, value) in [("exp", now() - 5), ("nbf", now() + 20)] {
        let token = key.token(&with("ada", name, value.into()));
        assert_eq!(status(&gateway, &token).await, 200, "{name}");
    }
}

#[tokio::test]
async fn a_caller_of_a_token_has_its_own_sessions_and_nobody_elses() {
    let backend = FakeBackend::legacy().start();
    let key = SigningKey::p256("a");
    let setup = setup(&backend, "keys.json").file("keys.json", &key_set(&[&key]));
    let setup = setup.argument("--jwt-operator-scope=gateway:operate");
    // A key's caller of the same name is another caller.
    let mut gateway = setup.caller("ada").start();
    let token = key.token(&claims("ada"));
    let body = json!({"servers": ["it"]}).to_string();
    let request = gateway
        .request(Method::POST, "/create-session")
        .bearer_auth(&token);
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let made = gateway.send(request).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let path = format!("/session/{}", made["session_id"].as_str().unwrap());
    let described = get(&gateway, &path, &token).await.json();
    assert_eq!(described["owner"], format!("{ISSUER} ada"));

    let operator = key.token(&with("ops", "scope", json!("openid gateway:operate")));
    let none = key.token(&with("ops2", "scope", json!("openid gateway:operated")));
    let bob = key.token(&claims("bob"));
    for _ in 0..2 {
        assert_eq!(get(&gateway, &path, &bob).await.status, 404);
        assert_eq!(gateway.get_as("ada", &path).await.status, 404);
        assert_eq!(get(&gateway, &path, &none).await.status, 404);
        assert_eq!(get(&gateway, &path, &operator).await.status, 200);
        // Another token of the same subject.
        let again = key.token(&with("ada", "jti", json!("2")));
        assert_eq!(get(&gateway, &path, &again).await.status, 200);
        gateway.restart();
    }
    let endpoint = gateway.url(made["mcp_endpoint"].as_str().unwrap());
    for revision in [LATEST_LEGACY, MODERN] {
        let program = Program::named("x").showing(&token);
        let client = program.speaking(revision, &endpoint).await;
        client.call("it.echo", json!({})).await.result();
    }
    let signature = token.rsplit('.').next().unwrap();
    for request in backend.requests() {
        let text = format!("{:?} {:?} {}", request.headers, request.body, request.path);
        assert!(
            !text.contains(signature) && request.header("authorization").is_none(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_token_without_the_wanted_scopes_is_told_which() {
    let backend = FakeBackend::legacy().start();
    let key = SigningKey::p256("a");
    let setup = setup(&backend, "keys.json").file("keys.json", &key_set(&[&key]));
    let gateway = setup.argument("--jwt-scope=mcp:use,mcp:more").start();
    let narrow = key.token(&with("ada", "scope", json!("mcp:use")));
    let answer = get(&gateway, "/sessions", &narrow).await;
    assert_eq!(answer.status, 403);
    let challenge = answer.header("www-authenticate").unwrap();
    for part in [
        r#"error="insufficient_scope""#,
        r#"scope="mcp:use mcp:more""#,
        "resource_metadata=",
    ] {
        assert!(challenge.contains(part), "{challenge}");
    }
    let wide = key.token(&with("ada", "scp", json!(["mcp:more", "mcp:use"])));
    assert_eq!(status(&gateway, &wide).await, 200);
    let metadata = gateway.get(METADATA).await.json();
    assert_eq!(metadata["scopes_supported"], json!(["mcp:use", "mcp:more"]));
}

#[tokio::test]
async fn clients_are_told_where_to_log_in() {
    let backend = FakeBackend::legacy().start();
    let key = SigningKey::p256("a");
    let id = "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11";
    let endpoint = format!("/session/{id}/mcp");
    for public in [None, Some("https://mcp.example.com")] {
        let mut setup = setup(&backend, "keys.json").file("keys.json", &key_set(&[&key]));
        if let Some(url) = public {
            setup = setup.argument(&format!("--public-url={url}"));
        }
        let gateway = setup.start();
        let base = public.map_or_else(|| gateway.url(""), str::to_owned);
        for (path, resource) in [("/sessions", ""), (endpoint.as_str(), endpoint.as_str())] {
            let answer = gateway.get(path).await;
            assert_eq!(answer.status, 401);
            assert_eq!(
                answer.header("www-authenticate").unwrap(),
                format!(
                    r#"Bearer realm="mcp-gateway", resource_metadata="{base}{METADATA}{resource}""#
                )
            );
            let metadata = gateway.get(&format!("{METADATA}{resource}")).await;
            assert_eq!(metadata.status, 200, "{metadata:?}");
            assert_eq!(metadata.header("content-type"), Some("application/json"));
            assert_eq!(
                metadata.json(),
                json!({
                    "resource": format!("{base}{resource}"),
                    "authorization_servers": [ISSUER],
                    "bearer_methods_supported": ["header"],
                    "resource_name": "Multi-MCP Gateway",
                })
            );
        }
        // It tells nothing of sessions, and does not repeat what is no id.
        for path in [
            "/session/x/mcp",
            "/session",
            &format!("/session/{id}"),
            "/x",
        ] {
            assert_eq!(
                gateway.get(&format!("{METADATA}{path}")).await.status,
                404,
                "{path}"
            );
        }
        // What clients reach it by is an audience, and a host.
        if let Some(url) = public {
            let token = key.token(&with("ada", "aud", json!(format!("{url}{endpoint}"))));
            let request = gateway.request(Method::GET, "/sessions").bearer_auth(token);
            let answer = gateway
                .send(request.header("host", "mcp.example.com"))
                .await;
            assert_eq!(answer.status, 200);
        }
    }
}

#[tokio::test]
async fn a_key_set_file_is_read_again_when_it_changes() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::p256("new"));
    let (_backend, gateway) = world(&[&old]);
    let path = gateway.folder().join("keys.json");
    let (old_token, new_token) = (old.token(&claims("ada")), new.token(&claims("ada")));
    assert_eq!(status(&gateway, &old_token).await, 200);
    assert_eq!(status(&gateway, &new_token).await, 401);

    std::fs::write(&path, "{").unwrap();
    eventually("a complaint", async || {
        gateway.logs().contains("holds no key set")
    })
    .await;
    assert_eq!(
        status(&gateway, &old_token).await,
        200,
        "nothing has changed"
    );

    std::fs::write(&path, key_set(&[&new])).unwrap();
    eventually("the new key", async || {
        status(&gateway, &new_token).await == 200
    })
    .await;
    // It was checked before, and counts no longer all the same.
    assert_eq!(status(&gateway, &old_token).await, 401);
}

#[tokio::test]
async fn a_stream_that_stays_open_ends_with_its_token() {
    let key = SigningKey::p256("a");
    let (_backend, gateway) = world(&[&key]);
    let path = gateway.folder().join("keys.json");
    let lasting = key.token(&claims("ada"));
    let body = json!({"servers": ["it"]}).to_string();
    let request = gateway
        .request(Method::POST, "/create-session")
        .bearer_auth(&lasting);
    let request = request
        .header("content-type", "application/json")
        .body(body);
    let made = gateway.send(request).await.json();
    let endpoint = gateway.url(made["mcp_endpoint"].as_str().unwrap());
    let open = async |token: &str| {
        let client = Program::named("x").showing(token).modern(&endpoint);
        let listen = r#"{"notifications":{"toolsListChanged":true}}"#;
        client.open("subscriptions/listen", listen).await
    };
    let mut changed = open(&lasting).await;
    assert_eq!(changed.status(), 200);
    let let_in = within("a token that has just expired to be let in", async {
        loop {
            // Let in for the sake of a wrong clock. On a slow machine that may be over, too.
            let expiring = key.token(&with("ada", "exp", json!(now() - 20)));
            let stream = open(&expiring).await;
            if stream.status() != 401 {
                break stream;
            }
        }
    });
    let mut expired = let_in.await;
    assert_eq!(expired.status(), 200);
    within("the token's end", async {
        while expired.next().await.is_some() {}
    })
    .await;
    // The other one lives until its key is another one.
    std::fs::write(&path, key_set(&[&SigningKey::p256("a")])).unwrap();
    within("the key's end", async {
        while changed.next().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_not_known_is_fetched() {
    let (old, new) = (SigningKey::p256("old"), SigningKey::rsa("new"));
    let backend = FakeBackend::legacy().start();
    let address = KeySetAddress::serving(Served::Text(key_set(&[&old])));
    let gateway = setup(&backend, &address.url()).start();
    let (old_token, new_token) = (old.token(&claims("ada")), new.token(&claims("ada")));
    // Whoever comes before the first fetch is over waits for it.
    let first = join_all((0..8).map(|_| status(&gateway, &old_token))).await;
    assert_eq!(first, [200; 8]);
    let asked = address.asked();

    address.serve(Served::Text(key_set(&[&new])));
    assert_eq!(
        status(&gateway, &new_token).await,
        200,
        "it waits for the fetch"
    );
    assert_eq!(address.asked(), asked + 1);
    assert_eq!(status(&gateway, &old_token).await, 401);
}

#[tokio::test]
async fn made_up_keys_cause_few_fetches() {
    let key = SigningKey::p256("a");
    let backend = FakeBackend::legacy().start();
    let address = KeySetAddress::serving(Served::Text(key_set(&[&key])));
    let gateway = setup(&backend, &address.url()).start();
    let right = key.token(&claims("ada"));
    assert_eq!(status(&gateway, &right).await, 200);
    let before = address.asked();
    let made_up = (0..100).map(|number| {
        let mut header = key.header();
        header["kid"] = format!("made-up-{number}").into();
        key.token_of(&header, &claims("ada"))
    });
    let tokens: Vec<String> = made_up.collect();
    let begun = Instant::now();
    let answered = join_all(tokens.iter().map(|token| status(&gateway, token))).await;
    assert!(answered.iter().all(|status| *status == 401), "{answered:?}");
    // Each waits for two at most, all of them for the same ones.
    let (fetched, seconds) = (address.asked() - before, begun.elapsed().as_secs());
    assert!(
        fetched as u64 <= 3 + seconds / 2,
        "{fetched} in {seconds} s"
    );
    assert_eq!(status(&gateway, &right).await, 200);
}

#[tokio::test]
async fn a_key_set_that_cannot_be_fetched_keeps_nobody_from_starting_and_nobody_who_is_known_out() {
    let key = SigningKey::p256("a");
    let backend = FakeBackend::legacy().start();
    let token = key.token(&claims("ada"));
    let good = KeySetAddress::serving(Served::Text(key_set(&[&key])));
    let broken = [
        Served::Status(500),
        Served::Text("<html>".to_owned()),
        Served::Endless,
        // It is not followed: who answers there is somebody else.
        Served::Elsewhere(good.url()),
    ];
    join_all(broken.map(async |broken| {
        let address = KeySetAddress::serving(broken.clone());
        let gateway = setup(&backend, &address.url()).caller("bob").start();
        let answer = get(&gateway, "/sessions", &token).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.header("retry-after").is_some());
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, None, "logging in again would not help");
        assert_eq!(gateway.get_as("bob", "/sessions").await.status, 200);
        assert_eq!(gateway.get("/sessions").await.status, 401);

        address.serve(Served::Text(key_set(&[&key])));
        eventually("the keys", async || status(&gateway, &token).await == 200).await;
        address.serve(broken);
        let mut header = key.header();
        header["kid"] = "unknown".into();
        let unknown = key.token_of(&header, &claims("ada"));
        assert_eq!(status(&gateway, &unknown).await, 401);
        let known = status(&gateway, &token).await;
        assert_eq!(known, 200, "what was known stays in force");
    }))
    .await;
    assert_eq!(good.asked(), 0);
}
