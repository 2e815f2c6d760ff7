//! The only table from a failure to what a client sees: JSON-RPC code and HTTP status, per era.

use http::StatusCode;
use serde_json::value::RawValue;

use crate::mcp::{
    error::{
        BACKEND_TIMED_OUT, BACKEND_UNAVAILABLE, GATEWAY_STOPPING, HEADER_MISMATCH, INTERNAL_ERROR,
        INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, MISSING_CAPABILITY, PARSE_ERROR,
        SESSION_BUSY, UNSUPPORTED_VERSION, code_of, error_object,
    },
    failure::Failure,
};

/// The error object for a failure: its code, and its own words.
pub(super) fn object(failure: &Failure) -> Box<RawValue> {
    error_object(code(failure), &failure.to_string())
}

/// The JSON-RPC code of a failure, the same in every era.
pub(super) const fn code(failure: &Failure) -> i64 {
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
        | Failure::TooManyMcpSessions { .. }
        | Failure::TooManyParked { .. }
        | Failure::TooManyListeners { .. } => SESSION_BUSY,
        Failure::Stopping => GATEWAY_STOPPING,
        Failure::Lost | Failure::NotStored => INTERNAL_ERROR,
    }
}

/// Legacy clients read errors from answers they take for successful HTTP; only what has no request
/// to answer, and an unknown MCP session, is told by its status. Spec: 2025-11-25 basic/transports, "Session Management".
pub(super) const fn legacy_status(failure: &Failure) -> StatusCode {
    match failure {
        Failure::UnknownMcpSession | Failure::SessionDeleted => StatusCode::NOT_FOUND,
        Failure::TooManyListeners { .. } => StatusCode::CONFLICT,
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
        let text = object(&unavailable);
        assert_eq!(
            text.get(),
            r#"{"code":-31001,"message":"backend docs is unavailable: connection refused"}"#
        );
        assert_eq!(legacy_status(&unavailable), StatusCode::OK);
        assert_eq!(modern_status(&text), StatusCode::OK);
        let unknown = Failure::UnknownMethod { method: "x".into() };
        assert_eq!(legacy_status(&unknown), StatusCode::OK);
        assert_eq!(modern_status(&object(&unknown)), StatusCode::NOT_FOUND);
        assert_eq!(
            legacy_status(&Failure::UnknownMcpSession),
            StatusCode::NOT_FOUND
        );
    }
}
