//! A message on its way to a backend: its body, the headers that its protocol gives it, and those that all have.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{HOST, USER_AGENT},
    uri::Scheme,
};

use crate::mcp::trace::TraceContext;

/// As what the gateway is known to backends.
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("mcp-gateway/", env!("CARGO_PKG_VERSION")));

/// A message to send: the protocol's headers and the body.
pub(crate) struct Outgoing {
    /// Headers of the protocol; those of the provider come on top.
    pub(crate) headers: Headers,
    /// One JSON-RPC message.
    pub(crate) body: Bytes,
}

/// The protocol's headers of a message.
pub(crate) enum Headers {
    /// Its own.
    Own(HeaderMap),
    /// Its own, of which no map is made before it is that of the whole request. The last one of a name counts.
    Few(Vec<(HeaderName, HeaderValue)>),
    /// Those of every message in a conversation.
    Constant(Arc<Constant>),
}

/// Headers that do not change while a conversation with a backend lasts.
pub(crate) struct Constant {
    own: HeaderMap,
    /// With what else its messages carry, put together once.
    whole: OnceLock<HeaderMap>,
}

impl Headers {
    /// What the protocol has in them.
    pub(crate) fn protocol(&self) -> Cow<'_, HeaderMap> {
        match self {
            Self::Own(headers) => Cow::Borrowed(headers),
            Self::Few(headers) => Cow::Owned(headers.iter().cloned().collect()),
            Self::Constant(constant) => Cow::Borrowed(&constant.own),
        }
    }
}

impl From<HeaderMap> for Headers {
    fn from(headers: HeaderMap) -> Self {
        Self::Own(headers)
    }
}

impl Constant {
    /// Keeps these.
    pub(crate) fn new(own: HeaderMap) -> Arc<Self> {
        Arc::new(Self {
            own,
            whole: OnceLock::new(),
        })
    }

    /// What was given to be kept.
    pub(crate) const fn own(&self) -> &HeaderMap {
        &self.own
    }

    /// All headers of a message, which `put_together` makes of these the first time. A conversation has one wire.
    pub(super) fn whole(&self, put_together: impl FnOnce() -> HeaderMap) -> &HeaderMap {
        self.whole.get_or_init(put_together)
    }
}

impl Outgoing {
    /// Has it tell where in a trace it is.
    pub(crate) fn tell(&mut self, place: &TraceContext) {
        let mut headers = self.headers.protocol().into_owned();
        place.set_headers(&mut headers);
        self.headers = headers.into();
    }

    /// Headers alone.
    pub(super) fn empty(headers: HeaderMap) -> Self {
        Self {
            headers: headers.into(),
            body: Bytes::new(),
        }
    }
}

/// Copies of headers.
pub(super) fn each(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let headers = headers.iter();
    headers.map(|(name, value)| (name.clone(), value.clone()))
}

/// What all requests to an address carry.
pub(super) fn common(uri: &Uri) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(USER_AGENT, AGENT);
    // Over TLS it may be HTTP/2 that is agreed upon, which names the host elsewhere; the client knows.
    let host = uri
        .authority()
        .filter(|_| uri.scheme() == Some(&Scheme::HTTP));
    if let Some(Ok(host)) = host.map(|authority| HeaderValue::from_str(authority.as_str())) {
        headers.insert(HOST, host);
    }
    headers
}
