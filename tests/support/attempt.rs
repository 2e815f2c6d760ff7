//! A client that outlives the gateway it calls: it tells what came back, and that nothing did.
//!
//! Unlike [`super::Client`] it takes every end of a request for an answer to look at.

use serde_json::{Value, json};

use super::{
    Gateway, PATIENCE,
    client::{MODERN, SseCutter, http_client},
    gateway::HttpAnswer,
};

/// Both forms of an answer.
const ACCEPT: &str = "application/json, text/event-stream";

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    /// With a whole answer.
    Answered(HttpAnswer),
    /// There was no connection, so it was not sent.
    Unreached,
    /// The connection broke before the answer was whole; how, in words.
    Broken(String),
    /// Neither, for as long as a test waits.
    Hung,
}

impl Outcome {
    /// The answer, if a whole one came.
    pub fn answer(self) -> Option<HttpAnswer> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }
}

/// How a client speaks to a session.
#[derive(Debug, Clone)]
pub enum Voice {
    /// Without a handshake, as a script does.
    Plain,
    /// In an MCP session of the legacy era.
    Legacy(String),
    /// In the modern era.
    Modern,
}

/// Sends requests to one gateway, over all its restarts. A clone is the same.
#[derive(Debug, Clone)]
pub struct Attempts {
    http: reqwest::Client,
    address: String,
}

impl Attempts {
    /// Attempts at this gateway, which keeps its port.
    pub fn at(gateway: &Gateway) -> Self {
        Self {
            http: http_client(),
            address: gateway.url(""),
        }
    }

    /// Asks for a session.
    pub async fn create(&self, request: &Value) -> Outcome {
        let request = self.posted("/create-session", request);
        self.send(request).await
    }

    /// Asks for the end of a session.
    pub async fn delete(&self, session: &str) -> Outcome {
        let url = format!("{}/session/{session}", self.address);
        self.send(self.http.delete(url)).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> Outcome {
        self.send(self.http.get(format!("{}{path}", self.address)))
            .await
    }

    /// Opens an MCP session of the legacy era; the answer's header has its id.
    pub async fn initialize(&self, session: &str) -> Outcome {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": {"name": "attempts", "version": "1.0.0"},
        });
        self.rpc(session, &Voice::Plain, "initialize", params).await
    }

    /// Asks in an MCP session whether the gateway is there: whoever is answered must find it again.
    pub async fn ping(&self, session: &str, mcp_session: &str) -> Outcome {
        let voice = Voice::Legacy(mcp_session.to_owned());
        self.rpc(session, &voice, "ping", json!({})).await
    }

    /// Calls a tool with one argument, `token`, which is the request's id, too.
    pub async fn call(&self, session: &str, voice: &Voice, tool: &str, token: &str) -> Outcome {
        let params = json!({"name": tool, "arguments": {"token": token}});
        let body = json!({"jsonrpc": "2.0", "id": token, "method": "tools/call", "params": params});
        self.speak(session, voice, body).await
    }

    /// Calls the tool `progress` for so many steps, with the argument `token`, which is the request's id
    /// and what its progress is told under, too.
    pub async fn progress(&self, session: &str, voice: &Voice, token: &str, steps: u64) -> Outcome {
        let arguments = json!({"steps": steps, "delay_ms": 5, "token": token});
        let params = json!({"name": "a.progress", "arguments": arguments,
            "_meta": {"progressToken": token}});
        let body = json!({"jsonrpc": "2.0", "id": token, "method": "tools/call", "params": params});
        self.speak(session, voice, body).await
    }

    /// Opens a stream on which changes are heard, and leaves: an answer of 200 is without its text.
    pub async fn glance(&self, session: &str, mcp_session: &str) -> Outcome {
        let url = format!("{}/session/{session}/mcp", self.address);
        let request = self.http.get(url).header("accept", "text/event-stream");
        let request = request
            .header("mcp-session-id", mcp_session)
            .header("mcp-protocol-version", "2025-11-25");
        Self::ended(async {
            let response = request.send().await?;
            let mut answer = HttpAnswer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: String::new(),
            };
            if answer.status != 200 {
                answer.text = response.text().await?;
            }
            Ok(answer)
        })
        .await
    }

    /// Sends a request.
    pub async fn rpc(&self, session: &str, voice: &Voice, method: &str, params: Value) -> Outcome {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.speak(session, voice, body).await
    }

    async fn speak(&self, session: &str, voice: &Voice, mut body: Value) -> Outcome {
        if matches!(voice, Voice::Modern) {
            let meta = &mut body["params"]["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        let mut request = self.posted(&format!("/session/{session}/mcp"), &body);
        match voice {
            Voice::Plain => {}
            Voice::Legacy(id) => {
                request = request
                    .header("mcp-session-id", id)
                    .header("mcp-protocol-version", "2025-11-25");
            }
            Voice::Modern => {
                request = request
                    .header("mcp-protocol-version", MODERN)
                    .header("mcp-method", body["method"].as_str().unwrap_or_default());
                if let Some(name) = body["params"]["name"].as_str() {
                    request = request.header("mcp-name", name);
                }
            }
        }
        self.send(request.header("accept", ACCEPT)).await
    }

    fn posted(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.address));
        let request = request.header("content-type", "application/json");
        request.body(body.to_string())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Outcome {
        Self::ended(async {
            let response = request.send().await?;
            Ok(HttpAnswer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: response.text().await?,
            })
        })
        .await
    }

    async fn ended(exchange: impl Future<Output = reqwest::Result<HttpAnswer>>) -> Outcome {
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(Ok(answer)) => Outcome::Answered(answer),
            Ok(Err(error)) if error.is_connect() => Outcome::Unreached,
            Ok(Err(error)) => Outcome::Broken(format!("{error:?}")),
            Err(_) => Outcome::Hung,
        }
    }
}

impl HttpAnswer {
    /// The JSON-RPC messages in it, whichever form it has.
    pub fn messages(&self) -> Vec<Value> {
        let stream = Some("text/event-stream");
        if self.header("content-type") == stream {
            let events = SseCutter::default().cut(self.text.as_bytes());
            let events = events.iter().filter(|event| !event.data.is_empty());
            return events
                .filter_map(|event| serde_json::from_str(&event.data).ok())
                .collect();
        }
        serde_json::from_str(&self.text).into_iter().collect()
    }

    /// Whether there is a result in it.
    pub fn is_result(&self) -> bool {
        self.messages().iter().any(|it| it.get("result").is_some())
    }

    /// The `token` that the tool of [`Attempts::call`] or [`Attempts::progress`] echoed in the result under
    /// its id; `None` if there is no such result.
    pub fn echoed(&self) -> Option<String> {
        let messages = self.messages();
        let mut results = messages.iter().filter(|it| it.get("result").is_some());
        let (result, second) = (results.next()?, results.next());
        assert!(second.is_none(), "two results: {messages:?}");
        let token = result["result"]["structuredContent"]["token"].as_str()?;
        (result["id"] == token).then(|| token.to_owned())
    }
}
