//! What the tools of a fake backend do, in the manners of either era.

use std::{collections::HashMap, future::pending, sync::Arc, time::Duration};

use serde_json::{Value, value::RawValue};
use tokio::sync::{mpsc, oneshot};

use super::{
    modern::COMPLETE,
    record::{Cancellation, Cancelled, Recorded},
    reply::{Event, Flow, Reply, Work, success},
    stage::{CallKey, Stage},
    tools,
};

const QUESTION: &str = r#"{"mode":"form","message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;
const QUESTION_STATE: &str = "asked-for-a-name";

/// What a call may do, by the era it came in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Manners {
    Legacy { can_be_asked: bool },
    Modern { wants_logs: bool },
}

/// One `tools/call`.
pub(super) struct Call {
    key: CallKey,
    name: String,
    /// Raw JSON, exactly as it came.
    arguments: String,
    progress_token: Option<String>,
    input_responses: Option<String>,
    request_state: Option<String>,
    manners: Manners,
}

impl Call {
    pub(super) fn read(key: CallKey, params: Option<&RawValue>, manners: Manners) -> Self {
        let raw = |name| field(params, name).map(|value| value.get().to_owned());
        let text = |name| serde_json::from_str(&raw(name)?).ok();
        Self {
            key,
            name: text("name").unwrap_or_default(),
            arguments: raw("arguments").unwrap_or_else(|| "{}".to_owned()),
            progress_token: field(params, "_meta")
                .and_then(|meta| field(Some(&meta), "progressToken"))
                .map(|token| token.get().to_owned()),
            input_responses: raw("inputResponses"),
            request_state: text("requestState"),
            manners,
        }
    }

    /// Begins to run; what it says comes out of the reply.
    pub(super) fn start(self, stage: &Arc<Stage>, preamble: &'static str) -> Reply {
        if !tools::is_known(stage, &self.name) {
            let message = Value::from(format!("Unknown tool: {}", self.name));
            let error = format!(r#"{{"code":-32602,"message":{message}}}"#);
            return Reply::error(200, Some(&self.key.request_id), &error)
                .in_form(stage.script.answers, preamble);
        }
        let (sender, events) = mpsc::unbounded_channel();
        let (cancel, cancelled) = oneshot::channel();
        stage.change(|state| {
            *state.executions.entry(self.name.clone()).or_default() += 1;
            state.running.insert(self.key.clone(), cancel);
        });
        let running = Running {
            stage: Arc::clone(stage),
            key: self.key.clone(),
            end: End::Cancelled(Cancelled::ByClose),
        };
        let work = self.run(running, cancelled, Outlet(sender));
        Reply::Flow(Flow {
            events,
            work: Work(tokio::spawn(work)),
            form: stage.script.answers,
            headers: Vec::new(),
            preamble,
        })
    }

    async fn run(self, mut running: Running, cancelled: oneshot::Receiver<()>, outlet: Outlet) {
        let stage = Arc::clone(&running.stage);
        tokio::select! {
            response = self.respond(&stage, &outlet) => {
                running.end = End::Completed(self.name);
                // First the count: who has the answer may look at it at once.
                drop(running);
                outlet.last(response);
            }
            // A cancelled request gets no response: the stream just ends.
            Ok(()) = cancelled => running.end = End::Cancelled(Cancelled::ByNotification),
        }
    }

    /// The text of the response.
    async fn respond(&self, stage: &Stage, outlet: &Outlet) -> String {
        let id = &self.key.request_id;
        let result = match self.name.as_str() {
            "slow" => {
                tokio::time::sleep(Duration::from_millis(self.number("ms", 0))).await;
                self.complete("rested", None)
            }
            "progress" => self.report_steps(stage, outlet).await,
            "count" | "count_again" => {
                let count = stage.read(|state| state.executions[&self.name]);
                self.complete(&count.to_string(), None)
            }
            "exact" => stage.read(|state| state.exact.clone()),
            "fail" => {
                return format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{}}}"#,
                    self.arguments
                );
            }
            "wait" => pending().await,
            "grow" => {
                stage.change(|state| state.tools.push(tools::GROWN.to_owned()));
                outlet.message(tools::CHANGED.to_owned());
                self.complete("grown", None)
            }
            "ask" => self.ask(stage, outlet).await,
            _ => self.complete(&self.arguments, Some(&self.arguments)),
        };
        success(id, &result)
    }

    async fn report_steps(&self, stage: &Stage, outlet: &Outlet) -> String {
        let steps = self.number("steps", 3);
        let pause = Duration::from_millis(self.number("delay_ms", 0));
        let gated = self.argument("gated") == Value::Bool(true);
        for step in 1..=steps {
            if let Some(token) = &self.progress_token {
                outlet.message(format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{step},"total":{steps},"message":"step {step}"}}}}"#
                ));
            }
            tokio::time::sleep(pause).await;
            if gated && let Ok(permit) = stage.steps.acquire().await {
                permit.forget();
            }
        }
        if !matches!(self.manners, Manners::Modern { wants_logs: false }) {
            outlet.message(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"fake","data":"all steps done"}}"#.to_owned());
        }
        self.complete(&format!("{steps} steps"), None)
    }

    async fn ask(&self, stage: &Stage, outlet: &Outlet) -> String {
        match self.manners {
            Manners::Legacy { can_be_asked: false } => {
                r#"{"content":[{"type":"text","text":"this client cannot be asked"}],"isError":true}"#
                    .to_owned()
            }
            Manners::Legacy { can_be_asked: true } => {
                let (answer, answered) = oneshot::channel();
                let id = stage.change(|state| {
                    let id = format!(r#""ask-{}""#, state.next_serial());
                    state.asked.insert(id.clone(), answer);
                    id
                });
                outlet.message(format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"elicitation/create","params":{QUESTION}}}"#
                ));
                let answer = answered.await.unwrap_or_else(|_| "null".to_owned());
                self.complete("answered", Some(&format!(r#"{{"answer":{answer}}}"#)))
            }
            Manners::Modern { .. } => match (&self.input_responses, &self.request_state) {
                (Some(answers), Some(given)) if given == QUESTION_STATE => {
                    self.complete("answered", Some(&format!(r#"{{"answer":{answers}}}"#)))
                }
                _ => format!(
                    r#"{{"resultType":"input_required","inputRequests":{{"name":{{"method":"elicitation/create","params":{QUESTION}}}}},"requestState":"{QUESTION_STATE}"}}"#
                ),
            },
        }
    }

    /// A successful result, with what its era demands.
    fn complete(&self, text: &str, structured: Option<&str>) -> String {
        let era = match self.manners {
            Manners::Legacy { .. } => String::new(),
            Manners::Modern { .. } => format!("{COMPLETE},"),
        };
        let text = Value::from(text);
        let structured = structured
            .map(|raw| format!(r#","structuredContent":{raw}"#))
            .unwrap_or_default();
        format!(r#"{{{era}"content":[{{"type":"text","text":{text}}}]{structured}}}"#)
    }

    fn argument(&self, name: &str) -> Value {
        let arguments: Value = serde_json::from_str(&self.arguments).unwrap_or_default();
        arguments[name].clone()
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.argument(name).as_u64().unwrap_or(default)
    }
}

/// Where the messages of a call go. That nobody takes them is for the call to ignore.
struct Outlet(mpsc::UnboundedSender<Event>);

impl Outlet {
    fn message(&self, text: String) {
        let _ = self.0.send(Event::Message(text));
    }

    fn last(&self, text: String) {
        let _ = self.0.send(Event::Last(text));
    }
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
