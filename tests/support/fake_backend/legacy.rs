//! The manners of a server of the legacy era.
//!
//! Stricter than most real ones: a session id, the negotiated version header, both media types and
//! `notifications/initialized` are demanded, so that a gateway that forgets one fails its test.
//! Spec: 2025-11-25 basic/transports and basic/lifecycle.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    record::{Envelope, Recorded},
    reply::{Event, Reply},
    script::Answers,
    stage::{CallKey, Listener, McpSession, Stage},
    tools,
    work::{self, Call, Manners},
};

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

pub(super) fn answer(stage: &Arc<Stage>, heard: &Recorded) -> Reply {
    match heard.http_method {
        Method::POST => post(stage, heard),
        Method::GET => get(stage, heard),
        Method::DELETE => delete(stage, heard),
        _ => Reply::status(405),
    }
}

fn post(stage: &Arc<Stage>, heard: &Recorded) -> Reply {
    if let Some(refusal) = work::refusal_of_media_types(heard) {
        return refusal;
    }
    let Some(envelope) = heard.envelope() else {
        return refusal(400, -32700, "Parse error");
    };
    if heard.method() == Some("initialize") {
        return initialize(stage, heard, envelope);
    }
    let mcp_session = match find_session(stage, heard) {
        Ok(mcp_session) => mcp_session,
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = refusal_of_version(stage, heard) {
        return refusal;
    }
    match (&envelope.method, &envelope.id) {
        (Some(method), Some(id)) => {
            if let Some(refusal) = note_request(stage, heard, mcp_session.as_deref(), id.get()) {
                return refusal;
            }
            request(stage, method, id.get(), envelope, mcp_session)
        }
        (Some(method), None) => notification(stage, method, envelope, mcp_session),
        (None, _) => response(stage, envelope),
    }
}

fn initialize(stage: &Stage, heard: &Recorded, envelope: &Envelope) -> Reply {
    let Some(id) = &envelope.id else {
        return refusal(400, -32600, "initialize is a request");
    };
    let params = heard.params();
    for field in ["protocolVersion", "capabilities", "clientInfo"] {
        if params[field].is_null() {
            let text = format!("initialize lacks {field}");
            return Reply::error(400, Some(id.get()), &error(-32602, &text));
        }
    }
    let script = &stage.script;
    let mut result = json!({
        "protocolVersion": script.revision,
        "capabilities": {"tools": {"listChanged": true}, "logging": {}},
        "serverInfo": {"name": "fake-backend", "version": "1.0.0"},
    });
    if let Some(instructions) = &script.instructions {
        result["instructions"] = Value::from(instructions.as_str());
    }
    let mcp_session = uuid::Uuid::new_v4().to_string();
    stage.change(|state| {
        state.initializations += 1;
        if script.keeps_sessions {
            let session = McpSession {
                client_capabilities: params["capabilities"].clone(),
                ..McpSession::default()
            };
            state.sessions.insert(mcp_session.clone(), session);
        }
    });
    let mut reply = Reply::result(id.get(), &result.to_string());
    if script.keeps_sessions {
        reply = reply.with_header(SESSION, &mcp_session);
    }
    reply.in_form(script.answers, preamble(stage))
}

/// The MCP session a request names; `None` if this server keeps none.
fn find_session(stage: &Stage, heard: &Recorded) -> Result<Option<String>, Reply> {
    if !stage.script.keeps_sessions {
        return Ok(None);
    }
    let Some(id) = heard.header(SESSION) else {
        return Err(refusal(
            400,
            -32000,
            "Bad Request: Mcp-Session-Id is required",
        ));
    };
    if stage.read(|state| state.sessions.contains_key(id)) {
        Ok(Some(id.to_owned()))
    } else {
        Err(refusal(404, -32001, "Session not found"))
    }
}

fn refusal_of_version(stage: &Stage, heard: &Recorded) -> Option<Reply> {
    let spoken = stage.script.revision.as_str();
    match heard.header(VERSION) {
        Some(version) if version == spoken => None,
        // Before 2025-06-18 nobody sent the header.
        None if spoken < "2025-06-18" => None,
        // The probe for the modern era; a server without sessions answers it as an unknown method.
        Some(_) if !stage.script.keeps_sessions && heard.method() == Some("server/discover") => {
            None
        }
        other => {
            let text = format!("Bad Request: negotiated {spoken}, header says {other:?}");
            Some(refusal(400, -32000, &text))
        }
    }
}

/// Checks a request against what its MCP session knows, and remembers its id.
fn note_request(
    stage: &Stage,
    heard: &Recorded,
    mcp_session: Option<&str>,
    id: &str,
) -> Option<Reply> {
    let method = heard.method().unwrap_or_default();
    let modern_only = heard.params()["_meta"]
        .as_object()
        .is_some_and(|meta| meta.contains_key("io.modelcontextprotocol/protocolVersion"));
    stage.change(|state| {
        if modern_only && method != "server/discover" {
            state
                .complaints
                .push(format!("{method} {id} carries the modern era's _meta"));
        }
        let session = state.sessions.get_mut(mcp_session?)?;
        if !session.initialized && method != "ping" {
            return Some(refusal(400, -32000, "Bad Request: not initialized"));
        }
        if !session.used_ids.insert(id.to_owned()) {
            state
                .complaints
                .push(format!("{method} uses the id {id} again"));
        }
        None
    })
}

fn request(
    stage: &Arc<Stage>,
    method: &str,
    id: &str,
    envelope: &Envelope,
    mcp_session: Option<String>,
) -> Reply {
    let params = envelope.params.as_deref();
    let reply = match method {
        "ping" | "logging/setLevel" => Reply::result(id, "{}"),
        "tools/list" => match tools::list(stage, params) {
            Ok(page) => Reply::result(id, &format!("{{{page}}}")),
            Err(error) => Reply::error(200, Some(id), &error),
        },
        "tools/call" => {
            let can_be_asked = mcp_session.as_ref().is_some_and(|id| {
                stage.read(|state| {
                    let session = state.sessions.get(id);
                    session.is_some_and(|it| it.client_capabilities["elicitation"].is_object())
                })
            });
            let key = CallKey {
                mcp_session,
                request_id: id.to_owned(),
            };
            let manners = Manners::Legacy { can_be_asked };
            return Call::read(key, params, manners).start(stage, preamble(stage));
        }
        _ => Reply::error(200, Some(id), &error(-32601, "Method not found")),
    };
    reply.in_form(stage.script.answers, preamble(stage))
}

fn notification(
    stage: &Stage,
    method: &str,
    envelope: &Envelope,
    mcp_session: Option<String>,
) -> Reply {
    stage.change(|state| match method {
        "notifications/initialized" => {
            if let Some(session) = mcp_session.and_then(|id| state.sessions.get_mut(&id)) {
                session.initialized = true;
            }
        }
        "notifications/cancelled" => {
            let key = CallKey {
                mcp_session,
                request_id: work::field(envelope.params.as_deref(), "requestId")
                    .map_or_else(String::new, |id| id.get().to_owned()),
            };
            match state.running.remove(&key) {
                // A call that just ended has no more use for it.
                Some(cancel) => drop(cancel.send(())),
                None => state
                    .complaints
                    .push(format!("cancels a stranger: {key:?}")),
            }
        }
        _ => {}
    });
    Reply::status(202)
}

fn response(stage: &Stage, envelope: &Envelope) -> Reply {
    let id = envelope.id.as_ref().map_or("", |id| id.get());
    let Some(asked) = stage.change(|state| state.asked.remove(id)) else {
        return refusal(400, -32600, "an answer to nothing that was asked");
    };
    let answer = envelope.result.as_ref().or(envelope.error.as_ref());
    // The call that asked may be gone.
    let _ = asked.send(answer.map_or("null", |raw| raw.get()).to_owned());
    Reply::status(202)
}

fn get(stage: &Stage, heard: &Recorded) -> Reply {
    let accept = heard.header("accept").unwrap_or_default();
    if !accept.contains("text/event-stream") {
        return Reply::status(406);
    }
    if let Err(refusal) = find_session(stage, heard) {
        return refusal;
    }
    if let Some(refusal) = refusal_of_version(stage, heard) {
        return refusal;
    }
    if !stage.script.offers_streams {
        return Reply::status(405);
    }
    let (events, receiver) = mpsc::unbounded_channel::<Event>();
    stage.change(|state| {
        state.listeners.push(Listener {
            events,
            subscription: None,
        });
    });
    Reply::Open(receiver)
}

fn delete(stage: &Stage, heard: &Recorded) -> Reply {
    match find_session(stage, heard) {
        Ok(Some(id)) => {
            stage.change(|state| state.sessions.remove(&id));
            Reply::status(200)
        }
        Ok(None) => Reply::status(405),
        Err(refusal) => refusal,
    }
}

/// What stands before the first event: the revision of 2025-11-25 primes a stream with an empty
/// event, and any stream may hold comments.
fn preamble(stage: &Stage) -> &'static str {
    match (stage.script.answers, stage.script.revision.as_str()) {
        (Answers::Sse, "2025-11-25") => ": hello\n\nid: 0\nretry: 1000\ndata:\n\n",
        _ => ": hello\n\n",
    }
}

fn error(code: i64, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}

/// An HTTP refusal before the request was looked at; such servers say `"id":null` here.
fn refusal(status: u16, code: i64, message: &str) -> Reply {
    Reply::error(status, Some("null"), &error(code, message))
}
