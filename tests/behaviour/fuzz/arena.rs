//! The world in which many hostile requests come one after the other, and how it is held to be well.

use std::{
    fmt::Debug,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    LATEST_LEGACY,
    world::{Client, FakeBackend, Gateway, PATIENCE, eventually, gateway::Session},
};

/// A case over a socket costs far more than one of a reader: one of so many is made.
const RARER: u32 = 2;

/// The most memory that the gateway may have taken, of which its code in this build is a part.
const RESIDENT_MAX_KIB: usize = 400 * 1024;

/// A gateway, the backend behind it, and a session that somebody else uses meanwhile.
pub(super) struct Arena {
    pub(super) runtime: Runtime,
    pub(super) backend: FakeBackend,
    pub(super) gateway: Gateway,
    /// Where the hostile requests go.
    pub(super) session: Session,
    /// The MCP session of a legacy client there.
    pub(super) mcp_session: String,
    bystander: Client,
}

impl Arena {
    pub(super) fn new(backend: FakeBackend) -> Self {
        let runtime = Runtime::new().unwrap();
        // What is passed on may be as wrong as what came.
        backend.tolerate();
        let quick = "timeouts: { connect: 2s, handshake: 5s, idle: 2s, call: 4s }
            retries: { attempts: 0 }";
        let gateway = Gateway::setup()
            .provider_with("it", &backend, quick)
            .log_level("info")
            .start();
        let (session, other) = runtime.block_on(async {
            let other = gateway.session(&["it"]).await;
            (gateway.session(&["it"]).await, other)
        });
        let legacy = |endpoint: &str| {
            let opened = Client::legacy(endpoint, LATEST_LEGACY);
            runtime.block_on(opened)
        };
        let mcp_session = legacy(&session.endpoint).mcp_session().unwrap().to_owned();
        let bystander = legacy(&other.endpoint);
        Self {
            runtime,
            backend,
            gateway,
            session,
            mcp_session,
            bystander,
        }
    }

    /// Makes the cases, one after the other, and then fails unless everything is well.
    pub(super) fn run<S: Strategy<Value: Debug>>(
        &self,
        cases: &S,
        case: impl Fn(S::Value) -> Result<(), TestCaseError>,
    ) {
        run(cases, case);
        self.assert_well();
    }

    /// Fails unless the gateway lives, never panicked, holds little memory and serves others.
    fn assert_well(&self) {
        // Its limits are short, and this process may stand still for longer.
        let echoed = eventually("others to be served", async || {
            let echoed = self.bystander.call("it.echo", json!({"well": true})).await;
            echoed.body_text().contains(r#""well":true"#)
        });
        self.runtime.block_on(echoed);
        let path = format!("/session/{}", self.session.id);
        let described = self.gateway.get(&path);
        assert_eq!(self.runtime.block_on(described).status, 200);
        assert_no_mistake(&self.gateway);
        let status = format!("/proc/{}/status", self.gateway.process_id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.unwrap().trim().trim_end_matches(" kB");
        let peak: usize = peak.parse().unwrap();
        assert!(peak < RESIDENT_MAX_KIB, "{peak} KiB at most");
    }

    /// As [`exchange`], with this gateway.
    pub(super) fn exchange(&self, request: &[u8]) -> Result<Heard, TestCaseError> {
        exchange(&self.gateway, request)
    }

    /// The same, for bytes that may not even be a whole request, after which nothing more is said: a
    /// connection that is closed is an answer to those.
    pub(super) fn converse_and_hang_up(
        &self,
        bytes: &[u8],
    ) -> Result<Option<Heard>, TestCaseError> {
        let stream = send(&self.gateway, bytes)?;
        // It may be closed already.
        let _closed_already = stream.shutdown(Shutdown::Write);
        listen(stream)
    }
}

/// Makes cases over a socket, one after the other.
pub(super) fn run<S: Strategy<Value: Debug>>(
    cases: &S,
    case: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let mut config = ProptestConfig::default();
    config.cases = (config.cases / RARER).max(1);
    config.failure_persistence = None;
    let outcome = TestRunner::new(config).run(cases, case);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

/// Fails if the log tells of a mistake in the gateway's own code.
pub(super) fn assert_no_mistake(gateway: &Gateway) {
    let logs = gateway.logs();
    for sign in ["panicked", "a session died", "died of a mistake"] {
        let line = logs.lines().find(|line| line.contains(sign));
        assert_eq!(line, None);
    }
}

/// Sends bytes and gives the answer's status, headers and body; the body of an event stream is
/// not waited for.
///
/// Fails the case if no answer comes: a connection that is closed without a word is none.
pub(super) fn exchange(gateway: &Gateway, request: &[u8]) -> Result<Heard, TestCaseError> {
    let heard = listen(send(gateway, request)?)?;
    heard.ok_or_else(|| TestCaseError::fail("closed without an answer"))
}

fn send(gateway: &Gateway, bytes: &[u8]) -> Result<TcpStream, TestCaseError> {
    let authority = gateway.url("");
    let authority = authority.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(authority)
        .map_err(|error| TestCaseError::fail(format!("refused: {error}")))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may be closed on before it has said all.
    let _closed_early = stream.write_all(bytes);
    Ok(stream)
}

fn listen(mut stream: TcpStream) -> Result<Option<Heard>, TestCaseError> {
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let so_far = String::from_utf8_lossy(&answer).into_owned();
                return Err(TestCaseError::fail(format!("hung after {so_far:?}")));
            }
            // The system says so to who stood still while it waited.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Reset: it did not read what was too much.
            Err(_) => break,
        }
        if Heard::read(&answer).is_some_and(|heard| heard.is_enough()) {
            break;
        }
    }
    Ok(Heard::read(&answer))
}

/// An answer.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    /// All of them, in small letters.
    headers: String,
    pub(super) body: Vec<u8>,
}

impl Heard {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let (line, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
        Some(Self {
            status: line.split(' ').nth(1)?.parse().ok()?,
            headers: headers.to_owned(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.split("\r\n");
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        values.next()
    }

    /// Says whether nothing more need be waited for.
    fn is_enough(&self) -> bool {
        let length = self.header("content-length");
        let length: Option<usize> = length.and_then(|it| it.parse().ok());
        let is_stream = self.header("content-type") == Some("text/event-stream");
        is_stream || length.is_some_and(|length| self.body.len() >= length)
    }

    /// Fails the case unless the mistake is the client's.
    pub(super) fn assert_not_ours(&self) -> Result<(), TestCaseError> {
        let body = String::from_utf8_lossy(&self.body);
        prop_assert!(self.status < 500, "{}: {body}", self.status);
        prop_assert!(self.status >= 200, "{}: {body}", self.status);
        Ok(())
    }
}

/// A request as bytes; it says how long its body is, and that it is the last of its connection.
pub(super) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, Vec<u8>)],
    body: &[u8],
) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}
