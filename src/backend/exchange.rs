//! Reads what comes back for one request, in JSON or as events, up to its answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;

use crate::{
    limits::{ANSWER_BYTES_MAX, BACKEND_REQUESTS_MAX, DISCOVERY_BYTES_MAX, STREAMED_ABOVE_BYTES},
    mcp::{
        error::{METHOD_NOT_FOUND, error_object},
        event::{Event, Notification, ResultBody},
        message::{Message, RequestId, write_error, write_result},
        method::{LOG_MESSAGE, PING, PROGRESS, TOOLS_CHANGED},
        object::RawObject,
    },
};

use super::{
    error::BackendError,
    link::Link,
    message::{BackendMessage, EventSender},
    scanner::Scanner,
    transport::streamable_http::{Body, Content, Head, Outgoing, Wire},
};

/// A backend's answer to one request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The result's JSON text.
    Result(Bytes),
    /// The error object.
    Error(Box<RawValue>),
}

/// Who hears what a backend says besides its answer.
pub(crate) struct Audience<'a> {
    /// Where answers to the backend's own requests go.
    wire: &'a Wire,
    /// Their headers; `None` where the backend may not ask.
    reply_headers: Option<HeaderMap>,
    /// Whose connection hears what is about all of it.
    link: Option<&'a Link>,
    /// Who hears notifications.
    events: Option<&'a EventSender>,
    /// What the client calls this request's progress.
    client_token: Option<&'a RawValue>,
    /// Whether results say what kind they are.
    typed: bool,
    requests: AtomicUsize,
}

impl<'a> Audience<'a> {
    /// For exchanges of the gateway's own: nobody hears notifications, and requests are ignored.
    pub(super) const fn nobody(wire: &'a Wire) -> Self {
        Self {
            wire,
            reply_headers: None,
            link: None,
            events: None,
            client_token: None,
            typed: false,
            requests: AtomicUsize::new(0),
        }
    }

    /// For a message of a stream that answers nothing: the connection alone hears it.
    pub(super) fn connection(wire: &'a Wire, link: &'a Link) -> Self {
        Self {
            reply_headers: link.dialect.reply_headers(),
            link: Some(link),
            ..Self::nobody(wire)
        }
    }

    /// For a client's call.
    pub(super) fn client(
        wire: &'a Wire,
        link: &'a Link,
        events: &'a EventSender,
        client_token: Option<&'a RawValue>,
    ) -> Self {
        Self {
            reply_headers: link.dialect.reply_headers(),
            link: Some(link),
            events: Some(events),
            client_token,
            typed: link.dialect.types_results(),
            ..Self::nobody(wire)
        }
    }

    async fn give(&self, json: Bytes) {
        let Some(events) = self.events else { return };
        let part = ResultBody {
            json,
            typed: self.typed,
            freshness: None,
        };
        // As in `hear`.
        let _nobody_left = events.send(Event::Part(part)).await;
    }

    /// Takes a notification that came on the stream of the request `id`.
    pub(super) async fn hear(&self, method: &str, params: Option<&RawValue>, id: &RequestId) {
        if method == TOOLS_CHANGED
            && let Some(link) = self.link
        {
            // All clients want to know, not only the one whose call happens to be under way.
            return link.tell(BackendMessage::ToolsChanged);
        }
        let Some(events) = self.events else { return };
        let params = match method {
            PROGRESS => {
                let Some(params) = self.client_progress(params, id) else {
                    tracing::debug!("dropped progress of a request that nobody made");
                    return;
                };
                Some(params)
            }
            LOG_MESSAGE => params.map(ToOwned::to_owned),
            // The rest is about the client's conversation with the gateway, in which a backend
            // has no say.
            _ => {
                tracing::debug!("dropped a notification that is about no call");
                return;
            }
        };
        let notification = Notification {
            method: method.to_owned(),
            params,
        };
        // The client may be gone; its call goes on all the same.
        let _nobody_left = events.send(Event::Notified(notification)).await;
    }

    /// Gives progress the client's own token; `None` when it is not this request's.
    fn client_progress(&self, params: Option<&RawValue>, id: &RequestId) -> Option<Box<RawValue>> {
        let mut params = RawObject::parse(params?).ok()?;
        if params.get("progressToken")?.get() != id.as_json() {
            return None;
        }
        params.set("progressToken", self.client_token?.to_owned());
        Some(params.to_raw())
    }

    /// Answers what the backend asks: a ping lives; anything else is not served.
    pub(super) async fn reply(&self, id: &RequestId, method: &str) -> Result<(), BackendError> {
        let Some(headers) = &self.reply_headers else {
            return Ok(());
        };
        let count = self.requests.fetch_add(1, Ordering::Relaxed);
        if count >= BACKEND_REQUESTS_MAX {
            return Err(BackendError::Garbled {
                what: "more requests of its own than the gateway takes during one call",
            });
        }
        let body = if method == PING {
            write_result(id, b"{}")
        } else {
            let error = error_object(METHOD_NOT_FOUND, "the gateway does not serve this method");
            write_error(Some(id), &error)
        };
        let outgoing = Outgoing {
            headers: headers.clone(),
            body,
        };
        if let Err(error) = self.wire.post(outgoing).await {
            tracing::debug!(%error, "could not answer the backend's request");
        }
        Ok(())
    }
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
        Content::Json(body) if audience.events.is_none() => {
            let bytes = body.whole(DISCOVERY_BYTES_MAX).await?;
            read_body(&bytes, id, audience).await
        }
        Content::Json(mut body) => match body.head(STREAMED_ABOVE_BYTES).await? {
            Head::Whole(bytes) => read_body(&bytes, id, audience).await,
            Head::More(head) => pass_on(head, body, id, audience).await,
        },
        Content::Events(mut events) => {
            while let Some(message) = events.next().await? {
                if audience.events.is_none() && message.len() > DISCOVERY_BYTES_MAX {
                    return Err(too_large());
                }
                if let Some(answer) = read_message(&message, id, audience).await? {
                    events.finish();
                    return Ok(answer);
                }
            }
            Err(BackendError::Truncated)
        }
        Content::Accepted => Err(BackendError::Garbled {
            what: "an acknowledgement instead of a response",
        }),
        Content::Refused(refusal) => Err(BackendError::Status {
            status: refusal.status,
        }),
    }
}

/// Passes a large result on while it arrives; what is returned is its last part.
///
/// Anything else is read whole, as long as nothing was passed on.
async fn pass_on(
    head: Bytes,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut scanner = Scanner::default();
    let mut unpassed = vec![head.clone()];
    let mut parts = Vec::new();
    let mut next = Some(head);
    let mut received_bytes = 0;
    while let Some(chunk) = next {
        received_bytes += chunk.len();
        let step = if received_bytes > ANSWER_BYTES_MAX {
            Err(too_large())
        } else {
            scanner
                .feed(&chunk, &mut parts)
                .map_err(|_| garbled_result())
        };
        match step {
            Ok(()) => {}
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(_) => return read_whole(unpassed, body, id, audience).await,
        }
        if !parts.is_empty() {
            unpassed.clear();
        }
        for part in parts.drain(..) {
            audience.give(part).await;
        }
        next = match body.next().await {
            Ok(next) => next,
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(error) => return Err(error),
        };
        if !unpassed.is_empty() {
            unpassed.extend(next.clone());
        }
    }
    match scanner.end() {
        Ok(answered) if answered == id.as_json() => Ok(Answer::Result(Bytes::new())),
        Err(_) if !unpassed.is_empty() => read_whole(unpassed, body, id, audience).await,
        Ok(_) | Err(_) => Err(cut_off(garbled_result())),
    }
}

/// Reads a body to its end whose beginning was read already.
async fn read_whole(
    beginning: Vec<Bytes>,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut bytes = beginning.concat();
    while bytes.len() <= ANSWER_BYTES_MAX {
        match body.next().await? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return read_body(&bytes.into(), id, audience).await,
        }
    }
    Err(too_large())
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
    read_message(bytes, id, audience)
        .await?
        .ok_or(BackendError::Garbled {
            what: "a JSON body that is no response",
        })
}

/// What goes wrong once a part was passed on ends the answer in its middle.
fn cut_off(error: BackendError) -> BackendError {
    BackendError::CutOff {
        cause: Box::new(error),
    }
}

const fn garbled_result() -> BackendError {
    BackendError::Garbled {
        what: "a large JSON body that is no response to the request",
    }
}

const fn too_large() -> BackendError {
    BackendError::Garbled {
        what: "more bytes than the gateway takes in one answer",
    }
}

async fn read_message(
    bytes: &Bytes,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Option<Answer>, BackendError> {
    let message = Message::read(bytes).map_err(|_| BackendError::Garbled {
        what: "something that is not JSON-RPC",
    })?;
    match message {
        Message::Notification { method, params } => {
            audience.hear(&method, params, id).await;
            Ok(None)
        }
        Message::Request {
            id: asked, method, ..
        } => {
            audience.reply(&asked, &method).await?;
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
