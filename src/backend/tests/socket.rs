//! A server of a few lines, for what no mock can do: be gone, come back, keep silent, break off.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    sync::Notify,
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
        let (answer, heard) = (Arc::new(answer), Arc::<Mutex<Vec<String>>>::default());
        let methods = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, methods) = (Arc::clone(&answer), Arc::clone(&methods));
                exchanges.spawn(async move {
                    let message = read(stream).await;
                    if let Some((mut stream, message)) = message {
                        let method = message["method"].as_str().unwrap_or_default();
                        methods.lock().unwrap().push(method.to_owned());
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
    heard: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// How many messages of a method came.
    pub(super) fn heard(&self, method: &str) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|heard| *heard == method).count()
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
    /// Answers with this status and nothing else.
    Status(u16),
    /// The same, but not before the word is given.
    StatusAfter(Arc<Notify>, u16),
    /// Opens this MCP session.
    Opened(&'static str),
    /// Closes the connection.
    Cut,
    /// Begins to answer with a result and closes the connection in the middle.
    Half(String),
    /// Says nothing.
    Silence,
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
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && (text.starts_with("DELETE") || !body.is_empty())
            && let Ok(message) = serde_json::from_str(if body.is_empty() { "{}" } else { body })
        {
            return Some((stream, message));
        }
    }
}

async fn write(stream: &mut TcpStream, message: &Value, reply: Reply) {
    let id = &message["id"];
    let response = |result| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let (mut session, mut missing_bytes) = (String::new(), 0);
    let (status, body) = match reply {
        Reply::Cut => return,
        Reply::Silence => std::future::pending().await,
        Reply::Status(status) => (status, String::new()),
        Reply::StatusAfter(word, status) => {
            word.notified().await;
            (status, String::new())
        }
        Reply::Result(result) => (200, response(result)),
        Reply::Half(result) => {
            missing_bytes = 1;
            (200, response(result))
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
