//! What the load sends: JSON-RPC bodies and headers of both eras.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::options::Era;

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");

pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Params of `initialize`, without the braces.
pub(crate) const INITIALIZE: &str = r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}"#;

/// What a request of the modern era says about itself. Spec: 2026-07-28 basic, "General fields".
const MODERN_META: &str = concat!(
    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},"#,
    r#""io.modelcontextprotocol/clientCapabilities":{}}"#,
);

/// A request; `params` are the members of its params, without the braces.
pub(crate) fn request(era: Era, id: u64, method: &str, params: &str) -> Bytes {
    let meta = match era {
        Era::Legacy => "",
        Era::Modern => MODERN_META,
    };
    let comma = if params.is_empty() || meta.is_empty() {
        ""
    } else {
        ","
    };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{comma}{meta}}}}}"#
    );
    body.into()
}

/// The headers that all requests to `host` share.
pub(crate) fn headers(era: Era, host: HeaderValue) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        ACCEPT,
        HeaderValue::from_static("application/json, text/event-stream"),
    );
    headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(era.revision()));
    headers
}
