//! `mcp-remote` as a desktop application runs it: JSON-RPC over stdio, one message a line.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
    time,
};

use crate::{
    client::{Client, answer_to, capabilities},
    install::Node,
    process::Process,
};

/// Only ends a test that hangs.
const ANSWER_DEADLINE: Duration = Duration::from_mins(3);
const PROGRESS: &str = "notifications/progress";

/// A running `mcp-remote`.
pub(crate) struct McpRemote {
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    last_id: u64,
    /// The notifications that came and no step asked for yet.
    heard: Vec<Value>,
    _process: Process,
}

impl McpRemote {
    /// Starts it with the endpoint, as the entry of a desktop application's configuration does.
    pub(crate) fn start(node: &Node, endpoint: &str) -> Self {
        Self::start_with(node, endpoint, &[], &[])
    }

    /// The same with more arguments, and more in its environment.
    pub(crate) fn start_with(
        node: &Node,
        endpoint: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
    ) -> Self {
        let mut command = node.command("node_modules/mcp-remote/dist/proxy.js");
        command.args([endpoint, "--allow-http"]).args(arguments);
        command.envs(environment.iter().cloned());
        Self::speaking(Process::converse("mcp-remote", command))
    }

    /// One that was started otherwise.
    pub(crate) fn speaking((process, stdin, stdout): (Process, ChildStdin, ChildStdout)) -> Self {
        Self {
            stdin,
            stdout: BufReader::new(stdout).lines(),
            last_id: 0,
            heard: Vec::new(),
            _process: process,
        }
    }

    /// Shakes hands as the application `name` and returns the result of `initialize`.
    pub(crate) async fn initialize(&mut self, name: &str) -> Value {
        let client = json!({"name": name, "version": "0.1.0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities(), "clientInfo": client});
        let result = self.request("initialize", params).await.unwrap();
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        result
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.ask(method, params).await;
        let mut answer = self
            .wait(method, |message| {
                message["id"] == id && message.get("method").is_none()
            })
            .await;
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Sends a request and returns its id.
    async fn ask(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
            .await;
        id
    }

    async fn send(&mut self, message: &Value) {
        self.stdin
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    /// Reads until the message comes that is waited for; meanwhile questions are answered and notifications noted.
    async fn wait(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let line = self.stdout.next_line().await.unwrap();
                let message: Value =
                    serde_json::from_str(&line.expect("mcp-remote ended")).unwrap();
                if is_it(&message) {
                    return message;
                }
                match (message["method"].as_str(), message.get("id")) {
                    (Some(method), Some(id)) => {
                        let answer =
                            json!({"jsonrpc": "2.0", "id": id, "result": answer_to(method)});
                        self.send(&answer).await;
                    }
                    (Some(_), None) => self.heard.push(message),
                    // The answer to a call that was given up.
                    (None, _) => (),
                }
            }
        };
        let came = time::timeout(ANSWER_DEADLINE, waiting).await;
        came.unwrap_or_else(|_| panic!("no answer to {what} after {ANSWER_DEADLINE:?}"))
    }

    /// Takes the first notification that has this method, now or later.
    async fn notification(&mut self, method: &str) -> Value {
        let mut heard = self.heard.iter();
        match heard.position(|message| message["method"] == method) {
            Some(index) => self.heard.remove(index),
            None => {
                self.wait(method, |message| message["method"] == method)
                    .await
            }
        }
    }

    async fn call_tool(&mut self, step: &Value) -> Result<Value, Value> {
        let mut params = json!({"name": step["tool"], "arguments": step["arguments"]});
        let cancels = step["cancelAtProgress"] == true;
        if cancels || step["watch"] == true {
            params["_meta"] = json!({"progressToken": "the-call"});
        }
        if cancels {
            let id = self.ask("tools/call", params).await;
            self.notification(PROGRESS).await;
            let cancelled = json!({"requestId": id, "reason": "no longer wanted"});
            self.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled}))
                .await;
            return Ok(json!({"cancelled": true}));
        }
        let result = self.request("tools/call", params).await?;
        let (progress, rest) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition(|message| message["method"] == PROGRESS);
        self.heard = rest;
        let progress: Vec<Value> = progress;
        let progress: Vec<&Value> = progress.iter().map(|message| &message["params"]).collect();
        Ok(json!({"result": result, "progress": progress}))
    }

    /// What a list has of each of its entries, all on one page.
    async fn list(&mut self, method: &str, kind: &str, member: &str) -> Vec<Value> {
        let result = self.request(method, json!({})).await.unwrap();
        assert!(
            result.get("nextCursor").is_none(),
            "many applications read one page only"
        );
        let entries = result[kind].as_array().unwrap().iter();
        entries.map(|entry| entry[member].clone()).collect()
    }
}

impl Client for McpRemote {
    async fn step(&mut self, mut step: Value) -> Result<Value, Value> {
        let name = step["step"].take();
        match name.as_str().unwrap() {
            "list" => Ok(json!({"tools": self.list("tools/list", "tools", "name").await})),
            "call" => self.call_tool(&step).await,
            "prompts" => Ok(json!({"prompts": self.list("prompts/list", "prompts", "name").await})),
            "prompt" => {
                let params = json!({"name": step["name"], "arguments": step["arguments"]});
                self.request("prompts/get", params).await
            }
            "resources" => {
                let resources = self.list("resources/list", "resources", "uri").await;
                let method = "resources/templates/list";
                let templates = self.list(method, "resourceTemplates", "uriTemplate").await;
                Ok(json!({"resources": resources, "templates": templates}))
            }
            "read" => {
                self.request("resources/read", json!({"uri": step["uri"]}))
                    .await
            }
            "complete" => {
                let prompt = json!({"type": "ref/prompt", "name": step["prompt"]});
                let argument = json!({"name": step["argument"], "value": step["begun"]});
                let params = json!({"ref": prompt, "argument": argument});
                let result = self.request("completion/complete", params).await?;
                Ok(result["completion"].clone())
            }
            "setLevel" => {
                self.request("logging/setLevel", json!({"level": step["level"]}))
                    .await
            }
            "subscribe" => {
                self.request("resources/subscribe", json!({"uri": step["uri"]}))
                    .await
            }
            // It opened its stream when it connected.
            "listen" => Ok(json!({})),
            "heard" => Ok(self.notification(step["method"].as_str().unwrap()).await),
            other => panic!("no step {other}"),
        }
    }
}
