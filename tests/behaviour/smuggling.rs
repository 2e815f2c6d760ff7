//! Bytes that two servers could read as two different requests, and requests out of all proportion: each
//! is refused, and everybody else is served.

use http::Method;

use crate::world::{FakeBackend, Gateway, Raw};

const END: &str = "connection: close\r\n\r\n";

fn gateway() -> Gateway {
    Gateway::with(&[("it", &FakeBackend::legacy().start())])
}

/// A POST to `/create-session` with these headers, as they are, and this body.
fn post(headers: &str, body: &str) -> String {
    format!(
        "POST /create-session HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
}

/// What is answered to these bytes, a hung-up connection being no answer.
async fn statuses(gateway: &Gateway, bytes: impl AsRef<[u8]>) -> Vec<u16> {
    Raw::send_to(gateway.address(), bytes)
        .await
        .statuses()
        .await
}

async fn still_serves(gateway: &Gateway) {
    assert_eq!(gateway.get("/healthz").await.status, 200);
    let sessions = gateway.get("/sessions").await.json();
    assert_eq!(sessions["sessions"], serde_json::json!([]));
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_ends_its_connection() {
    let gateway = gateway();
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    // It would make a session, were it read.
    let chunks = "12\r\n{\"servers\":[\"it\"]}\r\n0\r\n\r\n";
    for headers in [
        "content-length: 12\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 12\r\n",
        "Transfer-Encoding: chunked\r\nCONTENT-LENGTH: 2\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 2\r\ncontent-length: 3\r\n",
    ] {
        let bytes = post(headers, chunks) + hidden;
        assert_eq!(statuses(&gateway, bytes).await, [400], "{headers}");
    }
    for headers in [
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: 2, 3\r\n",
        "content-length: 2,2\r\n",
        "content-length: +2\r\n",
        "content-length: -2\r\n",
        "content-length: 0x2\r\n",
        "content-length: 2 2\r\n",
        "content-length: 99999999999999999999\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, gzip\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding\r\n",
    ] {
        let bytes = post(headers, "{}") + hidden;
        assert_eq!(statuses(&gateway, bytes).await, [400], "{headers}");
    }
    // Of a protocol that has no chunks.
    let old = post("transfer-encoding: chunked\r\n", chunks).replace("HTTP/1.1", "HTTP/1.0");
    assert_eq!(statuses(&gateway, old).await, [400]);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn nothing_behind_a_chunked_request_is_a_request() {
    let gateway = gateway();
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let chunked = post("transfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n");
    // An empty object names no servers.
    assert_eq!(statuses(&gateway, chunked.clone() + hidden).await, [400]);
    // Nor is one taken that comes before the answer to another: its headers may have hidden a length.
    let first = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = post(
        "transfer-encoding: chunked\r\ncontent-length: 1\r\n",
        "2\r\n{}\r\n0\r\n\r\n",
    );
    let answered = statuses(&gateway, format!("{first}{last}{hidden}")).await;
    assert_eq!(answered, [200, 400]);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn chunks_are_held_to_their_form_and_to_proportion() {
    let gateway = gateway();
    let chunked = "transfer-encoding: chunked\r\n";
    let long = "x".repeat(20_000);
    for body in [
        "z\r\n{}\r\n0\r\n\r\n".to_owned(),
        "-2\r\n{}\r\n0\r\n\r\n".to_owned(),
        "2 2\r\n{}\r\n0\r\n\r\n".to_owned(),
        "ffffffffffffffffff\r\n{}".to_owned(),
        "2\r\n{}xx0\r\n\r\n".to_owned(),
        "\r\n2\r\n{}\r\n0\r\n\r\n".to_owned(),
        // What stands behind a chunk's length nobody reads, and nobody keeps.
        format!("2;{long}\r\n{{}}\r\n0\r\n\r\n"),
        format!("0\r\nx: {long}\r\n\r\n"),
    ] {
        let answered = statuses(&gateway, post(chunked, &body)).await;
        assert_eq!(answered, [400], "{body:.40}");
    }
    let fits = "2;a=b\r\n{\"\r\n1b\r\nservers\":[\"it\"],\"name\":\"x\"}\r\n0\r\nx: y\r\n\r\n";
    let made = statuses(&gateway, post(chunked, fits)).await;
    assert_eq!(made, [201]);
}

#[tokio::test]
async fn lines_and_headers_are_held_to_their_form() {
    let gateway = gateway();
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    for bytes in [
        // Folded lines, which servers join differently.
        format!("{get}x: a\r\n b\r\n{END}"),
        format!("{get} x: a\r\n{END}"),
        format!("{get}x: a\0b\r\n{END}"),
        format!("{get}x: a\rb\r\n{END}"),
        format!("{get}x\0y: a\r\n{END}"),
        format!("{get}x y: a\r\n{END}"),
        format!("{get}: a\r\n{END}"),
        format!("{get}nothing\r\n{END}"),
        "GET /\r\n\r\n".to_owned(),
        "GET  /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /healthz HTTP/1.1 x\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /healthz HTTP/2.0\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /healthz HTTP/9\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /hea\0lthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "G\0T /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
    ] {
        let answered = statuses(&gateway, &bytes).await;
        assert_eq!(answered, [400], "{bytes:?}");
    }
    let latin = [get.as_bytes(), b"x: \xff\xfe\r\n", END.as_bytes()].concat();
    assert_eq!(
        statuses(&gateway, latin).await,
        [200],
        "a byte of any value is text"
    );
    // One line feed ends a line, too (RFC 9112, 2.2); then no other line hides behind it.
    let fed = "GET /healthz HTTP/1.1\nhost: localhost\nconnection: close\n\n";
    assert_eq!(statuses(&gateway, fed).await, [200]);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn more_headers_and_longer_lines_than_may_be_are_refused() {
    let gateway = gateway();
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let many = |count: usize| format!("{get}{}{END}", "x: y\r\n".repeat(count));
    assert_eq!(statuses(&gateway, many(90)).await, [200]);
    assert_eq!(statuses(&gateway, many(101)).await, [431]);
    for bytes in [
        many(100_000),
        format!("{get}x: {}\r\n{END}", "y".repeat(1_000_000)),
        format!("{get}{}: y\r\n{END}", "x".repeat(1_000_000)),
        format!(
            "GET /{} HTTP/1.1\r\nhost: localhost\r\n{END}",
            "x".repeat(1_000_000)
        ),
        format!(
            "{} / HTTP/1.1\r\nhost: localhost\r\n{END}",
            "X".repeat(1_000_000)
        ),
    ] {
        // Who still writes when the answer is sent may not get to read it.
        let answered = statuses(&gateway, &bytes).await;
        let refused = [&[][..], &[431], &[414], &[400]].contains(&&answered[..]);
        assert!(refused, "{answered:?} for {bytes:.40}");
    }
    let long_path = format!(
        "GET /{} HTTP/1.1\r\nhost: localhost\r\n{END}",
        "x".repeat(60_000)
    );
    assert_eq!(statuses(&gateway, long_path).await, [404]);
    still_serves(&gateway).await;
}

#[tokio::test]
async fn limits_of_headers_are_those_of_the_flags() {
    let gateway = Gateway::setup()
        .provider("it", &FakeBackend::legacy().start())
        .argument("--max-headers=200")
        .argument("--max-header-size=8KiB")
        .start();
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
    let many = |count: usize| format!("{get}{}{END}", "x: y\r\n".repeat(count));
    assert_eq!(statuses(&gateway, many(150)).await, [200]);
    assert_eq!(statuses(&gateway, many(250)).await, [431]);
    let long = format!("{get}x: {}\r\n{END}", "y".repeat(10_000));
    assert_eq!(statuses(&gateway, long).await, [431]);
}

#[tokio::test]
async fn a_compressed_body_is_refused_before_it_is_read() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
    for path in ["/create-session", path] {
        for coding in ["gzip", "br", "deflate", "zstd", "gzip, identity", "x"] {
            let request = gateway
                .request(Method::POST, path)
                .header("accept", "application/json, text/event-stream")
                .header("content-type", "application/json")
                .header("content-encoding", coding);
            let answer = gateway.send(request.body(vec![0x1f, 0x8b])).await;
            assert_eq!(answer.status, 415, "{path} {coding}");
            let detail = answer.json()["detail"].take().to_string();
            assert!(detail.contains("without Content-Encoding"), "{detail}");
        }
    }
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}
