//! The tools a fake backend lists.

use serde_json::{Value, json, value::RawValue};

use super::{script::Paging, stage::Stage, work::field};

/// The tools of every fake backend; [`super::work`] says what they do.
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

/// The tool that a call to `grow` adds; `grow` itself is for a script to add.
pub(super) const GROWN: &str = r#"{"name":"grown","inputSchema":{"type":"object"}}"#;

/// The announcement of another list.
pub(super) const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

/// The members of one page of `tools/list`, or a raw error object.
pub(super) fn list(stage: &Stage, params: Option<&RawValue>) -> Result<String, String> {
    let page: usize = match field(params, "cursor") {
        None => 0,
        Some(cursor) => serde_json::from_str::<String>(cursor.get())
            .ok()
            .and_then(|cursor| cursor.strip_prefix("page-")?.parse().ok())
            .ok_or_else(|| json!({"code": -32602, "message": "Invalid cursor"}).to_string())?,
    };
    let (tools, more) = match stage.script.paging {
        Paging::Endless => {
            let tool = format!(r#"{{"name":"tool_{page}","inputSchema":{{"type":"object"}}}}"#);
            (tool, true)
        }
        Paging::Of(size) => {
            let skipped = page.saturating_mul(size);
            stage.read(|state| {
                let mut rest = state.tools.iter().skip(skipped);
                let tools: Vec<&str> = rest.by_ref().take(size).map(String::as_str).collect();
                (tools.join(","), rest.next().is_some())
            })
        }
    };
    let next = if more {
        format!(r#","nextCursor":"page-{}""#, page + 1)
    } else {
        String::new()
    };
    Ok(format!(r#""tools":[{tools}]{next}"#))
}

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

fn definition(stage: &Stage, name: &str) -> Option<Value> {
    stage.read(|state| {
        let mut definitions = state
            .tools
            .iter()
            .filter_map(|definition| serde_json::from_str::<Value>(definition).ok());
        definitions.find(|definition| definition["name"] == name)
    })
}
