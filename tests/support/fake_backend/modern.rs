//! The manners of a server of the modern era, in the order in which it checks them.
//!
//! Spec: 2026-07-28 basic/index "`_meta`", basic/transports/streamable-http "Request Metadata" and
//! "Server Validation".

mod listen;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Method;
use serde_json::{Value, json};

use super::{
    judging, lists,
    manners::{Level, Manners},
    prompts, questions,
    record::{Envelope, Recorded},
    reply::{Form, Reply},
    script::{Answers, Habit, MODERN},
    stage::{CallKey, Stage},
    tasks, tools,
    work::{self, Call, Job},
};

const META: &str = "io.modelcontextprotocol";

/// What every complete result carries besides its own fields.
pub(super) const COMPLETE: &str = r#""resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"fake-backend","version":"1.0.0"}}"#;

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
        None => request(stage, heard, id, envelope, &params),
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
        "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
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
    heard: &Recorded,
    id: &str,
    envelope: &Envelope,
    params: &Value,
) -> Reply {
    let method = heard.method().unwrap_or_default();
    let raw = envelope.params.as_deref();
    let declared = stage.script.declared(MODERN);
    let key = CallKey {
        mcp_session: None,
        request_id: id.to_owned(),
    };
    let manners = manners(stage, heard, &params["_meta"]);
    let form = form(stage.script.answers);
    let unknown = || Reply::error(404, Some(id), &error(-32601, "Method not found"));
    if let Some(room) = room(method)
        && pointed(&declared, room).is_null()
    {
        return unknown();
    }
    if let Some(job) = Job::of(method).filter(|job| *job != Job::TaskResult) {
        return start(Call::read(job, key, raw, manners), stage, form);
    }
    let members = match method {
        "server/discover" => Ok(discovery(stage, &declared)),
        "completion/complete" => prompts::complete(stage, params),
        "tasks/get" | "tasks/update" | "tasks/cancel" if !manners.knows_tasks() => {
            return incapable(id, &knowing_tasks());
        }
        "tasks/get" | "tasks/update" | "tasks/cancel" => tasks::serve(method, stage, &key, raw),
        "com.example/echo" => Ok(format!(
            r#""params":{}"#,
            raw.map_or("null", |raw| raw.get())
        )),
        "subscriptions/listen" if stage.script.offers_streams => {
            return listen::open(stage, id, &params["notifications"], &manners);
        }
        _ => match lists::List::of(method) {
            Some(list) => {
                let cache = &stage.script.cache;
                lists::page(list, stage, raw).map(|page| format!("{page},{cache}"))
            }
            None => return unknown(),
        },
    };
    let reply = match members {
        Ok(members) if members.is_empty() => Reply::result(id, &format!("{{{COMPLETE}}}")),
        Ok(members) => Reply::result(id, &format!("{{{COMPLETE},{members}}}")),
        Err(error) => Reply::error(200, Some(id), &error),
    };
    // What a list holds is the test's own business.
    if let Reply::Whole { json, .. } = &reply
        && lists::List::of(method).is_none()
    {
        judging::answered(stage, MODERN, method, json);
    }
    reply.in_form(form)
}

/// Begins what takes its time, unless the client cannot do what it needs.
fn start(call: Call, stage: &Arc<Stage>, form: Form) -> Reply {
    let id = call.key.request_id.clone();
    if matches!(call.name.as_str(), "task" | "task_only") && tools::is_known(stage, &call.name) {
        if call.manners.knows_tasks() {
            let created = Reply::result(&id, &tasks::create(call, stage, None));
            if let Reply::Whole { json, .. } = &created {
                judging::answered(stage, MODERN, "tools/call", json);
            }
            return created.in_form(form);
        }
        if call.name == "task_only" {
            return incapable(&id, &knowing_tasks());
        }
    }
    let mut missing = None;
    for round in 0..2 {
        let questions = questions::round(&call.name, round, &call.manners);
        let mut questions = questions.into_iter().flatten();
        missing = missing
            .or_else(|| questions.find_map(|it| call.manners.missing_for(it.method, &it.params)));
    }
    match missing {
        Some(missing) => incapable(&id, &missing),
        None => call.start(stage, form),
    }
}

/// The capability without which a backend does not know a method.
fn room(method: &str) -> Option<&'static str> {
    match method {
        "completion/complete" => Some("/completions"),
        "tasks/get" | "tasks/update" | "tasks/cancel" => {
            Some("/extensions/io.modelcontextprotocol~1tasks")
        }
        _ => match method.split('/').next()? {
            "tools" => Some("/tools"),
            "prompts" => Some("/prompts"),
            "resources" => Some("/resources"),
            _ => None,
        },
    }
}

fn pointed<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

fn manners(stage: &Stage, heard: &Recorded, meta: &Value) -> Manners {
    let level = meta[format!("{META}/logLevel")].as_str();
    Manners {
        revision: MODERN.to_owned(),
        client: meta[format!("{META}/clientCapabilities")].clone(),
        log_level: level.and_then(Level::named),
        asks_anyway: stage.script.has(Habit::AsksAnyway),
        credential: heard.credential(),
    }
}

fn form(answers: Answers) -> Form {
    Form {
        answers,
        preamble: ": hello\n\n",
        batched: false,
    }
}

fn knowing_tasks() -> Value {
    json!({"extensions": {tasks::EXTENSION: {}}})
}

fn discovery(stage: &Stage, declared: &Value) -> String {
    let instructions = match &stage.script.instructions {
        Some(text) => format!(r#""instructions":{},"#, Value::from(text.as_str())),
        None => String::new(),
    };
    let cache = &stage.script.cache;
    format!(r#""supportedVersions":["{MODERN}"],"capabilities":{declared},{instructions}{cache}"#)
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

fn incapable(id: &str, missing: &Value) -> Reply {
    let capability = missing.as_object().and_then(|it| it.keys().next());
    let capability = capability.map_or("", String::as_str);
    let error = json!({
        "code": -32021,
        "message": format!("Server requires the {capability} capability for this request"),
        "data": {"requiredCapabilities": missing},
    });
    Reply::error(400, Some(id), &error.to_string())
}

fn error(code: i64, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}
