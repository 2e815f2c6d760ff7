//! What each era adds to a request: headers and `_meta`.

use std::sync::PoisonError;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json, value::RawValue};

use super::{Client, MODERN, Manners};

impl Client {
    pub(super) fn headers(&self, request: Option<(&str, &str)>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            headers.insert(HeaderName::from_static(name), value);
        };
        set("accept", "application/json, text/event-stream");
        set("content-type", "application/json");
        match self.manners {
            Manners::Plain => {}
            Manners::Legacy => {
                // The header exists since 2025-06-18.
                if let Some(revision) = &self.revision
                    && revision.as_str() >= "2025-06-18"
                {
                    set("mcp-protocol-version", revision);
                }
                if let Some(id) = &self.mcp_session {
                    set("mcp-session-id", id);
                }
            }
            Manners::Modern => {
                set("mcp-protocol-version", MODERN);
                if let Some((method, params)) = request {
                    set("mcp-method", method);
                    if let Some(name) = named(method, params) {
                        set("mcp-name", &header_value(&name));
                    }
                }
            }
        }
        headers
    }

    /// Adds the modern era's `_meta`; without one already there, the text stays as it is otherwise.
    pub(super) fn params(&self, params: &str) -> String {
        if self.manners != Manners::Modern {
            return params.to_owned();
        }
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": self.program.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": self.program.name, "version": "1.0.0"},
        });
        let level = self.log_level.lock();
        if let Some(level) = level.unwrap_or_else(PoisonError::into_inner).as_deref() {
            meta["io.modelcontextprotocol/logLevel"] = Value::from(level);
        }
        let members: Map<String, Value> = serde_json::from_str(params).unwrap();
        if let Some(own) = members.get("_meta") {
            let own = own.as_object().unwrap().clone();
            meta.as_object_mut().unwrap().extend(own);
            let mut members = members;
            members.insert("_meta".to_owned(), meta);
            return Value::from(members).to_string();
        }
        let comma = if members.is_empty() { "" } else { "," };
        let rest = params.trim_start().strip_prefix('{').unwrap();
        format!(r#"{{"_meta":{meta}{comma}{rest}"#)
    }
}

fn named(method: &str, params: &str) -> Option<String> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
        _ => return None,
    };
    let members: std::collections::HashMap<String, Box<RawValue>> =
        serde_json::from_str(params).ok()?;
    serde_json::from_str(members.get(member)?.get()).ok()
}

/// Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
    }
}
