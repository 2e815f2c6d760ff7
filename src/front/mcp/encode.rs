//! What differs between the eras when an answer is written.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;

use crate::{
    mcp::{
        editing::Edit,
        event::{Notification, Outcome, Question, Rejection, ResultBody, SharedResult},
        failure::Failure,
        message::{RequestId, frame_result, write_error, write_result},
    },
    session::outbox::Writer,
};

/// Writes the answer to one request in the client's era.
pub(super) trait Encode: Send + Sync + 'static {
    /// What the client hears of this; `None` where it does not want to hear it.
    fn notification(&self, notification: Notification) -> Option<Notification>;

    /// The response message with a result as this era has it; an error object where it cannot be told so.
    ///
    /// # Errors
    ///
    /// The error object that is the answer instead.
    fn result(&self, id: &RequestId, body: ResultBody) -> Result<Bytes, Box<RawValue>>;

    /// How a result is told whose parts are passed on as they come, of which this is the first.
    fn parts(&self, first: &ResultBody) -> Parts;

    /// A backend's error as this era has it: a result, where this era tells it by one.
    ///
    /// # Errors
    ///
    /// The error object.
    fn rejection(&self, rejection: Rejection) -> Result<Bytes, Box<RawValue>>;

    /// The error object for a failure.
    fn failure(&self, failure: &Failure) -> Box<RawValue>;

    /// The HTTP status of an answer that is an error, as long as none is sent yet; `failure` where
    /// the gateway could not get an answer.
    fn status(&self, error: &RawValue, failure: Option<&Failure>) -> StatusCode;

    /// Puts a backend's question to the client.
    fn ask(&self, question: Question) -> Put;

    /// Forgets the question of that number, and tells the client that it is void; `None` where it was told no id.
    fn withdraw(&self, number: u64) -> Option<Bytes>;

    /// Where the answer's stream is kept for a client that takes it up again; `None` where it
    /// cannot be taken up.
    fn log(&self) -> impl Future<Output = Option<Writer>> + Send;
}

/// How the parts of a result become those of this era's.
pub(super) enum Parts {
    /// As they are, but for the first one, which becomes this.
    AsTheyAre(Bytes),
    /// All of them are edited.
    Edited(Edit),
}

/// What becomes of a question.
pub(super) enum Put {
    /// It is asked by this message, which comes before the answer.
    Now(Bytes),
    /// It can only be asked in place of an answer.
    Instead(Question),
    /// The client cannot be asked; whoever asked has been told.
    Never,
}

/// A response message. What many of them share stands at its end, and is not copied.
pub(super) struct Response {
    pub(super) own: Bytes,
    /// Empty where nothing is shared.
    pub(super) shared: Bytes,
}

impl Response {
    /// The message in one piece.
    pub(super) fn whole(self) -> Bytes {
        if self.shared.is_empty() {
            return self.own;
        }
        [self.own, self.shared].concat().into()
    }

    /// One around a result that others get, too; `None` where that has to be edited for this era.
    fn around(encode: &impl Encode, id: &RequestId, result: &SharedResult) -> Option<Self> {
        let (first, shared) = result.in_two()?;
        let Parts::AsTheyAre(first) = encode.parts(&first) else {
            return None;
        };
        let (before, _) = frame_result(id);
        let own = [before, first].concat().into();
        Some(Self { own, shared })
    }
}

impl From<Bytes> for Response {
    fn from(own: Bytes) -> Self {
        let shared = Bytes::new();
        Self { own, shared }
    }
}

/// Writes the response message for an outcome, and its status; no message when the client wants
/// none.
pub(super) fn response(
    encode: &impl Encode,
    id: &RequestId,
    outcome: Outcome,
) -> (StatusCode, Option<Response>) {
    let told = |result: Result<Bytes, _>| result.map(|result| write_result(id, &result));
    let (message, failure) = match outcome {
        Outcome::Kept(result) => match Response::around(encode, id, &result) {
            Some(response) => return (StatusCode::OK, Some(response)),
            None => (encode.result(id, result.body()), None),
        },
        Outcome::Completed(body) => (encode.result(id, body), None),
        Outcome::Rejected(rejection) => (told(encode.rejection(rejection)), None),
        Outcome::Failed(failure) => (Err(encode.failure(&failure)), Some(failure)),
        Outcome::Cancelled => return (StatusCode::OK, None),
    };
    match message {
        Ok(message) => (StatusCode::OK, Some(message.into())),
        Err(error) => {
            let status = encode.status(&error, failure.as_ref());
            (status, Some(write_error(Some(id), &error).into()))
        }
    }
}
