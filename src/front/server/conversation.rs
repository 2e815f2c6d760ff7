//! One connection from its begin to its end: HTTP over it, and its deadlines.

use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{
    TryFutureExt,
    future::{Either, ready},
};
use http::{HeaderValue, Request, StatusCode, Version, header::CONNECTION};
use hyper::{
    body::{Body as _, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use warp::reply::{Reply as _, Response};

use super::{
    ServerBounds,
    activity::{Activity, Busy},
    answer::Answer,
    heads::Head,
    overheard::Overheard,
};
use crate::{channel::Rounds, front::problem::Problem, in_place, lanes};

/// hyper's own: its parser needs no memory of the heap for so many.
const HEADERS_USUAL: usize = 100;
/// Streams that an HTTP/2 client may have opened and reset before they were looked at.
const HTTP2_RESETS_MAX: usize = 20;
/// Streams that may be reset for an HTTP/2 client's mistakes before its connection is.
const HTTP2_MISTAKES_MAX: usize = 256;
/// Bytes of answers that an HTTP/2 stream holds for a client that does not read.
const HTTP2_SEND_BYTES_MAX: usize = 256 * 1024;
/// How often an HTTP/2 connection is asked for a sign of life, and how long that may take.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
/// How long a connection without a request in flight has for one when all are to end: its client may have sent it
/// before it could know.
const CROSSING_WITHIN: Duration = Duration::from_millis(100);
/// How long a connection may take to end that is told to, and has nothing in flight.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

/// Speaks HTTP on connections.
pub(super) struct Speaker {
    http: auto::Builder<TokioExecutor>,
    bounds: ServerBounds,
    /// Fires when connections are to end as soon as they can.
    stop: CancellationToken,
}

impl Speaker {
    pub(super) fn new(bounds: ServerBounds, stop: CancellationToken) -> Self {
        Self {
            http: http(&bounds),
            bounds,
            stop,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn converse<I, S>(&self, io: I, activity: Arc<Activity>, service: S)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let io = TokioIo::new(Overheard::new(io, Arc::clone(&activity)));
        // Its own: one that all connections looked at would be locked by all of them.
        let stop = Arc::new(self.stop.child_token());
        let (noting, stopping) = (Arc::clone(&activity), Arc::clone(&stop));
        let service = service_fn(move |request: Request<Incoming>| {
            let (busy, head) = note(&noting, &request);
            let answered = if head.as_ref().is_some_and(|head| head.is_ambiguous) {
                Either::Left(ready(Ok::<_, Infallible>(two_lengths())))
            } else {
                // Boxed: hyper moves it to its place, from hand to hand.
                Either::Right(in_place::pinned(|| service.call(request)))
            };
            let stopping = Arc::clone(&stopping);
            // An `async` block would hold room for the answer's way twice, in each connection.
            answered.map_ok(move |mut response| {
                if head.is_some_and(|head| head.is_last || stopping.is_cancelled()) {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(CONNECTION, close);
                }
                response.map(|body| Answer::new(body, busy))
            })
        });
        let mut connection = pin!(self.http.serve_connection(io, service));
        let mut stopped = pin!(stop.cancelled());
        let mut look = pin!(sleep_until(self.next_look(&activity)));
        let (mut is_told, mut leaves) = (false, false);
        // A request's body reaches its route from within the connection, which wakes itself for each piece of it. And the
        // signal to stop and the timer are asked only when they rang, not whenever a request goes on: that is set for what the
        // requests wait for, too.
        let (mut serving, mut watching) = (Rounds::default(), Rounds::default());
        loop {
            serving.ring();
            watching.ring();
            let seen = poll_fn(|context| {
                let serve = |context: &mut Context<'_>| connection.as_mut().poll(context);
                let (served, another) = lanes::turn(|| serving.poll(context, serve));
                // A request that is there is taken before the end is heard of.
                if let Poll::Ready(ended) = served {
                    return Poll::Ready(Seen::End(ended));
                }
                if let Some(by) = another.filter(|by| *by < look.deadline()) {
                    look.as_mut().reset(by);
                    watching.ring();
                }
                watching.poll(context, |context| {
                    if !leaves && !is_told && stopped.as_mut().poll(context).is_ready() {
                        return Poll::Ready(Seen::Stop);
                    }
                    look.as_mut().poll(context).map(|()| Seen::Time)
                })
            })
            .await;
            match seen {
                Seen::End(ended) => {
                    if let Err(error) = ended {
                        // Clients come and go; what a request suffers is logged where it is handled.
                        let error: &(dyn Error + 'static) = error.as_ref();
                        tracing::debug!(error, "a connection ended early");
                    }
                    return;
                }
                Seen::Stop => {
                    is_told = true;
                    // HTTP/2 tells its client which requests it has still taken.
                    let may_cross = !activity.is_busy() && !activity.is_http2();
                    let wait = if may_cross {
                        CROSSING_WITHIN
                    } else {
                        Duration::ZERO
                    };
                    look.as_mut().reset(Instant::now() + wait);
                }
                Seen::Time => {
                    activity.end_stalled(self.bounds.write_stall_max);
                    if leaves && self.may_be_cut(&activity) {
                        return;
                    }
                    if !leaves && (is_told || self.is_over(&activity)) {
                        if !is_told {
                            tracing::debug!(
                                "a connection is closed that sends nothing, or too slowly"
                            );
                        }
                        leaves = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    let next = if leaves {
                        Instant::now() + FAREWELL_WITHIN
                    } else {
                        self.next_look(&activity)
                    };
                    look.as_mut().reset(next);
                }
            }
        }
    }

    fn is_over(&self, activity: &Activity) -> bool {
        let deadline = activity.deadline(&self.bounds);
        deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether one that was told to end need not be waited for. What is in flight is; and at the
    /// signal to stop an HTTP/2 client has as long as that may take, for it may hold back the end of an
    /// answer without the socket showing it.
    fn may_be_cut(&self, activity: &Activity) -> bool {
        let is_quiet = !activity.is_busy();
        is_quiet && !(self.stop.is_cancelled() && activity.is_http2())
    }

    /// The first deadline that may be over then, whatever happens until then.
    fn next_look(&self, activity: &Activity) -> Instant {
        let ServerBounds {
            headers_within,
            idle_max,
            write_stall_max,
            ..
        } = self.bounds;
        let soonest = Instant::now() + headers_within.min(idle_max).min(write_stall_max);
        let deadline = activity.deadline(&self.bounds);
        deadline.map_or(soonest, |deadline| deadline.min(soonest))
    }
}

/// What is seen of a connection.
enum Seen {
    /// It has ended, by itself or of this.
    End(Result<(), Box<dyn Error + Send + Sync>>),
    /// It is to end.
    Stop,
    /// It is time to look at it.
    Time,
}

/// Takes note of a request; what its bytes tell of it is known of HTTP/1 only.
fn note(activity: &Arc<Activity>, request: &Request<Incoming>) -> (Busy, Option<Head>) {
    if request.version() == Version::HTTP_2 {
        return (activity.begin_stream(), None);
    }
    let (busy, head) = activity.begin(request.body().size_hint().exact());
    (busy, Some(head))
}

fn two_lengths() -> Response {
    let detail = "a chunked request must give no Content-Length; send it anew with one of the two";
    Problem::new(StatusCode::BAD_REQUEST, detail).into_response()
}

fn http(bounds: &ServerBounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1
        .timer(TokioTimer::new())
        // The deadlines here are one timer a connection instead of one a request.
        .header_read_timeout(None)
        .max_buf_size(bounds.headers_bytes_max)
        .half_close(false);
    if bounds.headers_max != HEADERS_USUAL {
        http1.max_headers(bounds.headers_max);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(bounds.headers_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(bounds.streams_max)
        .max_pending_accept_reset_streams(HTTP2_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_MISTAKES_MAX)
        .max_send_buf_size(HTTP2_SEND_BYTES_MAX)
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_EVERY);
    builder
}
