//! Headers that no registry may set: the gateway, HTTP or MCP does.

use http::HeaderName;

/// Why a provider's entry must not name this header; nothing if it may.
#[must_use]
pub fn reason(header: &HeaderName) -> Option<&'static str> {
    const CREDENTIALS: &str =
        "carries the session's credential; use auth: { type: bearer } for a token in it";
    const CONNECTION: &str = "belongs to the connection, which the gateway manages";
    const MESSAGE: &str = "describes the message, which the gateway writes";
    const PROTOCOL: &str = "belongs to MCP, which the gateway speaks";
    const TRACE: &str = "carries the trace of the request at hand";

    let name = header.as_str();
    if name.starts_with("content-") {
        return Some(MESSAGE);
    }
    if name.starts_with("mcp-") {
        return Some(PROTOCOL);
    }
    if name.starts_with("proxy-") {
        return Some(CONNECTION);
    }
    Some(match name {
        "authorization" => CREDENTIALS,
        "cookie" | "set-cookie" => "would be shared by all sessions",
        "host" | "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding"
        | "upgrade" | "expect" => CONNECTION,
        "accept" | "accept-encoding" | "date" | "range" => MESSAGE,
        "last-event-id" => PROTOCOL,
        "traceparent" | "tracestate" | "baggage" => TRACE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_http_and_mcp_are_reserved_and_others_are_not() {
        for name in [
            "Authorization",
            "Host",
            "Content-Type",
            "Content-Length",
            "Accept",
            "Cookie",
            "Mcp-Session-Id",
            "MCP-Protocol-Version",
            "Mcp-Param-Region",
            "Connection",
            "Transfer-Encoding",
            "Proxy-Authorization",
            "Last-Event-ID",
            "traceparent",
        ] {
            let header = HeaderName::from_bytes(name.as_bytes()).unwrap();
            assert!(reason(&header).is_some(), "{name}");
        }
        for name in [
            "x-api-key",
            "x-team",
            "accept-language",
            "user-agent",
            "context7_api_key",
        ] {
            assert_eq!(reason(&HeaderName::from_static(name)), None, "{name}");
        }
    }
}
