//! HTTP/2 that is out of all proportion, written frame by frame: the connection that brings it ends, and
//! everybody else is served.

use std::fs;

use crate::world::{FakeBackend, Gateway, Raw, raw::frames};

use frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, RESET, SETTINGS,
    WINDOW_UPDATE, frame, hello, request,
};

const MIB: usize = 1024 * 1024;
/// Error codes. Spec: RFC 9113, section 7.
const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

fn gateway(arguments: &[&str]) -> Gateway {
    let setup = Gateway::setup().provider("it", &FakeBackend::legacy().start());
    let setup = arguments.iter().fold(setup, |setup, it| setup.argument(it));
    setup.start()
}

fn resident(gateway: &Gateway) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", gateway.process_id())).unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// A well-behaved client over HTTP/2.
async fn still_serves(gateway: &Gateway) {
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy()
        .build()
        .unwrap();
    let answer = gateway.send(client.get(gateway.url("/healthz"))).await;
    assert_eq!(answer.status, 200);
    let foreign = client
        .get(gateway.url("/healthz"))
        .header("host", "evil.example");
    assert_eq!(gateway.send(foreign).await.status, 403);
}

#[tokio::test]
async fn requests_that_are_reset_at_once_end_their_connection() {
    let gateway = gateway(&[]);
    let before = resident(&gateway);
    let mut bytes = hello(&[]);
    for stream in (1..40_000).step_by(2) {
        bytes.extend(request(stream, "GET", "/sessions", &[], true));
        bytes.extend(frame(RESET, 0, stream, &8_u32.to_be_bytes()));
    }
    let raw = Raw::send_to(gateway.address(), bytes).await;
    let told = frames::read(&raw.rest_bytes().await);
    let goodbye = told.iter().find(|it| it.kind == GO_AWAY).unwrap();
    assert_eq!(goodbye.code(4), ENHANCE_YOUR_CALM);
    still_serves(&gateway).await;
    assert!(resident(&gateway) < before + 32 * MIB);
}

#[tokio::test]
async fn mistakes_without_end_end_their_connection() {
    let gateway = gateway(&[]);
    let mut bytes = hello(&[]);
    // Each is answered with a reset, of which nobody reads any.
    let headers = [("connection", "close")];
    for stream in (1..2_000).step_by(2) {
        bytes.extend(request(stream, "GET", "/healthz", &headers, true));
    }
    let raw = Raw::send_to(gateway.address(), bytes).await;
    let told = frames::read(&raw.rest_bytes().await);
    let goodbye = told.iter().find(|it| it.kind == GO_AWAY).unwrap();
    assert_eq!(goodbye.code(4), ENHANCE_YOUR_CALM);
    let resets = told.iter().filter(|it| it.kind == RESET).count();
    assert!(resets < 512, "{resets} mistakes were borne with");
    still_serves(&gateway).await;
}

#[tokio::test]
async fn headers_without_end_end_their_connection() {
    let gateway = gateway(&[]);
    let before = resident(&gateway);
    for piece in [&[][..], &[0x40, 1, b'x', 1, b'y'].repeat(1000)] {
        let mut bytes = hello(&[]);
        bytes.extend(frame(HEADERS, END_STREAM, 1, &[0x82]));
        let mut raw = Raw::send_to(gateway.address(), bytes).await;
        let more = frame(CONTINUATION, 0, 1, piece);
        let mut sent = 0;
        while raw.send(&more).await {
            sent += 1;
            assert!(
                sent < 1_000_000,
                "an endless flood of {} bytes each",
                more.len()
            );
        }
    }
    still_serves(&gateway).await;
    assert!(resident(&gateway) < before + 32 * MIB);
}

#[tokio::test]
async fn floods_of_small_frames_cost_no_memory() {
    let gateway = gateway(&["--write-timeout=300ms"]);
    let before = resident(&gateway);
    let setting = [0, 3, 0, 0, 0, 100];
    for flood in [
        frame(PING, 0, 0, &[7; 8]),
        frame(SETTINGS, 0, 0, &setting),
        frame(SETTINGS, 0, 0, &[]),
        frame(WINDOW_UPDATE, 0, 0, &0_u32.to_be_bytes()),
        frame(0xbe, 0, 0, &[7; 100]),
        frame(2, 0, 1, &[0, 0, 0, 3, 7]),
    ] {
        let mut raw = Raw::send_to(gateway.address(), hello(&[])).await;
        // Whoever answers them all finds that nobody reads the answers.
        let many = flood.repeat(1000);
        for _ in 0..200 {
            if !raw.send_some(&many).await {
                break;
            }
        }
        still_serves(&gateway).await;
    }
    let after = resident(&gateway);
    assert!(after < before + 64 * MIB, "{before} bytes, then {after}");
}

#[tokio::test]
async fn a_connection_has_so_many_requests_at_once() {
    let gateway = gateway(&["--max-streams=2"]);
    let mut bytes = hello(&[]);
    for stream in [1, 3, 5] {
        // Their bodies never come.
        bytes.extend(request(
            stream,
            "POST",
            "/create-session",
            &[("content-type", "application/json")],
            false,
        ));
    }
    let mut raw = Raw::send_to(gateway.address(), bytes).await;
    let refused = raw.frame(|it| it.kind == RESET).await;
    assert_eq!((refused.stream, refused.code(0)), (5, REFUSED_STREAM));
    raw.send(frame(DATA, END_STREAM, 1, b"{}")).await;
    let answered = raw.frame(|it| it.kind == HEADERS).await;
    assert_eq!(answered.stream, 1);
}

#[tokio::test]
async fn headers_beyond_the_bound_are_refused() {
    let gateway = gateway(&["--max-header-size=8KiB"]);
    let long = "y".repeat(9000);
    let mut bytes = hello(&[]);
    bytes.extend(request(1, "GET", "/healthz", &[("x", &long)], true));
    bytes.extend(request(3, "GET", "/healthz", &[], true));
    let mut raw = Raw::send_to(gateway.address(), bytes).await;
    let first = raw.frame(|it| it.kind == HEADERS && it.stream == 1).await;
    // `:status: 431`, its digits in Huffman's code.
    assert_eq!(first.payload, [0x48, 0x83, 0x69, 0x90, 0xff]);
    let second = raw.frame(|it| it.kind == HEADERS && it.stream == 3).await;
    assert_eq!(second.payload[0], 0x88, "`:status: 200` has");
    still_serves(&gateway).await;
}

#[tokio::test]
async fn requests_that_are_none_harm_nobody() {
    let gateway = gateway(&[]);
    let get = |headers: &[(&str, &str)]| request(1, "GET", "/healthz", headers, true);
    let post = |length| {
        let headers = [
            ("content-type", "application/json"),
            ("content-length", length),
        ];
        let body = frame(DATA, END_STREAM, 1, b"{}");
        [request(1, "POST", "/create-session", &headers, false), body].concat()
    };
    for bytes in [
        get(&[("connection", "close")]),
        get(&[("transfer-encoding", "chunked")]),
        get(&[("X-UPPER", "y")]),
        get(&[("x", "a\r\nb: c")]),
        get(&[("x", "a\0b")]),
        get(&[(":path", "/sessions")]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82, 0x86]),
        // More, and less, than was sent.
        post("9"),
        post("1"),
        request(2, "GET", "/healthz", &[], true),
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20]),
        frame(PING, 0, 0, b"short"),
        frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
    ] {
        let mut raw = Raw::send_to(gateway.address(), [hello(&[]), bytes.clone()].concat()).await;
        let is_verdict = |it: &frames::Frame| {
            it.kind == GO_AWAY || it.stream == 1 && [RESET, HEADERS].contains(&it.kind)
        };
        let told = raw.frame(is_verdict).await;
        let is_refused = match told.kind {
            GO_AWAY => told.code(4) != 0,
            RESET => told.code(0) == PROTOCOL_ERROR,
            // `:status: 400`.
            _ => told.payload[0] == 0x8c,
        };
        assert!(
            is_refused,
            "{told:?} for {:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
    still_serves(&gateway).await;
    let sessions = gateway.get("/sessions").await.json();
    assert_eq!(sessions["sessions"], serde_json::json!([]));
}

#[tokio::test]
async fn a_connection_without_requests_is_told_goodbye() {
    let gateway = gateway(&["--keep-open=300ms"]);
    let bytes = [hello(&[]), request(1, "GET", "/healthz", &[], true)].concat();
    let mut raw = Raw::send_to(gateway.address(), bytes).await;
    raw.frame(|it| it.kind == HEADERS && it.stream == 1).await;
    let goodbye = raw.frame(|it| it.kind == GO_AWAY).await;
    assert_eq!(goodbye.code(4), 0);
    // Whether or not it answers, its end comes.
    raw.rest_bytes().await;
}
