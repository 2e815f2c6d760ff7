//! Tools that run as tasks: the extension of the modern era, and what 2025-11-25 tried out.
//!
//! Spec: SEP-2663, and 2025-11-25 basic/utilities/tasks.

use std::sync::Arc;

use serde_json::{Value, json, value::RawValue};

use super::{
    listeners,
    questions::{self, Question},
    reply::Outlet,
    script::Habit,
    stage::{CallKey, Outcome, Stage},
    work::{Call, Failure, field},
};

/// The name of the extension.
pub(super) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
const RELATED: &str = "io.modelcontextprotocol/related-task";
const BEGUN: &str = "2026-08-01T10:00:00Z";

/// The key of the question that a task with `{"ask": true}` has.
const QUESTION: &str = "name";

/// What a task waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// One tool's call that runs on its own.
pub(super) struct Task {
    pub(super) id: String,
    pub(super) mcp_session: Option<String>,
    is_modern: bool,
    status: Status,
    turns: u32,
    ttl: Value,
    /// The client's raw answer to the task's question.
    answer: Option<String>,
    /// A question was sent that nobody answered yet.
    asked: bool,
    /// The raw result or error.
    outcome: Option<String>,
}

impl Task {
    /// Its members as the era of its client has them, raw and without braces.
    fn members(&self) -> String {
        let updated = format!("2026-08-01T10:00:{:02}Z", self.turns);
        let (ttl, poll) = if self.is_modern {
            ("ttlMs", "pollIntervalMs")
        } else {
            ("ttl", "pollInterval")
        };
        let mut task = json!({
            "taskId": self.id, "status": self.status.name(),
            "createdAt": BEGUN, "lastUpdatedAt": updated,
            ttl: self.ttl, poll: 5,
        });
        if self.status == Status::Failed {
            task["statusMessage"] = "the test says so".into();
        }
        let task = task.to_string();
        task[1..task.len() - 1].to_owned()
    }

    /// [`Self::members`] and what the status brings along, which only the extension shows.
    fn details(&self) -> String {
        let members = self.members();
        let outcome = self.outcome.as_deref().unwrap_or("{}");
        match self.status {
            _ if !self.is_modern => members,
            Status::InputRequired => {
                let question = Question::form(QUESTION, "Your name?");
                let (method, params) = (question.method, question.params);
                format!(
                    r#"{members},"inputRequests":{{"{QUESTION}":{{"method":"{method}","params":{params}}}}}"#
                )
            }
            Status::Completed => format!(r#"{members},"result":{outcome}"#),
            Status::Failed => format!(r#"{members},"error":{outcome}"#),
            Status::Working | Status::Cancelled => members,
        }
    }
}

/// Says whether a request's MCP session has this task.
pub(super) fn is_known(stage: &Stage, key: &CallKey, id: &str) -> bool {
    let is_it = |task: &Task| task.id == id && task.mcp_session == key.mcp_session;
    stage.read(|state| state.tasks.iter().any(is_it))
}

/// The id and the status of every task, in the order they were made.
pub(super) fn statuses(stage: &Stage) -> Vec<(String, String)> {
    let pair = |task: &Task| (task.id.clone(), task.status.name().to_owned());
    stage.read(|state| state.tasks.iter().map(pair).collect())
}

/// Makes a task of a call and gives the raw result that says so.
pub(super) fn create(call: Call, stage: &Arc<Stage>, task: Option<&RawValue>) -> String {
    let id = if stage.script.has(Habit::NumbersTasks) {
        format!("task-{}", stage.read(|state| state.tasks.len()) + 1)
    } else {
        uuid::Uuid::new_v4().to_string()
    };
    let ttl = field(task, "ttl").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let task = Task {
        id: id.clone(),
        mcp_session: call.key.mcp_session.clone(),
        is_modern: call.manners.is_modern(),
        status: Status::Working,
        turns: 0,
        ttl: ttl.unwrap_or_else(|| 60_000.into()),
        answer: None,
        asked: false,
        outcome: None,
    };
    let members = task.members();
    let created = if task.is_modern {
        format!(r#"{{"resultType":"task",{members}}}"#)
    } else {
        format!(r#"{{"task":{{{members}}}}}"#)
    };
    stage.change(|state| {
        *state.executions.entry(call.name.clone()).or_default() += 1;
        state.tasks.push(task);
    });
    tokio::spawn(work(Arc::clone(stage), id, call));
    created
}

async fn work(stage: Arc<Stage>, id: String, call: Call) {
    let gated = call.argument("gated") == true;
    stage.gate(gated).await;
    let mut answers = "{}".to_owned();
    if call.argument("ask") == true {
        turn(&stage, &id, Status::InputRequired, None);
        let answer = stage.find(|state| {
            let task = state.tasks.iter().find(|task| task.id == id)?;
            let over = task.status.is_terminal().then(String::new);
            task.answer.clone().or(over)
        });
        answers = format!(r#"{{"{QUESTION}":{}}}"#, answer.await);
        turn(&stage, &id, Status::Working, None);
        stage.gate(gated).await;
    }
    if call.argument("fail") == true {
        let error = r#"{"code":-32099,"message":"the task failed","data":{"z":1.50}}"#;
        turn(&stage, &id, Status::Failed, Some(error.to_owned()));
    } else {
        let structured = format!(r#"{{"answers":{answers}}}"#);
        let result = call.content("task done", Some(&structured));
        turn(&stage, &id, Status::Completed, Some(result));
    }
}

/// Gives a task another status and tells of it; a task at its end keeps the one it has.
fn turn(stage: &Stage, id: &str, status: Status, outcome: Option<String>) -> bool {
    stage.change(|state| {
        let Some(task) = state.tasks.iter_mut().find(|task| task.id == id) else {
            return false;
        };
        if task.status.is_terminal() {
            return false;
        }
        task.status = status;
        task.turns += 1;
        task.outcome = outcome;
        let method = if task.is_modern {
            "notifications/tasks"
        } else {
            "notifications/tasks/status"
        };
        let details = task.details();
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{{details}}}}}"#);
        listeners::announce(state, &message);
        true
    })
}

/// The raw members of the result of `tasks/get|list|update|cancel`, or a raw error.
pub(super) fn serve(
    method: &str,
    stage: &Stage,
    key: &CallKey,
    params: Option<&RawValue>,
) -> Result<String, String> {
    if method == "tasks/list" {
        let listed = stage.read(|state| {
            let own = state
                .tasks
                .iter()
                .filter(|it| it.mcp_session == key.mcp_session);
            let tasks: Vec<String> = own.map(|it| format!("{{{}}}", it.members())).collect();
            tasks.join(",")
        });
        return Ok(format!(r#""tasks":[{listed}]"#));
    }
    let id: String = field(params, "taskId")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    if !is_known(stage, key, &id) {
        return Err(super::work::unknown("task", &id));
    }
    let shown = || {
        stage.read(|state| {
            let task = state.tasks.iter().find(|task| task.id == id);
            task.map(Task::details).unwrap_or_default()
        })
    };
    match method {
        "tasks/get" => Ok(shown()),
        "tasks/update" => {
            let given = field(params, "inputResponses");
            let answer = field(given.as_deref(), QUESTION);
            let answer = answer.map(|raw| raw.get().to_owned());
            reply(stage, &id, answer);
            Ok(String::new())
        }
        _ => {
            let cancelled = turn(stage, &id, Status::Cancelled, None);
            let is_modern = stage.read(|state| {
                let task = state.tasks.iter().find(|task| task.id == id);
                task.is_some_and(|task| task.is_modern)
            });
            match (cancelled, is_modern) {
                (_, true) => Ok(String::new()),
                (true, false) => Ok(shown()),
                (false, false) => {
                    Err(r#"{"code":-32602,"message":"the task has ended"}"#.to_owned())
                }
            }
        }
    }
}

/// Answers a task's question, if it waits for that.
fn reply(stage: &Stage, id: &str, answer: Option<String>) {
    stage.change(|state| {
        let waiting = state.tasks.iter_mut().find(|task| task.id == id);
        if let Some(task) = waiting.filter(|it| it.status == Status::InputRequired) {
            task.answer = answer;
        }
    });
}

/// The raw result of `tasks/result`, which comes when the task ends; what the task asks meanwhile
/// goes out on its stream.
pub(super) async fn result(
    call: &Call,
    stage: &Arc<Stage>,
    outlet: &Outlet,
) -> Result<String, Failure> {
    enum Next {
        Ask,
        End(Status, Option<String>),
    }
    let id = &call.name;
    loop {
        let next = stage.find(|state| {
            let task = state.tasks.iter_mut().find(|task| task.id == *id)?;
            if task.status.is_terminal() {
                return Some(Next::End(task.status, task.outcome.clone()));
            }
            let asks = task.status == Status::InputRequired && !task.asked;
            asks.then(|| {
                task.asked = true;
                Next::Ask
            })
        });
        match next.await {
            Next::Ask => {
                let mut question = Question::form(QUESTION, "Your name?");
                let related = format!(r#"{{"_meta":{{"{RELATED}":{{"taskId":"{id}"}}}},"#);
                question.params = question.params.replacen('{', &related, 1);
                if call
                    .manners
                    .missing_for(question.method, &question.params)
                    .is_some()
                {
                    return Err(Failure::CannotBeAsked);
                }
                let outcome = questions::send(&question, call, stage, outlet).await;
                let answer = match outcome.await {
                    Ok(Outcome::Answered(raw)) => Some(raw),
                    Ok(Outcome::Refused(_) | Outcome::Withdrawn) | Err(_) => None,
                };
                reply(stage, id, answer.or_else(|| Some("null".to_owned())));
            }
            Next::End(Status::Completed, Some(result)) => {
                let related = format!(r#"{{"_meta":{{"{RELATED}":{{"taskId":"{id}"}}}},"#);
                return Ok(result.replacen('{', &related, 1));
            }
            Next::End(Status::Failed, Some(error)) => return Err(Failure::Error(error)),
            Next::End(..) => return Err(Failure::error(-32800, "the task was cancelled")),
        }
    }
}
