//! Clients that send too slowly, read too slowly, or leave: they are given up, what they hold is freed, and
//! everybody else is served.

use std::fs;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        Client, FakeBackend, Gateway, List, Raw, eventually,
        fake_backend::Script,
        gateway::Session,
        raw::frames::{
            self, DATA, END_STREAM, HEADERS, INITIAL_WINDOW, RESET, frame, hello, request,
        },
    },
};

const MIB: usize = 1024 * 1024;

async fn world(script: Script, arguments: &[&str]) -> (FakeBackend, Gateway, Session) {
    let backend = script.recites().start();
    let setup = Gateway::setup().provider("it", &backend);
    let setup = arguments.iter().fold(setup, |setup, it| setup.argument(it));
    let gateway = setup.start();
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

fn eras() -> [Script; 2] {
    [FakeBackend::legacy(), FakeBackend::modern()]
}

fn resident(gateway: &Gateway) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", gateway.process_id())).unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn path<'a>(gateway: &Gateway, session: &'a Session) -> &'a str {
    session.endpoint.strip_prefix(&gateway.url("")).unwrap()
}

/// A POST of a whole message, with these further headers.
fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// A call that has its backend say 100 MB.
fn endless() -> String {
    let filling = "x".repeat(10_000);
    let said = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/com.example/said","params":{{"filling":"{filling}"}}}}"#
    );
    let arguments = json!({"messages": [said], "times": 10_000, "waits": true});
    call(&json!({"name": "it.recite", "arguments": arguments}))
}

/// A call of the era in which leaving takes a request back; in the other, only a message does.
fn call(params: &Value) -> String {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

/// The headers of that era for a call of this tool.
fn modern(tool: &str) -> String {
    format!("mcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n")
}

async fn is_taken_back(backend: &FakeBackend) {
    backend
        .until("the call to be taken back", |it| {
            !it.cancellations().is_empty()
        })
        .await;
}

async fn still_serves(session: &Session) {
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn headers_bodies_and_silence_have_an_end() {
    // Long enough for whoever means well on any machine; all of them wait at once.
    let arguments = ["--header-timeout=3s", "--body-timeout=3s", "--keep-open=3s"];
    let (_backend, gateway, session) = world(FakeBackend::legacy(), &arguments).await;
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let whole = format!("{get}\r\n");
    let body = post("/create-session", "", r#"{"servers":["it"]}"#);
    let endpoint = post(
        path(&gateway, &session),
        "",
        &call(&json!({"name": "it.echo"})),
    );
    let cases = [
        ("", vec![]),
        ("G", vec![]),
        (get, vec![]),
        (&whole, vec![200]),
        (&format!("{whole}{get}"), vec![200]),
        // The last byte of the body does not come.
        (&body[..body.len() - 1], vec![408]),
        (&endpoint[..endpoint.len() - 1], vec![408]),
    ];
    let waiting = cases.into_iter().map(async |(bytes, answered)| {
        let raw = Raw::send_to(gateway.address(), bytes).await;
        assert_eq!(raw.statuses().await, answered, "{bytes}");
    });
    join_all(waiting).await;
    // Each of its requests has a connection of its own: none may be closed under it meanwhile.
    still_serves(&session).await;
}

#[tokio::test]
async fn a_request_may_take_longer_than_silence_may_last() {
    // Long enough for whoever means well on any machine.
    let arguments = [
        "--header-timeout=3s",
        "--keep-open=3s",
        "--write-timeout=3s",
    ];
    let (backend, gateway, session) = world(FakeBackend::legacy(), &arguments).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut listening = client.get_stream().await;
    let slow = client.call("it.slow", json!({"ms": 4500})).await;
    assert_eq!(slow.text(), "rested");
    backend.announce_change(List::Tools);
    let told = listening.next().await.unwrap();
    assert_eq!(told.method().unwrap(), "notifications/tools/list_changed");
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn who_does_not_read_is_given_up_and_the_call_taken_back() {
    for script in eras() {
        let (backend, gateway, session) = world(script, &["--write-timeout=300ms"]).await;
        let before = resident(&gateway);
        let bytes = post(path(&gateway, &session), &modern("it.recite"), &endless());
        let unread = Raw::send_to(gateway.address(), bytes).await;
        is_taken_back(&backend).await;
        let after = resident(&gateway);
        assert!(after < before + 64 * MIB, "{before} bytes, then {after}");
        still_serves(&session).await;
        let received = unread.rest_bytes().await.len();
        assert!(received < 64 * MIB, "{received} of 100 MB");
    }
}

#[tokio::test]
async fn one_unread_stream_is_given_up_and_its_connection_goes_on() {
    for script in eras() {
        let (backend, gateway, session) = world(script, &["--write-timeout=300ms"]).await;
        let before = resident(&gateway);
        let path = path(&gateway, &session);
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", MODERN),
            ("mcp-method", "tools/call"),
            ("mcp-name", "it.recite"),
        ];
        // It takes a hundred bytes of each stream, and then no more.
        let mut bytes = hello(&[(INITIAL_WINDOW, 100)]);
        bytes.extend(request(1, "POST", path, &headers, false));
        for piece in endless().as_bytes().chunks(16_000) {
            bytes.extend(frame(DATA, 0, 1, piece));
        }
        bytes.extend(frame(DATA, END_STREAM, 1, b""));
        let mut raw = Raw::send_to(gateway.address(), bytes).await;
        raw.frame(|it| it.kind == DATA && it.stream == 1).await;
        is_taken_back(&backend).await;
        raw.send(request(3, "GET", "/healthz", &[], true)).await;
        raw.frame(|it| it.kind == HEADERS && it.stream == 3).await;
        // Who comes back for the rest is told that there is none.
        raw.send(frame(
            frames::WINDOW_UPDATE,
            0,
            1,
            &100_000_u32.to_be_bytes(),
        ))
        .await;
        raw.frame(|it| it.kind == RESET && it.stream == 1).await;
        let after = resident(&gateway);
        assert!(after < before + 64 * MIB, "{before} bytes, then {after}");
        still_serves(&session).await;
    }
}

#[tokio::test]
async fn who_leaves_in_the_middle_has_the_call_taken_back() {
    for script in eras() {
        let (backend, gateway, session) = world(script, &[]).await;
        let wait = call(&json!({"name": "it.wait", "arguments": {}}));
        let bytes = post(path(&gateway, &session), &modern("it.wait"), &wait);
        let left = Raw::send_to(gateway.address(), bytes).await;
        backend
            .until("the call", |it| it.executions("wait") == 1)
            .await;
        drop(left);
        is_taken_back(&backend).await;
        still_serves(&session).await;
    }
}

#[tokio::test]
async fn a_listener_that_does_not_read_fills_no_memory() {
    let script = FakeBackend::legacy();
    let arguments = ["--write-timeout=300ms", "--keep-open=300ms"];
    let (backend, gateway, session) = world(script, &arguments).await;
    backend.tolerate();
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let level = json!({"level": "debug"});
    client.request("logging/setLevel", level).await.result();
    let before = resident(&gateway);
    let get = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\nmcp-session-id: {}\r\n\r\n",
        path(&gateway, &session),
        client.mcp_session().unwrap()
    );
    let mut unread = Raw::send_to(gateway.address(), get).await;
    unread.until("200 OK").await;
    // The one of the whole connection, and that of this client.
    backend
        .until("both streams", |it| it.listeners() == 2)
        .await;
    let filling = "x".repeat(100_000);
    let said = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"emergency","data":"{filling}"}}}}"#
    );
    for _ in 0..1_000 {
        backend.announce(&said);
    }
    client.call("it.echo", json!({})).await.result();
    // Whoever began to read before that would get all of it, and more for ever.
    eventually("the client to be given up", async || !unread.is_held()).await;
    let after = resident(&gateway);
    assert!(after < before + 64 * MIB, "{before} bytes, then {after}");
    // It was closed when more waited for it than may, or when it was given up.
    let received = unread.rest_bytes().await.len();
    assert!(received < 64 * MIB, "{received} of 100 MB");
}
