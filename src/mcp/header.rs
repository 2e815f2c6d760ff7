//! HTTP headers of the Streamable HTTP transport, and how a value travels in one.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderName;

/// The MCP session of the legacy era. Spec: 2025-11-25 basic/transports, "Session Management".
pub const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The revision a request speaks. Spec: 2025-06-18 basic/transports, "Protocol Version Header".
pub const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The event behind which a stream is taken up. Spec: 2025-11-25 basic/transports, "Resumability and
/// Redelivery".
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The body's method. Spec: 2026-07-28 basic/transports/streamable-http, "Standard Request Headers".
pub const METHOD: HeaderName = HeaderName::from_static("mcp-method");
/// The body's `params.name` or `params.uri`; same section.
pub const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Starts the name of each header that mirrors a tool's argument; same page,
/// "Custom Headers from Tool Parameters".
pub const PARAM_PREFIX: &str = "mcp-param-";

const SENTINEL_START: &str = "=?base64?";
const SENTINEL_END: &str = "?=";

/// Writes a value so that any text survives a header.
///
/// Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
#[must_use]
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
        && text.trim() == text
        && !text.starts_with(SENTINEL_START);
    if plain {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!(
        "{SENTINEL_START}{}{SENTINEL_END}",
        STANDARD.encode(text)
    ))
}

/// Reads a value that [`encode_value`] or its like wrote; `None` when its Base64 is broken.
#[must_use]
pub fn decode_value(text: &str) -> Option<Cow<'_, str>> {
    let Some(encoded) = text
        .strip_prefix(SENTINEL_START)
        .and_then(|rest| rest.strip_suffix(SENTINEL_END))
    else {
        return Some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_a_header() {
        for text in [
            "get_weather",
            "",
            " padded ",
            "ünï",
            "a\r\nb",
            "=?base64?x?=",
        ] {
            let encoded = encode_value(text);
            assert!(encoded.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            assert_eq!(decode_value(&encoded).as_deref(), Some(text));
        }
        assert_eq!(encode_value("get_weather"), "get_weather");
        assert_eq!(decode_value("=?base64?%%%?="), None);
    }
}
