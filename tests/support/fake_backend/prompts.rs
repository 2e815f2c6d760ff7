//! The prompts a fake backend has, and what they say.

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

/// The prompts of every fake backend.
pub(super) const DEFINITIONS: [&str; 3] = [
    r#"{"name":"greet","title":"Greet","description":"Greets someone","arguments":[{"name":"name","description":"Whom","required":true},{"name":"style"}]}"#,
    r#"{"name":"exact_prompt","description":"Returns what the test set"}"#,
    r#"{"name":"ask_prompt","description":"Asks the user for a name"}"#,
];

pub(super) fn is_known(stage: &Stage, name: &str) -> bool {
    matches!(stage.script.paging, Paging::Endless) || List::Prompts.find(stage, name).is_some()
}

/// The raw result of `prompts/get`. A prompt that a test added says its arguments.
pub(super) async fn get(
    call: &Call,
    stage: &Arc<Stage>,
    outlet: &Outlet,
) -> Result<String, Failure> {
    let text = match call.name.as_str() {
        "exact_prompt" => return Ok(acts::exact(stage, "exact_prompt")),
        "ask_prompt" => questions::ask(call, stage, outlet).await?,
        "greet" => match call.argument("name").as_str() {
            Some(name) => format!("Say hello to {name}!"),
            None => return Err(Failure::error(-32602, "greet lacks the argument name")),
        },
        _ => call.arguments.clone(),
    };
    let text = Value::from(text);
    Ok(call.complete(&format!(
        r#""description":"A prompt","messages":[{{"role":"user","content":{{"type":"text","text":{text}}}}}]"#
    )))
}

/// The raw result of `completion/complete`, or a raw error.
pub(super) fn complete(stage: &Stage, params: &Value) -> Result<String, String> {
    let reference = &params["ref"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let known = match reference["type"].as_str() {
        Some("ref/prompt") => is_known(stage, &text(&reference["name"])),
        Some("ref/resource") => {
            let uri = text(&reference["uri"]);
            let endless = matches!(stage.script.paging, Paging::Endless);
            let listed = [List::Templates, List::Resources];
            endless || listed.iter().any(|list| list.find(stage, &uri).is_some())
        }
        _ => false,
    };
    if !known {
        return Err(
            json!({"code": -32602, "message": "Unknown ref", "data": reference}).to_string(),
        );
    }
    let value = text(&params["argument"]["value"]);
    let values = [format!("{value}-one"), format!("{value}-two")];
    let completion = json!({"values": values, "total": 2, "hasMore": false});
    Ok(format!(r#""completion":{completion}"#))
}
