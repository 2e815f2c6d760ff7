//! The HTTP client of calls: what reqwest itself stands on, without reqwest's layers above it.
//!
//! Those layers were a third of what a small call cost (benches/README.md): redirects, cookies, retries and decoders that
//! are all turned off here still see every request, and its URL is parsed anew for them. Below them nothing differs: the
//! same bounds, the same TLS, and errors that tell whether a request left.
//!
//! In the clear a call drives its socket itself ([`plain`]); over TLS, where it may be HTTP/2 that is agreed upon, calls
//! share what hyper's own pool keeps.

mod plain;

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri, uri::Scheme};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

use crate::{
    backend::error::{BoxError, HttpError},
    limits::{
        ANSWER_READ_BYTES_MAX, POOL_IDLE_PER_BACKEND, POOL_IDLE_TIMEOUT, SOCKET_ALIVE_ASKED,
        SOCKET_ALIVE_ASKS, SOCKET_LOST_AFTER, within,
    },
};

pub(crate) use plain::PlainBody;

use plain::Pool;

type Encrypted = Punctual<HttpsConnector<HttpConnector>>;

/// Sends calls to one backend over sockets that it keeps. Nothing is sent anywhere else: it follows no redirect and
/// asks no proxy.
#[derive(Clone)]
pub(crate) struct CallClient {
    /// In the clear; `None` where it shall be HTTP/2.
    plain: Option<Pool>,
    shared: legacy::Client<Encrypted, Full<Bytes>>,
}

/// The body of an answer to a call.
pub(crate) enum CallBody {
    /// From a socket that is this call's alone.
    Own(PlainBody),
    /// From one that may be shared.
    Shared(Incoming),
}

impl CallClient {
    /// A client whose connections take no longer than `connect_within` to be made.
    ///
    /// # Errors
    ///
    /// When the machine has no roots of trust that can be used.
    pub(crate) fn new(connect_within: Duration) -> Result<Self, HttpError> {
        let plain = Pool::new(Punctual {
            connector: http(connect_within),
            within: connect_within,
        });
        Ok(Self {
            plain: Some(plain),
            shared: builder().build(encrypted(connect_within)?),
        })
    }

    /// The same for servers that speak HTTP/2 from the first byte.
    #[cfg(test)]
    pub(crate) fn of_http2(connect_within: Duration) -> Result<Self, HttpError> {
        let mut builder = builder();
        builder.http2_only(true);
        Ok(Self {
            plain: None,
            shared: builder.build(encrypted(connect_within)?),
        })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// On a socket that turns out to be closed before a byte of it was written it goes out once more, on another; never
    /// else. Boxed: what waits for the answer would have room for it in several places.
    pub(crate) async fn send(
        &self,
        request: Box<Request<Full<Bytes>>>,
    ) -> Result<Response<CallBody>, HttpError> {
        if let Some(plain) = &self.plain
            && request.uri().scheme() == Some(&Scheme::HTTP)
        {
            let response = plain.send(request).await?;
            return Ok(response.map(CallBody::Own));
        }
        let response = self.shared.request(*request).await;
        let response = response.map_err(HttpError::Client)?;
        Ok(response.map(CallBody::Shared))
    }
}

impl CallBody {
    /// Waits for the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        let body = match self {
            Self::Own(pieces) => return pieces.next().await,
            Self::Shared(body) => body,
        };
        while let Some(frame) = body.frame().await {
            // Trailers say nothing here.
            if let Ok(bytes) = frame.map_err(HttpError::Body)?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    /// Whether it is known that nothing comes any more.
    pub(crate) const fn is_over(&self) -> bool {
        match self {
            Self::Own(pieces) => pieces.is_over(),
            // It is its connection that has to learn of its end.
            Self::Shared(_) => false,
        }
    }

    /// What is known of its size.
    pub(crate) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(pieces) => pieces.size_hint(),
            Self::Shared(body) => body.size_hint(),
        }
    }
}

fn builder() -> legacy::Builder {
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(POOL_IDLE_PER_BACKEND)
        .http1_max_buf_size(ANSWER_READ_BYTES_MAX);
    builder
}

fn http(within: Duration) -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(within));
    // So that a backend whose machine is gone does not go on as a silent one.
    http.set_keepalive(Some(SOCKET_ALIVE_ASKED));
    http.set_keepalive_interval(Some(SOCKET_ALIVE_ASKED));
    http.set_keepalive_retries(Some(SOCKET_ALIVE_ASKS));
    #[cfg(target_os = "linux")]
    http.set_tcp_user_timeout(Some(SOCKET_LOST_AFTER));
    http
}

fn encrypted(within: Duration) -> Result<Encrypted, HttpError> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_platform_verifier(Arc::new(provider))
        .map_err(|error| HttpError::SetUp(error.into()))?
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(http(within));
    Ok(Punctual { connector, within })
}

/// Makes connections in time, the name's resolution and the TLS handshake included.
#[derive(Clone)]
struct Punctual<C> {
    connector: C,
    within: Duration,
}

impl<C> Service<Uri> for Punctual<C>
where
    C: Service<Uri>,
    C::Response: 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = within(self.within, self.connector.call(to));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(late) => Err(io::Error::from(late).into()),
            }
        })
    }
}
