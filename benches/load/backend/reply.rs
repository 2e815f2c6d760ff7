//! What the fake backend answers. It refuses what a strict server would refuse, so that a gateway cannot win time by
//! leaving something out.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::pieces::Pieces;
use super::tools::{self, Call, Parts};
use crate::message::{METHOD, NAME, PROTOCOL_VERSION, SESSION_ID};
use crate::options::{Era, Framing, Spoken};

/// Every MCP session id begins with this.
const SESSION_PREFIX: &str = "fake-";

/// What lists and discovery of the modern era say about their freshness, and every result about its kind.
const MODERN_LIST: &str = r#","resultType":"complete","ttlMs":60000,"cacheScope":"public""#;
const MODERN_RESULT: &str = r#","resultType":"complete""#;

const IMPLEMENTATION: &str = r#"{"name":"fake","version":"1"}"#;

/// Spec: 2026-07-28 basic, "Unsupported protocol version".
const UNSUPPORTED_VERSION: i32 = -32022;

/// One fake backend.
#[derive(Debug)]
pub(super) struct Fake {
    spoken: Spoken,
    framing: Framing,
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
struct Refusal(StatusCode, i32, &'static str);

impl Fake {
    pub(super) fn new(tools: u32, spoken: Spoken, framing: Framing) -> Self {
        Self {
            spoken,
            framing,
            tools: tools::listed(tools),
            sessions: AtomicU64::new(0),
        }
    }

    /// Answers one POST.
    pub(super) fn reply(&self, headers: &HeaderMap, body: &[u8]) -> Response<Pieces> {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(body) else {
            let refusal = Refusal(StatusCode::BAD_REQUEST, -32700, "not a JSON-RPC message");
            return refuse(None, headers, &refusal);
        };
        let era = era(headers);
        let outcome = self
            .admit(&message, era, headers)
            .and_then(|()| match message.id {
                Some(_) => self.result(&message, era, headers).map(Some),
                None => Ok(None),
            });
        match (outcome, message.id) {
            (Ok(Some(parts)), Some(id)) => {
                let mut response = self.frame(id, parts);
                if message.method == "initialize" {
                    response.headers_mut().extend(self.new_session());
                }
                response
            }
            (Ok(_), _) => empty(StatusCode::ACCEPTED),
            (Err(refusal), _) => refuse(Some(&message), headers, &refusal),
        }
    }

    /// Era, MCP session and headers. Spec: 2025-11-25 and 2026-07-28, basic/transports.
    fn admit(&self, message: &Message<'_>, era: Era, headers: &HeaderMap) -> Result<(), Refusal> {
        let bad = |code, text| Err(Refusal(StatusCode::BAD_REQUEST, code, text));
        if !self.spoken.includes(era) {
            return match era {
                Era::Legacy => bad(UNSUPPORTED_VERSION, "only 2026-07-28 is spoken here"),
                Era::Modern => bad(-32000, "only 2025-11-25 is spoken here"),
            };
        }
        match era {
            Era::Legacy => {
                let id = headers.get(SESSION_ID).map(HeaderValue::as_bytes);
                let is_known = id.is_some_and(|id| id.starts_with(SESSION_PREFIX.as_bytes()));
                if message.method != "initialize" && !is_known {
                    return bad(-32000, "Mcp-Session-Id is missing");
                }
            }
            Era::Modern => {
                let method = headers.get(METHOD).map(HeaderValue::as_bytes);
                if method != Some(message.method.as_bytes()) {
                    return bad(-32020, "Mcp-Method differs from the method");
                }
            }
        }
        Ok(())
    }

    fn result(
        &self,
        message: &Message<'_>,
        era: Era,
        headers: &HeaderMap,
    ) -> Result<Parts, Refusal> {
        let (plain, list) = match era {
            Era::Legacy => ("", ""),
            Era::Modern => (MODERN_RESULT, MODERN_LIST),
        };
        match (message.method, era) {
            ("tools/call", _) => call(message, era, headers, plain),
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
            (_, Era::Legacy) => Err(Refusal(StatusCode::OK, -32601, "no such method")),
            (_, Era::Modern) => Err(Refusal(StatusCode::NOT_FOUND, -32601, "no such method")),
        }
    }

    fn frame(&self, id: &RawValue, result: Parts) -> Response<Pieces> {
        let (open, close) = match self.framing {
            Framing::Json => ("", ""),
            Framing::Sse => ("event: message\ndata: ", "\n\n"),
        };
        let head = Bytes::from(format!(r#"{open}{{"jsonrpc":"2.0","id":{id},"result":"#));
        let tail = Bytes::from(format!("}}{close}"));
        let parts = std::iter::once(head).chain(result).chain([tail]);
        let pieces: Pieces = parts.collect();
        let (kind, pieces) = match self.framing {
            Framing::Json => ("application/json", pieces),
            Framing::Sse => ("text/event-stream", pieces.streamed()),
        };
        let mut response = Response::new(pieces);
        let kind = HeaderValue::from_static(kind);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    fn new_session(&self) -> Option<(http::HeaderName, HeaderValue)> {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        let id = HeaderValue::try_from(format!("{SESSION_PREFIX}{number}"));
        id.ok().map(|id| (SESSION_ID, id))
    }
}

fn call(
    message: &Message<'_>,
    era: Era,
    headers: &HeaderMap,
    plain: &str,
) -> Result<Parts, Refusal> {
    let bad = |code, text| Refusal(StatusCode::BAD_REQUEST, code, text);
    let params = message.params.map_or("null", RawValue::get);
    let call: Call<'_> = serde_json::from_str(params)
        .map_err(|_| bad(-32602, "params are not name and arguments.text"))?;
    let name = headers.get(NAME).map(HeaderValue::as_bytes);
    if era == Era::Modern && name != Some(call.name.as_bytes()) {
        return Err(bad(-32020, "Mcp-Name differs from the name"));
    }
    let result = call.result(plain);
    result.ok_or_else(|| bad(-32602, "no such tool, or a text it cannot make"))
}

/// The era that a request is of. Spec: 2026-07-28 basic/transports, "Protocol Version Header".
fn era(headers: &HeaderMap) -> Era {
    let version = headers.get(PROTOCOL_VERSION).map(HeaderValue::as_bytes);
    if version.is_some_and(|version| version >= &b"2026"[..]) {
        Era::Modern
    } else {
        Era::Legacy
    }
}

fn refuse(
    message: Option<&Message<'_>>,
    headers: &HeaderMap,
    refusal: &Refusal,
) -> Response<Pieces> {
    let Refusal(status, code, text) = refusal;
    let mut error = json!({ "code": code, "message": text });
    if *code == UNSUPPORTED_VERSION {
        let supported = [Era::Modern.revision()];
        error["data"] = json!({ "supported": supported, "requested": requested(message, headers) });
    }
    let mut body = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = message.and_then(|message| message.id) {
        body["id"] = json!(id);
    }
    let mut response = Response::new(Pieces::from_iter([Bytes::from(body.to_string())]));
    *response.status_mut() = *status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// The version that a request of the legacy era asks for. Without any it means the oldest that had this transport.
fn requested(message: Option<&Message<'_>>, headers: &HeaderMap) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Handshake {
        protocol_version: String,
    }
    let params = message.and_then(|message| message.params);
    let handshake = params.and_then(|params| serde_json::from_str(params.get()).ok());
    let header = headers.get(PROTOCOL_VERSION);
    let header = header.and_then(|version| version.to_str().ok());
    match (handshake, header) {
        (Some(Handshake { protocol_version }), _) => protocol_version,
        (None, header) => header.unwrap_or("2025-03-26").to_owned(),
    }
}

/// A response that only has a status.
pub(super) fn empty(status: StatusCode) -> Response<Pieces> {
    let mut response = Response::new(Pieces::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allowed = HeaderValue::from_static("POST, DELETE");
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}
