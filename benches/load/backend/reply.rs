//! What the fake backend answers. It refuses what a strict server would refuse, so that a gateway cannot win time by
//! leaving something out.

use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Manner;
use super::request::{Head, Verb};
use super::tools::{self, Call, Parts};
use crate::http1::Connection;
use crate::options::{Era, Framing};

/// Every MCP session id begins with this.
const SESSION_PREFIX: &str = "fake-";

/// What lists and discovery of the modern era say about their freshness, and every result about its kind.
const MODERN_LIST: &str = r#","resultType":"complete","ttlMs":60000,"cacheScope":"public""#;
const MODERN_RESULT: &str = r#","resultType":"complete""#;

const IMPLEMENTATION: &str = r#"{"name":"fake","version":"1"}"#;

/// Spec: 2026-07-28 basic, "Unsupported protocol version".
const UNSUPPORTED_VERSION: i32 = -32022;

/// Up to this size a body is copied together with its head.
const SMALL_BYTES: usize = 4096;

/// One fake backend.
#[derive(Debug)]
pub(super) struct Fake {
    manner: Manner,
    /// The JSON array of all tools.
    tools: Bytes,
    sessions: AtomicU64,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: &'a str,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

/// Why a request gets no result: HTTP status, then code and message of the error.
struct Refusal(Status, i32, &'static str);

/// Status and reason.
type Status = &'static str;

const OK: Status = "200 OK";
const ACCEPTED: Status = "202 Accepted";
const BAD_REQUEST: Status = "400 Bad Request";
const NOT_FOUND: Status = "404 Not Found";
const NOT_ALLOWED: Status = "405 Method Not Allowed\r\nallow: POST, DELETE";

/// A response, and how long it takes to come.
pub(super) struct Reply {
    delay: Duration,
    status: Status,
    mcp_session: Option<String>,
    content: Content,
}

enum Content {
    Json(Parts),
    /// Each of them is sent by itself, with no length announced, and the end a moment after the last.
    Events(Vec<Parts>),
}

impl Fake {
    pub(super) fn new(tools: u32, manner: Manner) -> Self {
        Self {
            manner,
            tools: tools::listed(tools),
            sessions: AtomicU64::new(0),
        }
    }

    /// Answers one request.
    pub(super) fn reply(&self, head: &Head, body: &[u8]) -> Reply {
        match head.verb {
            Verb::Post => self.answer(head, body),
            Verb::Delete => Reply::empty(OK),
            Verb::Other => Reply::empty(NOT_ALLOWED),
        }
    }

    fn answer(&self, head: &Head, body: &[u8]) -> Reply {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
            let refusal = Refusal(BAD_REQUEST, -32700, "not a JSON-RPC message");
            return refuse(None, head, &refusal);
        };
        let era = head.era();
        let outcome = self
            .admit(&message, era, head)
            .and_then(|()| match message.id {
                Some(_) => self.result(&message, era, head).map(Some),
                None => Ok(None),
            });
        match (outcome, message.id) {
            (Ok(Some(parts)), Some(id)) => self.frame(&message, id, parts),
            (Ok(_), _) => Reply::empty(ACCEPTED),
            (Err(refusal), _) => refuse(Some(&message), head, &refusal),
        }
    }

    /// Era, MCP session and headers. Spec: 2025-11-25 and 2026-07-28, basic/transports.
    fn admit(&self, message: &Message<'_>, era: Era, head: &Head) -> Result<(), Refusal> {
        let bad = |code, text| Err(Refusal(BAD_REQUEST, code, text));
        if !self.manner.spoken.includes(era) {
            return match era {
                Era::Legacy => bad(UNSUPPORTED_VERSION, "only 2026-07-28 is spoken here"),
                Era::Modern => bad(-32000, "only 2025-11-25 is spoken here"),
            };
        }
        match era {
            Era::Legacy => {
                let id = head.mcp_session.as_deref();
                let is_known = id.is_some_and(|id| id.starts_with(SESSION_PREFIX.as_bytes()));
                if message.method != "initialize" && !is_known {
                    return bad(-32000, "Mcp-Session-Id is missing");
                }
            }
            Era::Modern => {
                if head.method.as_deref() != Some(message.method.as_bytes()) {
                    return bad(-32020, "Mcp-Method differs from the method");
                }
            }
        }
        Ok(())
    }

    fn result(&self, message: &Message<'_>, era: Era, head: &Head) -> Result<Parts, Refusal> {
        let (plain, list) = match era {
            Era::Legacy => ("", ""),
            Era::Modern => (MODERN_RESULT, MODERN_LIST),
        };
        match (message.method, era) {
            ("tools/call", _) => call(message, era, head, plain),
            ("tools/list", _) => Ok(vec![
                Bytes::from_static(br#"{"tools":"#),
                self.tools.clone(),
                Bytes::from(format!("{list}}}")),
            ]),
            ("initialize", Era::Legacy) => Ok(vec![Bytes::from(format!(
                r#"{{"protocolVersion":"{}","capabilities":{{"tools":{{}}}},"serverInfo":{IMPLEMENTATION}}}"#,
                Era::Legacy.revision()
            ))]),
            ("server/discover", Era::Modern) => Ok(vec![Bytes::from(format!(
                r#"{{"supportedVersions":["{}"],"capabilities":{{"tools":{{}}}}{list},"_meta":{{"io.modelcontextprotocol/serverInfo":{IMPLEMENTATION}}}}}"#,
                Era::Modern.revision()
            ))]),
            ("ping", Era::Legacy) => Ok(vec![Bytes::from_static(b"{}")]),
            (_, Era::Legacy) => Err(Refusal(OK, -32601, "no such method")),
            (_, Era::Modern) => Err(Refusal(NOT_FOUND, -32601, "no such method")),
        }
    }

    fn frame(&self, message: &Message<'_>, id: &RawValue, result: Parts) -> Reply {
        let (open, close) = match self.manner.framing {
            Framing::Json => ("", ""),
            Framing::Sse => (EVENT, "\n\n"),
        };
        let begin = Bytes::from(format!(r#"{open}{{"jsonrpc":"2.0","id":{id},"result":"#));
        let end = Bytes::from(format!("}}{close}"));
        let parts: Parts = std::iter::once(begin).chain(result).chain([end]).collect();
        let content = match self.manner.framing {
            Framing::Json => Content::Json(parts),
            Framing::Sse => {
                let mut events = self.progress(message);
                events.push(parts);
                Content::Events(events)
            }
        };
        Reply {
            delay: match message.method {
                "tools/call" => self.manner.delay,
                _ => Duration::ZERO,
            },
            status: OK,
            mcp_session: (message.method == "initialize").then(|| self.new_session()),
            content,
        }
    }

    /// Events that tell how a call gets on, if its caller asked for them.
    fn progress(&self, message: &Message<'_>) -> Vec<Parts> {
        let steps = self.manner.progress;
        let token = message.params.filter(|_| steps > 0).and_then(token);
        let Some(token) = token else {
            return Vec::new();
        };
        let event = |step| {
            Bytes::from(format!(
                "{EVENT}{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":\
                 {{\"progressToken\":{token},\"progress\":{step},\"total\":{steps}}}}}\n\n"
            ))
        };
        (1..=steps).map(|step| vec![event(step)]).collect()
    }

    fn new_session(&self) -> String {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        format!("{SESSION_PREFIX}{number}")
    }
}

const EVENT: &str = "event: message\ndata: ";

/// The progress token of a request. Spec: 2025-11-25 basic/utilities/progress.
fn token(params: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Asking<'a> {
        #[serde(borrow, rename = "_meta")]
        meta: Meta<'a>,
    }
    #[derive(Deserialize)]
    struct Meta<'a> {
        #[serde(borrow, rename = "progressToken")]
        token: &'a RawValue,
    }
    let asking: Asking<'_> = serde_json::from_str(params.get()).ok()?;
    Some(asking.meta.token)
}

impl Reply {
    /// A response that only has a status.
    fn empty(status: Status) -> Self {
        Self {
            delay: Duration::ZERO,
            status,
            mcp_session: None,
            content: Content::Json(Parts::new()),
        }
    }

    pub(super) async fn send(self, connection: &mut Connection) -> io::Result<()> {
        if !self.delay.is_zero() {
            sleep(self.delay).await;
        }
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        if let Some(mcp_session) = &self.mcp_session {
            // Writing to a string cannot fail.
            let _ = write!(head, "mcp-session-id: {mcp_session}\r\n");
        }
        match self.content {
            Content::Json(parts) => {
                let size_bytes: usize = parts.iter().map(Bytes::len).sum();
                let kind = "content-type: application/json\r\n";
                let kind = if size_bytes == 0 { "" } else { kind };
                let _ = write!(head, "{kind}content-length: {size_bytes}\r\n\r\n");
                send_parts(connection, head, &parts, size_bytes).await
            }
            Content::Events(events) => {
                head.push_str("content-type: text/event-stream\r\ncache-control: no-cache\r\n");
                head.push_str("transfer-encoding: chunked\r\n\r\n");
                for mut event in events {
                    let size_bytes: usize = event.iter().map(Bytes::len).sum();
                    let _ = write!(head, "{size_bytes:x}\r\n");
                    event.push(Bytes::from_static(b"\r\n"));
                    let head = std::mem::take(&mut head);
                    send_parts(connection, head, &event, size_bytes).await?;
                    yield_now().await;
                }
                connection.send(b"0\r\n\r\n").await
            }
        }
    }
}

/// Small parts are cheaper copied together with the head, large ones sent as they are.
async fn send_parts(
    connection: &mut Connection,
    head: String,
    parts: &[Bytes],
    size_bytes: usize,
) -> io::Result<()> {
    let mut head = head.into_bytes();
    if size_bytes <= SMALL_BYTES {
        head.extend(parts.iter().flatten());
        return connection.send(&head).await;
    }
    let head = std::iter::once(Bytes::from(head));
    let all: Vec<_> = head.chain(parts.iter().cloned()).collect();
    connection.send_all(&all).await
}

fn call(message: &Message<'_>, era: Era, head: &Head, plain: &str) -> Result<Parts, Refusal> {
    let bad = |code, text| Refusal(BAD_REQUEST, code, text);
    let params = message.params.map_or("null", RawValue::get);
    let call: Call<'_> = serde_json::from_str(params)
        .map_err(|_| bad(-32602, "params are not name and arguments.text"))?;
    if era == Era::Modern && head.name.as_deref() != Some(call.name.as_bytes()) {
        return Err(bad(-32020, "Mcp-Name differs from the name"));
    }
    let result = call.result(plain);
    result.ok_or_else(|| bad(-32602, "no such tool, or a text it cannot make"))
}

fn refuse(message: Option<&Message<'_>>, head: &Head, refusal: &Refusal) -> Reply {
    let Refusal(status, code, text) = refusal;
    let mut error = json!({ "code": code, "message": text });
    if *code == UNSUPPORTED_VERSION {
        let supported = [Era::Modern.revision()];
        error["data"] = json!({ "supported": supported, "requested": requested(message, head) });
    }
    let mut body = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = message.and_then(|message| message.id) {
        body["id"] = json!(id);
    }
    Reply {
        content: Content::Json(vec![Bytes::from(body.to_string())]),
        ..Reply::empty(status)
    }
}

/// The version that a request of the legacy era asks for. Without any it means the oldest that had this transport.
fn requested(message: Option<&Message<'_>>, head: &Head) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Handshake {
        protocol_version: String,
    }
    let params = message.and_then(|message| message.params);
    let handshake = params.and_then(|params| serde_json::from_str(params.get()).ok());
    let header = head.version.as_deref().map(String::from_utf8_lossy);
    match (handshake, header) {
        (Some(Handshake { protocol_version }), _) => protocol_version,
        (None, header) => header.unwrap_or("2025-03-26".into()).into_owned(),
    }
}
