//! The resources a fake backend has, and what they hold.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    acts,
    lists::List,
    questions,
    reply::Outlet,
    script::Paging,
    stage::Stage,
    work::{Call, Failure},
};

/// The resources of every fake backend. The widget is one of MCP Apps.
pub(super) const DEFINITIONS: [&str; 5] = [
    r#"{"uri":"fake://text","name":"text","title":"Text","description":"Plain words","mimeType":"text/plain","size":11,"annotations":{"audience":["user"],"priority":0.50}}"#,
    r#"{"uri":"fake://blob","name":"blob","mimeType":"application/octet-stream"}"#,
    r#"{"uri":"fake://exact","name":"exact","description":"Holds what the test set"}"#,
    r#"{"uri":"fake://ask","name":"ask","description":"Asks the user for a name"}"#,
    r#"{"uri":"ui://fake/widget","name":"widget","mimeType":"text/html;profile=mcp-app","_meta":{"ui":{"prefersBorder":true}}}"#,
];

/// The templates of every fake backend.
pub(super) const TEMPLATES: [&str; 1] = [
    r#"{"uriTemplate":"fake://items/{id}","name":"items","description":"One of many","mimeType":"text/plain"}"#,
];

/// Says whether this URI is listed, or expands a template up to its first expression.
pub(super) fn is_known(stage: &Stage, uri: &str) -> bool {
    let listed = List::Resources.find(stage, uri).is_some();
    let expands = stage.read(|state| {
        state.templates.iter().any(|raw| {
            let template: Value = serde_json::from_str(raw).unwrap_or_default();
            let template = template["uriTemplate"].as_str().unwrap_or_default();
            let stem = template.split('{').next().unwrap_or_default();
            stem.len() < uri.len() && uri.starts_with(stem)
        })
    });
    listed || expands || matches!(stage.script.paging, Paging::Endless)
}

/// The raw error for a resource that is not there.
/// Spec: server/resources, "Error Handling", of 2025-11-25 and of 2026-07-28.
pub(super) fn not_found(uri: &str, is_modern: bool) -> String {
    let code = if is_modern { -32602 } else { -32002 };
    json!({"code": code, "message": "Resource not found", "data": {"uri": uri}}).to_string()
}

/// The raw result of `resources/read`. A resource that a test added holds its own URI.
pub(super) async fn read(
    call: &Call,
    stage: &Arc<Stage>,
    outlet: &Outlet,
) -> Result<String, Failure> {
    let uri = call.name.as_str();
    let named = Value::from(uri);
    let text = |mime: &str, text: &str| {
        let (mime, text) = (Value::from(mime), Value::from(text));
        format!(r#"{{"uri":{named},"mimeType":{mime},"text":{text}}}"#)
    };
    let contents = match uri {
        "fake://exact" => return Ok(acts::exact(stage, "fake://exact")),
        "fake://ask" => {
            let answers = questions::ask(call, stage, outlet).await?;
            text("application/json", &answers)
        }
        "fake://text" => text("text/plain", "plain words"),
        "fake://blob" => {
            r#"{"uri":"fake://blob","mimeType":"application/octet-stream","blob":"AP/+ew=="}"#.to_owned()
        }
        "ui://fake/widget" => {
            r#"{"uri":"ui://fake/widget","mimeType":"text/html;profile=mcp-app","text":"<!doctype html><p>widget","_meta":{"ui":{"csp":{"connectDomains":["https://api.example"]}}}}"#.to_owned()
        }
        other => text("text/plain", other),
    };
    let cache = if call.manners.is_modern() {
        format!(",{}", stage.script.cache)
    } else {
        String::new()
    };
    Ok(call.complete(&format!(r#""contents":[{contents}]{cache}"#)))
}
