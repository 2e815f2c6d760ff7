//! One request that may take its time, notify and ask: a tool's call, a prompt, a resource, a
//! task's result; in the manners of either era.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value, json, value::RawValue};
use tokio::sync::{mpsc, oneshot};

use super::{
    acts,
    manners::Manners,
    marks,
    modern::COMPLETE,
    prompts,
    record::{Cancellation, Cancelled, Recorded},
    reply::{Flow, Form, Outlet, Reply, Work, success},
    resources,
    script::Habit,
    stage::{CallKey, Stage},
    tape, tasks, tools,
};

/// What answers with whatever a test wants.
const ODD: [&str; 4] = ["exact", "exact_prompt", "fake://exact", "fail"];

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    Tool,
    Prompt,
    Resource,
    TaskResult,
}

impl Job {
    /// The method it is asked for by, and the member of the params that names it.
    pub(super) fn method(self) -> (&'static str, &'static str) {
        match self {
            Self::Tool => ("tools/call", "name"),
            Self::Prompt => ("prompts/get", "name"),
            Self::Resource => ("resources/read", "uri"),
            Self::TaskResult => ("tasks/result", "taskId"),
        }
    }

    pub(super) fn of(method: &str) -> Option<Self> {
        let jobs = [Self::Tool, Self::Prompt, Self::Resource, Self::TaskResult];
        jobs.into_iter().find(|job| job.method().0 == method)
    }
}

/// One such request.
pub(super) struct Call {
    pub(super) job: Job,
    pub(super) key: CallKey,
    /// The tool, the prompt, the URI or the task's id.
    pub(super) name: String,
    /// Raw JSON, exactly as it came.
    pub(super) arguments: String,
    pub(super) progress_token: Option<String>,
    pub(super) input_responses: Option<Box<RawValue>>,
    pub(super) request_state: Option<String>,
    pub(super) manners: Manners,
}

/// Why a request has no result of its own kind.
pub(super) enum Failure {
    /// A raw error.
    Error(String),
    /// A raw result that asks the client first.
    Asks(String),
    CannotBeAsked,
}

impl Failure {
    pub(super) fn error(code: i64, message: &str) -> Self {
        Self::Error(json!({"code": code, "message": message}).to_string())
    }
}

impl Call {
    pub(super) fn read(
        job: Job,
        key: CallKey,
        params: Option<&RawValue>,
        manners: Manners,
    ) -> Self {
        let raw = |name| field(params, name).map(|value| value.get().to_owned());
        let text = |name| serde_json::from_str(&raw(name)?).ok();
        Self {
            job,
            key,
            name: text(job.method().1).unwrap_or_default(),
            arguments: raw("arguments").unwrap_or_else(|| "{}".to_owned()),
            progress_token: field(params, "_meta")
                .and_then(|meta| field(Some(&meta), "progressToken"))
                .map(|token| token.get().to_owned()),
            input_responses: field(params, "inputResponses"),
            request_state: text("requestState"),
            manners,
        }
    }

    /// Begins to run; what it says comes out of the reply.
    pub(super) fn start(self, stage: &Arc<Stage>, form: Form) -> Reply {
        if let Some(error) = self.refusal(stage) {
            return Reply::error(200, Some(&self.key.request_id), &error).in_form(form);
        }
        let (sender, events) = mpsc::unbounded_channel();
        let (cancel, cancelled) = oneshot::channel();
        stage.change(|state| {
            *state.executions.entry(self.name.clone()).or_default() += 1;
            marks::run(state, &self);
            let run = (self.name.clone(), self.arguments.clone());
            state.runs.push(run);
            state.running.insert(self.key.clone(), cancel);
        });
        let running = Running {
            stage: Arc::clone(stage),
            key: self.key.clone(),
            end: End::Cancelled(Cancelled::ByClose),
        };
        let outlet = Outlet::of(stage, sender, &self.manners.revision);
        let mcp_session = self.key.mcp_session.clone();
        let keeps = stage.script.has(Habit::Resumable) && !self.manners.is_modern();
        let work = Work(tokio::spawn(self.run(running, cancelled, outlet)));
        if keeps {
            return Reply::Taped(tape::keep(stage, events, Some(work), mcp_session));
        }
        Reply::Flow(Flow {
            events,
            work,
            form,
            headers: Vec::new(),
        })
    }

    /// The raw error for what this backend does not have.
    fn refusal(&self, stage: &Stage) -> Option<String> {
        let known = match self.job {
            Job::Tool => tools::is_known(stage, &self.name),
            Job::Prompt => prompts::is_known(stage, &self.name),
            Job::Resource => resources::is_known(stage, &self.name),
            Job::TaskResult => tasks::is_known(stage, &self.key, &self.name),
        };
        if known {
            return None;
        }
        let (name, modern) = (&self.name, self.manners.is_modern());
        Some(match self.job {
            Job::Tool => unknown("tool", name),
            Job::Prompt => unknown("prompt", name),
            Job::Resource => resources::not_found(name, modern),
            Job::TaskResult => unknown("task", name),
        })
    }

    async fn run(self, mut running: Running, cancelled: oneshot::Receiver<()>, outlet: Outlet) {
        let stage = Arc::clone(&running.stage);
        tokio::select! {
            response = self.respond(&stage, &outlet) => {
                running.end = End::Completed(self.name.clone());
                // First the count: who has the answer may look at it at once.
                drop(running);
                // What a test set or made fail is the test's own business.
                if ODD.contains(&self.name.as_str()) {
                    outlet.last(response);
                } else {
                    outlet.last_of(self.job.method().0, response);
                }
            }
            // A cancelled request gets no response: the stream just ends.
            Ok(()) = cancelled => running.end = End::Cancelled(Cancelled::ByNotification),
        }
    }

    /// The text of the response.
    async fn respond(&self, stage: &Arc<Stage>, outlet: &Outlet) -> String {
        let id = &self.key.request_id;
        if matches!(self.job, Job::Prompt | Job::Resource) {
            acts::report_begin(self, outlet);
        }
        let outcome = match self.job {
            Job::Tool => acts::run(self, stage, outlet).await,
            Job::Prompt => prompts::get(self, stage, outlet).await,
            Job::Resource => resources::read(self, stage, outlet).await,
            Job::TaskResult => tasks::result(self, stage, outlet).await,
        };
        match outcome {
            Ok(result) | Err(Failure::Asks(result)) => success(id, &result),
            Err(Failure::CannotBeAsked) if self.job == Job::Tool => {
                let result = r#"{"content":[{"type":"text","text":"this client cannot be asked"}],"isError":true}"#;
                success(id, result)
            }
            Err(Failure::CannotBeAsked) => {
                let error = r#"{"code":-32603,"message":"this client cannot be asked"}"#;
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
            }
            Err(Failure::Error(error)) => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
            }
        }
    }

    /// A result of these raw members, with what its era demands.
    pub(super) fn complete(&self, members: &str) -> String {
        if self.manners.is_modern() {
            format!("{{{COMPLETE},{members}}}")
        } else {
            format!("{{{members}}}")
        }
    }

    /// A tool's successful result.
    pub(super) fn content(&self, text: &str, structured: Option<&str>) -> String {
        let text = Value::from(text);
        let structured = structured
            .map(|raw| format!(r#","structuredContent":{raw}"#))
            .unwrap_or_default();
        self.complete(&format!(
            r#""content":[{{"type":"text","text":{text}}}]{structured}"#
        ))
    }

    pub(super) fn argument(&self, name: &str) -> Value {
        let arguments: Value = serde_json::from_str(&self.arguments).unwrap_or_default();
        arguments[name].clone()
    }

    pub(super) fn number(&self, name: &str, default: u64) -> u64 {
        self.argument(name).as_u64().unwrap_or(default)
    }
}

/// The raw error for a name nobody knows.
pub(super) fn unknown(kind: &str, name: &str) -> String {
    json!({"code": -32602, "message": format!("Unknown {kind}: {name}")}).to_string()
}

/// A call under way; its end is recorded however it comes.
struct Running {
    stage: Arc<Stage>,
    key: CallKey,
    end: End,
}

enum End {
    /// The tool of this name ran to its end.
    Completed(String),
    Cancelled(Cancelled),
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stage.change(|state| {
            state.running.remove(&self.key);
            // Nobody waits for the answers to what it asked.
            state.asked.retain(|_, asked| !asked.outcome.is_closed());
            match &self.end {
                End::Completed(tool) => *state.completions.entry(tool.clone()).or_default() += 1,
                End::Cancelled(how) => state.cancellations.push(Cancellation {
                    request_id: self.key.request_id.clone(),
                    how: *how,
                }),
            }
        });
    }
}

/// One member of a JSON object, raw.
pub(super) fn field(object: Option<&RawValue>, name: &str) -> Option<Box<RawValue>> {
    let mut members: HashMap<String, Box<RawValue>> = serde_json::from_str(object?.get()).ok()?;
    members.remove(name)
}

/// What both eras demand of the headers of a POST.
pub(super) fn refusal_of_media_types(heard: &Recorded) -> Option<Reply> {
    let accept = heard.header("accept").unwrap_or_default();
    if !(accept.contains("application/json") && accept.contains("text/event-stream")) {
        return Some(Reply::status(406));
    }
    let content_type = heard.header("content-type").unwrap_or_default();
    (!content_type.starts_with("application/json")).then(|| Reply::status(415))
}
