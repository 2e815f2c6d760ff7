//! The accept loop: connections within bounds of number and of time, and a bounded end.
//!
//! It knows HTTP and nothing of what is served. An accept that fails never ends it.

mod socket;

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use warp::reply::Response;

use self::socket::Socket;
use super::via::TrustedProxies;

/// Bytes of a request's line and headers: a full credential, a trace and what proxies add fit
/// several times.
const HEADERS_BYTES_MAX: u32 = 64 * 1024;
/// Headers of one request; browsers and proxies send a few dozen.
const HEADERS_MAX: usize = 100;
/// Requests at once on one HTTP/2 connection: what clients expect by default.
const HTTP2_STREAMS_MAX: u32 = 100;
/// Streams that an HTTP/2 client may have opened and reset before they were looked at.
const HTTP2_RESETS_MAX: usize = 20;
/// Bytes of answers that an HTTP/2 stream holds for a client that does not read.
const HTTP2_SEND_BYTES_MAX: usize = 256 * 1024;
/// How often an HTTP/2 connection is asked for a sign of life.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
/// The wait after an accept that failed for want of descriptors or memory: long enough not to
/// spin, short enough not to be noticed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub struct ServerBounds {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections_max: usize,
    /// From a connection's begin, or the end of an answer, to the end of the next request's
    /// headers. So it also ends idle connections.
    pub headers_within: Duration,
    /// How long a client may read nothing while there is something to send.
    pub write_stall_max: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub drain_within: Duration,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            headers_within: Duration::from_secs(30),
            write_stall_max: Duration::from_mins(1),
            drain_within: Duration::from_secs(10),
        }
    }
}

/// Where connections come in, and on which terms.
#[derive(Debug)]
pub struct Entrance {
    /// The socket they come in by.
    pub listener: TcpListener,
    /// Whose word about a request's way counts. The way is in the extensions of each request.
    pub proxies: TrustedProxies,
    /// What connections may cost.
    pub bounds: ServerBounds,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were still busy when the time to drain was over, and were cut.
    pub cut: usize,
}

/// Serves connections until `stop` is over, then lets the requests in flight end in time.
///
/// The listener is closed as soon as `stop` is over.
pub async fn serve<S, F>(entrance: Entrance, service: S, stop: F) -> Drained
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    F: Future<Output = ()>,
{
    let Entrance {
        listener,
        proxies,
        bounds,
    } = entrance;
    let proxies = Arc::new(proxies);
    let slots = Arc::new(Semaphore::new(bounds.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = async {
            // Before the accept: a connection without a slot stays in the listener's queue.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        tokio::select! {
            () = &mut stop => break,
            Some(ended) = connections.join_next() => report(ended),
            (accepted, slot) = accepted => match accepted {
                Ok((stream, address)) => {
                    let watcher = graceful.watcher();
                    let (service, proxies) = (service.clone(), Arc::clone(&proxies));
                    let service = service_fn(move |mut request: Request<Incoming>| {
                        let via = proxies.via(address, false, &request);
                        request.extensions_mut().insert(via);
                        service.call(request)
                    });
                    connections.spawn(async move {
                        converse(stream, service, bounds, watcher).await;
                        drop(slot);
                    });
                }
                Err(error) => back_off(&error).await,
            },
        }
    }
    drop(listener);
    drain(connections, graceful, bounds.drain_within).await
}

async fn drain(
    mut connections: JoinSet<()>,
    graceful: GracefulShutdown,
    within: Duration,
) -> Drained {
    let done = timeout(within, graceful.shutdown()).await.is_ok();
    while let Some(ended) = connections.try_join_next() {
        report(ended);
    }
    let cut = if done { 0 } else { connections.len() };
    if cut > 0 {
        tracing::warn!(cut, "connections were still busy at the end and are cut");
        connections.abort_all();
    }
    while connections.join_next().await.is_some() {}
    Drained { cut }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task ended badly");
    }
}

async fn back_off(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    // The client was gone before it was accepted: nothing of ours is short.
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        return;
    }
    tracing::error!(%error, "a connection could not be accepted");
    sleep(ACCEPT_BACKOFF).await;
}

async fn converse<S>(
    stream: TcpStream,
    service: S,
    bounds: ServerBounds,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small packets of a connection may be delayed");
    }
    let spoke = Arc::new(AtomicBool::new(false));
    let first = Arc::clone(&spoke);
    let service = service_fn(move |request: Request<Incoming>| {
        first.store(true, Ordering::Relaxed);
        service.call(request)
    });
    let socket = TokioIo::new(Socket::new(stream, bounds.write_stall_max));
    let http = http(bounds.headers_within);
    let mut connection = pin!(watcher.watch(http.serve_connection(socket, service).into_owned()));
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = sleep(bounds.headers_within) => {
            // hyper's own deadline begins only when it knows the version of HTTP.
            if !spoke.load(Ordering::Relaxed) {
                tracing::debug!("a connection was cut that sent no request in time");
                return;
            }
            connection.await
        }
    };
    if let Err(error) = ended {
        // Clients come and go; what a request suffers is logged where it is handled.
        tracing::debug!(%error, "a connection ended early");
    }
}

fn http(headers_within: Duration) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(headers_within)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADERS_BYTES_MAX as usize)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_pending_accept_reset_streams(HTTP2_RESETS_MAX)
        .max_send_buf_size(HTTP2_SEND_BYTES_MAX)
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_EVERY);
    builder
}

#[cfg(test)]
mod tests;
