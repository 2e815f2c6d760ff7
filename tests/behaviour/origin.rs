//! A web page of somebody else can do nothing here.

use http::Method;
use serde_json::json;

use crate::world::{FakeBackend, Gateway, gateway::HttpAnswer};

async fn world() -> (FakeBackend, Gateway, [(Method, String); 6]) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let routes = [
        (Method::POST, "/create-session".to_owned()),
        (Method::GET, "/sessions".to_owned()),
        (Method::GET, format!("/session/{}", session.id)),
        (Method::GET, "/openapi.json".to_owned()),
        (Method::GET, format!("/session/{}/mcp", session.id)),
        (Method::POST, format!("/session/{}/mcp", session.id)),
    ];
    (backend, gateway, routes)
}

#[tokio::test]
async fn a_foreign_origin_is_refused_everywhere() {
    let (backend, gateway, routes) = world().await;
    for (method, path) in routes {
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1.evil.example",
        ] {
            let request = gateway
                .request(method.clone(), &path)
                .header("origin", origin);
            let request = request
                .header("content-type", "application/json")
                .body("{}");
            let answer = gateway.send(request).await;
            assert_eq!(answer.status, 403, "{method} {path} from {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}

#[tokio::test]
async fn a_foreign_host_is_refused_everywhere() {
    let (_backend, gateway, routes) = world().await;
    for (method, path) in routes {
        let request = gateway
            .request(method.clone(), &path)
            .header("host", "evil.example");
        let request = request
            .header("content-type", "application/json")
            .body("{}");
        assert_eq!(gateway.send(request).await.status, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_this_machine_are_welcome() {
    let (_backend, gateway, _) = world().await;
    for origin in [
        "http://localhost:5173",
        "http://127.0.0.1",
        "http://[::1]:8080",
    ] {
        let request = gateway
            .request(Method::GET, "/sessions")
            .header("origin", origin);
        let answer = gateway.send(request).await;
        assert_eq!(answer.status, 200, "{origin}");
        assert_grants_nothing(&answer);
    }
}

/// Fails where a browser is told that a page may read the answer, or send what it may not without asking.
#[track_caller]
fn assert_grants_nothing(answer: &HttpAnswer) {
    let mut names = answer.headers.keys();
    let is_granted = names.any(|name| name.as_str().starts_with("access-control-"));
    assert!(!is_granted, "{answer:?}");
}

#[tokio::test]
async fn a_form_of_a_page_makes_no_session() {
    let (_backend, gateway, _) = world().await;
    let body = json!({"servers": ["it"]}).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let request = gateway
            .request(Method::POST, "/create-session")
            .header("content-type", kind);
        let answer = gateway.send(request.body(body.clone())).await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    let listed = gateway.get("/sessions").await.json();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_preflight_is_granted_nothing() {
    let (_backend, gateway, routes) = world().await;
    for (_, path) in routes {
        // Not even to those who are welcome: theirs is a page, too.
        for origin in ["https://evil.example", "http://localhost:5173"] {
            let request = gateway
                .request(Method::OPTIONS, &path)
                .header("origin", origin)
                .header("access-control-request-method", "POST");
            let answer = gateway.send(request).await;
            assert!(answer.status >= 400, "{path}: {answer:?}");
            assert_grants_nothing(&answer);
        }
    }
}
