//! The manners of a server of the legacy era.
//!
//! Stricter than most real ones: a session id, the negotiated version header, both media types and
//! `notifications/initialized` are demanded, so that a gateway that forgets one fails its test.
//! Spec: 2025-11-25 basic/transports and basic/lifecycle.

mod requests;

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    batch, judging,
    listeners::{Audience, Listener, Opened},
    record::{Envelope, Recorded},
    reply::{Event, Form, Reply},
    script::{Answers, Habit},
    stage::{McpSession, Stage},
    tape, work,
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
    if let Some(elements) = heard.elements()
        && batch::is_known(stage)
    {
        return batch::answer(stage, &elements);
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
        (Some(_), Some(id)) => {
            if let Some(refusal) = note_request(stage, heard, mcp_session.as_deref(), id.get()) {
                return refusal;
            }
            requests::request(stage, heard, id.get(), envelope, mcp_session)
        }
        (Some(method), None) => requests::notification(stage, method, envelope, mcp_session),
        (None, _) => requests::response(stage, envelope, mcp_session.as_deref()),
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
        "capabilities": script.declared(&script.revision),
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
                credential: heard.credential(),
                ..McpSession::default()
            };
            state.sessions.insert(mcp_session.clone(), session);
        }
    });
    let mut reply = Reply::result(id.get(), &result.to_string());
    if let Reply::Whole { json, .. } = &reply {
        judging::answered(stage, &script.revision, "initialize", json);
    }
    if script.keeps_sessions {
        reply = reply.with_header(SESSION, &mcp_session);
    }
    let batched = false;
    reply.in_form(Form {
        batched,
        ..form(stage)
    })
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
        if session.credential != heard.credential() {
            state
                .complaints
                .push(format!("{method} {id} brings another's credential"));
        }
        if !session.used_ids.insert(id.to_owned()) {
            state
                .complaints
                .push(format!("{method} uses the id {id} again"));
        }
        None
    })
}

fn get(stage: &Arc<Stage>, heard: &Recorded) -> Reply {
    let accept = heard.header("accept").unwrap_or_default();
    if !accept.contains("text/event-stream") {
        return Reply::status(406);
    }
    let mcp_session = match find_session(stage, heard) {
        Ok(mcp_session) => mcp_session,
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = refusal_of_version(stage, heard) {
        return refusal;
    }
    if let Some(last) = heard.header("last-event-id")
        && stage.script.has(Habit::Resumable)
    {
        let Some(playback) = tape::resume(stage, last, mcp_session.as_deref()) else {
            stage.change(|state| state.complain(format!("resumes a stranger: {last}")));
            return refusal(400, -32000, "Bad Request: no such event");
        };
        return Reply::Taped(playback);
    }
    if !stage.script.offers_streams {
        return Reply::status(405);
    }
    let (events, receiver) = mpsc::unbounded_channel::<Event>();
    let audience = Audience::Session(mcp_session.clone());
    let (reply, tape) = if stage.script.has(Habit::Resumable) {
        let playback = tape::keep(stage, receiver, None, mcp_session);
        let tape = playback.tape();
        (Reply::Taped(playback), Some(tape))
    } else {
        (Reply::Open(Opened::new(receiver, stage)), None)
    };
    stage.change(|state| {
        state.listeners.push(Listener {
            events,
            audience,
            tape,
        });
    });
    reply
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

fn form(stage: &Stage) -> Form {
    Form {
        answers: stage.script.answers,
        preamble: preamble(stage),
        batched: stage.script.has(Habit::Batches),
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
pub(super) fn refusal(status: u16, code: i64, message: &str) -> Reply {
    Reply::error(status, Some("null"), &error(code, message))
}
