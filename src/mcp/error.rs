//! JSON-RPC error codes and the error object.

use serde_json::{json, value::RawValue};

use super::object::{RawObject, read_object, to_raw};

/// Invalid JSON was received.
pub const PARSE_ERROR: i64 = -32700;
/// The JSON is no valid request.
pub const INVALID_REQUEST: i64 = -32600;
/// The method does not exist or is not served.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// The parameters do not fit the method.
pub const INVALID_PARAMS: i64 = -32602;
/// Something of the gateway's own broke.
pub const INTERNAL_ERROR: i64 = -32603;
/// There is no such resource; of the legacy era. Spec: 2025-11-25 server/resources, "Error Handling".
pub const RESOURCE_NOT_FOUND: i64 = -32002;
/// A header and the body disagree. Spec: 2026-07-28 basic/transports/streamable-http, "Server Validation".
pub const HEADER_MISMATCH: i64 = -32020;
/// A capability the request needs was not declared. Spec: 2026-07-28 basic.
pub const MISSING_CAPABILITY: i64 = -32021;
/// The revision is not served. Spec: 2026-07-28 basic/versioning, "Protocol Version Negotiation".
pub const UNSUPPORTED_VERSION: i64 = -32022;
/// The gateway's own: the backend cannot be reached or refused the gateway.
pub const BACKEND_UNAVAILABLE: i64 = -31001;
/// The gateway's own: the backend did not answer in time.
pub const BACKEND_TIMED_OUT: i64 = -31002;
/// The gateway's own: the session has all the exchanges it may have.
pub const SESSION_BUSY: i64 = -31003;
/// The gateway's own: the gateway is stopping.
pub const GATEWAY_STOPPING: i64 = -31004;

/// The gateway's own: it is not known who calls, or not enough is known.
pub const UNAUTHENTICATED: i64 = -31005;

/// Writes an error object without `data`.
#[must_use]
pub fn error_object(code: i64, message: &str) -> Box<RawValue> {
    to_raw(&json!({ "code": code, "message": message }))
}

/// Writes an error object with `data`.
#[must_use]
pub fn error_object_with(code: i64, message: &str, data: &serde_json::Value) -> Box<RawValue> {
    to_raw(&json!({ "code": code, "message": message, "data": data }))
}

/// The code of an error object, when it has one.
#[must_use]
pub fn code_of(error: &RawValue) -> Option<i64> {
    #[derive(serde::Deserialize)]
    struct OnlyCode {
        code: i64,
    }
    read_object::<OnlyCode>(error.get())
        .ok()
        .map(|error| error.code)
}

/// The same error object with another code; all its other members stay as they are.
#[must_use]
pub fn with_code(error: &RawValue, code: i64) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(error));
    members.set("code", to_raw(&json!(code)));
    members.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_code_leaves_the_rest_of_an_error_byte_for_byte() {
        let error = RawValue::from_string(
            r#"{"data":{"n":1.0},"code":-32602, "message":"\u00e4","x":[ ]}"#.to_owned(),
        );
        assert_eq!(
            with_code(&error.unwrap(), RESOURCE_NOT_FOUND).get(),
            r#"{"data":{"n":1.0},"code":-32002,"message":"\u00e4","x":[ ]}"#
        );
    }
}
