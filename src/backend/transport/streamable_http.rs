//! Streamable HTTP towards a backend: one POST a message, an answer in JSON or as events.
//!
//! Spec: 2025-11-25 basic/transports, "Streamable HTTP"; 2026-07-28 basic/transports/streamable-http.
//!
//! Bounds every wait and every size; knows nothing of eras or of what a message means.

mod body;
mod events;
mod retry_after;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE},
};
use reqwest::{Client, Method, Response, Url};

use crate::{
    backend::{error::BackendError, waiting::Waiting},
    limits::{ERROR_BODY_BYTES_MAX, LISTENING_SILENCE_MAX},
    mcp::header,
};

pub(crate) use body::{Body, Head};
pub(crate) use events::Events;

use body::Patience;

/// One backend's address and everything that goes with each request to it.
pub(crate) struct Wire {
    clients: Clients,
    url: Url,
    headers: HeaderMap,
    credential: &'static str,
    idle: Duration,
}

/// The HTTP clients of one backend.
#[derive(Clone)]
pub(crate) struct Clients {
    /// For everything that is answered.
    pub(crate) calls: Client,
    /// For streams without an end: one socket each, so that they use up none of the streams that a
    /// shared one may have.
    pub(crate) listening: Client,
}

/// A message to send: the protocol's headers and the body.
pub(crate) struct Outgoing {
    /// Headers of the protocol; those of the provider come on top.
    pub(crate) headers: HeaderMap,
    /// One JSON-RPC message.
    pub(crate) body: Bytes,
}

impl Outgoing {
    /// Headers alone.
    const fn empty(headers: HeaderMap) -> Self {
        Self {
            headers,
            body: Bytes::new(),
        }
    }
}

/// What a backend answered, its body still on the way.
pub(crate) struct Reply {
    /// The MCP session that the backend names, if any.
    pub(crate) session: Option<HeaderValue>,
    /// The answer.
    pub(crate) content: Content,
}

/// The kinds of answer.
pub(crate) enum Content {
    /// The message was taken; no answer will come.
    Accepted,
    /// One JSON-RPC message.
    Json(Body),
    /// A stream of JSON-RPC messages.
    Events(Events),
    /// An HTTP error, with its body if that is JSON and small enough to look at.
    Refused(Refusal),
}

/// An HTTP error of a backend.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) json: Option<Bytes>,
}

impl Wire {
    /// A wire whose requests carry `headers`, the credential among them.
    ///
    /// `credential` says in words what that is; `idle` bounds every silence of the backend.
    pub(crate) const fn new(
        clients: Clients,
        url: Url,
        headers: HeaderMap,
        credential: &'static str,
        idle: Duration,
    ) -> Self {
        Self {
            clients,
            url,
            headers,
            credential,
            idle,
        }
    }

    /// The error that a refused credential is.
    pub(crate) const fn credential_refused(&self, status: StatusCode) -> BackendError {
        BackendError::CredentialRefused {
            status,
            credential: self.credential,
        }
    }

    /// Sends one message and waits for the head of the answer.
    pub(crate) async fn post(&self, outgoing: Outgoing) -> Result<Reply, BackendError> {
        self.send(outgoing, Patience::of(self.idle)).await
    }

    /// Sends a call's message. The time in which the call waits for its client is no silence of the
    /// backend.
    pub(crate) async fn call(
        &self,
        outgoing: Outgoing,
        waiting: &Arc<Waiting>,
    ) -> Result<Reply, BackendError> {
        let patience = Patience::sparing(self.idle, waiting);
        self.send(outgoing, patience).await
    }

    async fn send(&self, outgoing: Outgoing, patience: Patience) -> Result<Reply, BackendError> {
        let request = self.request(Method::POST, outgoing);
        let response = execute(&self.clients.calls, request, &patience).await?;
        let session = response.headers().get(header::SESSION_ID).cloned();
        let content = read_head(response, patience).await?;
        Ok(Reply { session, content })
    }

    /// Goes on with a call's stream after the event that `last_id` names.
    pub(crate) async fn resume(
        &self,
        mut headers: HeaderMap,
        last_id: &HeaderValue,
        waiting: &Arc<Waiting>,
    ) -> Result<Content, BackendError> {
        headers.insert(header::LAST_EVENT_ID, last_id.clone());
        let patience = Patience::sparing(self.idle, waiting);
        let request = self.request(Method::GET, Outgoing::empty(headers));
        let response = execute(&self.clients.calls, request, &patience).await?;
        read_head(response, patience).await
    }

    /// Opens a stream of what the backend says by itself, with a GET where there is nothing to send;
    /// where such a stream is gone on with, after the event that `last_id` names. Its silence is
    /// bounded by [`LISTENING_SILENCE_MAX`] alone.
    pub(crate) async fn listen(
        &self,
        mut outgoing: Outgoing,
        last_id: Option<&HeaderValue>,
    ) -> Result<Content, BackendError> {
        let method = if outgoing.body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        if let Some(last_id) = last_id {
            outgoing
                .headers
                .insert(header::LAST_EVENT_ID, last_id.clone());
        }
        let patience = Patience::of(LISTENING_SILENCE_MAX);
        let request = self.request(method, outgoing);
        let response = execute(&self.clients.listening, request, &patience).await?;
        read_head(response, patience).await
    }

    /// Ends an MCP session; backends may refuse to, and whatever they say ends the matter.
    pub(crate) async fn delete(&self, headers: HeaderMap) -> Result<StatusCode, BackendError> {
        let request = self.request(Method::DELETE, Outgoing::empty(headers));
        let response = execute(&self.clients.calls, request, &Patience::of(self.idle)).await?;
        Ok(response.status())
    }

    fn request(&self, method: Method, outgoing: Outgoing) -> reqwest::Request {
        let mut headers = outgoing.headers;
        if method == Method::POST {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(
                ACCEPT,
                HeaderValue::from_static("application/json, text/event-stream"),
            );
        } else if method == Method::GET {
            headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        }
        // The registry's headers win: they are the operator's, and hold the credential.
        headers.extend(self.headers.clone());
        // Nothing here takes a compressed answer apart: what is counted is what was sent.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut request = reqwest::Request::new(method, self.url.clone());
        *request.headers_mut() = headers;
        if !outgoing.body.is_empty() {
            *request.body_mut() = Some(outgoing.body.into());
        }
        request
    }
}

async fn execute(
    client: &Client,
    request: reqwest::Request,
    patience: &Patience,
) -> Result<Response, BackendError> {
    let response = patience.wait(client.execute(request)).await?;
    response.map_err(BackendError::instead_of_head)
}

async fn read_head(response: Response, patience: Patience) -> Result<Content, BackendError> {
    let status = response.status();
    let media_type = media_type(response.headers());
    if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
        return Ok(Content::Accepted);
    }
    if !status.is_success() {
        let retry_after = retry_after::read(response.headers(), SystemTime::now());
        let json = match media_type.as_deref() {
            Some("application/json") => Body::new(response, patience)
                .whole(ERROR_BODY_BYTES_MAX)
                .await
                .ok(),
            _ => None,
        };
        return Ok(Content::Refused(Refusal {
            status,
            retry_after,
            json,
        }));
    }
    if is_compressed(response.headers()) {
        return Err(BackendError::Garbled {
            what: "a compressed body, though it was asked for a plain one",
        });
    }
    match media_type.as_deref() {
        Some("application/json") => Ok(Content::Json(Body::new(response, patience))),
        Some("text/event-stream") => Ok(Content::Events(Events::new(response, patience))),
        _ if response.content_length() == Some(0) => Ok(Content::Accepted),
        Some("text/html") => Err(BackendError::Garbled {
            what: "an HTML page instead of MCP; is the address in the registry right?",
        }),
        _ => Err(BackendError::Garbled {
            what: "neither JSON nor an event stream",
        }),
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|it| !plain(it))
}
