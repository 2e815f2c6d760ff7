//! The only table from a failure to what a client sees: JSON-RPC code and HTTP status, per era.

use http::StatusCode;
use serde_json::{json, value::RawValue};

use crate::mcp::{
    error::{
        BACKEND_TIMED_OUT, BACKEND_UNAVAILABLE, GATEWAY_STOPPING, HEADER_MISMATCH, INTERNAL_ERROR,
        INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY, PARSE_ERROR,
        RESOURCE_NOT_FOUND, SESSION_BUSY, UNAUTHENTICATED, UNSUPPORTED_VERSION, code_of,
        error_object, error_object_with,
    },
    failure::Failure,
};

/// The error object that a legacy client gets for a failure.
///
/// Spec: 2025-11-25 server/resources, "Error Handling".
pub(super) fn legacy_object(failure: &Failure) -> Box<RawValue> {
    match failure {
        Failure::UnknownResource { .. } => object(RESOURCE_NOT_FOUND, failure),
        _ => object(code(failure), failure),
    }
}

/// The error object that a modern client gets for a failure.
pub(super) fn modern_object(failure: &Failure) -> Box<RawValue> {
    object(code(failure), failure)
}

/// A failure's own words, and what else its code demands.
fn object(code: i64, failure: &Failure) -> Box<RawValue> {
    let words = failure.to_string();
    match failure {
        Failure::UnknownResource { uri } => error_object_with(code, &words, &json!({ "uri": uri })),
        Failure::Incapable { capability, .. } => {
            let needed = match capability.split_once('.') {
                Some((whole, part)) => json!({ whole: { part: {} } }),
                None => json!({ *capability: {} }),
            };
            let required = json!({ "requiredCapabilities": needed });
            error_object_with(code, &words, &required)
        }
        _ => error_object(code, &words),
    }
}

/// The JSON-RPC code of a failure; where the eras differ, the modern one's.
const fn code(failure: &Failure) -> i64 {
    match failure {
        Failure::UnknownMethod { .. } => METHOD_NOT_FOUND,
        Failure::UnknownName { .. }
        | Failure::UnknownResource { .. }
        | Failure::UnknownState
        | Failure::InvalidParams { .. } => INVALID_PARAMS,
        Failure::Incapable { .. } => MISSING_CAPABILITY,
        Failure::Unavailable { .. } | Failure::Interrupted { .. } | Failure::Garbled { .. } => {
            BACKEND_UNAVAILABLE
        }
        Failure::TimedOut { .. } => BACKEND_TIMED_OUT,
        Failure::UnknownMcpSession | Failure::SessionDeleted => INVALID_REQUEST,
        Failure::Busy { .. }
        | Failure::CallerBusy { .. }
        | Failure::TooManyMcpSessions { .. }
        | Failure::TooManyParked { .. }
        | Failure::TooManyListeners { .. } => SESSION_BUSY,
        Failure::Unauthenticated { .. } | Failure::Unauthorized { .. } | Failure::Unverifiable => {
            UNAUTHENTICATED
        }
        Failure::Stopping | Failure::OutOfTime => GATEWAY_STOPPING,
        Failure::Lost | Failure::NotStored => INTERNAL_ERROR,
    }
}

/// Legacy clients read errors from answers they take for successful HTTP; only what has no request
/// to answer, and an unknown MCP session, is told by its status. Spec: 2025-11-25 basic/transports, "Session Management".
pub(super) const fn legacy_status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::UnknownMcpSession | Failure::SessionDeleted => StatusCode::NOT_FOUND,
        Failure::TooManyListeners { .. } => StatusCode::CONFLICT,
        Failure::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
        Failure::Unauthorized { .. } => StatusCode::FORBIDDEN,
        Failure::Unverifiable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    }
}

/// Modern clients are told by the status what is wrong with the request itself.
/// Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata".
pub(super) fn modern_status(error: &RawValue) -> StatusCode {
    match code_of(error) {
        Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(
            PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | MISSING_CAPABILITY
            | UNSUPPORTED_VERSION,
        ) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sees_of_each_failure() {
        let backend: crate::mcp::name::BackendName = "docs".parse().unwrap();
        let unavailable = Failure::Unavailable {
            backend,
            reason: "connection refused".into(),
        };
        let text = modern_object(&unavailable);
        assert_eq!(
            text.get(),
            r#"{"code":-31001,"message":"backend docs is unavailable: connection refused"}"#
        );
        assert_eq!(legacy_status(&unavailable), StatusCode::OK);
        assert_eq!(modern_status(&text), StatusCode::OK);
        let unknown = Failure::UnknownMethod { method: "x".into() };
        assert_eq!(legacy_status(&unknown), StatusCode::OK);
        assert_eq!(
            modern_status(&modern_object(&unknown)),
            StatusCode::NOT_FOUND
        );
        assert_eq!(
            legacy_status(&Failure::UnknownMcpSession),
            StatusCode::NOT_FOUND
        );
    }

    #[test]
    fn a_resource_that_is_not_found_has_a_code_in_each_era() {
        let unknown = Failure::UnknownResource {
            uri: "file:///x".into(),
        };
        let told = |code: i64| {
            format!(
                r#"{{"code":{code},"message":"resource not found: file:///x","data":{{"uri":"file:///x"}}}}"#
            )
        };
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let (legacy, modern) = (legacy_object(&unknown), modern_object(&unknown));
        assert_eq!(value(legacy.get()), value(&told(-32002)));
        assert_eq!(value(modern.get()), value(&told(-32602)));
    }

    #[test]
    fn a_capability_that_is_missing_is_named() {
        for (capability, required) in [
            ("sampling", json!({"sampling": {}})),
            ("elicitation.url", json!({"elicitation": {"url": {}}})),
        ] {
            let incapable = Failure::Incapable {
                backend: "docs".parse().unwrap(),
                capability,
            };
            let error = modern_object(&incapable);
            let value: serde_json::Value = serde_json::from_str(error.get()).unwrap();
            assert_eq!(value["code"], -32021);
            assert_eq!(value["data"], json!({"requiredCapabilities": required}));
            assert_eq!(modern_status(&error), StatusCode::BAD_REQUEST);
        }
    }
}
