//! Real MCP servers, each on a port of loopback that is held for it as long as a test wants.

use std::{path::Path, process::Command, time::Duration};

use tokio::{
    net::TcpStream,
    time::{self, Instant},
};

use crate::{
    install::{Node, Python},
    process::Process,
    world::place::Place,
};

/// Python compiles everything it imports the first time, on a machine that may be busy.
const START_DEADLINE: Duration = Duration::from_mins(4);
const POLL_EVERY: Duration = Duration::from_millis(20);

/// A running MCP server.
pub(crate) struct Server {
    name: &'static str,
    command: Box<dyn Fn(u16) -> Command + Send + Sync>,
    /// Its port, also while it does not run.
    place: Place,
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
        let (program, other) = (program.to_owned(), Place::new());
        Self::start("the collector", move |port| {
            let mut command = Command::new(&program);
            let at = |port: u16| format!("127.0.0.1:{port}");
            command
                .args(["start", "--exporter=blackhole"])
                .args(["--debug-log=traces", "--debug-log-verbosity=detailed"])
                .args(["--otlp-http-endpoint", &at(port)])
                .args(["--otlp-grpc-endpoint", &at(other.address().port())])
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
        let place = Place::new();
        let process = started(name, command(place.address().port()), &place).await;
        Self {
            name,
            command: Box::new(command),
            place,
            process,
        }
    }

    /// What it wrote to stdout.
    pub(crate) fn said(&self) -> String {
        self.process.stdout()
    }

    /// Its address alone.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.place.address())
    }

    /// Its MCP endpoint.
    pub(crate) fn url(&self) -> String {
        format!("{}/mcp", self.origin())
    }

    /// Kills it and starts it afresh on the same port: it forgets its MCP sessions.
    pub(crate) async fn restart(&mut self) {
        self.process.kill().await;
        let command = (self.command)(self.place.address().port());
        self.process = started(self.name, command, &self.place).await;
    }
}

fn with_port(mut command: Command, port: u16, more: &[&str]) -> Command {
    command.arg(port.to_string()).args(more);
    command
}

/// Starts a server and waits until it takes connections: it is the only one that can, where a port is held for it.
async fn started(name: &str, command: Command, place: &Place) -> Process {
    let mut process = Process::start(name, command);
    let deadline = Instant::now() + START_DEADLINE;
    while TcpStream::connect(place.address()).await.is_err() {
        assert!(!process.has_ended(), "{name} ended at its start");
        assert!(
            Instant::now() < deadline,
            "{name} takes no connection after {START_DEADLINE:?}"
        );
        time::sleep(POLL_EVERY).await;
    }
    process
}
