//! The audit log: a line for each request of whoever it was, nothing of what was in it, and all of them.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{FakeBackend, Gateway, Program, eventually},
};

/// What nobody may find in the file.
const CONTENT: &str = "argument-not-to-be-told-77";
const TOKEN: &str = "tok-5e2f1c9a8b7d-not-to-be-told";

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last one may not be whole.
    let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
    let lines = whole.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The lines behind so many others, but for those of openings, which come when they like.
fn behind(path: &Path, before: usize) -> Vec<Value> {
    let mut lines = lines(path).split_off(before);
    lines.retain(|line| line["method"] != "initialize");
    lines
}

/// Whom a line is about, and how it ended.
fn shown(line: &Value) -> (String, &Value, &Value, &str) {
    let text = |member: &str| line[member].as_str().unwrap_or("-").to_owned();
    let who = format!("{} {}", text("caller"), text("method"));
    (
        who,
        &line["tool"],
        &line["provider"],
        line["outcome"].as_str().unwrap(),
    )
}

#[tokio::test]
async fn who_called_what_is_written_down_and_nothing_of_what_was_in_it() {
    let backend = FakeBackend::legacy().demands_bearer(TOKEN).start();
    let mut gateway = Gateway::setup()
        .provider_with("it", &backend, "auth: { type: bearer }")
        .argument("--audit-log=audit.jsonl")
        .caller("ada")
        .start();
    let request = json!({"servers": ["it"], "credentials": {"it": {"token": TOKEN}}});
    let made = gateway
        .send_as("ada", http::Method::POST, "/create-session", Some(&request))
        .await;
    let session = made.json();
    let endpoint = gateway.url(session["mcp_endpoint"].as_str().unwrap());
    let (it, none) = (json!("it"), Value::Null);
    let path = gateway.folder().join("audit.jsonl");
    let moved = gateway.folder().join("audit.old");
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Program::named("x").showing(gateway.key("ada"));
        let client = client.speaking(revision, &endpoint).await;
        let before = lines(&path).len();
        client.call("it.echo", json!({"a": CONTENT})).await.result();
        client
            .call("it.fail", json!({"code": -32000, "message": CONTENT}))
            .await
            .error();
        client.call("no.such", json!({"a": CONTENT})).await.error();
        client.tool_names().await;
        let written = async || behind(&path, before).len() >= 4;
        eventually("the lines", written).await;
        let lines = behind(&path, before);
        let calls: Vec<_> = lines.iter().map(shown).collect();
        let (call, list) = ("ada tools/call".to_owned(), "ada tools/list".to_owned());
        assert_eq!(
            calls,
            [
                (call.clone(), &json!("it.echo"), &it, "ok"),
                (call.clone(), &json!("it.fail"), &it, "error"),
                (call.clone(), &json!("no.such"), &none, "failed"),
                (list, &none, &none, "ok"),
            ],
            "{revision}"
        );
        assert_eq!(
            lines[0]["session"],
            session["session_id"].as_str().unwrap()[..8]
        );
        assert_eq!(lines[0]["client"], "127.0.0.1");
        assert!(lines[0]["elapsed_ms"].is_u64() && lines[0]["time"].is_string());
    }
    // Whoever moves it away says so, and no line is lost, nor is one at a clean end.
    let before = lines(&path).len();
    std::fs::rename(&path, &moved).unwrap();
    gateway.hang_up();
    eventually("another file", async || path.exists()).await;
    let client = Program::named("x")
        .showing(gateway.key("ada"))
        .modern(&endpoint);
    for _ in 0..20 {
        client.call("it.echo", json!({"a": CONTENT})).await.result();
    }
    gateway.stop();
    assert_eq!((lines(&moved).len(), lines(&path).len()), (before, 20));
    for path in [&path, &moved] {
        let text = std::fs::read_to_string(path).unwrap();
        for secret in [
            CONTENT,
            TOKEN,
            gateway.key("ada"),
            session["session_id"].as_str().unwrap(),
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn who_changed_a_session_is_written_down_and_who_was_not_let_in() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::setup()
        .provider("it", &backend)
        .argument("--audit-log=audit.jsonl")
        .caller("ada")
        .start();
    let send = async |method, path: &str, body: Option<Value>| {
        gateway.send_as("ada", method, path, body.as_ref()).await
    };
    let made = send(
        http::Method::POST,
        "/create-session",
        Some(json!({"servers": ["it"], "name": CONTENT})),
    )
    .await;
    let id = made.json()["session_id"].as_str().unwrap().to_owned();
    let path = format!("/session/{id}");
    send(http::Method::PATCH, &path, Some(json!({"name": CONTENT}))).await;
    send(
        http::Method::PATCH,
        &path,
        Some(json!({"servers": ["none"]})),
    )
    .await;
    send(http::Method::GET, &path, None).await;
    send(http::Method::DELETE, &path, None).await;
    assert_eq!(gateway.get(&path).await.status, 401);
    gateway.stop();
    let file = gateway.folder().join("audit.jsonl");
    let lines = lines(&file);
    let told = |line: &Value| ["caller", "method", "session", "outcome"].map(|it| line[it].clone());
    let told: Vec<_> = lines.iter().map(told).collect();
    let of_ada =
        |method: &str, outcome: &str| [json!("ada"), json!(method), json!(id[..8]), json!(outcome)];
    assert_eq!(
        told,
        [
            of_ada("session/create", "ok"),
            of_ada("session/patch", "ok"),
            of_ada("session/patch", "failed"),
            of_ada("session/delete", "ok"),
            [
                Value::Null,
                json!("admission"),
                json!(id[..8]),
                json!("refused")
            ],
        ]
    );
    assert_eq!(lines[4]["client"], "127.0.0.1");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(CONTENT) && !text.contains(&id), "{text}");
}

#[tokio::test]
async fn an_audit_log_on_standard_output_has_it_for_itself() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    gateway.stop();
    let mut command = gateway.command(&["--audit-log", "-"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut told = BufReader::new(process.stderr.take().unwrap()).lines();
    let announced = told.find(|line| line.as_ref().unwrap().starts_with("mcp-gateway "));
    assert!(announced.is_some(), "it says where it listens");
    let id = process.id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status();
    assert!(asked.unwrap().success());
    // What is not read any more would hold up its end.
    let rest = std::thread::spawn(move || told.count());
    let ended = process.wait_with_output().unwrap();
    rest.join().unwrap();
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), "");
}

#[tokio::test]
async fn an_audit_log_that_cannot_be_written_stops_the_start() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    gateway.stop();
    let ended = gateway
        .command(&["--audit-log", "nowhere/audit.jsonl"])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("--audit-log"), "{told}");
}
