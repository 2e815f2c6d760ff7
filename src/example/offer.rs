//! What it offers: words of the protocol, without a wire.

use serde_json::{Value, json};

/// Levels of log messages, least first.
pub(super) const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

const NOTES: &str = "example://notes";
const NUMBERS: &str = "example://numbers/";

pub(super) fn response(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

pub(super) fn error(id: &Value, code: i64, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

pub(super) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// A result that is a text.
pub(super) fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

/// A result that says why there is none.
pub(super) fn failed(why: &str) -> Value {
    let mut result = text(why);
    result["isError"] = json!(true);
    result
}

/// What the user is asked for.
pub(super) fn question(id: &Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": id, "method": "elicitation/create",
        "params": {
            "message": "Which tea would you like?",
            "requestedSchema": {
                "type": "object",
                "properties": {
                    "tea": { "type": "string", "title": "Tea", "enum": ["green", "black", "mint"] },
                    "milk": { "type": "boolean", "title": "Milk", "default": false },
                },
                "required": ["tea"],
            },
        },
    })
}

pub(super) fn opening(revision: &str) -> Value {
    json!({
        "protocolVersion": revision,
        "capabilities": { "tools": {}, "prompts": {}, "resources": {}, "logging": {} },
        "serverInfo": {
            "name": "example", "title": "Example of the MCP gateway", "version": env!("CARGO_PKG_VERSION"),
        },
        "instructions": "An example: call add, watch count, and order_tea asks you something.",
    })
}

/// Answers what needs no session; the code and the words of an error otherwise.
pub(super) fn answer(method: &str, params: &Value) -> Result<Value, (i64, &'static str)> {
    match method {
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools() })),
        "prompts/list" => Ok(json!({ "prompts": prompts() })),
        "prompts/get" => prompt(params),
        "resources/list" => Ok(json!({ "resources": [{
            "uri": NOTES, "name": "notes", "title": "Notes", "mimeType": "text/markdown",
            "description": "What the gateway does, in a few lines",
        }] })),
        "resources/templates/list" => Ok(json!({ "resourceTemplates": [{
            "uriTemplate": format!("{NUMBERS}{{number}}"), "name": "number", "title": "A number",
            "mimeType": "text/plain", "description": "A whole number and its square",
        }] })),
        "resources/read" => resource(params["uri"].as_str().unwrap_or_default()),
        _ => Err((-32601, "there is no such method")),
    }
}

fn tools() -> Value {
    let number = |description: &str| json!({ "type": "number", "description": description });
    json!([
        {
            "name": "echo", "title": "Echo", "description": "Says what it is told",
            "inputSchema": {
                "type": "object", "required": ["message"],
                "properties": { "message": { "type": "string", "description": "What to say" } },
            },
            "annotations": { "readOnlyHint": true },
        },
        {
            "name": "add", "title": "Add", "description": "Adds two numbers, and gives the sum as structure, too",
            "inputSchema": {
                "type": "object", "required": ["a", "b"],
                "properties": { "a": number("One number"), "b": number("Another number") },
            },
            "outputSchema": {
                "type": "object", "required": ["sum"], "properties": { "sum": number("The sum") },
            },
            "annotations": { "readOnlyHint": true },
        },
        {
            "name": "count", "title": "Count", "description": "Counts slowly, and tells how far it is",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "to": { "type": "integer", "minimum": 1, "maximum": 100, "default": 5,
                        "description": "How far" },
                    "pause_ms": { "type": "integer", "minimum": 0, "maximum": 5000, "default": 500,
                        "description": "Milliseconds before each number" },
                },
            },
            "annotations": { "readOnlyHint": true },
        },
        {
            "name": "order_tea", "title": "Order tea", "description": "Asks which tea, and serves it",
            "inputSchema": { "type": "object", "properties": {} },
        },
    ])
}

fn prompts() -> Value {
    json!([
        {
            "name": "welcome", "title": "Welcome", "description": "Welcomes somebody in a style",
            "arguments": [
                { "name": "name", "description": "Whom", "required": true },
                { "name": "style", "description": "Such as formal or cheerful", "required": false },
            ],
        },
        { "name": "tour", "title": "Tour", "description": "Has the model show every tool of this server" },
    ])
}

fn prompt(params: &Value) -> Result<Value, (i64, &'static str)> {
    let arguments = &params["arguments"];
    let (description, text) = match params["name"].as_str() {
        Some("welcome") => {
            let name = arguments["name"].as_str();
            let name = name.ok_or((-32602, "the argument name is missing"))?;
            let style = arguments["style"].as_str().unwrap_or("friendly");
            (
                "A welcome",
                format!("Write a {style} welcome for {name}, in two sentences."),
            )
        }
        Some("tour") => (
            "A tour",
            "Call each tool of the example server once, and say in a line what it did.".to_owned(),
        ),
        _ => return Err((-32602, "there is no such prompt")),
    };
    Ok(json!({
        "description": description,
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
    }))
}

fn resource(uri: &str) -> Result<Value, (i64, &'static str)> {
    let number: Option<u64> = uri
        .strip_prefix(NUMBERS)
        .and_then(|number| number.parse().ok());
    let square = number.and_then(|number| number.checked_mul(number));
    let (kind, text) = match (uri, number, square) {
        (NOTES, ..) => (
            "text/markdown",
            "# Notes\n\nOne endpoint, many servers. This one is built in; `registry.yaml` names yours.\n".to_owned(),
        ),
        (_, Some(number), Some(square)) => ("text/plain", format!("{number} squared is {square}")),
        // Spec: 2025-11-25 server/resources, "Error Handling".
        _ => return Err((-32002, "there is no such resource")),
    };
    Ok(json!({ "contents": [{ "uri": uri, "mimeType": kind, "text": text }] }))
}
