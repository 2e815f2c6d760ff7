//! JSON that is too deep, too doubled, too long, or none at all: told to its sender, and to nobody else.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, Program, Raw, fake_backend::Recorded, gateway::Session},
};

async fn world() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

/// What comes back for these bytes on the MCP endpoint: the status and the body.
async fn answer(gateway: &Gateway, session: &Session, body: &[u8]) -> (u16, Value) {
    let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         accept: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let raw = Raw::send_to(gateway.address(), [head.as_bytes(), body].concat()).await;
    let text = raw.rest().await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn text(sent: &Recorded) -> String {
    String::from_utf8(sent.body.to_vec()).unwrap()
}

#[tokio::test]
async fn what_is_no_text_of_json_is_refused_as_such() {
    let (backend, gateway, session) = world().await;
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it.count"}}"#;
    let with = |before: &[u8], after: &[u8]| [before, &call[..], after].concat();
    let inside = |text: &[u8]| {
        let (head, tail) = (&call[..call.len() - 2], &call[call.len() - 2..]);
        [head, b",\"x\":\"", text, b"\"", tail].concat()
    };
    for body in [
        with(b"\xef\xbb\xbf", b""),
        with(b"\xff\xfe", b""),
        with(b"", b"{}"),
        with(b"", b"\0"),
        with(b"/* */", b""),
        // Not UTF-8: a byte of nothing, one cut short, one too long, half of a pair.
        inside(b"\xff"),
        inside(b"\xe2\x82"),
        inside(b"\xc0\xaf"),
        inside(b"\xed\xa0\x80"),
        inside(b"a\nb"),
        inside(b"a\0b"),
        inside(b"\\x41"),
        inside(b"\\u12"),
        call[..call.len() - 1].to_vec(),
        b"".to_vec(),
        b" ".to_vec(),
        b"NaN".to_vec(),
        b"{\"jsonrpc\":\"2.0\",\"id\":01,\"method\":\"ping\"}".to_vec(),
        call.iter().flat_map(|byte| [*byte, 0]).collect(),
    ] {
        let (status, told) = answer(&gateway, &session, &body).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(
            (status, &told["error"]["code"]),
            (400, &json!(-32700)),
            "{text:?}"
        );
    }
    assert_eq!(backend.executions("count"), 0);
}

#[tokio::test]
async fn a_doubled_member_of_the_envelope_is_refused() {
    let (backend, gateway, session) = world().await;
    let envelope = [
        r#""jsonrpc":"2.0""#,
        r#""id":1"#,
        r#""method":"tools/call""#,
        r#""params":{"name":"it.count"}"#,
    ];
    for doubled in envelope
        .iter()
        .chain(&[r#""method":"ping""#, r#""id":2"#, r#""i\u0064":2"#])
    {
        let body = format!("{{{},{doubled}}}", envelope.join(","));
        let (status, told) = answer(&gateway, &session, body.as_bytes()).await;
        assert_eq!(
            (status, &told["error"]["code"]),
            (400, &json!(-32600)),
            "{body}"
        );
    }
    assert_eq!(backend.executions("count"), 0);
    // Of what a tool is called with nobody here has to make sense.
    let client = Client::plain(&session.endpoint);
    let twice = r#"{"name":"it.echo","arguments":{"a":1,"a":2}}"#;
    client.request_raw("tools/call", twice).await.result();
    let sent = backend.requests_of("tools/call").remove(0);
    assert!(text(&sent).contains(r#"{"a":1,"a":2}"#), "{sent:?}");
}

#[tokio::test]
async fn a_doubled_member_of_a_rest_body_is_refused_without_its_value() {
    let (_backend, gateway, _session) = world().await;
    for body in [
        r#"{"servers":["it"],"servers":["it"]}"#,
        r#"{"servers":["it"],"credentials":{},"credentials":{"it":{"token":"hunter2"}}}"#,
        r#"{"servers":["it"],"credentials":{"it":{"token":"hunter2","token":"hunter2"}}}"#,
        r#"{"servers":["it"],"serv\u0065rs":["it"]}"#,
    ] {
        let answer = gateway.post_text("/create-session", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.text.contains("twice"), "{}", answer.text);
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
}

#[tokio::test]
async fn depth_width_and_length_of_a_rest_body_are_bounded() {
    let (_backend, gateway, _session) = world().await;
    for levels in [100, 1_000, 100_000] {
        let deep = format!(
            r#"{{"servers":["it"],"credentials":{}{}}}"#,
            r#"{"a":"#.repeat(levels),
            "}".repeat(levels)
        );
        let refused = gateway.post_text("/create-session", &deep).await.status;
        assert!([400, 413].contains(&refused), "{refused}");
        let list = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let refused = gateway.post_text("/create-session", &list).await.status;
        assert!([400, 413].contains(&refused), "{refused}");
    }
    let members: Vec<String> = (0..200_000).map(|n| format!(r#""m{n}":0"#)).collect();
    let wide = format!("{{{}}}", members.join(","));
    let refused = gateway.post_text("/create-session", &wide).await;
    assert!([400, 413].contains(&refused.status), "{}", refused.status);
    assert!(refused.text.len() < 1000, "{} bytes", refused.text.len());
    let many = format!(r#"{{"servers":[{}"it"]}}"#, r#""it","#.repeat(100_000));
    let refused = gateway.post_text("/create-session", &many).await;
    assert!([400, 413].contains(&refused.status), "{}", refused.status);
    assert!(refused.text.len() < 1000, "{} bytes", refused.text.len());
    let long = format!(r#"{{"servers":["{}"]}}"#, "x".repeat(1_000_000));
    let refused = gateway.post_text("/create-session", &long).await;
    assert!([400, 413].contains(&refused.status), "{}", refused.status);
    assert!(refused.text.len() < 1000, "{} bytes", refused.text.len());
    assert_eq!(gateway.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn an_id_is_echoed_to_the_letter_up_to_its_bound() {
    let (_backend, gateway, session) = world().await;
    let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
    for id in [
        format!("\"{}\"", "x".repeat(1022)),
        "9".repeat(1024),
        "-9007199254740993".to_owned(),
        r#""\ud83d\ude00\u0000\"\/""#.to_owned(),
        // Half of a pair is no text, but it is an id.
        r#""\ud800""#.to_owned(),
        "\"\u{1F600}\"".to_owned(),
    ] {
        let path = session.endpoint.strip_prefix(&gateway.url("")).unwrap();
        let request = gateway.request(http::Method::POST, path);
        let request = request
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let answer = gateway.send(request.body(ping(&id))).await;
        assert_eq!(answer.status, 200);
        let whole = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(answer.text, whole);
    }
    for id in [
        format!("\"{}\"", "x".repeat(1023)),
        "9".repeat(1025),
        "1.0".to_owned(),
        "1e3".to_owned(),
        "true".to_owned(),
        "[1]".to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        let (status, told) = answer(&gateway, &session, ping(&id).as_bytes()).await;
        assert_eq!(
            (status, &told["error"]["code"]),
            (400, &json!(-32600)),
            "{id:.50}"
        );
    }
}

#[tokio::test]
async fn numbers_and_half_pairs_reach_the_backend_as_they_are() {
    let (backend, _gateway, session) = world().await;
    backend.tolerate();
    let odd =
        r#"{"n":123456789012345678901234567890.10,"e":1E+40,"z":-0,"s":"\ud800","t":"\u0000"}"#;
    let program = Program::named("x").lenient();
    let client = program.legacy(&session.endpoint, LATEST_LEGACY).await;
    let params = format!(r#"{{"name":"it.count","arguments":{odd}}}"#);
    client.request_raw("tools/call", &params).await.result();
    let modern = [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "it.count"),
    ];
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"it.count","arguments":{odd},"_meta":{meta}}}}}"#
    );
    client.post_text(&body, &modern).await;
    let sent = backend.requests_of("tools/call");
    assert!(
        sent.len() == 2 && sent.iter().all(|it| text(it).contains(odd)),
        "{sent:?}"
    );
    let half = r#"{"name":"it.\ud800","arguments":{}}"#;
    let client = Client::plain(&session.endpoint);
    let told = client.request_raw("tools/call", half).await.error();
    assert_eq!(told.code, -32602);
}
