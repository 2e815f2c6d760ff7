//! Clients made with foreign SDKs, driven by steps: see `node/steps.mjs` and `python/steps.py`.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    time,
};

use crate::{
    client::Client,
    install::{Node, Python},
    process::Process,
};

/// Only ends a test that hangs.
const STEP_DEADLINE: Duration = Duration::from_mins(3);
/// Every client introduces itself with this name; no rule about client names matches it.
const CLIENT_NAME: &str = "acceptance";

/// A client program.
pub(crate) struct ScriptedClient {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    // After the pipes, so that the program is still there when they close.
    _process: Process,
}

impl ScriptedClient {
    /// The TypeScript SDK 1: legacy era only.
    pub(crate) fn typescript_1(node: &Node, endpoint: &str) -> Self {
        Self::start(
            "TypeScript SDK 1",
            node.command("client-sdk-1.mjs"),
            &[endpoint, CLIENT_NAME],
        )
    }

    /// The TypeScript SDK 2. `revision` is the one it insists on, or `auto`, or `legacy`.
    pub(crate) fn typescript_2(node: &Node, endpoint: &str, revision: &str) -> Self {
        Self::start(
            "TypeScript SDK 2",
            node.command("client-sdk-2.mjs"),
            &[endpoint, CLIENT_NAME, revision],
        )
    }

    /// The Python SDK 1: legacy era only.
    pub(crate) fn python_1(sdk_1: &Python, endpoint: &str) -> Self {
        Self::start(
            "Python SDK 1",
            sdk_1.command("client_sdk_1.py"),
            &[endpoint, CLIENT_NAME],
        )
    }

    /// The Python SDK 2. `revision` is the one it insists on, or `auto`, or `legacy`.
    pub(crate) fn python_2(sdk_2: &Python, endpoint: &str, revision: &str) -> Self {
        Self::start(
            "Python SDK 2",
            sdk_2.command("client_sdk_2.py"),
            &[endpoint, CLIENT_NAME, revision],
        )
    }

    /// One generation, 1 or 2, of the TypeScript SDK, with a login by OAuth when it connects.
    pub(crate) fn with_login(node: &Node, endpoint: &str, generation: &str) -> Self {
        Self::start(
            "TypeScript SDK with a login",
            node.command("client-oauth.mjs"),
            &[endpoint, generation],
        )
    }

    fn start(name: &str, mut command: Command, arguments: &[&str]) -> Self {
        command.args(arguments);
        let (process, stdin, stdout) = Process::converse(name, command);
        Self {
            stdin,
            stdout: BufReader::new(stdout).lines(),
            _process: process,
        }
    }

    /// Opens the connection: `{"revision", "server", "capabilities", "instructions", "mcpSession"}`.
    pub(crate) async fn connect(&mut self) -> Value {
        self.step(json!({"step": "connect"})).await.unwrap()
    }
}

impl Client for ScriptedClient {
    async fn step(&mut self, step: Value) -> Result<Value, Value> {
        self.stdin
            .write_all(format!("{step}\n").as_bytes())
            .await
            .unwrap();
        let line = time::timeout(STEP_DEADLINE, self.stdout.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("no answer to {step} after {STEP_DEADLINE:?}"));
        let line = line
            .unwrap()
            .unwrap_or_else(|| panic!("the client ended at {step}"));
        let mut seen: Value = serde_json::from_str(&line).unwrap();
        match seen.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(seen["ok"].take()),
        }
    }
}
