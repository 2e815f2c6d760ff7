//! JSON-RPC messages as MCP uses them, read without parsing what they carry.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{error::Category, value::RawValue};

use super::{
    error::{INVALID_REQUEST, PARSE_ERROR},
    object::read_object,
};
use crate::limits::DEPTH_MAX;

/// The id of a request: the JSON text of a string or a whole number, kept exactly.
///
/// Two ids are equal only when their text is: `1` and `"1"` differ, as the protocol wants.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// The longest id that is accepted, in bytes of JSON text.
    pub const LENGTH_MAX: usize = 1024;

    /// Takes the JSON text of an id.
    ///
    /// # Errors
    ///
    /// When it is neither a string nor a whole number, or too long.
    pub fn from_raw(raw: &RawValue) -> Result<Self, MessageError> {
        let text = raw.get();
        let whole_number = || {
            let digits = text.strip_prefix('-').unwrap_or(text);
            digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if text.len() > Self::LENGTH_MAX {
            return Err(MessageError::Invalid("the id is longer than 1024 bytes"));
        }
        if text.starts_with('"') || whole_number() {
            return Ok(Self(text.into()));
        }
        Err(MessageError::Invalid(
            "the id is a string or a whole number",
        ))
    }

    /// An id of the gateway's own.
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    /// The id as a value within a message.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        // It was read from a value, or is a number.
        RawValue::from_string(self.0.to_string()).unwrap_or_default()
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why bytes are no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not JSON at all.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// A JSON array: several messages at once.
    #[error("batches are not supported; send one message a request")]
    Batch,
    /// Nested beyond the limit.
    #[error("the body is nested more than {} levels deep", DEPTH_MAX)]
    TooDeep,
    /// JSON, but no JSON-RPC 2.0 message.
    #[error("not a JSON-RPC 2.0 message: {0}")]
    Invalid(&'static str),
}

impl MessageError {
    /// The JSON-RPC code that tells a sender what it sent.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::NotJson(_) => PARSE_ERROR,
            Self::Batch | Self::TooDeep | Self::Invalid(_) => INVALID_REQUEST,
        }
    }
}

/// One JSON-RPC message whose payload is still raw.
///
/// Spec: 2025-11-25 basic, "Messages".
#[derive(Debug)]
pub enum Message<'a> {
    /// Wants a response.
    Request {
        /// The sender's id.
        id: RequestId,
        /// The method.
        method: Cow<'a, str>,
        /// The parameters, an object if present.
        params: Option<&'a RawValue>,
    },
    /// Wants none.
    Notification {
        /// The method.
        method: Cow<'a, str>,
        /// The parameters, an object if present.
        params: Option<&'a RawValue>,
    },
    /// Answers a request with a result.
    Result {
        /// The id of the request it answers.
        id: RequestId,
        /// The result.
        result: &'a RawValue,
    },
    /// Answers a request with an error.
    Error {
        /// The id of the request it answers, when it could be told.
        id: Option<RequestId>,
        /// The error object.
        error: &'a RawValue,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Tells `null` from an absent member: serde's `Option` takes both for `None`.
fn present<'de: 'a, 'a, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Message<'a> {
    /// Reads one message.
    ///
    /// # Errors
    ///
    /// When the bytes are not JSON, a batch, or no JSON-RPC 2.0 message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, MessageError> {
        let begins_with = |byte: u8| bytes.trim_ascii_start().first() == Some(&byte);
        if !begins_with(b'{') {
            // serde would take a list for the members of an object in order.
            return Err(match serde_json::from_slice::<IgnoredAny>(bytes) {
                Err(error) => MessageError::NotJson(error.to_string()),
                Ok(_) if begins_with(b'[') => MessageError::Batch,
                Ok(_) => MessageError::Invalid("a message is an object"),
            });
        }
        let envelope: Envelope<'a> =
            serde_json::from_slice(bytes).map_err(|error| match error.classify() {
                Category::Data => MessageError::Invalid("a member is doubled or of the wrong type"),
                _ => MessageError::NotJson(error.to_string()),
            })?;
        envelope.sort()
    }

    /// The id of a request or response.
    #[must_use]
    pub const fn id(&self) -> Option<&RequestId> {
        match self {
            Self::Request { id, .. } | Self::Result { id, .. } => Some(id),
            Self::Error { id, .. } => id.as_ref(),
            Self::Notification { .. } => None,
        }
    }
}

impl<'a> Envelope<'a> {
    fn sort(self) -> Result<Message<'a>, MessageError> {
        if self.jsonrpc.as_deref() != Some("2.0") {
            return Err(MessageError::Invalid("jsonrpc must be \"2.0\""));
        }
        if self
            .params
            .is_some_and(|params| !params.get().starts_with('{'))
        {
            return Err(MessageError::Invalid("params must be an object"));
        }
        // `"id": null` is an absent id only in an error, where the request's could not be read.
        let id = self.id.filter(|id| id.get() != "null");
        match (self.method, id, self.result, self.error) {
            (Some(method), None, None, None) if self.id.is_none() => Ok(Message::Notification {
                method,
                params: self.params,
            }),
            (Some(method), Some(id), None, None) => Ok(Message::Request {
                id: RequestId::from_raw(id)?,
                method,
                params: self.params,
            }),
            (None, Some(id), Some(result), None) => Ok(Message::Result {
                id: RequestId::from_raw(id)?,
                result,
            }),
            (None, id, None, Some(error)) => Ok(Message::Error {
                id: id.map(RequestId::from_raw).transpose()?,
                error,
            }),
            _ => Err(MessageError::Invalid(
                "a message has a method, or an id with either a result or an error",
            )),
        }
    }
}

/// The id of what looks like a request but could not be read as one, for the error that answers it.
#[must_use]
pub fn salvage_id(bytes: &[u8]) -> Option<RequestId> {
    #[derive(Deserialize)]
    struct OnlyId<'a> {
        #[serde(borrow, default)]
        id: Option<&'a RawValue>,
    }
    let only: OnlyId<'_> = read_object(std::str::from_utf8(bytes).ok()?).ok()?;
    RequestId::from_raw(only.id?).ok()
}

/// Writes a request.
#[must_use]
pub fn write_request(id: &RequestId, method: &str, params: Option<&RawValue>) -> Bytes {
    write(Some(id), method, params)
}

/// Writes a notification.
#[must_use]
pub fn write_notification(method: &str, params: Option<&RawValue>) -> Bytes {
    write(None, method, params)
}

/// Writes a response that carries `result`, JSON text, untouched.
#[must_use]
pub fn write_result(id: &RequestId, result: &[u8]) -> Bytes {
    let (before, after) = frame_result(id);
    [&before, result, &after].concat().into()
}

/// What stands before and after the result in a response, for a result that arrives in parts.
#[must_use]
pub fn frame_result(id: &RequestId) -> (Bytes, Bytes) {
    let before = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, id.as_json());
    (before.into(), Bytes::from_static(b"}"))
}

/// Writes a response that carries an error object. Without an id, the member is left out.
#[must_use]
pub fn write_error(id: Option<&RequestId>, error: &RawValue) -> Bytes {
    match id {
        Some(id) => format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{}}}"#,
            id.as_json(),
            error.get()
        ),
        None => format!(r#"{{"jsonrpc":"2.0","error":{}}}"#, error.get()),
    }
    .into()
}

fn write(id: Option<&RequestId>, method: &str, params: Option<&RawValue>) -> Bytes {
    let mut text = String::with_capacity(96 + params.map_or(0, |params| params.get().len()));
    text.push_str(r#"{"jsonrpc":"2.0","#);
    if let Some(id) = id {
        text.push_str(r#""id":"#);
        text.push_str(id.as_json());
        text.push(',');
    }
    text.push_str(r#""method":"#);
    text.push_str(super::object::quote(method).get());
    if let Some(params) = params {
        text.push_str(r#","params":"#);
        text.push_str(params.get());
    }
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_message_is_told_apart() {
        let read = |text: &'static str| Message::read(text.as_bytes()).unwrap();
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            Message::Request { id, .. } if id.as_json() == "\"a\""
        ));
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","method":"notifications/x","params":{}}"#),
            Message::Notification {
                params: Some(_),
                ..
            }
        ));
        assert!(matches!(
            read(r#"{"result":{},"jsonrpc":"2.0","id":12345678901234567890123}"#),
            Message::Result { id, .. } if id.as_json() == "12345678901234567890123"
        ));
        assert!(matches!(
            read(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#),
            Message::Error { id: None, .. }
        ));
    }

    #[test]
    fn what_is_no_message_says_why() {
        for (text, code) in [
            ("{", PARSE_ERROR),
            ("", PARSE_ERROR),
            ("[]", INVALID_REQUEST),
            (r#"["2.0",7,"tools/call",{"name":"x"}]"#, INVALID_REQUEST),
            ("[", PARSE_ERROR),
            (r#"[{"jsonrpc":"2.0"}]"#, INVALID_REQUEST),
            ("1", INVALID_REQUEST),
            (r#"{"jsonrpc":"1.0","id":1,"method":"x"}"#, INVALID_REQUEST),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#,
                INVALID_REQUEST,
            ),
            (
                r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
                INVALID_REQUEST,
            ),
            (r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#, INVALID_REQUEST),
            (
                r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#,
                INVALID_REQUEST,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}"#,
                INVALID_REQUEST,
            ),
            (r#"{"jsonrpc":"2.0","id":1}"#, INVALID_REQUEST),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                INVALID_REQUEST,
            ),
        ] {
            assert_eq!(
                Message::read(text.as_bytes()).unwrap_err().code(),
                code,
                "{text}"
            );
        }
    }

    #[test]
    fn a_message_written_reads_back() {
        let id = RequestId::from_number(7);
        let text = write_request(&id, "tools/call", Some(&super::super::object::quote("x")));
        assert_eq!(
            text,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":"x"}"#
        );
        let text = write_result(&id, br#"{"n":1.0}"#);
        assert_eq!(text, r#"{"jsonrpc":"2.0","id":7,"result":{"n":1.0}}"#);
        let error = RawValue::from_string(r#"{"code":1}"#.into()).unwrap();
        assert_eq!(
            write_error(None, &error),
            r#"{"jsonrpc":"2.0","error":{"code":1}}"#
        );
    }

    #[test]
    fn an_id_is_saved_from_a_broken_request() {
        assert_eq!(
            salvage_id(br#"{"id":3,"method":5}"#),
            Some(RequestId::from_number(3))
        );
        assert_eq!(salvage_id(b"{"), None);
    }
}
