//! Streamable HTTP towards a backend: one POST a message, an answer in JSON or as events.
//!
//! Spec: 2025-11-25 basic/transports, "Streamable HTTP"; 2026-07-28 basic/transports/streamable-http.
//!
//! Bounds every wait and every size; knows nothing of eras or of what a message means.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER},
};
use reqwest::{Client, Method, Response, Url};
use sse_stream::SseByteStream;
use tokio::time::timeout;

use crate::{
    backend::error::BackendError,
    limits::{ERROR_BODY_BYTES_MAX, EVENT_BYTES_MAX, LISTENING_SILENCE_MAX, STREAM_END_WITHIN},
    mcp::header,
};

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
        let request = self.request(Method::POST, outgoing);
        let response = execute(&self.clients.calls, request, self.idle).await?;
        let session = response.headers().get(header::SESSION_ID).cloned();
        let content = read_head(response, self.idle).await?;
        Ok(Reply { session, content })
    }

    /// Opens a stream of what the backend says by itself, with a GET where there is nothing to send.
    /// Its silence is bounded by [`LISTENING_SILENCE_MAX`] alone.
    pub(crate) async fn listen(&self, outgoing: Outgoing) -> Result<Content, BackendError> {
        let method = if outgoing.body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        let request = self.request(method, outgoing);
        let response = execute(&self.clients.listening, request, LISTENING_SILENCE_MAX).await?;
        read_head(response, LISTENING_SILENCE_MAX).await
    }

    /// Ends an MCP session; backends may refuse to, and whatever they say ends the matter.
    pub(crate) async fn delete(&self, headers: HeaderMap) -> Result<StatusCode, BackendError> {
        let outgoing = Outgoing {
            headers,
            body: Bytes::new(),
        };
        let request = self.request(Method::DELETE, outgoing);
        let response = execute(&self.clients.calls, request, self.idle).await?;
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
    after: Duration,
) -> Result<Response, BackendError> {
    match timeout(after, client.execute(request)).await {
        Ok(response) => response.map_err(BackendError::from_http),
        Err(_) => Err(BackendError::Silent { after }),
    }
}

async fn read_head(response: Response, idle: Duration) -> Result<Content, BackendError> {
    let status = response.status();
    let media_type = media_type(response.headers());
    if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
        return Ok(Content::Accepted);
    }
    if !status.is_success() {
        let retry_after = retry_after(response.headers());
        let json = match media_type.as_deref() {
            Some("application/json") => Body::new(response, idle)
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
    match media_type.as_deref() {
        Some("application/json") => Ok(Content::Json(Body::new(response, idle))),
        Some("text/event-stream") => Ok(Content::Events(Events::new(response, idle))),
        _ if response.content_length() == Some(0) => Ok(Content::Accepted),
        Some("text/html") => Err(BackendError::Garbled {
            what: "an HTML page instead of MCP; is the address in the registry right?",
        }),
        _ => Err(BackendError::Garbled {
            what: "neither JSON nor an event stream",
        }),
    }
}

/// A JSON body on its way.
pub(crate) struct Body {
    response: Response,
    idle: Duration,
}

impl Body {
    const fn new(response: Response, idle: Duration) -> Self {
        Self { response, idle }
    }

    /// Waits for the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BackendError> {
        match timeout(self.idle, self.response.chunk()).await {
            Ok(chunk) => chunk.map_err(BackendError::from_http),
            Err(_) => Err(BackendError::Silent { after: self.idle }),
        }
    }

    /// Reads all of it, if it is no longer than `bytes_max`.
    pub(crate) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, BackendError> {
        match self.head(bytes_max).await? {
            Head::Whole(bytes) => Ok(bytes),
            Head::More(_) => Err(BackendError::Garbled {
                what: "more bytes than the gateway takes in one message",
            }),
        }
    }

    /// Reads to the end, or until there are more than `bytes_max` bytes.
    pub(crate) async fn head(&mut self, bytes_max: usize) -> Result<Head, BackendError> {
        let Some(first) = self.next().await? else {
            return Ok(Head::Whole(Bytes::new()));
        };
        if first.len() > bytes_max {
            return Ok(Head::More(first));
        }
        // Most bodies come in one piece, which is passed on without a copy.
        let Some(second) = self.next().await? else {
            return Ok(Head::Whole(first));
        };
        let mut bytes = BytesMut::from(&first[..]);
        bytes.extend_from_slice(&second);
        while bytes.len() <= bytes_max {
            match self.next().await? {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => return Ok(Head::Whole(bytes.freeze())),
            }
        }
        Ok(Head::More(bytes.freeze()))
    }
}

/// The beginning of a body.
pub(crate) enum Head {
    /// There is no more.
    Whole(Bytes),
    /// There is more.
    More(Bytes),
}

/// A stream of messages on its way.
pub(crate) struct Events {
    stream: SseByteStream<BoxStream<'static, Result<Bytes, BackendError>>>,
    unread: Arc<AtomicUsize>,
    retry: Option<Duration>,
}

impl Events {
    fn new(response: Response, idle: Duration) -> Self {
        let unread = Arc::new(AtomicUsize::new(0));
        let bytes = bounded(Body::new(response, idle), Arc::clone(&unread)).boxed();
        Self {
            stream: SseByteStream::new(bytes),
            unread,
            retry: None,
        }
    }

    /// The pause that the backend asks for before such a stream is opened again.
    pub(crate) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Reads the end of a stream whose answer has come: a connection is used again only then.
    pub(crate) fn finish(mut self) {
        tokio::spawn(async move {
            let rest = async { while let Ok(Some(_)) = self.next().await {} };
            // A stream that goes on costs its connection, which closes with it.
            let _goes_on = timeout(STREAM_END_WITHIN, rest).await;
        });
    }

    /// Waits for the next message's text; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BackendError> {
        while let Some(event) = self.stream.next().await {
            self.unread.store(0, Ordering::Relaxed);
            let event = event.map_err(from_sse)?;
            self.retry = event.retry.map(Duration::from_millis).or(self.retry);
            // Other event types, and events without data (a priming id), carry no message.
            let is_message = event.event.is_none_or(|name| name == "message");
            match event.data {
                Some(data) if is_message && !data.is_empty() => return Ok(Some(data.into())),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The bytes of a body, cut off when an event grows past its bound.
fn bounded(
    body: Body,
    unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BackendError>> + Send {
    futures_util::stream::try_unfold((body, unread), |(mut body, unread)| async move {
        let Some(chunk) = body.next().await? else {
            return Ok(None);
        };
        let before = unread.fetch_add(chunk.len(), Ordering::Relaxed);
        if before + chunk.len() > EVENT_BYTES_MAX {
            return Err(BackendError::Garbled {
                what: "an event longer than the gateway takes",
            });
        }
        Ok(Some((chunk, (body, unread))))
    })
}

fn from_sse(error: sse_stream::Error) -> BackendError {
    match error {
        sse_stream::Error::Body(cause) => match cause.downcast::<BackendError>() {
            Ok(error) => *error,
            Err(_) => BackendError::Truncated,
        },
        _ => BackendError::Garbled {
            what: "an event stream that is not UTF-8",
        },
    }
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// Seconds only: a date would trust the backend's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More seconds than can be counted are a pause all the same.
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}
