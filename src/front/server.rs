//! The accept loop: connections within bounds of number and of time, and a bounded end.
//!
//! It knows HTTP and nothing of what is served. An accept that fails never ends it.

mod activity;
mod answer;
mod conversation;
mod heads;
mod overheard;
mod places;
mod settling;
mod socket;
mod turning_away;

use std::{
    convert::Infallible, future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration,
};

use futures_util::FutureExt as _;
use http::Request;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use warp::reply::Response;

pub use self::settling::{Settling, Steer};
use self::{
    activity::Activity, conversation::Speaker, places::Places, settling::lost, socket::Socket,
    turning_away::TurningAway,
};
use super::{tls::Certificates, via::TrustedProxies};
use crate::limits::{self, HURRIED_WITHIN};

/// The wait after an accept that failed for want of descriptors or memory: long enough not to
/// spin, short enough not to be noticed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// How long connections that were cut may take to be gone: as long as their lane is busy with something else.
const CUT_WITHIN: Duration = Duration::from_millis(200);
/// How long a TLS handshake may take: a few round trips.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// What connections may cost.
#[derive(Debug, Clone, Copy)]
pub struct ServerBounds {
    /// Connections at once; further ones wait in the listener's queue.
    pub connections_max: usize,
    /// Connections at once from one address; further ones are turned away.
    pub connections_per_address_max: usize,
    /// From a connection's begin on its lane, or a request's first byte, to the end of the request's headers.
    pub headers_within: Duration,
    /// How long a connection may have no request in flight.
    pub idle_max: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_stall_max: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Bytes of a request's line and headers.
    pub headers_bytes_max: usize,
    /// Headers of one request, of HTTP/1.
    pub headers_max: usize,
    /// How long requests in flight may go on after the signal to stop.
    pub drain_within: Duration,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            connections_per_address_max: 512,
            headers_within: Duration::from_secs(15),
            idle_max: Duration::from_mins(2),
            write_stall_max: Duration::from_mins(1),
            streams_max: 100,
            headers_bytes_max: 64 * 1024,
            headers_max: 100,
            drain_within: Duration::from_secs(7),
        }
    }
}

/// Where connections come in, and on which terms.
pub struct Entrance {
    /// The socket they come in by.
    pub listener: TcpListener,
    /// What encrypts them; `None` for nothing.
    pub certificates: Option<Certificates>,
    /// Whose word about a request's way counts. The way is in the extensions of each request.
    pub proxies: TrustedProxies,
    /// What connections may cost.
    pub bounds: ServerBounds,
    /// Where they live.
    pub settling: Settling,
}

/// How serving ends.
#[derive(Debug)]
pub struct Ending<F, H> {
    /// Over when no further connection is wanted.
    pub stop: F,
    /// Called when the requests in flight have had their time: has them answered at once.
    pub hurry: H,
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were busy even then, and were cut.
    pub cut: usize,
}

/// What every connection shares.
struct Door {
    certificates: Option<Certificates>,
    proxies: TrustedProxies,
    speaker: Speaker,
    write_stall_max: Duration,
    headers_bytes_max: usize,
    stop: CancellationToken,
}

/// Serves connections until it is told to stop, then lets the requests in flight end in time.
///
/// The listener is closed as soon as it is told, and what it has accepted on our behalf is served.
pub async fn serve<S, F, H>(entrance: Entrance, service: S, ending: Ending<F, H>) -> Drained
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
    F: Future<Output = ()>,
    H: FnOnce(),
{
    let bounds = entrance.bounds;
    let listener = entrance.listener;
    let stop = CancellationToken::new();
    let (alive, mut all_gone) = mpsc::channel(1);
    let mut arrivals = Arrivals {
        door: Arc::new(Door {
            certificates: entrance.certificates,
            proxies: entrance.proxies,
            speaker: Speaker::new(bounds, stop.clone()),
            write_stall_max: bounds.write_stall_max,
            headers_bytes_max: bounds.headers_bytes_max,
            stop: stop.clone(),
        }),
        service,
        settling: entrance.settling,
        places: Places::new(bounds.connections_per_address_max, bounds.connections_max),
        turning_away: TurningAway::new(),
        connections: JoinSet::new(),
        alive,
    };
    let slots = Arc::new(Semaphore::new(bounds.connections_max));
    let mut told = pin!(ending.stop);
    loop {
        let accepted = async {
            // Before the accept: a connection without a slot stays in the listener's queue.
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot.ok())
        };
        tokio::select! {
            () = &mut told => break,
            Some(ended) = arrivals.connections.join_next() => report(ended),
            (accepted, slot) = accepted => match accepted {
                Ok((stream, from)) => arrivals.take_in(stream, from, slot),
                Err(error) => back_off(&error).await,
            },
        }
    }
    // Before the rest of the queue: none of its connections stays for long.
    stop.cancel();
    while let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
        // Its clients know no better than that they are connected, and their requests may be here.
        let Some(Ok((stream, from))) = listener.accept().now_or_never() else {
            break;
        };
        arrivals.take_in(stream, from, Some(slot));
    }
    drop(listener);
    let drained = drain(arrivals.connections, bounds.drain_within, ending.hurry).await;
    drop(arrivals.alive);
    // What they held is given back, and written down, before whoever stops goes on.
    let _in_time = limits::within(CUT_WITHIN, all_gone.recv()).await;
    drained
}

/// Where connections go.
struct Arrivals<S> {
    door: Arc<Door>,
    service: S,
    settling: Settling,
    places: Arc<Places>,
    turning_away: TurningAway,
    connections: JoinSet<()>,
    /// Each connection has a clone, to its very end: one that is cut ends a little later, on its lane.
    alive: mpsc::Sender<Infallible>,
}

impl<S> Arrivals<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send + 'static,
{
    /// Serves a connection that holds `slot` as long as it lasts, or turns it away.
    fn take_in(&mut self, stream: TcpStream, from: SocketAddr, slot: Option<OwnedSemaphorePermit>) {
        let place = self.places.take(from.ip());
        // A proxy's connections are those of many.
        if place.is_none() && !self.door.proxies.has(from.ip()) {
            tracing::debug!(client.address = %from.ip(), "a connection was turned away");
            let is_encrypted = self.door.certificates.is_some();
            self.turning_away.turn_away(stream, is_encrypted);
            return;
        }
        // Away from here: its lane hears from its socket itself.
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return lost(&error),
        };
        let (door, service) = (Arc::clone(&self.door), self.service.clone());
        let alive = self.alive.clone();
        let serve = move |stream| async move {
            enter(&door, stream, from, service).await;
            drop((slot, place, alive));
        };
        let here = self.settling.lanes.place();
        let lane = here.handle().clone();
        let served = self.settling.clone().serve(stream, here, serve);
        self.connections.spawn_on(served, &lane);
    }
}

async fn enter<S>(door: &Arc<Door>, stream: TcpStream, from: SocketAddr, service: S)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "small packets of a connection may be delayed");
    }
    let encrypted = door.certificates.is_some();
    let inside = Arc::clone(door);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let via = inside.proxies.via(from, encrypted, &request);
        request.extensions_mut().insert(via);
        service.call(request)
    });
    let activity = Activity::new(door.headers_bytes_max);
    let socket = Socket::new(stream, door.write_stall_max, Arc::clone(&activity));
    let Some(certificates) = &door.certificates else {
        return door.speaker.converse(socket, activity, service).await;
    };
    let shaken = tokio::select! {
        shaken = limits::within(HANDSHAKE_WITHIN, certificates.accept(socket)) => shaken,
        () = door.stop.cancelled() => return,
    };
    match shaken {
        Ok(Ok(stream)) => door.speaker.converse(stream, activity, service).await,
        Ok(Err(error)) => {
            tracing::debug!(client.address = %from.ip(), %error, "a TLS handshake went wrong");
        }
        Err(_) => tracing::debug!(client.address = %from.ip(), "a TLS handshake took too long"),
    }
}

async fn drain(mut connections: JoinSet<()>, within: Duration, hurry: impl FnOnce()) -> Drained {
    let all = async |connections: &mut JoinSet<()>| {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(within, all(&mut connections)).await.is_ok() {
        return Drained { cut: 0 };
    }
    tracing::warn!(
        connections = connections.len(),
        "requests in flight have had their time: they are told that the gateway stops"
    );
    hurry();
    let in_time = limits::within(HURRIED_WITHIN, all(&mut connections)).await;
    let cut = if in_time.is_ok() {
        0
    } else {
        connections.len()
    };
    connections.shutdown().await;
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

#[cfg(test)]
mod tests;
