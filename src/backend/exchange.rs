//! Reads what comes back for one request, in JSON or as events, up to its answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use serde_json::value::RawValue;

use crate::{
    limits::{ANSWER_BYTES_MAX, BACKEND_REQUESTS_MAX},
    mcp::{
        error::{METHOD_NOT_FOUND, error_object},
        event::{Event, Notification},
        message::{Message, RequestId, write_error, write_result},
        method::{PING, PROGRESS},
        object::RawObject,
    },
};

use super::{
    error::BackendError,
    message::EventSender,
    transport::streamable_http::{Content, Outgoing, Wire},
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
    /// Who hears notifications.
    events: Option<&'a EventSender>,
    /// What the client calls this request's progress.
    client_token: Option<&'a RawValue>,
    requests: AtomicUsize,
}

impl<'a> Audience<'a> {
    /// For exchanges of the gateway's own: nobody hears notifications, and requests are ignored.
    pub(super) const fn nobody(wire: &'a Wire) -> Self {
        Self {
            wire,
            reply_headers: None,
            events: None,
            client_token: None,
            requests: AtomicUsize::new(0),
        }
    }

    /// For a client's call.
    pub(super) const fn client(
        wire: &'a Wire,
        reply_headers: Option<HeaderMap>,
        events: &'a EventSender,
        client_token: Option<&'a RawValue>,
    ) -> Self {
        Self {
            wire,
            reply_headers,
            events: Some(events),
            client_token,
            requests: AtomicUsize::new(0),
        }
    }

    async fn hear(&self, method: &str, params: Option<&RawValue>, id: &RequestId) {
        let Some(events) = self.events else { return };
        let params = if method == PROGRESS {
            let Some(params) = self.client_progress(params, id) else {
                tracing::debug!("dropped progress of a request that nobody made");
                return;
            };
            Some(params)
        } else {
            params.map(ToOwned::to_owned)
        };
        let notification = Notification {
            method: method.to_owned(),
            params,
        };
        // The client may be gone; its call goes on all the same.
        let _nobody_left = events.send(Event::Notified(notification)).await;
    }

    /// Gives progress the client's own token; `None` when it is not this request's.
    fn client_progress(
        &self,
        params: Option<&RawValue>,
        id: &RequestId,
    ) -> Option<Box<RawValue>> {
        let mut params = RawObject::parse(params?).ok()?;
        if params.get("progressToken")?.get() != id.as_json() {
            return None;
        }
        params.set("progressToken", self.client_token?.to_owned());
        Some(params.to_raw())
    }

    /// Answers what the backend asks: a ping lives; anything else is not served.
    async fn reply(&self, id: &RequestId, method: &str) -> Result<(), BackendError> {
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
        Content::Json(body) => {
            let bytes = body.whole(ANSWER_BYTES_MAX).await?;
            if bytes.is_empty() {
                return Err(BackendError::Truncated);
            }
            read_message(&bytes, id, audience)
                .await?
                .ok_or(BackendError::Garbled {
                    what: "a JSON body that is no response",
                })
        }
        Content::Events(mut events) => {
            while let Some(message) = events.next().await? {
                if let Some(answer) = read_message(&message, id, audience).await? {
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
        } if answered == *id => Ok(Some(Answer::Result(
            bytes.slice_ref(result.get().as_bytes()),
        ))),
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
