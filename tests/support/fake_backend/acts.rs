//! What the tools of a fake backend do.

use std::{future::pending, ops::Range, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    manners::Level,
    questions,
    reply::{Event, Outlet},
    stage::Stage,
    tools,
    work::{Call, Failure},
};

/// Runs a tool to its end and gives its raw result.
pub(super) async fn run(
    call: &Call,
    stage: &Arc<Stage>,
    outlet: &Outlet,
) -> Result<String, Failure> {
    Ok(match call.name.as_str() {
        "slow" => {
            tokio::time::sleep(Duration::from_millis(call.number("ms", 0))).await;
            call.content("rested", None)
        }
        "progress" => {
            let steps = report_steps(call, stage, outlet).await;
            // Who marked the call finds the mark in the answer, too.
            let is_marked = call.argument("token").is_string();
            call.content(&steps, is_marked.then_some(call.arguments.as_str()))
        }
        "count" | "count_again" => {
            let count = stage.read(|state| state.executions[&call.name]);
            call.content(&count.to_string(), None)
        }
        "exact" => exact(stage, "exact"),
        "fail" => return Err(Failure::Error(call.arguments.clone())),
        "wait" => pending().await,
        "grow" => {
            stage.change(|state| state.tools.push(tools::GROWN.to_owned()));
            outlet.message(tools::CHANGED.to_owned());
            call.content("grown", None)
        }
        "log" => {
            for level in Level::all() {
                let name = level.name();
                log(
                    call,
                    stage,
                    outlet,
                    level,
                    &format!("a message of level {name}"),
                );
            }
            call.content("logged", None)
        }
        "whoami" => {
            let credential = call.manners.credential.clone().unwrap_or_default();
            report_steps(call, stage, outlet).await;
            call.content(&credential, None)
        }
        "murmur" => {
            outlet.message(tools::MURMUR.to_owned());
            call.content("murmured", None)
        }
        "recite" => {
            let times = call.number("times", 1);
            recite(call, outlet, 0..times.min(1));
            stage.gate(call.argument("gated") == true).await;
            recite(call, outlet, 1..times);
            if call.argument("waits") == true {
                pending::<()>().await;
            }
            call.content("recited", None)
        }
        "task" | "task_only" => {
            stage.gate(call.argument("gated") == true).await;
            call.content("task done", None)
        }
        asks if questions::round(asks, 0, &call.manners).is_some() => {
            let answers = questions::ask(call, stage, outlet).await?;
            if asks == "ask_and_wait" {
                pending::<()>().await;
            }
            call.content("answered", Some(&format!(r#"{{"answers":{answers}}}"#)))
        }
        _ => call.content(&call.arguments, Some(&call.arguments)),
    })
}

/// Says on the call's stream, so many `times`, what the test wrote, whatever that is. `{n}` stands for
/// how often it was said before. With `gated`, it goes on behind the first time when the test takes a step; with `waits`,
/// the call does not end after that.
fn recite(call: &Call, outlet: &Outlet, times: Range<u64>) {
    let messages = call.argument("messages");
    for time in times {
        for message in messages.as_array().into_iter().flatten() {
            let text = message.as_str().unwrap_or_default();
            // That nobody takes it is for whoever recites to ignore.
            let _ = outlet
                .sender()
                .send(Event::Message(text.replace("{n}", &time.to_string())));
        }
    }
}

/// The raw result that a test set for what has this name.
pub(super) fn exact(stage: &Stage, name: &str) -> String {
    let set = stage.read(|state| state.exact.get(name).cloned());
    set.unwrap_or_else(|| "{}".to_owned())
}

/// Sends a log message, unless the client does not want to hear of this level.
fn log(call: &Call, stage: &Stage, outlet: &Outlet, level: Level, text: &str) {
    let wanted = if call.manners.is_modern() {
        call.manners.log_level.is_some_and(|least| level >= least)
    } else {
        let session = call.key.mcp_session.as_deref();
        let least = stage.read(|state| state.session(session).and_then(|it| it.log_level));
        least.is_none_or(|least| level >= least)
    };
    if wanted {
        let (level, text) = (level.name(), Value::from(text));
        outlet.message(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}","logger":"fake","data":{text}}}}}"#
        ));
    }
}

/// Tells who wants to hear of it that a prompt or a resource is at work.
pub(super) fn report_begin(call: &Call, outlet: &Outlet) {
    if let Some(token) = &call.progress_token {
        outlet.message(format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        ));
    }
}

/// Says how far it is, step by step, and gives what it says of them in the end.
async fn report_steps(call: &Call, stage: &Stage, outlet: &Outlet) -> String {
    let steps = call.number("steps", 3);
    let pause = Duration::from_millis(call.number("delay_ms", 0));
    let gated = call.argument("gated") == true;
    for step in 1..=steps {
        if let Some(token) = &call.progress_token {
            outlet.message(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{step},"total":{steps},"message":"step {step}"}}}}"#
            ));
        }
        tokio::time::sleep(pause).await;
        stage.gate(gated).await;
    }
    log(call, stage, outlet, Level::INFO, "all steps done");
    format!("{steps} steps")
}
