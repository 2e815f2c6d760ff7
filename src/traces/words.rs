//! What spans and their attributes are called.
//!
//! OpenTelemetry's conventions for MCP, but for what those have no word for.

use std::borrow::Cow;

use opentelemetry::KeyValue;

use crate::{
    mcp::{
        failure::shortened,
        message::RequestId,
        method::{PROMPTS_GET, REQUESTS, TOOLS_CALL},
    },
    metrics::OTHER,
};

pub(super) const CLIENT_ADDRESS: &str = "client.address";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const PROTOCOL_VERSION: &str = "mcp.protocol.version";
pub(super) const REQUEST_ID: &str = "jsonrpc.request.id";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const STATUS_CODE: &str = "rpc.response.status_code";
/// As the log has it: a part of the session's id. The conventions' `mcp.session.id` is another one, and a secret.
pub(super) const SESSION: &str = "session.id";
/// Of ours.
pub(super) const PROVIDER: &str = "mcp_gateway.provider";

/// What a span is called. With a subject only where that is one of those there are: any client may write any word.
pub(super) fn name(method: &str, subject: Option<&str>) -> Cow<'static, str> {
    let known = REQUESTS.into_iter().find(|known| *known == method);
    let method = known.unwrap_or(OTHER);
    match subject.filter(|_| has_name(method)) {
        Some(subject) => Cow::Owned(format!("{method} {subject}")),
        None => Cow::Borrowed(method),
    }
}

/// What any request's span tells. Of a resource or a task, nothing: where it is, is its content.
pub(super) fn of_request(method: &str, subject: Option<&str>) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(12);
    attributes.push(KeyValue::new("mcp.method.name", method.to_owned()));
    attributes.push(KeyValue::new("network.protocol.name", "http"));
    attributes.push(KeyValue::new("network.transport", "tcp"));
    let name = |key| subject.map(|subject| KeyValue::new(key, shortened(subject).into_owned()));
    match method {
        TOOLS_CALL => {
            attributes.push(KeyValue::new("gen_ai.operation.name", "execute_tool"));
            attributes.extend(name("gen_ai.tool.name"));
        }
        PROMPTS_GET => attributes.extend(name("gen_ai.prompt.name")),
        _ => {}
    }
    attributes
}

/// An id as text: that of a number its digits, that of a text what stands in it.
pub(super) fn id(id: &RequestId) -> String {
    let text = serde_json::from_str::<String>(id.as_json());
    shortened(text.as_deref().unwrap_or_else(|_| id.as_json())).into_owned()
}

fn has_name(method: &str) -> bool {
    matches!(method, TOOLS_CALL | PROMPTS_GET)
}
