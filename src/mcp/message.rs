//! JSON-RPC messages as MCP uses them, read without parsing what they carry.

mod writing;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{error::Category, value::RawValue};
use smol_str::SmolStr;

use super::{
    error::{INVALID_REQUEST, PARSE_ERROR},
    object::{Text, read_object},
};
use crate::limits::DEPTH_MAX;

pub use writing::{
    Put, frame_result, write_error, write_notification, write_request, write_request_edited,
    write_request_of, write_result, write_result_of,
};

/// The id of a request: the JSON text of a string or a whole number, kept exactly.
///
/// Two ids are equal only when their text is: `1` and `"1"` differ, as the protocol wants.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(SmolStr);

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
        Self(itoa::Buffer::new().format(number).into())
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
    jsonrpc: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
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
        // Text is looked at once; of bytes, each string in them would be.
        let read = match str::from_utf8(bytes) {
            Ok(text) => serde_json::from_str(text),
            Err(_) => serde_json::from_slice(bytes),
        };
        let envelope: Envelope<'a> = read.map_err(|error| match error.classify() {
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
        if self.jsonrpc.is_none_or(|version| version.0 != "2.0") {
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
        match (
            self.method.map(|method| method.0),
            id,
            self.result,
            self.error,
        ) {
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
    fn an_id_is_saved_from_a_broken_request() {
        assert_eq!(
            salvage_id(br#"{"id":3,"method":5}"#),
            Some(RequestId::from_number(3))
        );
        assert_eq!(salvage_id(b"{"), None);
    }
}
