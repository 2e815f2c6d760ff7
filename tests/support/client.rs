//! A scripted MCP client of either era, on a plain HTTP client.

mod answer;
mod exchange;

use std::sync::atomic::{AtomicU64, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json, value::RawValue};

pub use self::{
    answer::{Answer, Message},
    exchange::Exchange,
};

/// The modern revision this client speaks.
pub const MODERN: &str = "2026-07-28";

/// Who a client says it is, before it opens.
pub struct Program {
    name: String,
    capabilities: Value,
    log_level: Option<String>,
}

impl Program {
    /// A program of this `clientInfo.name` without capabilities.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            capabilities: json!({}),
            log_level: None,
        }
    }

    /// What it declares it can do.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The log level a modern client sends with each request.
    pub fn log_level(mut self, level: &str) -> Self {
        self.log_level = Some(level.to_owned());
        self
    }

    /// Opens in the legacy era: `initialize`, then `notifications/initialized`.
    pub async fn legacy(self, endpoint: &str, revision: &str) -> Client {
        let mut client = self.silent(endpoint, Manners::Legacy);
        let opening = json!({
            "protocolVersion": revision,
            "capabilities": client.program.capabilities,
            "clientInfo": {"name": client.program.name, "version": "1.0.0"},
        });
        let answer = client.request("initialize", opening).await;
        let result = answer.result();
        client.revision = result["protocolVersion"].as_str().map(str::to_owned);
        client.mcp_session = answer.header("mcp-session-id").map(str::to_owned);
        client.opening = result;
        let status = client.notify("notifications/initialized", json!({})).await;
        assert_eq!(status, 202, "notifications/initialized");
        client
    }

    /// A client of the modern era; it sends nothing until it is asked to.
    pub fn modern(self, endpoint: &str) -> Client {
        self.silent(endpoint, Manners::Modern)
    }

    fn silent(self, endpoint: &str, manners: Manners) -> Client {
        Client {
            http: http_client(),
            endpoint: endpoint.to_owned(),
            program: self,
            manners,
            revision: None,
            mcp_session: None,
            opening: Value::Null,
            next_id: AtomicU64::new(1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manners {
    Legacy,
    Modern,
    Plain,
}

/// An open client. All methods take `&self`, so that many requests may be under way.
pub struct Client {
    http: reqwest::Client,
    endpoint: String,
    program: Program,
    manners: Manners,
    revision: Option<String>,
    mcp_session: Option<String>,
    opening: Value,
    next_id: AtomicU64,
}

impl Client {
    /// A legacy client of no particular name.
    pub async fn legacy(endpoint: &str, revision: &str) -> Self {
        Program::named("scripted-client")
            .legacy(endpoint, revision)
            .await
    }

    /// A modern client of no particular name.
    pub fn modern(endpoint: &str) -> Self {
        Program::named("scripted-client").modern(endpoint)
    }

    /// A client of whichever era the revision belongs to.
    pub async fn speaking(revision: &str, endpoint: &str) -> Self {
        if revision == MODERN {
            Self::modern(endpoint)
        } else {
            Self::legacy(endpoint, revision).await
        }
    }

    /// A script that POSTs requests without any handshake, as one does with curl.
    pub fn plain(endpoint: &str) -> Self {
        Program::named("").silent(endpoint, Manners::Plain)
    }

    /// The result of `initialize`; `null` for other clients.
    pub fn opening(&self) -> &Value {
        &self.opening
    }

    /// The `Mcp-Session-Id` it was given.
    pub fn mcp_session(&self) -> Option<&str> {
        self.mcp_session.as_deref()
    }

    /// Sends a request and waits for its response.
    pub async fn request(&self, method: &str, params: Value) -> Answer {
        self.request_raw(method, &params.to_string()).await
    }

    /// Sends a request whose params are this text, byte for byte but for what the era adds.
    pub async fn request_raw(&self, method: &str, params: &str) -> Answer {
        self.open(method, params).await.finish().await
    }

    /// Sends a request under an id of the test's choice, raw JSON.
    pub async fn request_as(&self, id: &str, method: &str, params: Value) -> Answer {
        let exchange = self.open_as(id, method, &params.to_string()).await;
        exchange.finish().await
    }

    /// Calls a tool.
    pub async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({"name": tool, "arguments": arguments}))
            .await
    }

    /// The names `tools/list` shows, all pages.
    pub async fn tool_names(&self) -> Vec<String> {
        let tools = self.tools().await;
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// The definitions `tools/list` shows, all pages.
    pub async fn tools(&self) -> Vec<Value> {
        let mut tools = Vec::new();
        let mut params = json!({});
        loop {
            let result = self.request("tools/list", params).await.result();
            tools.extend_from_slice(result["tools"].as_array().expect("a list of tools"));
            match &result["nextCursor"] {
                Value::Null => return tools,
                cursor => params = json!({"cursor": cursor}),
            }
        }
    }

    /// Sends a request and gives its answer as it comes.
    pub async fn open(&self, method: &str, params: &str) -> Exchange {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed).to_string();
        self.open_as(&id, method, params).await
    }

    /// [`Self::open`] under an id of the test's choice, raw JSON.
    pub async fn open_as(&self, id: &str, method: &str, params: &str) -> Exchange {
        let params = self.params(params);
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        let headers = self.headers(Some((method, &params)));
        self.post(body, headers).await
    }

    /// Sends a notification and gives the HTTP status.
    pub async fn notify(&self, method: &str, params: Value) -> u16 {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let headers = self.headers(None);
        self.post(body.to_string(), headers).await.status()
    }

    /// Cancels one of its requests, as a legacy client does.
    pub async fn cancel(&self, request_id: &str) {
        let id: Value = serde_json::from_str(request_id).unwrap();
        let params = json!({"requestId": id, "reason": "the test says so"});
        let status = self.notify("notifications/cancelled", params).await;
        assert_eq!(status, 202, "notifications/cancelled");
    }

    /// Answers a request of the server, as a legacy client does; gives the HTTP status.
    pub async fn respond(&self, request: &Message, result: Value) -> u16 {
        let id = &request.json()["id"];
        let body = json!({"jsonrpc": "2.0", "id": id, "result": result});
        let headers = self.headers(None);
        self.post(body.to_string(), headers).await.status()
    }

    /// POSTs any text with this client's headers, and some on top that win.
    pub async fn post_text(&self, body: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut all = self.headers(None);
        for (name, value) in headers {
            all.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        self.post(body.to_owned(), all).await.finish().await
    }

    /// Opens a `GET` stream.
    pub async fn get_stream(&self) -> Exchange {
        let mut headers = self.headers(None);
        headers.insert("accept", HeaderValue::from_static("text/event-stream"));
        let request = self.http.get(&self.endpoint).headers(headers);
        Exchange::begin(request).await
    }

    /// Ends its MCP session; gives the HTTP status.
    pub async fn delete(&self) -> u16 {
        let request = self.http.delete(&self.endpoint).headers(self.headers(None));
        Exchange::begin(request).await.status()
    }

    async fn post(&self, body: String, headers: HeaderMap) -> Exchange {
        let request = self.http.post(&self.endpoint).headers(headers).body(body);
        Exchange::begin(request).await
    }

    fn headers(&self, request: Option<(&str, &str)>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).unwrap();
            headers.insert(HeaderName::from_static(name), value);
        };
        set("accept", "application/json, text/event-stream");
        set("content-type", "application/json");
        match self.manners {
            Manners::Plain => {}
            Manners::Legacy => {
                // The header exists since 2025-06-18.
                if let Some(revision) = &self.revision
                    && revision.as_str() >= "2025-06-18"
                {
                    set("mcp-protocol-version", revision);
                }
                if let Some(id) = &self.mcp_session {
                    set("mcp-session-id", id);
                }
            }
            Manners::Modern => {
                set("mcp-protocol-version", MODERN);
                if let Some((method, params)) = request {
                    set("mcp-method", method);
                    if let Some(name) = named(method, params) {
                        set("mcp-name", &header_value(&name));
                    }
                }
            }
        }
        headers
    }

    /// Adds the modern era's `_meta`; without one already there, the text stays as it is otherwise.
    fn params(&self, params: &str) -> String {
        if self.manners != Manners::Modern {
            return params.to_owned();
        }
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": self.program.capabilities,
            "io.modelcontextprotocol/clientInfo": {"name": self.program.name, "version": "1.0.0"},
        });
        if let Some(level) = &self.program.log_level {
            meta["io.modelcontextprotocol/logLevel"] = Value::from(level.as_str());
        }
        let members: Map<String, Value> = serde_json::from_str(params).unwrap();
        if let Some(own) = members.get("_meta") {
            let own = own.as_object().unwrap().clone();
            meta.as_object_mut().unwrap().extend(own);
            let mut members = members;
            members.insert("_meta".to_owned(), meta);
            return Value::from(members).to_string();
        }
        let comma = if members.is_empty() { "" } else { "," };
        let rest = params.trim_start().strip_prefix('{').unwrap();
        format!(r#"{{"_meta":{meta}{comma}{rest}"#)
    }
}

/// An HTTP client that goes to loopback only: no proxy, no redirects.
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // A connection kept from before a restart of the gateway is dead, and a POST over it fails.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}

fn named(method: &str, params: &str) -> Option<String> {
    let member = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return None,
    };
    let members: std::collections::HashMap<String, Box<RawValue>> =
        serde_json::from_str(params).ok()?;
    serde_json::from_str(members.get(member)?.get()).ok()
}

/// Spec: 2026-07-28 basic/transports/streamable-http, "Value Encoding".
fn header_value(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
    }
}
