//! Reads what comes back for one request, in JSON or as events, up to its answer.

mod parts;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    limits::{ANSWER_DEPTH_MAX, DISCOVERY_BYTES_MAX, STREAMED_ABOVE_BYTES},
    mcp::{
        depth::exceeds,
        message::{Message, RequestId},
    },
};

use super::{
    asking::BackendRequest,
    audience::Audience,
    error::BackendError,
    resuming::Stream,
    transport::streamable_http::{Content, Events, Head},
};

/// A backend's answer to one request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The result's JSON text; nothing when every part of it was passed on already.
    Result(Bytes),
    /// The error object.
    Error(Box<RawValue>),
}

/// Reads until the answer to `id`; everything else goes to the audience.
///
/// # Errors
///
/// When the answer does not come, or what comes is no answer to this request.
pub(crate) async fn read_answer(
    content: Content,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    match content {
        Content::Json(body) if !audience.is_client() => {
            let bytes = Box::pin(body.whole(DISCOVERY_BYTES_MAX)).await?;
            read_body(&bytes, id, audience).await
        }
        Content::Json(mut body) => match body.head(STREAMED_ABOVE_BYTES).await? {
            Head::Whole(bytes) => read_body(&bytes, id, audience).await,
            // Boxed, as whatever is not for the small answers of most calls: else each would have room for it.
            Head::More(head) if audience.is_plain() || parts::shows_complete(&head) => {
                Box::pin(parts::pass_on(head, body, id, audience)).await
            }
            Head::More(head) => Box::pin(parts::read_whole(head, body, id, audience)).await,
        },
        Content::Events(events) => Box::pin(follow(events, id, audience)).await,
        Content::Accepted => Err(BackendError::Garbled {
            what: "an acknowledgement instead of a response",
        }),
        Content::Refused(refusal) => Err(BackendError::Status {
            status: refusal.status,
        }),
    }
}

/// Reads a stream until the answer is there.
async fn follow(
    events: Events,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut stream = Stream::new(events, audience);
    loop {
        let message = stream.next().await?;
        if !audience.is_client() && message.len() > DISCOVERY_BYTES_MAX {
            return Err(parts::too_large());
        }
        if let Some(answer) = read_messages(&message, id, audience).await? {
            stream.finish();
            return Ok(answer);
        }
    }
}

/// Reads a body that is there as a whole, and can only be the answer.
async fn read_body(
    bytes: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    if bytes.is_empty() {
        return Err(BackendError::Truncated);
    }
    read_messages(bytes, id, audience)
        .await?
        .ok_or(BackendError::Garbled {
            what: "a JSON body that is no response",
        })
}

/// Reads one message, or several at once where the backend may send them so.
async fn read_messages(
    bytes: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Option<Answer>, BackendError> {
    if !is_batch(bytes, audience) {
        return read_message(bytes, id, audience).await;
    }
    let mut answer = None;
    for message in split(bytes, audience)? {
        answer = read_message(&message, id, audience).await?.or(answer);
    }
    Ok(answer)
}

/// Whether several messages came at once, as the backend may send them.
fn is_batch(bytes: &[u8], audience: &Audience<'_>) -> bool {
    bytes.trim_ascii_start().starts_with(b"[") && audience.takes_batches()
}

/// Takes apart what came at once: several messages where the backend may send them so, else one.
///
/// # Errors
///
/// When it is no list of messages where one begins.
pub(super) fn split(bytes: &Bytes, audience: &Audience<'_>) -> Result<Vec<Bytes>, BackendError> {
    if !is_batch(bytes, audience) {
        return Ok(vec![bytes.clone()]);
    }
    let messages: Vec<&RawValue> =
        serde_json::from_slice(bytes).map_err(|_| BackendError::Garbled {
            what: "something that is not JSON-RPC",
        })?;
    let whole = |message: &RawValue| bytes.slice_ref(message.get().as_bytes());
    Ok(messages.into_iter().map(whole).collect())
}

/// Reads one message, as deep as readers of JSON can be expected to go.
///
/// # Errors
///
/// When it is none.
pub(super) fn read(bytes: &[u8]) -> Result<Message<'_>, BackendError> {
    // What it carries stands one level below the message itself.
    if exceeds(bytes, ANSWER_DEPTH_MAX + 1) {
        return Err(BackendError::Garbled {
            what: "JSON that is nested too deep",
        });
    }
    Message::read(bytes).map_err(|_| BackendError::Garbled {
        what: "something that is not JSON-RPC",
    })
}

async fn read_message(
    bytes: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Option<Answer>, BackendError> {
    match read(bytes)? {
        Message::Notification { method, params } => {
            Box::pin(audience.hear(&method, params, id)).await;
            Ok(None)
        }
        Message::Request {
            id: asked,
            method,
            params,
        } => {
            let request = BackendRequest {
                id: asked,
                method: &method,
                params,
            };
            Box::pin(audience.reply(request)).await?;
            Ok(None)
        }
        Message::Result {
            id: answered,
            result,
        } if answered == *id => {
            if !result.get().starts_with('{') {
                return Err(BackendError::Garbled {
                    what: "a result that is no object",
                });
            }
            Ok(Some(Answer::Result(
                bytes.slice_ref(result.get().as_bytes()),
            )))
        }
        // An error without an id can only be about the one request that this answer is for.
        Message::Error {
            id: answered,
            error,
        } if answered.as_ref().is_none_or(|answered| answered == id) => {
            Ok(Some(Answer::Error(error.to_owned())))
        }
        Message::Result { .. } | Message::Error { .. } => Err(BackendError::Garbled {
            what: "the answer to another request",
        }),
    }
}
