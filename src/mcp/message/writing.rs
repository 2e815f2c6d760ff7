//! Writes JSON-RPC messages, what they carry byte for byte.

use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::RequestId;
use crate::mcp::object::{RawObject, push_quoted};

/// Writes a request.
#[must_use]
pub fn write_request(id: &RequestId, method: &str, params: Option<&RawValue>) -> Bytes {
    write(Some(id), method, params)
}

/// The same of parameters that are written for the first time; with `inner` as one of their members.
#[must_use]
pub fn write_request_of(
    id: &RequestId,
    method: &str,
    params: &RawObject<'_>,
    inner: Option<(&str, &RawObject<'_>)>,
) -> Bytes {
    let inner_bytes = inner.map_or(0, |(name, object)| name.len() + 4 + object.size_bytes());
    let size_bytes = PARAMS.len() + params.size_bytes() + inner_bytes;
    write_with(Some(id), method, size_bytes, |text| {
        text.push_str(PARAMS);
        params.write_with(text, inner);
    })
}

/// The same of parameters of which parts are replaced, given in their order.
#[must_use]
pub fn write_request_edited(
    id: &RequestId,
    method: &str,
    params: &str,
    edits: &[(Range<usize>, Put<'_>)],
) -> Bytes {
    debug_assert!(
        edits.is_sorted_by(|(one, _), (next, _)| one.end <= next.start),
        "{edits:?}"
    );
    // It may become shorter.
    let more_bytes = edits.iter().map(|(replaced, put)| {
        let put_bytes = put.size_bytes().wrapping_add(replaced.start);
        put_bytes.wrapping_sub(replaced.end)
    });
    let more_bytes = more_bytes.fold(0, usize::wrapping_add);
    let size_bytes = (PARAMS.len() + params.len()).wrapping_add(more_bytes);
    write_with(Some(id), method, size_bytes, |text| {
        text.push_str(PARAMS);
        let mut at = 0;
        for (replaced, put) in edits {
            text.push_str(params.get(at..replaced.start).unwrap_or_default());
            put.write(text);
            at = replaced.end;
        }
        text.push_str(params.get(at..).unwrap_or_default());
    })
}

/// What is put in the place of a part of parameters.
#[derive(Debug, Clone, Copy)]
pub enum Put<'a> {
    /// A text, in quotes.
    Text(&'a str),
    /// Pieces of JSON.
    Json(&'a [&'a [&'a str]]),
}

impl Put<'_> {
    fn size_bytes(self) -> usize {
        match self {
            Self::Text(text) => text.len() + 2,
            Self::Json(pieces) => {
                let pieces = pieces.iter().copied().flatten();
                pieces.map(|piece| piece.len()).sum()
            }
        }
    }

    fn write(self, out: &mut String) {
        match self {
            Self::Text(text) => push_quoted(out, text),
            Self::Json(pieces) => {
                for piece in pieces.iter().copied().flatten() {
                    out.push_str(piece);
                }
            }
        }
    }
}

/// Writes a notification.
#[must_use]
pub fn write_notification(method: &str, params: Option<&RawValue>) -> Bytes {
    write(None, method, params)
}

/// How a response begins, up to its id.
const RESPONSE_START: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
/// What stands between that and a result.
const RESULT_START: &[u8] = br#","result":"#;
/// What stands before parameters.
const PARAMS: &str = r#","params":"#;

/// Writes a response that carries `result`, JSON text, untouched.
#[must_use]
pub fn write_result(id: &RequestId, result: &[u8]) -> Bytes {
    write_result_of(id, result.len(), |message| {
        message.extend_from_slice(result);
    })
}

/// The same of a result that is written for the first time, of about so many bytes.
#[must_use]
pub fn write_result_of(id: &RequestId, size_bytes: usize, add: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let id = id.as_json().as_bytes();
    let parts = [RESPONSE_START, id, RESULT_START];
    let framed_bytes: usize = parts.iter().map(|part| part.len()).sum();
    let mut message = Vec::with_capacity(framed_bytes + size_bytes + 1);
    for part in parts {
        message.extend_from_slice(part);
    }
    add(&mut message);
    message.push(b'}');
    message.into()
}

/// What stands before and after the result in a response, for a result that arrives in parts.
#[must_use]
pub fn frame_result(id: &RequestId) -> (Bytes, Bytes) {
    let id = id.as_json().as_bytes();
    let before = [RESPONSE_START, id, RESULT_START].concat();
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
    let size_bytes = params.map_or(0, |params| PARAMS.len() + params.get().len());
    write_with(id, method, size_bytes, |text| {
        if let Some(params) = params {
            text.push_str(PARAMS);
            text.push_str(params.get());
        }
    })
}

fn write_with(
    id: Option<&RequestId>,
    method: &str,
    size_bytes: usize,
    add_params: impl FnOnce(&mut String),
) -> Bytes {
    const START: &str = r#"{"jsonrpc":"2.0","#;
    const ID: &str = r#""id":"#;
    const METHOD: &str = r#""method":"#;
    // Of nearly all, to the byte: what is left over would take memory of its own to be remembered by.
    let id_bytes = id.map_or(0, |id| ID.len() + id.as_json().len() + 1);
    let method_bytes = METHOD.len() + method.len() + 2;
    let mut text = String::with_capacity(START.len() + id_bytes + method_bytes + size_bytes + 1);
    text.push_str(START);
    if let Some(id) = id {
        text.push_str(ID);
        text.push_str(id.as_json());
        text.push(',');
    }
    text.push_str(METHOD);
    push_quoted(&mut text, method);
    add_params(&mut text);
    text.push('}');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::object::quote;

    #[test]
    fn a_message_written_reads_back() {
        let id = RequestId::from_number(7);
        let text = write_request(&id, "tools/call", Some(&quote("x")));
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
}
