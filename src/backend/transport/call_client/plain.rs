//! Sockets to a backend that speaks HTTP/1.1 in the clear: kept from call to call, and each driven by the call that has it.
//!
//! A client for all purposes has a task for every socket, so that a call waits for one and wakes it. Here a call that has
//! a socket polls it itself: nobody is woken, and no task is begun for the end of an answer. A socket that waits is
//! polled by nobody; whether it is good is asked when it is taken, and the old ones are closed by a task of the pool's.

use std::{
    future::poll_fn,
    mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel},
    },
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use dashmap::DashMap;
use http::{Request, Response, Uri, uri::Authority};
use http_body_util::Full;
use hyper::{
    body::{Body as _, Incoming, SizeHint},
    client::conn::{TrySendError, http1},
};
use hyper_util::{client::legacy::connect::HttpConnector, rt::TokioIo};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};
use tower_service::Service as _;

use super::Punctual;
use crate::{
    backend::error::HttpError,
    lanes::{self, Lane},
    limits::{ANSWER_READ_BYTES_MAX, POOL_IDLE_PER_BACKEND, POOL_IDLE_TIMEOUT},
};

type Connection = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;
/// The head of an answer, or the request back if it was not begun to be written.
type Answered = Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>>;

/// Sends requests over sockets that it keeps.
#[derive(Clone)]
pub(super) struct Pool {
    connector: Punctual<HttpConnector>,
    idle: Idle,
}

/// The sockets that wait for a call.
#[derive(Clone, Default)]
struct Idle(Arc<Waiting>);

#[derive(Default)]
struct Waiting {
    /// By the lane that hears from them, of each the one used last at the end.
    #[expect(
        clippy::vec_box,
        reason = "a socket goes from here to a call and back as it is"
    )]
    sockets: DashMap<Lane, Vec<Box<Socket>>, foldhash::fast::RandomState>,
    /// Whether somebody sees to the old ones.
    is_tended: AtomicBool,
}

/// One socket to a backend.
struct Socket {
    to: Authority,
    /// Which hears from it: a call of another would be woken by that for each piece of an answer.
    lane: Lane,
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it is over: dropped, it gives back what it had not begun to write.
    connection: Option<Connection>,
    /// Since when it waits.
    since: Instant,
}

/// The body of an answer, which comes in by being read.
pub(crate) struct PlainBody {
    body: Incoming,
    /// `None` once the body is whole.
    socket: Option<Box<Socket>>,
    idle: Idle,
}

impl Pool {
    pub(super) fn new(connector: Punctual<HttpConnector>) -> Self {
        Self {
            connector,
            idle: Idle::default(),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &self,
        mut request: Box<Request<Full<Bytes>>>,
    ) -> Result<Response<PlainBody>, HttpError> {
        let uri = mem::take(request.uri_mut());
        let parts = uri.authority().cloned().zip(uri.path_and_query().cloned());
        let (to, path) =
            parts.ok_or_else(|| HttpError::SetUp("an address without a host".into()))?;
        *request.uri_mut() = Uri::from(path);
        loop {
            let (mut socket, is_used) = match self.idle.take(&to) {
                Some(socket) => (socket, true),
                None => (self.connect(&uri, to.clone()).await?, false),
            };
            match socket.exchange(&mut request).await? {
                Ok(response) => {
                    return Ok(response.map(|body| PlainBody {
                        body,
                        socket: Some(socket),
                        idle: self.idle.clone(),
                    }));
                }
                // It was closed while it waited, and not a byte of the request was written.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if is_used => *request = unsent,
                    _ => return Err(HttpError::Sending(error.into_error())),
                },
            }
        }
    }

    async fn connect(&self, uri: &Uri, to: Authority) -> Result<Box<Socket>, HttpError> {
        let connected = self.connector.clone().call(uri.clone());
        let stream = connected.await.map_err(HttpError::Connecting)?;
        let shaken = http1::Builder::new()
            .max_buf_size(ANSWER_READ_BYTES_MAX)
            .handshake(stream)
            .await;
        let (sender, connection) = shaken.map_err(HttpError::Sending)?;
        Ok(Box::new(Socket {
            to,
            lane: lanes::current(),
            sender,
            connection: Some(connection),
            since: Instant::now(),
        }))
    }
}

impl Socket {
    /// Drives the connection; what goes wrong shows at the request or at the body.
    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(context).is_ready()
        {
            self.connection = None;
        }
    }

    const fn has_ended(&self) -> bool {
        self.connection.is_none()
    }

    /// Sends a request, of which nothing is left behind, and waits for the head of its answer.
    async fn exchange(
        &mut self,
        request: &mut Request<Full<Bytes>>,
    ) -> Result<Answered, HttpError> {
        // An end that came while it waited is seen before anything is written, and a new one is made ready.
        self.drive(&mut nobody());
        let mut answered = pin!(self.sender.try_send_request(mem::take(request)));
        poll_fn(|context| {
            // First: it writes what was handed over, and hands over what it reads.
            self.drive(context);
            // It comes from there only: what hands it over need wake nobody.
            match answered.as_mut().poll(&mut nobody()) {
                Poll::Ready(answered) => Poll::Ready(Ok(answered)),
                Poll::Pending if self.has_ended() => Poll::Ready(Err(HttpError::Ended)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl PlainBody {
    /// Waits for the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        poll_fn(|context| self.poll(context)).await
    }

    /// Whether it is whole.
    pub(crate) const fn is_over(&self) -> bool {
        self.socket.is_none()
    }

    /// What is known of its size.
    pub(crate) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, HttpError>> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Poll::Ready(Ok(None));
            };
            // Before the socket is read: what nobody asks for is not read from it. As above, it comes from there only.
            let mut frame = Pin::new(&mut self.body).poll_frame(&mut nobody());
            if frame.is_pending() {
                socket.drive(context);
                let has_ended = socket.has_ended();
                frame = Pin::new(&mut self.body).poll_frame(&mut nobody());
                if frame.is_pending() && has_ended {
                    return Poll::Ready(Err(HttpError::Ended));
                }
            }
            return match frame {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(HttpError::Body(error))),
                Poll::Ready(None) => {
                    self.give_back();
                    Poll::Ready(Ok(None))
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => {
                        if self.body.is_end_stream() {
                            self.give_back();
                        }
                        Poll::Ready(Ok(Some(bytes)))
                    }
                    // Trailers say nothing here.
                    Err(_) => continue,
                },
            };
        }
    }

    /// The answer is whole: the socket waits for another request, if it is good for one.
    fn give_back(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            socket.drive(&mut nobody());
            if !socket.has_ended() && socket.sender.is_ready() {
                self.idle.put(socket);
            }
        }
    }
}

impl Idle {
    /// Takes the socket of this lane that was used last, unless it has waited for too long.
    fn take(&self, to: &Authority) -> Option<Box<Socket>> {
        let lane = lanes::here().unwrap_or_else(lanes::current);
        let mut sockets = self.0.sockets.get_mut(&lane)?;
        let at = sockets.iter().rposition(|it| it.to == *to)?;
        let socket = sockets.swap_remove(at);
        drop(sockets);
        (lanes::now().duration_since(socket.since) < POOL_IDLE_TIMEOUT).then_some(socket)
    }

    fn put(&self, mut socket: Box<Socket>) {
        socket.since = lanes::now();
        let mut sockets = self.0.sockets.entry(socket.lane).or_default();
        if sockets.len() < POOL_IDLE_PER_BACKEND {
            sockets.push(socket);
        }
        drop(sockets);
        if !self.0.is_tended.swap(true, AcqRel) {
            tokio::spawn(self.clone().tend());
        }
    }

    /// Closes sockets that have waited for too long, until there are none.
    async fn tend(self) {
        let is_old = |socket: &mut Box<Socket>| socket.since.elapsed() >= POOL_IDLE_TIMEOUT;
        loop {
            sleep(POOL_IDLE_TIMEOUT).await;
            let mut closed = Vec::new();
            for mut sockets in self.0.sockets.iter_mut() {
                closed.extend(sockets.extract_if(.., is_old));
            }
            drop(closed);
            if self.is_empty() {
                self.0.is_tended.swap(false, AcqRel);
                // Whoever put one there just before relied on this.
                if self.is_empty() || self.0.is_tended.swap(true, AcqRel) {
                    return;
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.0.sockets.iter().all(|sockets| sockets.is_empty())
    }
}

/// Who polls without being woken for it.
const fn nobody() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests;
