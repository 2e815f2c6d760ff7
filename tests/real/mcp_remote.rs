//! `mcp-remote` as a desktop application runs it: JSON-RPC over stdio, one message a line.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    time,
};

use crate::{client::Client, install::Node, process::Process};

const ANSWER_DEADLINE: Duration = Duration::from_mins(1);

/// A running `mcp-remote`.
pub(crate) struct McpRemote {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    last_id: u64,
    _process: Process,
}

impl McpRemote {
    /// Starts it with the endpoint, as the entry of a desktop application's configuration does.
    pub(crate) fn start(node: &Node, endpoint: &str) -> Self {
        let mut command = node.command("node_modules/mcp-remote/dist/proxy.js");
        command.args([endpoint, "--allow-http"]);
        let (process, stdin, stdout) = Process::converse("mcp-remote", command);
        Self {
            stdin,
            stdout: BufReader::new(stdout).lines(),
            last_id: 0,
            _process: process,
        }
    }

    /// Shakes hands as the application `name` and returns the result of `initialize`.
    pub(crate) async fn initialize(&mut self, name: &str) -> Value {
        let client = json!({"name": name, "version": "0.1.0"});
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let result = self.request("initialize", params).await.unwrap();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        result
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        let answer = time::timeout(ANSWER_DEADLINE, self.answer_to(id)).await;
        let mut answer =
            answer.unwrap_or_else(|_| panic!("no answer to {method} after {ANSWER_DEADLINE:?}"));
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    async fn send(&mut self, message: &Value) {
        self.stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Notifications may come before the answer.
    async fn answer_to(&mut self, id: u64) -> Value {
        loop {
            let line = self
                .stdout
                .next_line()
                .await
                .unwrap()
                .expect("mcp-remote ended");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
        }
    }
}

impl Client for McpRemote {
    async fn tools(&mut self) -> Vec<String> {
        let result = self.request("tools/list", json!({})).await.unwrap();
        assert!(
            result.get("nextCursor").is_none(),
            "many applications read one page only"
        );
        let tools = result["tools"].as_array().unwrap();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, Value> {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }
}
