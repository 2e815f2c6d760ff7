//! A server of a few lines, for what no mock can do: be gone, come back, keep silent, break off.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::{Notify, mpsc},
    task::{JoinHandle, JoinSet},
};

use super::mocked::initialized;

/// A port of this test alone, which refuses connections until somebody listens.
pub(super) struct Port {
    /// Bound and never listening: so nobody else is given the port meanwhile.
    _reserved: TcpSocket,
    address: SocketAddr,
}

impl Port {
    /// Reserves one.
    pub(super) fn new() -> Self {
        let reserved = bound(([127, 0, 0, 1], 0).into());
        Self {
            address: reserved.local_addr().unwrap(),
            _reserved: reserved,
        }
    }

    /// The address of an MCP server there.
    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Serves there until [`Served::stop`].
    pub(super) fn serve(&self, answer: impl Fn(&Value) -> Reply + Send + Sync + 'static) -> Served {
        let listener = bound(self.address).listen(64).unwrap();
        let (answer, heard) = (Arc::new(answer), Arc::<Mutex<Vec<Value>>>::default());
        let messages = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, messages) = (Arc::clone(&answer), Arc::clone(&messages));
                exchanges.spawn(async move {
                    let message = read(stream).await;
                    if let Some((mut stream, message)) = message {
                        messages.lock().unwrap().push(message.clone());
                        let reply = answer(&message);
                        write(&mut stream, &message, reply).await;
                    }
                });
            }
        });
        Served { task, heard }
    }
}

fn bound(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// A server at work.
pub(super) struct Served {
    task: JoinHandle<()>,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Served {
    /// How many messages of a method came.
    pub(super) fn heard(&self, method: &str) -> usize {
        self.said(method).len()
    }

    /// The messages of a method, each with the `headers` it came with; what has none has the method
    /// `""`, a request without a body that of HTTP.
    pub(super) fn said(&self, method: &str) -> Vec<Value> {
        let heard = self.heard.lock().unwrap();
        let is_it = |heard: &&Value| heard["method"].as_str().unwrap_or_default() == method;
        heard.iter().filter(is_it).cloned().collect()
    }

    /// What the gateway answered to the server's own requests.
    pub(super) fn answers(&self) -> Vec<Value> {
        let answers = self.said("").into_iter();
        answers.filter(|heard| heard["id"] != Value::Null).collect()
    }

    /// Breaks every connection off and refuses new ones.
    pub(super) async fn stop(self) {
        self.task.abort();
        // It ends as cancelled, with everything it owned.
        let _cancelled = self.task.await;
    }
}

/// What the server does with a message it has read.
pub(super) enum Reply {
    /// Answers with this result.
    Result(String),
    /// Answers with this error.
    Error(&'static str),
    /// Answers with this status and this error.
    Refused(u16, &'static str),
    /// Answers with this status and nothing else.
    Status(u16),
    /// The same, but not before the word is given.
    StatusAfter(Arc<Notify>, u16),
    /// Opens this MCP session.
    Opened(&'static str),
    /// The same, but not before the word is given.
    OpenedAfter(Arc<Notify>, &'static str),
    /// Closes the connection.
    Cut,
    /// Begins to answer with a result and closes the connection in the middle.
    Half(String),
    /// Answers with these events, as they are written, and closes the connection after the last.
    Events(mpsc::UnboundedReceiver<String>),
    /// Says nothing.
    Silence,
}

/// Writes the events of one stream: `$ID` stands for the request's id in them.
pub(super) struct Stream(mpsc::UnboundedSender<String>);

/// A stream, and the reply that it is.
pub(super) fn stream() -> (Stream, Reply) {
    let (events, written) = mpsc::unbounded_channel();
    (Stream(events), Reply::Events(written))
}

impl Stream {
    /// Writes a message.
    pub(super) fn say(&self, message: &Value) {
        self.write(&format!("data: {message}"));
    }

    /// Answers the request.
    pub(super) fn answer(&self, result: &Value) {
        let answer = json!({ "jsonrpc": "2.0", "id": "$ID", "result": result });
        self.write(&format!("data: {answer}").replace("\"$ID\"", "$ID"));
    }

    /// Whether nobody reads it any more.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Writes an event as it is.
    pub(super) fn write(&self, event: &str) {
        self.0.send(format!("{event}\n\n")).unwrap();
    }
}

/// Hands out replies in order, each once.
#[derive(Clone, Default)]
pub(super) struct Script(Arc<Mutex<VecDeque<Reply>>>);

impl Script {
    /// Of these.
    pub(super) fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self(Arc::new(Mutex::new(replies.into_iter().collect())))
    }

    /// The next one; after the last, a server that has none.
    pub(super) fn next(&self) -> Reply {
        let next = self.0.lock().unwrap().pop_front();
        next.unwrap_or(Reply::Status(405))
    }
}

/// The replies of a legacy server without MCP sessions; it has no methods but the handshake's.
pub(super) fn shake_hands(message: &Value) -> Reply {
    match message["method"].as_str().unwrap_or_default() {
        "server/discover" => Reply::Status(404),
        "initialize" => Reply::Result(initialized("2025-11-25")),
        "notifications/initialized" => Reply::Status(202),
        _ => Reply::Status(501),
    }
}

async fn read(mut stream: TcpStream) -> Option<(TcpStream, Value)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let bare = ["GET", "DELETE"]
            .into_iter()
            .find(|bare| head.starts_with(bare));
        let message = match bare {
            Some("GET") => Some(json!({ "method": "GET" })),
            Some(_) => Some(json!({})),
            None => serde_json::from_str::<Value>(body).ok(),
        };
        if let Some(mut message) = message {
            let headers = head.lines().filter_map(|line| line.split_once(": "));
            message["headers"] = headers
                .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value)))
                .collect::<Map<_, _>>()
                .into();
            return Some((stream, message));
        }
    }
}

async fn write(stream: &mut TcpStream, message: &Value, reply: Reply) {
    let id = &message["id"];
    let response = |result| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let refusal = |error| format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
    let (mut session, mut missing_bytes) = (String::new(), 0);
    let (status, body) = match reply {
        Reply::Cut => return,
        Reply::Silence => std::future::pending().await,
        Reply::Events(events) => return write_events(stream, message, events).await,
        Reply::Status(status) => (status, String::new()),
        Reply::StatusAfter(word, status) => {
            word.notified().await;
            (status, String::new())
        }
        Reply::Result(result) => (200, response(result)),
        Reply::Error(error) => (200, refusal(error)),
        Reply::Refused(status, error) => (status, refusal(error)),
        Reply::Half(result) => {
            missing_bytes = 1;
            (200, response(result))
        }
        Reply::OpenedAfter(word, opened) => {
            word.notified().await;
            session = format!("mcp-session-id: {opened}\r\n");
            (200, response(initialized("2025-11-25")))
        }
        Reply::Opened(opened) => {
            session = format!("mcp-session-id: {opened}\r\n");
            (200, response(initialized("2025-11-25")))
        }
    };
    let length = body.len() + missing_bytes;
    let head = format!(
        "HTTP/1.1 {status} Mock\r\ncontent-type: application/json\r\n\
         {session}content-length: {length}\r\nconnection: close\r\n\r\n"
    );
    // Whoever asked may have left.
    let _gone = stream.write_all((head + &body).as_bytes()).await;
}

async fn write_events(
    stream: &mut TcpStream,
    message: &Value,
    mut events: mpsc::UnboundedReceiver<String>,
) {
    let head = "HTTP/1.1 200 Mock\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let mut text = head.to_owned();
    loop {
        // Whoever asked may have left.
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
        let mut more = [0];
        let event = tokio::select! {
            event = events.recv() => event,
            _left = stream.read(&mut more) => return,
        };
        let Some(event) = event else {
            return;
        };
        text = event.replace("$ID", &message["id"].to_string());
    }
}
