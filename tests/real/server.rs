//! Real MCP servers on free ports of loopback.

use std::{net::TcpListener, path::Path, process::Command, time::Duration};

use tokio::{
    net::TcpStream,
    time::{self, Instant},
};

use crate::{
    install::{Node, Python},
    process::Process,
};

/// Python compiles everything it imports the first time, on a machine that may be busy.
const START_DEADLINE: Duration = Duration::from_secs(90);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// Somebody else may take a port between our choice and the server's start.
const START_ATTEMPTS: usize = 5;

/// A running MCP server.
pub(crate) struct Server {
    name: &'static str,
    command: Box<dyn Fn(u16) -> Command + Send + Sync>,
    port: u16,
    process: Process,
}

impl Server {
    /// The reference server, made with the TypeScript SDK 1: the legacy era with all its features. It answers 400 to
    /// an MCP session that it does not know.
    pub(crate) async fn everything(node: &Node) -> Self {
        let node = node.clone();
        Self::start("server-everything", move |port| {
            let mut command =
                node.server("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
            command.arg("streamableHttp").env("PORT", port.to_string());
            command
        })
        .await
    }

    /// A server of ours that has all that the official suite looks for, in both eras, made with the TypeScript SDK 2.
    pub(crate) async fn reference(node: &Node) -> Self {
        let node = node.clone();
        Self::start("the reference server", move |port| {
            with_port(node.server("server-reference.mjs"), port, &[])
        })
        .await
    }

    /// A server that speaks 2026-07-28 and nothing older, made with the TypeScript SDK 2.
    pub(crate) async fn modern(node: &Node) -> Self {
        let node = node.clone();
        Self::start("the modern server", move |port| {
            with_port(node.server("server-modern.mjs"), port, &[])
        })
        .await
    }

    /// A server that speaks no revision after 2025-11-25, made with the Python SDK 1. It answers 404 to an MCP session
    /// that it does not know.
    pub(crate) async fn legacy(sdk_1: &Python) -> Self {
        let python = sdk_1.clone();
        Self::start("the legacy server", move |port| {
            with_port(python.command("server_legacy.py"), port, &[])
        })
        .await
    }

    /// A `FastMCP` server. It speaks both eras.
    pub(crate) async fn fastmcp(sdk_2: &Python) -> Self {
        Self::guarded(sdk_2, &["anybody"]).await
    }

    /// A `FastMCP` server that demands a bearer token. It speaks both eras.
    pub(crate) async fn with_bearer(sdk_2: &Python, token: &'static str) -> Self {
        Self::guarded(sdk_2, &["bearer", token]).await
    }

    /// A `FastMCP` server that demands an API key in the header `x-api-key`. It speaks both eras.
    pub(crate) async fn with_api_key(sdk_2: &Python, key: &'static str) -> Self {
        Self::guarded(sdk_2, &["api-key", "x-api-key", key]).await
    }

    /// An authorization server, which is no MCP server.
    pub(crate) async fn authorization(node: &Node) -> Self {
        let node = node.clone();
        Self::start("the authorization server", move |port| {
            with_port(node.server("authorization-server.mjs"), port, &[])
        })
        .await
    }

    /// A collector of traces, which is no MCP server.
    pub(crate) async fn collector(program: &Path) -> Self {
        let program = program.to_owned();
        Self::start("the collector", move |port| {
            let mut command = Command::new(&program);
            let at = |port: u16| format!("127.0.0.1:{port}");
            command
                .args(["start", "--exporter=blackhole"])
                .args(["--debug-log=traces", "--debug-log-verbosity=detailed"])
                .args(["--otlp-http-endpoint", &at(port)])
                .args(["--otlp-grpc-endpoint", &at(free_port())])
                .args(["--pid-file=pid", "--log-file=log"]);
            command
        })
        .await
    }

    async fn guarded(sdk_2: &Python, credential: &[&'static str]) -> Self {
        let (python, credential) = (sdk_2.clone(), credential.to_vec());
        Self::start("FastMCP", move |port| {
            with_port(python.command("server_fastmcp.py"), port, &credential)
        })
        .await
    }

    async fn start(
        name: &'static str,
        command: impl Fn(u16) -> Command + Send + Sync + 'static,
    ) -> Self {
        for _ in 0..START_ATTEMPTS {
            let port = free_port();
            let mut process = Process::start(name, command(port));
            if listens(&mut process, port).await {
                return Self {
                    name,
                    command: Box::new(command),
                    port,
                    process,
                };
            }
        }
        panic!("{name} does not start");
    }

    /// What it wrote to stdout.
    pub(crate) fn said(&self) -> String {
        self.process.stdout()
    }

    /// Its address alone.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its MCP endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Kills it and starts it afresh on the same port: it forgets its MCP sessions.
    pub(crate) async fn restart(&mut self) {
        self.process.kill().await;
        self.process = Process::start(self.name, (self.command)(self.port));
        assert!(
            listens(&mut self.process, self.port).await,
            "{} does not start again",
            self.name
        );
    }
}

fn with_port(mut command: Command, port: u16, more: &[&str]) -> Command {
    command.arg(port.to_string()).args(more);
    command
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Waits until the server takes connections. `false` if it ended instead.
async fn listens(process: &mut Process, port: u16) -> bool {
    let deadline = Instant::now() + START_DEADLINE;
    while Instant::now() < deadline {
        if process.has_ended() {
            return false;
        }
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            // If the port was taken, that was somebody else, and our server is just giving up.
            time::sleep(POLL_EVERY).await;
            return !process.has_ended();
        }
        time::sleep(POLL_EVERY).await;
    }
    panic!("the server does not listen on port {port} after {START_DEADLINE:?}");
}
