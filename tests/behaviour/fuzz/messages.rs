//! Messages at the MCP endpoint: by structure, by damage, in batches, and under odd headers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    arena::{Arena, Heard, request},
    bytes::damaged,
    json::{message, one_of, text},
};
use crate::{LATEST_LEGACY, MODERN, world::FakeBackend};

type Headers = Vec<(&'static str, Vec<u8>)>;

fn arena() -> Arena {
    Arena::new(FakeBackend::both().forgets_requests().start())
}

/// The headers of a client that behaves, in the manner of some era.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// As the message itself says.
    Fitting,
    Plain,
    Legacy,
    Modern,
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        4 => Just(Manner::Fitting),
        1 => prop::sample::select(vec![Manner::Plain, Manner::Legacy, Manner::Modern]),
    ]
}

fn headers(manner: Manner, body: &Value, mcp_session: &str) -> Headers {
    let mut headers: Headers = vec![
        ("content-type", b"application/json".to_vec()),
        ("accept", b"application/json, text/event-stream".to_vec()),
    ];
    let version = &body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    match manner {
        Manner::Plain => {}
        Manner::Fitting if version.is_string() => {
            headers.push(("mcp-protocol-version", in_header(version)));
            headers.push(("mcp-method", in_header(&body["method"])));
            if let Some(name @ Value::String(_)) = body["params"].get("name") {
                headers.push(("mcp-name", in_header(name)));
            }
        }
        Manner::Legacy | Manner::Fitting => {
            headers.push(("mcp-session-id", mcp_session.into()));
            headers.push(("mcp-protocol-version", LATEST_LEGACY.into()));
        }
        Manner::Modern => {
            headers.push(("mcp-protocol-version", MODERN.into()));
            headers.push(("mcp-method", in_header(&body["method"])));
            headers.push(("mcp-name", in_header(&body["params"]["name"])));
        }
    }
    headers
}

/// A value's text without what would end its line.
fn in_header(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_default();
    let kept = text.bytes().filter(|byte| !b"\r\n\0".contains(byte));
    kept.take(1000).collect()
}

fn path(arena: &Arena) -> String {
    format!("/session/{}/mcp", arena.session.id)
}

/// Fails the case unless an answer in JSON is under the id of what was asked, spelled the same.
fn assert_id(body: &Value, heard: &Heard) -> Result<(), TestCaseError> {
    if heard.header("content-type") != Some("application/json") {
        return Ok(());
    }
    let Ok(answer) = serde_json::from_slice::<Value>(&heard.body) else {
        return Ok(());
    };
    if let Some(id) = answer.get("id") {
        prop_assert_eq!(id, &body["id"]);
    }
    Ok(())
}

#[test]
fn no_message_breaks_the_endpoint() {
    let arena = arena();
    let cases = (message(), manner());
    arena.run(&cases, |(body, manner)| {
        let headers = headers(manner, &body, &arena.mcp_session);
        let bytes = request("POST", &path(&arena), &headers, body.to_string().as_bytes());
        let heard = arena.exchange(&bytes)?;
        heard.assert_not_ours()?;
        assert_id(&body, &heard)
    });
}

/// Messages as they are, one of each kind.
fn right() -> BoxedStrategy<Value> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": 1,
    });
    let call = |meta: &Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
               "params": {"name": "it.echo", "arguments": {"a": [1.50, "\u{e9}"]}, "_meta": meta}})
    };
    one_of(vec![
        call(&json!({"progressToken": "t"})),
        call(&meta),
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": LATEST_LEGACY, "capabilities": {"roots": {}},
            "clientInfo": {"name": "x", "version": "1"}}}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"jsonrpc": "2.0", "id": "x", "result": {"roots": []}}),
        json!({"jsonrpc": "2.0", "id": "x", "error": {"code": -1, "message": "no"}}),
        json!({"jsonrpc": "2.0", "id": 2, "method": "server/discover", "params": {"_meta": meta}}),
    ])
}

#[test]
fn no_damage_to_a_message_breaks_the_endpoint() {
    let arena = arena();
    let cases = (right(), manner()).prop_flat_map(|(body, manner)| {
        let whole = Just(body.to_string().into_bytes());
        (damaged(whole), Just(body), Just(manner))
    });
    arena.run(&cases, |(bytes, body, manner)| {
        let headers = headers(manner, &body, &arena.mcp_session);
        let heard = arena.exchange(&request("POST", &path(&arena), &headers, &bytes))?;
        heard.assert_not_ours()
    });
}

#[test]
fn no_batch_breaks_the_endpoint() {
    let arena = arena();
    let opened = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-03-26", "capabilities": {},
        "clientInfo": {"name": "x", "version": "1"}}});
    let open = headers(Manner::Plain, &opened, "");
    let bytes = request("POST", &path(&arena), &open, opened.to_string().as_bytes());
    let opened = arena.exchange(&bytes).unwrap();
    let mcp_session = opened.header("mcp-session-id").unwrap().to_owned();
    let batch = prop::collection::vec(message(), 0..8);
    arena.run(&batch, |batch| {
        let mut headers = headers(Manner::Plain, &Value::Null, "");
        headers.push(("mcp-session-id", mcp_session.clone().into()));
        let body = Value::from(batch).to_string();
        let heard = arena.exchange(&request("POST", &path(&arena), &headers, body.as_bytes()))?;
        heard.assert_not_ours()
    });
}

/// The value of a header: text that some reader may stumble over, or any bytes a header may have.
fn header_value() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    let any_bytes = prop_oneof![text().prop_map(String::into_bytes), bytes].boxed();
    let fitting = any_bytes.clone().prop_map(|mut bytes| {
        bytes.retain(|byte| *byte >= b' ' && *byte != 0x7f);
        bytes
    });
    prop_oneof![
        1 => prop::sample::select(vec![
            "application/json",
            "application/json; charset=utf-16",
            "text/event-stream;q=0, */*",
            "tools/call",
            "it.echo",
            "=?base64?aXQuZWNobw==?=",
            "=?base64?/w==?=",
            "gzip",
            "00-00000000000000000000000000000000-0000000000000000-00",
            "http://evil.example",
            "null",
            "0-1",
            "Bearer ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        2 => fitting,
        1 => any_bytes,
    ]
    .prop_map(|bytes| {
        // What would end the line is for the requests that are broken as a whole.
        bytes
            .into_iter()
            .filter(|it| !b"\r\n".contains(it))
            .collect()
    })
}

#[test]
fn no_header_breaks_the_endpoint() {
    let arena = arena();
    let names = vec![
        "accept",
        "authorization",
        "content-encoding",
        "content-type",
        "cookie",
        "last-event-id",
        "mcp-method",
        "mcp-name",
        "mcp-param-a",
        "mcp-protocol-version",
        "mcp-session-id",
        "origin",
        "traceparent",
        "tracestate",
        "x-forwarded-for",
    ];
    let odd = prop::collection::vec((prop::sample::select(names), header_value()), 1..4);
    let cases = (
        right(),
        manner(),
        odd,
        prop::sample::select(vec!["POST", "GET", "DELETE"]),
    );
    arena.run(&cases, |(body, manner, odd, method)| {
        let mut headers = headers(manner, &body, &arena.mcp_session);
        if method == "DELETE" {
            // Its own MCP session may go; the one that the other cases use may not.
            headers.retain(|(name, _)| *name != "mcp-session-id");
        }
        headers.retain(|(name, _)| odd.iter().all(|(other, _)| other != name));
        headers.extend(odd);
        let body = body.to_string();
        let body = if method == "POST" {
            body.as_bytes()
        } else {
            b""
        };
        let heard = arena.exchange(&request(method, &path(&arena), &headers, body))?;
        heard.assert_not_ours()
    });
}

/// Not only the message, but the request that carries it.
#[test]
fn no_bytes_on_a_connection_break_the_server() {
    let arena = arena();
    let cases = right().prop_flat_map(|body| {
        let text = body.to_string();
        let head = "POST /session/00000000-0000-4000-8000-000000000000/mcp HTTP/1.1\r\n\
            host: 127.0.0.1\r\nconnection: close\r\ncontent-type: application/json\r\n\
            accept: application/json, text/event-stream\r\n";
        let plain = format!("{head}content-length: {}\r\n\r\n{text}", text.len());
        let chunked = format!(
            "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
            text.len()
        );
        let whole = prop::sample::select(vec![plain.into_bytes(), chunked.into_bytes()]);
        damaged(whole)
    });
    arena.run(&cases, |bytes| {
        // A request that is cut short is not waited for: nobody says more on this connection.
        match arena.converse_and_hang_up(&bytes)? {
            Some(heard) => heard.assert_not_ours(),
            None => Ok(()),
        }
    });
}
