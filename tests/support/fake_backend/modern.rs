//! The manners of a server of the modern era, in the order in which it checks them.
//!
//! Spec: 2026-07-28 basic/index "`_meta`", basic/transports/streamable-http "Request Metadata" and
//! "Server Validation".

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    record::{Envelope, Recorded},
    reply::{Event, Reply},
    script::MODERN,
    stage::{CallKey, Listener, Stage},
    tools,
    work::{self, Call, Manners},
};

const META: &str = "io.modelcontextprotocol";

/// What every complete result carries besides its own fields.
pub(super) const COMPLETE: &str = r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake-backend","version":"1.0.0"}}"#;
const CACHE: &str = r#""ttlMs":60000,"cacheScope":"public""#;

/// Says whether a server of both eras serves this request as modern.
pub(super) fn is_modern(heard: &Recorded) -> bool {
    heard.params()["_meta"]
        .as_object()
        .is_some_and(|meta| meta.contains_key(&format!("{META}/protocolVersion")))
}

pub(super) fn answer(stage: &Arc<Stage>, heard: &Recorded) -> Reply {
    if heard.http_method != Method::POST {
        return Reply::status(405);
    }
    if let Some(refusal) = work::refusal_of_media_types(heard) {
        return refusal;
    }
    let Some(envelope) = heard.envelope() else {
        return Reply::error(400, None, &error(-32700, "Parse error"));
    };
    let Some(method) = &envelope.method else {
        return Reply::error(
            400,
            None,
            &error(-32600, "a modern client sends no responses"),
        );
    };
    let Some(id) = envelope.id.as_ref().map(|id| id.get()) else {
        return Reply::status(202);
    };
    let params = heard.params();
    if method == "initialize" && !is_modern(heard) {
        return unsupported(id, params["protocolVersion"].as_str());
    }
    match refusal_of_meta(heard, &params, id).or_else(|| refusal_of_headers(stage, heard, id)) {
        Some(refusal) => refusal,
        None => request(stage, method, id, envelope, &params),
    }
}

fn refusal_of_meta(heard: &Recorded, params: &Value, id: &str) -> Option<Reply> {
    let meta = &params["_meta"];
    let missing = |name: &str| {
        let text = format!("_meta lacks {META}/{name}");
        Some(Reply::error(400, Some(id), &error(-32602, &text)))
    };
    let Some(version) = meta[format!("{META}/protocolVersion")].as_str() else {
        return missing("protocolVersion");
    };
    if !meta[format!("{META}/clientCapabilities")].is_object() {
        return missing("clientCapabilities");
    }
    if heard.header("mcp-protocol-version") != Some(version) {
        return Some(mismatch(id, "MCP-Protocol-Version"));
    }
    (version != MODERN).then(|| unsupported(id, Some(version)))
}

fn refusal_of_headers(stage: &Stage, heard: &Recorded, id: &str) -> Option<Reply> {
    let params = heard.params();
    if heard.header("mcp-method") != heard.method() {
        return Some(mismatch(id, "Mcp-Method"));
    }
    let named = match heard.method()? {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" => &params["uri"],
        _ => return None,
    };
    if decoded(heard, "mcp-name").as_deref() != named.as_str() {
        return Some(mismatch(id, "Mcp-Name"));
    }
    for (argument, header) in tools::mirrored_arguments(stage, named.as_str()?) {
        let said = match &params["arguments"][argument] {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        let header = format!("mcp-param-{}", header.to_lowercase());
        if decoded(heard, &header) != said {
            return Some(mismatch(id, &header));
        }
    }
    None
}

/// A header's value, out of `=?base64?…?=` if it stands in it.
fn decoded(heard: &Recorded, header: &str) -> Option<String> {
    let value = heard.header(header)?;
    let inner = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match inner {
        Some(inner) => String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

fn request(
    stage: &Arc<Stage>,
    method: &str,
    id: &str,
    envelope: &Envelope,
    params: &Value,
) -> Reply {
    let raw = envelope.params.as_deref();
    let reply = match method {
        "server/discover" => Reply::result(id, &discovery(stage)),
        "tools/list" => match tools::list(stage, raw) {
            Ok(page) => Reply::result(id, &format!("{{{COMPLETE},{page},{CACHE}}}")),
            Err(error) => Reply::error(200, Some(id), &error),
        },
        "tools/call" => {
            let meta = &params["_meta"];
            let can_be_asked =
                meta[format!("{META}/clientCapabilities")]["elicitation"].is_object();
            if params["name"] == "ask" && !can_be_asked {
                return incapable(id);
            }
            let key = CallKey {
                mcp_session: None,
                request_id: id.to_owned(),
            };
            let manners = Manners::Modern {
                wants_logs: meta[format!("{META}/logLevel")].is_string(),
            };
            return Call::read(key, raw, manners).start(stage, ": hello\n\n");
        }
        "subscriptions/listen" if stage.script.offers_streams => {
            return listen(stage, id, &params["notifications"]);
        }
        _ => return Reply::error(404, Some(id), &error(-32601, "Method not found")),
    };
    reply.in_form(stage.script.answers, ": hello\n\n")
}

/// Opens a subscription, which announces other tools and nothing else.
/// Spec: 2026-07-28 basic/patterns/subscriptions.
fn listen(stage: &Stage, id: &str, wanted: &Value) -> Reply {
    if !wanted.is_object() {
        return Reply::error(400, Some(id), &error(-32602, "no notifications are wanted"));
    }
    let wants_tools = wanted["toolsListChanged"] == true;
    let honoured = if wants_tools {
        json!({"toolsListChanged": true})
    } else {
        json!({})
    };
    let (events, receiver) = mpsc::unbounded_channel::<Event>();
    let acknowledgement = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"{META}/subscriptionId":{id}}},"notifications":{honoured}}}}}"#
    );
    // The receiver is in our hand.
    let _ = events.send(Event::Message(acknowledgement));
    stage.change(|state| {
        if wants_tools {
            state.listeners.push(Listener {
                events,
                subscription: Some(id.to_owned()),
            });
        }
    });
    Reply::Open(receiver)
}

/// A message as it stands on a subscription's stream.
pub(super) fn tagged(message: &str, subscription: &str) -> String {
    let mut message: Value = serde_json::from_str(message).unwrap();
    let id: Value = serde_json::from_str(subscription).unwrap();
    message["params"]["_meta"][format!("{META}/subscriptionId")] = id;
    message.to_string()
}

fn discovery(stage: &Stage) -> String {
    let instructions = match &stage.script.instructions {
        Some(text) => format!(r#""instructions":{},"#, Value::from(text.as_str())),
        None => String::new(),
    };
    format!(
        r#"{{{COMPLETE},"supportedVersions":["{MODERN}"],"capabilities":{{"tools":{{"listChanged":true}},"logging":{{}}}},{instructions}{CACHE}}}"#
    )
}

fn mismatch(id: &str, header: &str) -> Reply {
    let text = format!("Header mismatch: {header} does not match the body");
    Reply::error(400, Some(id), &error(-32020, &text))
}

fn unsupported(id: &str, requested: Option<&str>) -> Reply {
    let error = json!({
        "code": -32022,
        "message": "Unsupported protocol version",
        "data": {"supported": [MODERN], "requested": requested.unwrap_or("none")},
    });
    Reply::error(400, Some(id), &error.to_string())
}

fn incapable(id: &str) -> Reply {
    let error = json!({
        "code": -32021,
        "message": "Server requires the elicitation capability for this request",
        "data": {"requiredCapabilities": {"elicitation": {}}},
    });
    Reply::error(400, Some(id), &error.to_string())
}

fn error(code: i64, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}
