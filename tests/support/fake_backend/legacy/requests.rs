//! What a server of the legacy era does with a message once its manners are right.

use std::sync::Arc;

use serde_json::Value;

use super::{
    super::{
        judging, lists,
        manners::{Level, Manners},
        prompts,
        record::{Envelope, Recorded},
        reply::Reply,
        resources,
        script::Habit,
        stage::{CallKey, Outcome, Stage},
        tasks, tools,
        work::{self, Call, Job, field},
    },
    error, form, refusal,
};

pub(super) fn request(
    stage: &Arc<Stage>,
    heard: &Recorded,
    id: &str,
    envelope: &Envelope,
    mcp_session: Option<String>,
) -> Reply {
    let method = heard.method().unwrap_or_default();
    let key = CallKey {
        mcp_session,
        request_id: id.to_owned(),
    };
    let params = envelope.params.as_deref();
    if let Some(job) = job(stage, method) {
        let manners = manners(stage, heard, key.mcp_session.as_deref());
        let call = Call::read(job, key, params, manners);
        let task = field(params, "task");
        if job != Job::Tool || stage.script.revision != "2025-11-25" {
            return call.start(stage, form(stage));
        }
        let support = tools::task_support(stage, &call.name);
        return match (task, support.as_deref()) {
            (Some(task), Some("optional" | "required")) => {
                let created = tasks::create(call, stage, Some(&task));
                judged(stage, method, Reply::result(id, &created)).in_form(form(stage))
            }
            (None, Some("required")) | (Some(_), _) => {
                let error = error(-32601, "this tool runs otherwise");
                Reply::error(200, Some(id), &error).in_form(form(stage))
            }
            (None, _) => call.start(stage, form(stage)),
        };
    }
    let result = answer(stage, method, &key, heard, envelope);
    let reply = match result {
        Ok(members) => Reply::result(id, &format!("{{{members}}}")),
        Err(error) => Reply::error(200, Some(id), &error),
    };
    // What a list holds is the test's own business.
    if lists::List::of(method).is_some() {
        return reply.in_form(form(stage));
    }
    judged(stage, method, reply).in_form(form(stage))
}

/// What takes its time, if this backend has it at all.
fn job(stage: &Stage, method: &str) -> Option<Job> {
    let job = Job::of(method)?;
    let declared = stage.script.declared(&stage.script.revision);
    let room = match job {
        Job::Tool => "tools",
        Job::Prompt => "prompts",
        Job::Resource => "resources",
        Job::TaskResult => "tasks",
    };
    declared.get(room).map(|_| job)
}

/// The raw members of a result, or a raw error.
fn answer(
    stage: &Stage,
    method: &str,
    key: &CallKey,
    heard: &Recorded,
    envelope: &Envelope,
) -> Result<String, String> {
    let declared = stage.script.declared(&stage.script.revision);
    let has = |room: &str| declared.get(room).is_some();
    let params = envelope.params.as_deref();
    let unknown = || Err(error(-32601, "Method not found"));
    match method {
        "ping" => Ok(String::new()),
        "tools/list" if has("tools") => lists::page(lists::List::Tools, stage, params),
        "prompts/list" if has("prompts") => lists::page(lists::List::Prompts, stage, params),
        "resources/list" | "resources/templates/list" if has("resources") => {
            let list = lists::List::of(method).unwrap();
            lists::page(list, stage, params)
        }
        "resources/subscribe" | "resources/unsubscribe" if has("resources") => subscribe(
            stage,
            key,
            &heard.params()["uri"],
            method == "resources/subscribe",
        ),
        "completion/complete" if has("completions") || !knows_completions(stage) => {
            prompts::complete(stage, &heard.params())
        }
        "logging/setLevel" if has("logging") => set_level(stage, key, &heard.params()["level"]),
        "tasks/get" | "tasks/list" | "tasks/cancel" if has("tasks") => {
            tasks::serve(method, stage, key, params)
        }
        "com.example/echo" => Ok(format!(
            r#""params":{}"#,
            params.map_or("null", |raw| raw.get())
        )),
        _ => unknown(),
    }
}

/// Before 2025-03-26 nobody declared completions.
fn knows_completions(stage: &Stage) -> bool {
    stage.script.revision.as_str() >= "2025-03-26"
}

fn subscribe(stage: &Stage, key: &CallKey, uri: &Value, wants: bool) -> Result<String, String> {
    let uri = uri.as_str().unwrap_or_default();
    if !resources::is_known(stage, uri) {
        return Err(resources::not_found(uri, false));
    }
    stage.change(|state| {
        let Some(session) = state.session_mut(key.mcp_session.as_deref()) else {
            return;
        };
        if wants {
            session.subscriptions.insert(uri.to_owned());
        } else if !session.subscriptions.remove(uri) {
            state.complain(format!("unsubscribes from {uri} without having subscribed"));
        }
    });
    Ok(String::new())
}

fn set_level(stage: &Stage, key: &CallKey, level: &Value) -> Result<String, String> {
    let Some(level) = level.as_str().and_then(Level::named) else {
        return Err(error(-32602, "no such level"));
    };
    stage.change(|state| {
        if let Some(session) = state.session_mut(key.mcp_session.as_deref()) {
            session.log_level = Some(level);
        }
    });
    Ok(String::new())
}

fn manners(stage: &Stage, heard: &Recorded, mcp_session: Option<&str>) -> Manners {
    let client = stage.read(|state| {
        let session = state.session(mcp_session);
        session.map(|it| it.client_capabilities.clone())
    });
    Manners {
        revision: stage.script.revision.clone(),
        client: client.unwrap_or_default(),
        log_level: None,
        asks_anyway: stage.script.has(Habit::AsksAnyway),
        credential: heard.credential(),
    }
}

/// Holds a reply against its method before it goes out.
fn judged(stage: &Stage, method: &str, reply: Reply) -> Reply {
    if let Reply::Whole { json, .. } = &reply {
        judging::answered(stage, &stage.script.revision, method, json);
    }
    reply
}

pub(super) fn notification(
    stage: &Stage,
    method: &str,
    envelope: &Envelope,
    mcp_session: Option<String>,
) -> Reply {
    stage.change(|state| match method {
        "notifications/initialized" => {
            if let Some(session) = state.session_mut(mcp_session.as_deref()) {
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
                None => state.complain(format!("cancels a stranger: {key:?}")),
            }
        }
        _ => {}
    });
    Reply::status(202)
}

pub(super) fn response(stage: &Stage, envelope: &Envelope, mcp_session: Option<&str>) -> Reply {
    let id = envelope.id.as_ref().map_or("", |id| id.get());
    let Some(asked) = stage.change(|state| state.asked.remove(id)) else {
        return refusal(400, -32600, "an answer to nothing that was asked");
    };
    if asked.mcp_session.as_deref() != mcp_session {
        let method = asked.method;
        stage.change(|state| {
            state.complain(format!("another MCP session answers {method} {id}"));
        });
    }
    let outcome = match (&envelope.result, &envelope.error) {
        (Some(result), _) => Outcome::Answered(result.get().to_owned()),
        (None, Some(error)) => Outcome::Refused(error.get().to_owned()),
        (None, None) => return refusal(400, -32600, "neither a result nor an error"),
    };
    // The call that asked may be gone.
    let _ = asked.outcome.send(outcome);
    Reply::status(202)
}
