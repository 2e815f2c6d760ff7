//! The tools a fake backend has.

use serde_json::Value;

use super::{lists::List, script::Paging, stage::Stage};

/// The tools every fake backend lists; [`super::acts`] says what they do.
pub(super) const DEFINITIONS: [&str; 9] = [
    r#"{"name":"echo","title":"Echo","description":"Returns its arguments","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#,
    r#"{"name":"slow","description":"Sleeps","inputSchema":{"type":"object","properties":{"ms":{"type":"integer"}},"required":["ms"]},"annotations":{"readOnlyHint":true}}"#,
    r#"{"name":"progress","description":"Reports its steps","inputSchema":{"type":"object","properties":{"steps":{"type":"integer"},"delay_ms":{"type":"integer"},"gated":{"type":"boolean"}}}}"#,
    r#"{"name":"count","description":"Counts its executions","inputSchema":{"type":"object"}}"#,
    r#"{"name":"count_again","description":"Counts its executions","inputSchema":{"type":"object"},"annotations":{"idempotentHint":true}}"#,
    r#"{"name":"exact","description":"Returns what the test set","inputSchema":{"type":"object"}}"#,
    r#"{"name":"fail","description":"Fails with its arguments as the error","inputSchema":{"type":"object"}}"#,
    r#"{"name":"wait","description":"Waits until it is cancelled","inputSchema":{"type":"object"}}"#,
    r#"{"name":"ask","description":"Asks the user for a name","inputSchema":{"type":"object"}}"#,
];

/// The tools every fake backend has too, but lists only if its script says so.
pub(super) const MORE: [&str; 11] = [
    r#"{"name":"ask_url","description":"Sends the user to a page","inputSchema":{"type":"object"}}"#,
    r#"{"name":"sample","description":"Has the client's model think","inputSchema":{"type":"object"}}"#,
    r#"{"name":"roots","description":"Asks for the roots","inputSchema":{"type":"object"}}"#,
    r#"{"name":"ask_twice","description":"Asks for a name, then for a colour","inputSchema":{"type":"object"}}"#,
    r#"{"name":"ask_both","description":"Asks for a name and the model at once","inputSchema":{"type":"object"}}"#,
    r#"{"name":"ask_forever","description":"Asks again and again","inputSchema":{"type":"object"}}"#,
    r#"{"name":"ask_and_wait","description":"Asks for a name, then waits until it is cancelled","inputSchema":{"type":"object"}}"#,
    r#"{"name":"log","description":"Logs a message of every level","inputSchema":{"type":"object"}}"#,
    r#"{"name":"murmur","description":"Says what no revision knows","inputSchema":{"type":"object"}}"#,
    r#"{"name":"task","description":"May run as a task","inputSchema":{"type":"object","properties":{"gated":{"type":"boolean"},"ask":{"type":"boolean"},"fail":{"type":"boolean"}}},"execution":{"taskSupport":"optional"}}"#,
    r#"{"name":"task_only","description":"Runs as a task","inputSchema":{"type":"object"},"execution":{"taskSupport":"required"}}"#,
];

/// The tool that a call to `grow` adds; `grow` itself is for a script to add.
pub(super) const GROWN: &str = r#"{"name":"grown","inputSchema":{"type":"object"}}"#;

/// The announcement of another list.
pub(super) const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// A notification that no revision knows.
pub(super) const MURMUR: &str = r#"{"jsonrpc":"2.0","method":"notifications/com.example/murmur","params":{"z":1.50,"a":[10000000000000000000000001,null],"_meta":{"com.example/k":"v"}}}"#;

/// Says whether this backend has a tool of this name.
pub(super) fn is_known(stage: &Stage, name: &str) -> bool {
    matches!(stage.script.paging, Paging::Endless) || definition(stage, name).is_some()
}

/// The top-level arguments of a tool that its schema mirrors into `Mcp-Param-*`: (argument, header).
pub(super) fn mirrored_arguments(stage: &Stage, name: &str) -> Vec<(String, String)> {
    let Some(definition) = definition(stage, name) else {
        return Vec::new();
    };
    let properties = definition["inputSchema"]["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .filter_map(|(argument, schema)| {
            let header = schema["x-mcp-header"].as_str()?;
            Some((argument.clone(), header.to_owned()))
        })
        .collect()
}

/// What its definition says of tasks in 2025-11-25.
pub(super) fn task_support(stage: &Stage, name: &str) -> Option<String> {
    let support = definition(stage, name)?["execution"]["taskSupport"].take();
    support.as_str().map(str::to_owned)
}

fn definition(stage: &Stage, name: &str) -> Option<Value> {
    List::Tools.find(stage, name).or_else(|| {
        // A script may well leave all tools out.
        let has_more = !stage.script.tools.is_empty();
        let mut more = MORE.iter().filter(|_| has_more).map(|raw| {
            let definition: Value = serde_json::from_str(raw).unwrap();
            definition
        });
        more.find(|definition| definition["name"] == name)
    })
}
