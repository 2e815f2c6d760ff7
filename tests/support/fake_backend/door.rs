//! The listening socket of a fake backend, and each connection that comes through it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Instant,
};

use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Notify, oneshot},
    task::{JoinHandle, JoinSet},
};

use super::{
    super::{
        GLANCE, PATIENCE,
        place::{Place, bind},
        transcript::Seat,
    },
    judging, legacy, marks, modern,
    record::Recorded,
    reply::{Body, Reply},
    script::{Habit, Speaks},
    stage::Stage,
};

const BACKLOG: u32 = 1024;

/// Opens and closes the port. The number stays ours while it is closed.
pub(super) struct Door {
    place: Place,
    runtime: Handle,
    stage: Arc<Stage>,
    open: Mutex<Option<OpenDoor>>,
}

struct OpenDoor {
    close: oneshot::Sender<()>,
    closed: JoinHandle<()>,
}

impl Door {
    pub(super) fn new(runtime: Handle, stage: Arc<Stage>) -> Self {
        Self {
            place: Place::new(),
            runtime,
            stage,
            open: Mutex::new(None),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.place.address()
    }

    pub(super) fn open(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(open.is_none(), "the backend listens already");
        let _context = self.runtime.enter();
        let listener = listen(self.address());
        let (close, closing) = oneshot::channel();
        let stage = Arc::clone(&self.stage);
        let closed = self.runtime.spawn(receive(listener, stage, closing));
        *open = Some(OpenDoor { close, closed });
    }

    /// Returns when the port refuses and every connection is gone.
    pub(super) async fn close(&self) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(OpenDoor { close, closed }) = open else {
            panic!("the backend is down already");
        };
        drop(close);
        closed.await.unwrap();
    }
}

/// Listens on a port of ours. A process that another test starts just now holds a copy of the
/// listener that was closed there, until it runs its own program.
fn listen(address: SocketAddr) -> TcpListener {
    let begun = Instant::now();
    loop {
        match bind(address).and_then(|socket| socket.listen(BACKLOG)) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(GLANCE);
            }
            listener => return listener.unwrap(),
        }
    }
}

async fn receive(listener: TcpListener, stage: Arc<Stage>, mut closing: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut closing => break,
            accepted = listener.accept() => {
                let Ok((stream, client)) = accepted else { continue };
                let connected = Connected::new(&stage, client);
                let stage = Arc::clone(&stage);
                connections.spawn(async move {
                    // Dropped last, when all is recorded that came over it.
                    let _connected = connected;
                    converse(stream, stage).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// A connection from this address, for as long as it stands.
struct Connected {
    stage: Arc<Stage>,
    client: SocketAddr,
}

impl Connected {
    fn new(stage: &Arc<Stage>, client: SocketAddr) -> Self {
        stage.change(|state| state.connected.insert(client));
        let stage = Arc::clone(stage);
        Self { stage, client }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.stage
            .change(|state| state.connected.remove(&self.client));
    }
}

async fn converse(stream: TcpStream, stage: Arc<Stage>) {
    let link = Arc::new(Link {
        seat: stage.script.seat.clone(),
        ..Link::default()
    });
    let wire = Wire {
        stream,
        link: Arc::clone(&link),
        stage: Arc::clone(&stage),
    };
    let service_link = Arc::clone(&link);
    let service = service_fn(move |request| {
        let (stage, link) = (Arc::clone(&stage), Arc::clone(&service_link));
        async move {
            let mut response = answer(&stage, &link, request).await;
            if stage.script.has(Habit::ClosesConnections) {
                let close = HeaderValue::from_static("close");
                response
                    .headers_mut()
                    .insert(http::header::CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(wire), service);
    tokio::select! {
        // An error here is a client that left: nothing to tell anybody.
        _ = connection => {}
        () = link.cut.notified() => {}
    }
}

async fn answer(
    stage: &Arc<Stage>,
    link: &Arc<Link>,
    request: http::Request<Incoming>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Reply::status(400).into_response(link).await;
    };
    let heard = Recorded::new(&parts, body.to_bytes());
    link.hears(&heard);
    let elements = heard.elements().unwrap_or_else(|| vec![heard.clone()]);
    let forgets = stage.script.has(Habit::ForgetsRequests);
    stage.change(|state| {
        for element in &elements {
            marks::hear(state, element);
        }
        if !forgets {
            state.requests.extend(elements);
        }
    });
    if let Some(refusal) = refusal_of_credential(stage, &heard) {
        return refusal.into_response(link).await;
    }
    let fault = stage.faults.take(&heard);
    if let Some(fault) = &fault
        && let Some(response) = fault.instead(&heard)
    {
        return response;
    }
    if let Some(fault) = &fault
        && let Some(reply) = fault.before(stage).await
    {
        return reply.into_response(link).await;
    }
    let is_modern = match stage.script.speaks {
        Speaks::Modern => true,
        Speaks::Both => modern::is_modern(&heard),
        Speaks::Legacy => false,
    };
    let wrong = judging::wrong(stage, &heard, is_modern);
    let reply = if is_modern {
        modern::answer(stage, &heard)
    } else {
        legacy::answer(stage, &heard)
    };
    judging::complain_unless_refused(stage, wrong, &reply);
    match fault {
        Some(fault) => fault.after(reply, &heard, link).await,
        None => reply.into_response(link).await,
    }
}

fn refusal_of_credential(stage: &Stage, heard: &Recorded) -> Option<Reply> {
    let credential = stage.script.credential.as_ref()?;
    let given = heard.header(&credential.header);
    if given.is_some_and(|given| credential.values.iter().any(|value| value == given)) {
        return None;
    }
    let reply = Reply::status(credential.refusal);
    Some(if credential.refusal == 401 {
        reply.with_header("www-authenticate", "Bearer error=\"invalid_token\"")
    } else {
        reply
    })
}

/// The end of a connection, in the hands of whoever answers on it.
#[derive(Default)]
pub(super) struct Link {
    cut: Notify,
    reset: AtomicBool,
    /// Where it is written down what goes over it.
    seat: Option<Seat>,
}

impl Link {
    /// Writes down what goes out.
    pub(super) fn says(&self, text: &str) {
        if let Some(seat) = self.seat.as_ref().filter(|_| !text.is_empty()) {
            seat.says(text);
        }
    }

    fn hears(&self, heard: &Recorded) {
        if let Some(seat) = &self.seat {
            match std::str::from_utf8(&heard.body) {
                Ok(body) if !body.is_empty() => seat.hears(body),
                _ => seat.hears(heard.http_method.as_str()),
            }
        }
    }

    /// Resets the connection as soon as what was written is out.
    pub(super) fn reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
        self.cut.notify_one();
    }
}

/// A socket that ends with a reset instead of a farewell, if its [`Link`] says so.
struct Wire {
    stream: TcpStream,
    link: Arc<Link>,
    stage: Arc<Stage>,
}

impl Wire {
    /// Says whether a request is there that is not to be read.
    fn refuses_to_read(&self, context: &mut Context<'_>) -> Poll<bool> {
        if self.stage.unread.load(Ordering::SeqCst) == 0 {
            return Poll::Ready(false);
        }
        let mut byte = [0];
        let peeked = self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte));
        peeked.map(|peeked| {
            let one_less = |unread: usize| unread.checked_sub(1);
            let (order, unread) = (Ordering::SeqCst, &self.stage.unread);
            peeked.is_ok_and(|bytes| bytes > 0)
                && unread.fetch_update(order, order, one_less).is_ok()
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.link.reset.load(Ordering::SeqCst) {
            self.stream.set_zero_linger().unwrap();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.refuses_to_read(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(true) => {
                self.link.reset();
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            Poll::Ready(false) => {}
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
