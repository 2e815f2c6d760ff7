//! What differs between the eras when an answer is written.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::mcp::{
    event::{Notification, Outcome, ResultBody},
    message::{RequestId, write_error, write_result},
};

/// Writes the answer to one request in the client's era.
pub(super) trait Encode: Send + Sync + 'static {
    /// Whether the client wants to hear this.
    fn wants(&self, notification: &Notification) -> bool;

    /// The result's JSON text as this era has it; an error object where it cannot be told so.
    ///
    /// # Errors
    ///
    /// The error object that is the answer instead.
    fn result(&self, body: ResultBody) -> Result<Bytes, Box<RawValue>>;

    /// The first part of a result's JSON text as this era has it; `None` where only the whole
    /// result can be told.
    fn first_part(&self, part: &ResultBody) -> Option<Bytes>;

    /// The HTTP status of an answer with this outcome, as long as none is sent yet.
    fn status(&self, outcome: &Outcome) -> StatusCode;
}

/// Writes the response message for an outcome; `None` when the client wants none.
pub(super) fn response(encode: &impl Encode, id: &RequestId, outcome: Outcome) -> Option<Bytes> {
    match outcome {
        Outcome::Completed(body) => Some(match encode.result(body) {
            Ok(result) => write_result(id, &result),
            Err(error) => write_error(Some(id), &error),
        }),
        Outcome::Rejected(rejection) => Some(write_error(Some(id), &rejection.error)),
        Outcome::Failed(failure) => Some(write_error(Some(id), &super::refusal::object(&failure))),
        Outcome::Cancelled => None,
    }
}
