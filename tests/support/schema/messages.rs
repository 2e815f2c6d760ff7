//! Which definition a message must fit: by its method, its sender, and what was asked.

use std::{collections::HashMap, sync::OnceLock};

use serde_json::Value;

use super::{REVISIONS, Revision};

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The side that opens.
    Client,
    /// The side that is asked.
    Server,
}

/// The definition of a method's message.
struct Definition {
    name: String,
    /// The unions it is a member of, such as `ServerRequest`.
    unions: Vec<String>,
}

/// Holds a request against its method's definition.
pub fn request(revision: &str, sender: Sender, message: &Value) -> Result<(), String> {
    members(message, &["jsonrpc", "id", "method", "params"])?;
    message_of(revision, sender, "Request", message)
}

/// Holds a notification against its method's definition.
pub fn notification(revision: &str, sender: Sender, message: &Value) -> Result<(), String> {
    members(message, &["jsonrpc", "method", "params"])?;
    message_of(revision, sender, "Notification", message)
}

/// Holds a successful response against the result of the method that was asked.
pub fn result(revision: &str, method: &str, message: &Value) -> Result<(), String> {
    members(message, &["jsonrpc", "id", "result"])?;
    let rules = Revision::named(revision);
    if message["id"].is_null() {
        return Err("has no id".to_owned());
    }
    let result = &message["result"];
    rules.check(result_of(revision, method, result)?.as_str(), result)
}

/// Holds an error against the definition of errors. Before 2025-11-25 such a response must have an
/// id, even where there is none to give; that much is forgiven.
pub fn error_response(revision: &str, message: &Value) -> Result<(), String> {
    members(message, &["jsonrpc", "id", "error"])?;
    let rules = Revision::named(revision);
    if rules.definitions == "$defs" {
        return rules.check("JSONRPCErrorResponse", message);
    }
    let mut message = message.clone();
    if message.get("id").is_none() {
        message["id"] = Value::from(0);
    }
    rules.check("JSONRPCError", &message)
}

/// JSON-RPC has these members and no other.
fn members(message: &Value, known: &[&str]) -> Result<(), String> {
    let Some(object) = message.as_object() else {
        return Err("is no object".to_owned());
    };
    if object.get("jsonrpc") != Some(&Value::from("2.0")) {
        return Err("is not JSON-RPC 2.0".to_owned());
    }
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(stray) => Err(format!("has a stray member `{stray}`")),
        None => Ok(()),
    }
}

fn message_of(revision: &str, sender: Sender, kind: &str, message: &Value) -> Result<(), String> {
    let rules = Revision::named(revision);
    let Some(method) = message["method"].as_str() else {
        return Err("has no method".to_owned());
    };
    let Some(definition) = definition(revision, method) else {
        let elsewhere = REVISIONS
            .iter()
            .any(|it| definition_of(it, method).is_some());
        if elsewhere {
            return Err(format!("{revision} has no method {method}"));
        }
        return rules.check(&format!("JSONRPC{kind}"), message);
    };
    let union = format!("{sender:?}{kind}");
    if !definition.unions.iter().any(|it| it.ends_with(&union)) {
        return Err(format!(
            "{method} is not for a {sender:?} to send as a {kind}"
        ));
    }
    rules.check(&definition.name, message)
}

/// The name of the definition a result must fit.
fn result_of(revision: &str, method: &str, result: &Value) -> Result<String, String> {
    const MAY_ASK: [&str; 3] = ["tools/call", "prompts/get", "resources/read"];
    let kind = result["resultType"].as_str();
    let is_modern = revision >= "2026-07-28";
    let has_type = result.get("resultType").is_some();
    if is_modern != has_type && definition(revision, method).is_some() {
        return Err(format!("a result of {revision} with resultType {kind:?}"));
    }
    if method == "tools/call" && !is_modern && result["task"].is_object() {
        return Ok("CreateTaskResult".to_owned());
    }
    match kind.filter(|_| is_modern) {
        Some("input_required") if MAY_ASK.contains(&method) => {
            if result["inputRequests"].is_null() && result["requestState"].is_null() {
                return Err("asks for nothing and has no state".to_owned());
            }
            return Ok("InputRequiredResult".to_owned());
        }
        Some("task") if method == "tools/call" => return Ok("CreateTaskResult".to_owned()),
        Some("complete") | None => {}
        Some(other) => return Err(format!("{method} has no result of type {other}")),
    }
    let Some(definition) = definition(revision, method) else {
        return Ok("Result".to_owned());
    };
    let name = definition.name.replace("Request", "Result");
    let rules = Revision::named(revision);
    let pointer = format!("#/{}/{name}", rules.definitions);
    Ok(match rules.compiled().get(&pointer) {
        Some(_) => name,
        None => "EmptyResult".to_owned(),
    })
}

fn definition(revision: &str, method: &str) -> Option<&'static Definition> {
    definition_of(Revision::named(revision), method)
}

fn definition_of(revision: &'static Revision, method: &str) -> Option<&'static Definition> {
    type Index = HashMap<String, Definition>;
    static INDEXES: OnceLock<HashMap<&'static str, Index>> = OnceLock::new();
    let indexes = INDEXES.get_or_init(|| {
        let indexes = REVISIONS.iter().map(|it| (it.name, index(it)));
        indexes.collect()
    });
    indexes[revision.name].get(method)
}

/// Every method of a revision with its definition.
fn index(revision: &Revision) -> HashMap<String, Definition> {
    let schema = revision.schema();
    let definitions = schema[revision.definitions].as_object().unwrap();
    let mut index = HashMap::new();
    for (name, definition) in definitions {
        let Some(method) = definition["properties"]["method"]["const"].as_str() else {
            continue;
        };
        // In some revisions the union of one is not a union.
        if !matches!(name.as_str(), "ClientNotification" | "ClientRequest") {
            let unions = unions_of(definitions, name, method);
            let name = name.clone();
            index.insert(method.to_owned(), Definition { name, unions });
        }
    }
    index
}

fn unions_of(
    definitions: &serde_json::Map<String, Value>,
    name: &str,
    method: &str,
) -> Vec<String> {
    const UNIONS: [&str; 4] = [
        "ClientRequest",
        "ServerRequest",
        "ClientNotification",
        "ServerNotification",
    ];
    let holds = |union: &Value| {
        let members = union["anyOf"].as_array();
        let suffix = format!("/{name}");
        members.is_some_and(|it| {
            it.iter()
                .any(|it| it["$ref"].as_str().is_some_and(|it| it.ends_with(&suffix)))
        }) || union["properties"]["method"]["const"] == method
    };
    let unions = definitions
        .iter()
        .filter(|(union, _)| UNIONS.iter().any(|it| union.ends_with(it)))
        .filter(|(_, union)| holds(union));
    unions.map(|(union, _)| union.clone()).collect()
}
