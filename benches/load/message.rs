//! What the load sends: JSON-RPC bodies and headers of both eras.

use crate::options::Era;

pub(crate) const SESSION_ID: &str = "mcp-session-id";
pub(crate) const PROTOCOL_VERSION: &str = "mcp-protocol-version";
pub(crate) const METHOD: &str = "mcp-method";
pub(crate) const NAME: &str = "mcp-name";

pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Params of `initialize`, without the braces.
pub(crate) const INITIALIZE: &str = r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}"#;

/// What a request of the modern era says about itself, up to the end of its `_meta`. Spec: 2026-07-28 basic, "General
/// fields".
const MODERN_META: &str = concat!(
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}"#,
);

/// A request; `params` are the members of its params, without the braces. With `wants_progress` its id is its progress
/// token, too.
pub(crate) fn request(
    era: Era,
    id: u64,
    method: &str,
    params: &str,
    wants_progress: bool,
) -> String {
    let token = format!(r#""progressToken":{id}"#);
    let meta = match (era, wants_progress) {
        (Era::Legacy, false) => String::new(),
        (Era::Legacy, true) => format!(r#""_meta":{{{token}}}"#),
        (Era::Modern, false) => format!(r#""_meta":{{{MODERN_META}}}"#),
        (Era::Modern, true) => format!(r#""_meta":{{{token},{MODERN_META}}}"#),
    };
    let comma = if params.is_empty() || meta.is_empty() {
        ""
    } else {
        ","
    };
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{comma}{meta}}}}}"#
    )
}

/// The header lines that all requests to `host` share.
pub(crate) fn headers(host: &str) -> Vec<u8> {
    let lines = format!(
        "host: {host}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n"
    );
    lines.into_bytes()
}
