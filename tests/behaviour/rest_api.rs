//! Sessions over REST: made, shown, listed, deleted, and refused with a reason.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{Client, FakeBackend, Fault, Gateway, eventually},
};

/// A gateway with a provider of each kind of credential.
fn gateway(backend: &FakeBackend) -> Gateway {
    Gateway::setup()
        .provider("open", backend)
        .provider_with("bearer", backend, "auth: { type: bearer }")
        .provider_with("key", backend, "auth: { type: api_key }")
        .provider_with("maybe", backend, "auth: { type: bearer, required: false }")
        .start()
}

#[tokio::test]
async fn a_session_is_made_and_says_where_it_is() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let request = json!({"servers": ["open"]});
    let answer = gateway.post("/create-session", &request).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let id = body["session_id"].as_str().unwrap();
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 4);
    let endpoint = format!("/session/{id}/mcp");
    let expected = json!({"session_id": id, "mcp_endpoint": endpoint, "status": "created"});
    assert_eq!(body, expected);
    let place = format!("/session/{id}");
    assert_eq!(answer.header("location"), Some(place.as_str()));
    assert_eq!(gateway.get(&place).await.json()["session_id"], id);
}

#[tokio::test]
async fn credentials_are_taken_under_each_of_their_names() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    for request in [
        json!({"servers": ["bearer"], "credentials": {"bearer": {"token": "t"}}}),
        json!({"servers": ["key"], "credentials": {"key": {"api_key": "k"}}}),
        json!({"servers": ["key"], "credentials": {"key": {"token": "k"}}}),
        json!({"servers": ["key"], "credentials": {"key": {"key": "k"}}}),
        json!({"servers": ["maybe"]}),
        json!({"servers": ["maybe"], "credentials": {"maybe": {"token": "t"}}}),
        json!({"servers": ["open"], "credentials": {"open": {}}}),
        json!({"servers": ["open", "maybe"], "credentials": {}}),
    ] {
        let answer = gateway.post("/create-session", &request).await;
        assert_eq!(answer.status, 201, "{request}: {answer:?}");
    }
}

#[tokio::test]
async fn everything_wrong_is_refused_with_its_field_and_stores_nothing() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let token =
        |token: &str| json!({"servers": ["bearer"], "credentials": {"bearer": {"token": token}}});
    for (request, field, hint) in [
        (json!({}), "servers", "open"),
        (json!({"servers": []}), "servers", "open"),
        (json!({"servers": "open"}), "servers", ""),
        (json!({"servers": ["nobody"]}), "servers", "open"),
        (json!({"servers": ["open", "open"]}), "servers", "open"),
        (json!({"servers": ["bearer"]}), "credentials", "bearer"),
        (
            json!({"servers": ["key"], "credentials": {"key": {}}}),
            "credentials",
            "key",
        ),
        (
            json!({"servers": ["open"], "credentials": {"key": {"api_key": "k"}}}),
            "credentials",
            "key",
        ),
        (
            json!({"servers": ["bearer"], "credentials": {"bearer": {"api_key": "k"}}}),
            "credentials",
            "token",
        ),
        (
            json!({"servers": ["bearer"], "credentials": {"bearer": "t"}}),
            "credentials",
            "bearer",
        ),
        (token("a\r\nx: y"), "credentials", "bearer"),
        (token("a\u{0}"), "credentials", "bearer"),
        (token(""), "credentials", "bearer"),
        (json!({"servers": ["open"], "extra": 1}), "extra", ""),
        (
            json!({"servers": ["open"], "naming": "camel"}),
            "naming",
            "underscores",
        ),
        (
            json!({"servers": ["open", "maybe"], "naming": "none"}),
            "naming",
            "",
        ),
        (json!({"servers": ["open"], "name": 7}), "name", ""),
    ] {
        let answer = gateway.post("/create-session", &request).await;
        assert_eq!(answer.status, 400, "{request}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let problem = answer.json();
        assert_eq!(problem["status"], 400);
        let named = problem["field"].as_str().unwrap_or_default();
        assert!(named.starts_with(field), "{request}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(hint),
            "{request}: {problem}"
        );
    }
    for text in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        "{\"servers\":[\"open\"],\"servers\":[\"open\"]}",
    ] {
        let answer = gateway.post_text("/create-session", text).await;
        assert_eq!(answer.status, 400, "{text}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"], json!([]));
}

#[tokio::test]
async fn a_session_is_described_and_listed_and_deleted() {
    let backend = FakeBackend::modern().start();
    let gateway = gateway(&backend);
    let request = json!({"servers": ["open", "maybe"], "name": "mine"});
    let session = gateway.create_session(&request).await;
    Client::legacy(&session.endpoint, LATEST_LEGACY)
        .await
        .tool_names()
        .await;
    let path = format!("/session/{}", session.id);
    let described = gateway.get(&path).await;
    assert_eq!(described.status, 200);
    let described = described.json();
    assert_eq!(described["name"], "mine");
    let names: Vec<&Value> = described["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["name"])
        .collect();
    assert_eq!(names, ["open", "maybe"]);
    for time in ["created", "last_used"] {
        let time = described[time].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }

    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"][0]["session_id"], json!(session.id));
    assert_eq!(gateway.delete(&path).await.status, 204);
    for answer in [gateway.get(&path).await, gateway.delete(&path).await] {
        assert_eq!(answer.status, 404);
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"], json!([]));
}

#[tokio::test]
async fn every_unknown_id_gets_the_same_answer() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let session = gateway.session(&["open"]).await;
    gateway.delete(&format!("/session/{}", session.id)).await;
    let mut answers = Vec::new();
    for id in [
        session.id,
        uuid::Uuid::new_v4().to_string(),
        "no-uuid".to_owned(),
    ] {
        let answer = gateway.get(&format!("/session/{id}")).await;
        answers.push((answer.status, answer.text));
        let request = Client::plain(&gateway.url(&format!("/session/{id}/mcp")));
        assert_eq!(request.request("ping", json!({})).await.status, 404, "{id}");
    }
    assert_eq!(answers[0].0, 404);
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_session_without_reachable_backends_is_made_all_the_same() {
    let backend = FakeBackend::legacy().start();
    backend.go_down().await;
    let gateway = gateway(&backend);
    let session = gateway.session(&["open"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    assert_eq!(client.tool_names().await, [""; 0]);
}

#[tokio::test]
async fn the_api_describes_itself() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let document = gateway.get("/openapi.json").await;
    assert_eq!(document.status, 200);
    let document = document.json();
    for path in ["/create-session", "/sessions", "/session/{session_id}"] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let page = gateway.get("/docs/").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
}

#[tokio::test]
async fn sessions_are_listed_page_by_page() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(gateway.session(&["open"]).await.id);
    }
    let (mut seen, mut path) = (Vec::new(), "/sessions?limit=2".to_owned());
    loop {
        let page = gateway.get(&path).await.json();
        let sessions = page["sessions"].as_array().unwrap();
        assert!(sessions.len() <= 2);
        seen.extend(
            sessions
                .iter()
                .map(|it| it["session_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/sessions?limit=2&after={next}"),
            None => break,
        }
    }
    seen.sort();
    made.sort();
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_provider_is_looked_at_once_and_without_a_credential_however_often_somebody_asks() {
    let locked = FakeBackend::legacy()
        .demands_bearer("of-the-registry")
        .start();
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let (astray, page) = (FakeBackend::legacy().start(), FakeBackend::legacy().start());
    astray.inject(Fault::status(404));
    page.inject(Fault::Html);
    let auth = "auth: { type: bearer, default: env:TOKEN, obtain: https://a.example/keys }\nheaders: { x-team: search }";
    let gateway = Gateway::setup()
        .provider_with("locked", &locked, auth)
        .provider("legacy", &legacy)
        .provider("modern", &modern)
        .provider("shut", &locked)
        .provider("astray", &astray)
        .provider("page", &page)
        .entry("away", "http://127.0.0.1:1/mcp", "")
        .environment("TOKEN", "of-the-registry")
        .start();
    let providers = async || gateway.get("/providers").await.json()["providers"].clone();
    let states = json!([
        "answers", "answers", "answers", "unfit", "unfit", "unfit", "away"
    ]);
    eventually("all looks", async || {
        let providers = providers().await;
        let now = (0..7).map(|place| providers[place]["state"].clone());
        now.collect::<Value>() == states
    })
    .await;
    for _ in 0..20 {
        providers().await;
    }
    let listed = providers().await;
    assert_eq!(listed[0]["auth"]["obtain"], "https://a.example/keys");
    let revisions = [Value::Null, json!("2025-11-25"), json!("2026-07-28")];
    for (place, revision) in revisions.iter().enumerate() {
        assert_eq!(listed[place]["revision"], *revision);
        assert_eq!(listed[place]["remedy"], Value::Null);
    }
    for (place, why, does) in [
        (3, "HTTP 401", "auth"),
        (4, "HTTP 404", "path"),
        (5, "HTML", "path"),
        (6, "refused", "start"),
    ] {
        let said = |member: &str| listed[place][member].as_str().unwrap().to_owned();
        assert!(said("error").contains(why), "{}", said("error"));
        assert!(said("remedy").contains(does), "{}", said("remedy"));
    }
    // Both entries of it, once each.
    let looks = locked.requests();
    assert_eq!(looks.len(), 2);
    for secret in ["authorization", "x-team"] {
        assert!(looks.iter().all(|look| look.header(secret).is_none()));
    }
    // What was opened is ended.
    legacy
        .until("the end of the look", |legacy| {
            legacy.requests_of("initialize").len() == 1 && legacy.sessions_open() == 0
        })
        .await;
    assert_eq!(modern.requests_of("server/discover").len(), 1);
}
