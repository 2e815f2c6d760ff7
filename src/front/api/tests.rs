//! Every route as a client sees it.

use http::{
    Request,
    header::{ACCEPT, ALLOW, HOST, LOCATION},
    request::Builder,
};
use http_body_util::{BodyExt, Full};
use hyper::service::Service;
use serde_json::{Value, json};

use super::*;
use crate::front::{self, admission::Admission, fixture, origin::Gate, problem::PROBLEM_JSON};

type Answer = http::Response<Bytes>;

fn request(method: &str, path: &str) -> Builder {
    let builder = Request::builder().method(method).uri(path);
    builder.header(HOST, "localhost")
}

async fn send(state: &FrontState, request: Builder, body: impl Into<Bytes>) -> Answer {
    let gate = Gate::new("127.0.0.1", &[], &[]).unwrap();
    let admission = Admission::new(state.callers.clone(), None, state.audit.clone());
    let routes = front::routes(state.clone(), fixture::mcp());
    let service = front::service(gate, admission, routes, state.sessions.metrics());
    let request = request.body(Full::new(body.into())).unwrap();
    let (head, body) = service.call(request).await.unwrap().into_parts();
    Answer::from_parts(head, body.collect().await.unwrap().to_bytes())
}

async fn get(state: &FrontState, path: &str) -> Answer {
    send(state, request("GET", path), "").await
}

async fn create(state: &FrontState, body: &Value) -> Answer {
    let request = request("POST", "/create-session").header(CONTENT_TYPE, "application/json");
    send(state, request, body.to_string()).await
}

fn body(answer: &Answer) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM_JSON);
    assert_eq!(body(answer)["status"], status);
    assert_ne!(body(answer)["detail"], "");
}

#[tokio::test]
async fn a_session_is_made_listed_described_and_deleted() {
    let (state, _directory) = fixture::state().await;
    let wanted = json!({
        "servers": ["open", "bearer"],
        "credentials": {"bearer": {"token": "hf_secret"}, "open": {}},
        "name": "mine",
    });
    let created = create(&state, &wanted).await;
    assert_eq!(created.status(), 201);
    let id = body(&created)["session_id"].as_str().unwrap().to_owned();
    let path = format!("/session/{id}");
    assert_eq!(created.headers()[LOCATION], path.as_str());
    assert_eq!(
        body(&created),
        json!({"session_id": id, "mcp_endpoint": format!("{path}/mcp"), "status": "created"})
    );

    let page = body(&get(&state, "/sessions").await);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["sessions"][0]["session_id"], id.as_str());
    assert_eq!(page["sessions"][0]["servers"], json!(["open", "bearer"]));

    let described = get(&state, &path).await;
    assert_eq!(described.status(), 200);
    assert_eq!(described.headers()[CACHE_CONTROL], "no-store");
    let described = body(&described);
    assert_eq!(described["name"], "mine");
    assert_eq!(described["naming"], "auto");
    assert_eq!(described["servers"][1]["name"], "bearer");
    // It may have been tried already: nothing listens there.
    let states = ["idle", "connecting", "waiting"];
    assert!(states.contains(&described["servers"][1]["state"].as_str().unwrap()));
    assert_eq!(described["servers"][1]["era"], Value::Null);
    let created_at = described["created"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(created_at).is_ok(), "{created_at}");
    assert!(!described.to_string().contains("hf_secret"));

    let delete = || request("DELETE", &path);
    let deleted = send(&state, delete(), "").await;
    assert_eq!((deleted.status().as_u16(), deleted.body().len()), (204, 0));
    assert_problem(&send(&state, delete(), "").await, 404);
    assert_problem(&get(&state, &path).await, 404);
}

#[tokio::test]
async fn the_list_is_read_page_by_page() {
    let (state, _directory) = fixture::state().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        let created = create(&state, &json!({"servers": ["open"]})).await;
        made.push(body(&created)["session_id"].as_str().unwrap().to_owned());
    }
    let (mut listed, mut sizes, mut after) = (Vec::new(), Vec::new(), String::new());
    loop {
        let page = body(&get(&state, &format!("/sessions?limit=2{after}")).await);
        let sessions = page["sessions"].as_array().unwrap();
        sizes.push(sessions.len());
        listed.extend(
            sessions
                .iter()
                .map(|session| session["session_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    made.sort();
    listed.sort();
    assert_eq!((listed, sizes), (made, vec![2, 2, 1]));
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let (state, _directory) = fixture::state().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=%2B5", "limit"),
        ("limit=", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("limit=1&limit=1", "limit"),
        ("after=x", "after"),
        ("after=", "after"),
        ("page=2", "page"),
    ] {
        let answer = get(&state, &format!("/sessions?{query}")).await;
        assert_problem(&answer, 400);
        assert_eq!(body(&answer)["field"], field, "{query}");
    }
}

#[tokio::test]
async fn an_id_that_is_unknown_and_one_that_is_none_look_alike() {
    let (state, _directory) = fixture::state().await;
    let mut answers = Vec::new();
    for id in [
        "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11",
        "3F1C2B9E-7F0A-4A57-9D55-0D3F6A1F0C11",
        "x",
        "%00",
        "..",
    ] {
        for method in ["GET", "DELETE"] {
            let path = format!("/session/{id}");
            let answer = send(&state, request(method, &path), "").await;
            assert_problem(&answer, 404);
            answers.push(body(&answer));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
}

#[tokio::test]
async fn an_unknown_path_is_a_problem_too() {
    let (state, _directory) = fixture::state().await;
    for path in [
        "/nothing",
        "/session",
        "/session/",
        "/session/a/b",
        "/create-session/x",
        "/docs/../Cargo.toml",
        "/docs/nothing.js",
        "/.well-known/oauth-protected-resource/x",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "//sessions",
    ] {
        assert_problem(&get(&state, path).await, 404);
        let post = send(&state, request("POST", path), "").await;
        let documentation = path == "/docs/nothing.js";
        assert_problem(&post, if documentation { 405 } else { 404 });
    }
}

#[tokio::test]
async fn an_endpoint_is_one_under_every_spelling_of_its_path_and_under_no_other() {
    let (state, _directory) = fixture::state().await;
    for (path, is_endpoint) in [
        ("/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp", true),
        ("/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp/", true),
        ("/session/x/mcp?a=b", true),
        ("/session/a%2Fb/mcp", true),
        ("/session//mcp", false),
        ("/session/x/mcp//", false),
        ("/session/x/mcp/y", false),
        ("/session/x//mcp", false),
        ("//session/x/mcp", false),
        ("/session/x/y/mcp", false),
        ("/session/x%2Fmcp", false),
        ("/session/mcp", false),
    ] {
        let post = send(&state, request("POST", path), "").await;
        let put = send(&state, request("PUT", path), "").await;
        if is_endpoint {
            assert_eq!(post.body(), "mcp", "{path}");
            assert_problem(&put, 405);
        } else {
            assert_ne!(post.body(), "mcp", "{path}");
            assert!(
                [404, 405].contains(&post.status().as_u16()),
                "{path}: {post:?}"
            );
            assert_ne!(put.status(), 200, "{path}");
        }
    }
}

/// Only where an authorization server is configured clients are told of it.
#[tokio::test]
async fn a_gateway_where_nobody_logs_in_tells_of_no_login() {
    let (state, _directory) = fixture::state().await;
    for path in [
        "",
        "/session/x/mcp",
        "/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp",
    ] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        assert_problem(&get(&state, &path).await, 404);
    }
}

#[tokio::test]
async fn a_path_takes_the_methods_it_allows_and_no_other() {
    let (state, _directory) = fixture::state().await;
    for route in ROUTES {
        let path = route
            .template
            .replace("{session_id}", "x")
            .replace("{file}", "index.css");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD",
        ] {
            let answer = send(&state, request(method, &path), "").await;
            if route.allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(answer.status(), 405, "{method} {path}");
            } else {
                assert_problem(&answer, 405);
                assert_eq!(answer.headers()[ALLOW], route.allow, "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_announced_as_json_is_refused() {
    let (state, _directory) = fixture::state().await;
    let text = r#"{"servers": ["open"]}"#;
    for headers in [
        &[][..],
        &[("content-type", "text/plain")][..],
        &[
            ("content-type", "application/json"),
            ("content-encoding", "gzip"),
        ][..],
    ] {
        let mut request = request("POST", "/create-session");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = send(&state, request, text).await;
        assert_problem(&answer, 415);
        assert_eq!(answer.headers()[ACCEPT], "application/json");
    }
    assert_eq!(body(&get(&state, "/sessions").await)["sessions"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (state, _directory) = fixture::state().await;
    let large = json!({"servers": ["open"], "name": "x".repeat(1024 * 1024)});
    assert_problem(&create(&state, &large).await, 413);
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let (state, _directory) = fixture::state().await;
    for path in ["/docs", "/docs/"] {
        let page = get(&state, path).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let page = std::str::from_utf8(page.body()).unwrap();
        assert!(!page.contains("//"), "{page}");
        let files: Vec<_> = page
            .split('"')
            .filter(|part| part.starts_with("/docs/"))
            .collect();
        assert_eq!(files.len(), 6);
        for file in files {
            let answer = get(&state, file).await;
            assert_eq!(answer.status(), 200, "{file}");
            assert!(!answer.body().is_empty(), "{file}");
        }
    }
    let script = get(&state, "/docs/swagger-initializer.js").await;
    assert_eq!(script.headers()[CONTENT_TYPE], "text/javascript");
    let script = std::str::from_utf8(script.body()).unwrap();
    assert!(script.contains("/openapi.json"), "{script}");
}

#[tokio::test]
async fn the_process_says_that_it_lives_and_that_it_can_work() {
    let (state, _directory) = fixture::state().await;
    for path in ["/healthz", "/readyz"] {
        let answer = get(&state, path).await;
        assert_eq!(
            (answer.status().as_u16(), body(&answer)),
            (200, json!({"status": "ok"}))
        );
    }
}

#[test]
fn what_the_sessions_cannot_do_is_worth_another_try() {
    let short = "3f1c2b9e".to_owned();
    for error in [
        SessionsError::Busy { limit: 1 },
        SessionsError::Broken { short },
        SessionsError::Stopping,
    ] {
        let response = failure(&error).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
    }
}

#[tokio::test]
async fn the_page_names_files_that_are_served_and_is_taken_once() {
    let (state, _directory) = fixture::state().await;
    let page = get(&state, "/").await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
    assert!(!policy.contains("unsafe"), "{policy}");
    let text = std::str::from_utf8(page.body()).unwrap().to_owned();
    let files: Vec<_> = text
        .split('"')
        .filter(|it| it.starts_with("/page/"))
        .collect();
    assert!(files.len() > 5, "{files:?}");
    for file in files {
        let answer = get(&state, file).await;
        assert_eq!(answer.status(), 200, "{file}");
        assert!(answer.headers().contains_key("etag"), "{file}");
    }
    let known = page.headers()["etag"].clone();
    let again = request("GET", "/").header("if-none-match", known);
    let again = send(&state, again, "").await;
    assert_eq!((again.status().as_u16(), again.body().len()), (304, 0));
}

#[tokio::test]
async fn providers_tell_what_they_take_and_nothing_of_what_the_registry_has() {
    let (state, _directory) = fixture::state().await;
    let answer = get(&state, "/providers").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    assert!(
        !text.contains("of-the-registry") && !text.contains("127.0.0.1"),
        "{text}"
    );
    let listed = body(&answer);
    let auth = |place: usize| listed["providers"][place]["auth"].clone();
    let credential = |kind: &str, required: bool, has_default: bool| json!({"type": kind, "required": required, "has_default": has_default, "obtain": null});
    assert_eq!(listed["providers"].as_array().unwrap().len(), 5);
    assert_eq!(auth(0), credential("none", false, false));
    assert_eq!(auth(1), credential("bearer", true, false));
    assert_eq!(auth(2), credential("bearer", false, false));
    assert_eq!(auth(3), credential("bearer", false, true));
    assert_eq!(auth(4), credential("api_key", true, false));
    assert_eq!(
        listed["providers"][0]["state"], "unknown",
        "a look is under way"
    );
}
