//! Streamable HTTP towards a backend: one POST a message, an answer in JSON or as events.
//!
//! Spec: 2025-11-25 basic/transports, "Streamable HTTP"; 2026-07-28 basic/transports/streamable-http.
//!
//! Bounds every wait and every size; knows nothing of eras or of what a message means.

mod body;
mod events;
mod media_type;
mod outgoing;
mod retry_after;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body_util::Full;
use reqwest::Client;
use url::Url;

use crate::{
    backend::{
        error::{BackendError, HttpError},
        waiting::Waiting,
    },
    limits::{ERROR_BODY_BYTES_MAX, LISTENING_SILENCE_MAX},
    mcp::header,
};

pub(crate) use body::{Body, Head};
pub(crate) use events::Events;
pub(crate) use outgoing::{Constant, Headers, Outgoing};

use super::call_client::CallClient;
use body::{Patience, Response};
use media_type::MediaType;
use outgoing::{common, each};

/// One backend's address and everything that goes with each request of one session to it.
pub(crate) struct Wire {
    address: Arc<Address>,
    credential: Option<(HeaderName, HeaderValue)>,
    /// What that is, in words.
    credential_words: &'static str,
}

/// What the requests of all sessions to one backend have in common.
pub(crate) struct Address {
    clients: Clients,
    uri: Uri,
    /// The registry's headers.
    own: HeaderMap,
    /// What every request carries that has a body, these among them: put together once.
    with_body: HeaderMap,
    /// The same for one without.
    without_body: HeaderMap,
    idle: Duration,
}

/// The HTTP clients of one backend.
#[derive(Clone)]
pub(crate) struct Clients {
    /// For everything that is answered.
    pub(crate) calls: CallClient,
    /// For streams without an end: one socket each, so that they use up none of the streams that a
    /// shared one may have.
    pub(crate) listening: Client,
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

impl Address {
    /// An address all of whose requests carry `own`; `idle` bounds every silence of the backend.
    ///
    /// # Errors
    ///
    /// When it is none that a request can be sent to.
    pub(crate) fn new(
        clients: Clients,
        url: &Url,
        own: HeaderMap,
        idle: Duration,
    ) -> Result<Self, BackendError> {
        let uri: Result<Uri, http::uri::InvalidUri> = url.as_str().parse();
        let uri = uri.map_err(|error| BackendError::from_http(HttpError::SetUp(error.into())))?;
        Ok(Self::of(clients, uri, own, idle))
    }

    /// The same place, for who must not say anything that the registry says there.
    pub(crate) fn bare(&self) -> Self {
        let clients = self.clients.clone();
        Self::of(clients, self.uri.clone(), HeaderMap::new(), self.idle)
    }

    fn of(clients: Clients, uri: Uri, own: HeaderMap, idle: Duration) -> Self {
        let mut without_body = common(&uri);
        let mut with_body = without_body.clone();
        without_body.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        with_body.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        with_body.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Each message puts its own in this one's place.
        with_body.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        for headers in [&mut without_body, &mut with_body] {
            // They win: they are the operator's.
            headers.extend(own.clone());
            // Nothing here takes a compressed answer apart: what is counted is what was sent.
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Self {
            clients,
            uri,
            own,
            with_body,
            without_body,
            idle,
        }
    }
}

impl Wire {
    /// A wire whose requests carry a credential, which `credential_words` names.
    pub(crate) const fn new(
        address: Arc<Address>,
        credential: Option<(HeaderName, HeaderValue)>,
        credential_words: &'static str,
    ) -> Self {
        Self {
            address,
            credential,
            credential_words,
        }
    }

    /// The error that a refused credential is.
    pub(crate) const fn credential_refused(&self, status: StatusCode) -> BackendError {
        BackendError::CredentialRefused {
            status,
            credential: self.credential_words,
        }
    }

    /// Sends one message and waits for the head of the answer.
    pub(crate) async fn post(&self, outgoing: Outgoing) -> Result<Reply, BackendError> {
        self.send(outgoing, Patience::of(self.address.idle)).await
    }

    /// Sends a call's message. The time in which the call waits for its client is no silence of the
    /// backend.
    pub(crate) async fn call(
        &self,
        outgoing: Outgoing,
        waiting: &Arc<Waiting>,
    ) -> Result<Reply, BackendError> {
        let patience = Patience::sparing(self.address.idle, waiting);
        self.send(outgoing, patience).await
    }

    async fn send(&self, outgoing: Outgoing, patience: Patience) -> Result<Reply, BackendError> {
        let request = self.request(Method::POST, outgoing);
        let response = self.execute(request, &patience).await?;
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
        let patience = Patience::sparing(self.address.idle, waiting);
        let request = self.request(Method::GET, Outgoing::empty(headers));
        let response = self.execute(request, &patience).await?;
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
            let mut headers = outgoing.headers.protocol().into_owned();
            headers.insert(header::LAST_EVENT_ID, last_id.clone());
            outgoing.headers = headers.into();
        }
        let patience = Patience::of(LISTENING_SILENCE_MAX);
        let request = self.request(method, outgoing);
        let response = self.open(request, &patience).await?;
        read_head(response, patience).await
    }

    /// Ends an MCP session; backends may refuse to, and whatever they say ends the matter.
    pub(crate) async fn delete(&self, headers: HeaderMap) -> Result<StatusCode, BackendError> {
        let request = self.request(Method::DELETE, Outgoing::empty(headers));
        let patience = Patience::of(self.address.idle);
        let response = self.execute(request, &patience).await?;
        Ok(response.status())
    }

    fn request(&self, method: Method, outgoing: Outgoing) -> Request<Bytes> {
        let address = &*self.address;
        let has_body = !outgoing.body.is_empty();
        let common = if has_body {
            &address.with_body
        } else {
            &address.without_body
        };
        let mut headers = match outgoing.headers {
            Headers::Few(headers) => self.under(common, headers),
            Headers::Own(headers) => self.under(common, each(&headers)),
            Headers::Constant(constant) => {
                let whole = || self.under(common, each(constant.own()));
                if has_body {
                    constant.whole(whole).clone()
                } else {
                    whole()
                }
            }
        };
        if has_body {
            // The client below would put it in, and take much more memory for it.
            headers.insert(CONTENT_LENGTH, outgoing.body.len().into());
        }
        let mut request = Request::new(outgoing.body);
        *request.method_mut() = method;
        *request.uri_mut() = address.uri.clone();
        *request.headers_mut() = headers;
        request
    }

    /// The protocol's headers with those that win over them.
    fn under(
        &self,
        common: &HeaderMap,
        protocol: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> HeaderMap {
        let mut headers = common.clone();
        for (name, value) in protocol {
            if !self.address.own.contains_key(&name) {
                headers.insert(name, value);
            }
        }
        if let Some((name, value)) = &self.credential {
            // Last: it wins.
            headers.insert(name.clone(), value.clone());
        }
        headers
    }

    fn execute(
        &self,
        request: Request<Bytes>,
        patience: &Patience,
    ) -> impl Future<Output = Result<Response, BackendError>> + Send {
        let request = Box::new(request.map(Full::new));
        async move {
            let answered = pin!(self.address.clients.calls.send(request));
            match patience.wait(answered).await? {
                Ok(response) => Ok(response.into()),
                Err(error) => Err(BackendError::instead_of_head(error)),
            }
        }
    }

    /// The same over a socket of its own.
    async fn open(
        &self,
        request: Request<Bytes>,
        patience: &Patience,
    ) -> Result<Response, BackendError> {
        let answered = async {
            let request = request.try_into().map_err(HttpError::from)?;
            let answered = self.address.clients.listening.execute(request).await;
            answered.map_err(HttpError::from)
        };
        match patience.wait(pin!(answered)).await? {
            Ok(response) => Ok(response.into()),
            Err(error) => Err(BackendError::instead_of_head(error)),
        }
    }
}

async fn read_head(response: Response, patience: Patience) -> Result<Content, BackendError> {
    let status = response.status();
    let media_type = MediaType::of(response.headers());
    if status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
        return Ok(Content::Accepted);
    }
    if !status.is_success() {
        let retry_after = retry_after::read(response.headers(), SystemTime::now());
        let json = match media_type {
            // Boxed: hardly any call needs it, and each would have room for it.
            MediaType::Json => Box::pin(Body::new(response, patience).whole(ERROR_BODY_BYTES_MAX))
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
    match media_type {
        MediaType::Json => Ok(Content::Json(Body::new(response, patience))),
        MediaType::Events => Ok(Content::Events(Events::new(response, patience))),
        _ if response.is_empty() => Ok(Content::Accepted),
        MediaType::Html => Err(BackendError::Garbled {
            what: "an HTML page instead of MCP; is the address in the registry right?",
        }),
        MediaType::Other => Err(BackendError::Garbled {
            what: "neither JSON nor an event stream",
        }),
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let plain = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"identity");
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|it| !plain(it))
}
