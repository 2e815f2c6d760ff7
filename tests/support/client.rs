//! A scripted MCP client of either era, on a plain HTTP client.

mod answer;
mod asking;
mod changes;
mod exchange;
mod features;
mod judge;
mod sse;
mod wire;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};

use self::judge::Judge;

use super::{
    Authority,
    transcript::{Seat, Transcript},
};

pub use self::{
    answer::{Answer, Asked, Message},
    changes::{Changes, Wanted},
    exchange::Exchange,
    sse::{SseCutter, SseEvent},
};

/// The modern revision this client speaks.
pub const MODERN: &str = "2026-07-28";

/// Who a client says it is, before it opens.
pub struct Program {
    name: String,
    capabilities: Value,
    log_level: Option<String>,
    seat: Option<Seat>,
    lenient: bool,
    http: reqwest::Client,
}

impl Program {
    /// A program of this `clientInfo.name` without capabilities.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            capabilities: json!({}),
            log_level: None,
            seat: None,
            lenient: false,
            http: http_client(),
        }
    }

    /// What it declares it can do.
    pub fn capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Declares that it can do everything a server may ask for.
    pub fn capable(self) -> Self {
        self.capabilities(json!({
            "roots": {"listChanged": true},
            "sampling": {},
            "elicitation": {"form": {}, "url": {}},
            "extensions": {"io.modelcontextprotocol/tasks": {}},
        }))
    }

    /// Writes down what it says and hears under this name.
    pub fn recorded(mut self, transcript: &Transcript, name: &str) -> Self {
        self.seat = Some(transcript.seat(name));
        self
    }

    /// Shows this key or token with each request.
    pub fn showing(mut self, key: &str) -> Self {
        self.http = showing(key);
        self
    }

    /// Sends these headers with each request.
    pub fn carrying(mut self, headers: &[(&'static str, &str)]) -> Self {
        let pairs = headers.iter().map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        });
        self.http = built(reqwest::Client::builder().default_headers(pairs.collect()));
        self
    }

    /// Lets both sides break the schema: a message that does fails the test otherwise.
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Opens in whichever era the revision belongs to.
    pub async fn speaking(self, revision: &str, endpoint: &str) -> Client {
        if revision == MODERN {
            self.modern(endpoint)
        } else {
            self.legacy(endpoint, revision).await
        }
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
        if let Some(revision) = &client.revision {
            client.judge.speaks(revision);
        }
        client.mcp_session = answer.header("mcp-session-id").map(str::to_owned);
        client.opening = result;
        let status = client.notify("notifications/initialized", json!({})).await;
        assert_eq!(status, 202, "notifications/initialized");
        client
    }

    /// A client of the modern era; it sends nothing until it is asked to.
    pub fn modern(self, endpoint: &str) -> Client {
        let client = self.silent(endpoint, Manners::Modern);
        client.judge.speaks(MODERN);
        client
    }

    /// A script without any handshake.
    pub fn plain(self, endpoint: &str) -> Client {
        self.silent(endpoint, Manners::Plain)
    }

    fn silent(self, endpoint: &str, manners: Manners) -> Client {
        let judge = Judge::new(self.capabilities.clone(), self.seat.clone());
        if self.lenient {
            judge.be_lenient();
        }
        Client {
            judge: Arc::new(judge),
            log_level: Mutex::new(self.log_level.clone()),
            stream: tokio::sync::Mutex::default(),
            http: self.http.clone(),
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
    judge: Arc<Judge>,
    /// The level of log messages that each modern request asks for.
    log_level: Mutex<Option<String>>,
    /// The `GET` stream that is kept.
    stream: tokio::sync::Mutex<Option<Exchange>>,
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

    /// The same over HTTPS, which trusts this authority.
    pub async fn trusting(authority: &Authority, revision: &str, endpoint: &str) -> Self {
        let mut program = Program::named("scripted-client");
        program.http = http_client_trusting(&authority.trusted());
        program.speaking(revision, endpoint).await
    }

    /// A client of whichever era the revision belongs to.
    pub async fn speaking(revision: &str, endpoint: &str) -> Self {
        let program = Program::named("scripted-client");
        program.speaking(revision, endpoint).await
    }

    /// A script that POSTs requests without any handshake, as one does with curl.
    pub fn plain(endpoint: &str) -> Self {
        Program::named("").plain(endpoint)
    }

    /// The result of `initialize`; `null` for other clients.
    pub fn opening(&self) -> &Value {
        &self.opening
    }

    /// The `Mcp-Session-Id` it was given.
    pub fn mcp_session(&self) -> Option<&str> {
        self.mcp_session.as_deref()
    }

    /// Goes on in the MCP session of another client.
    pub fn take_over(&mut self, other: &Self) {
        self.mcp_session.clone_from(&other.mcp_session);
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

    /// Sends a request and gives its answer as it comes.
    pub async fn open(&self, method: &str, params: &str) -> Exchange {
        self.open_as(&self.take_id(), method, params).await
    }

    fn take_id(&self) -> String {
        self.next_id.fetch_add(1, Ordering::Relaxed).to_string()
    }

    fn is_modern(&self) -> bool {
        self.manners == Manners::Modern
    }

    /// [`Self::open`] under an id of the test's choice, raw JSON.
    pub async fn open_as(&self, id: &str, method: &str, params: &str) -> Exchange {
        let params = self.params(params);
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        let headers = self.headers(Some((method, &params)));
        let wrong = self.judge.wrong(&body);
        self.post(body, headers, wrong).await
    }

    /// Sends a notification and gives the HTTP status.
    pub async fn notify(&self, method: &str, params: Value) -> u16 {
        let body = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let headers = self.headers(None);
        self.post(body.to_string(), headers, None).await.status()
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
        self.post(body.to_string(), headers, None).await.status()
    }

    /// Answers a request of the server with an error, as a legacy client does; gives the HTTP
    /// status.
    pub async fn refuse(&self, request: &Message, code: i64, message: &str) -> u16 {
        let id = &request.json()["id"];
        let error = json!({"code": code, "message": message});
        let body = json!({"jsonrpc": "2.0", "id": id, "error": error});
        let headers = self.headers(None);
        self.post(body.to_string(), headers, None).await.status()
    }

    /// POSTs any text with this client's headers, and some on top that win.
    pub async fn post_text(&self, body: &str, headers: &[(&'static str, &str)]) -> Answer {
        self.open_text(body, headers).await.finish().await
    }

    /// [`Self::post_text`], and the answer as it comes.
    pub async fn open_text(&self, body: &str, headers: &[(&'static str, &str)]) -> Exchange {
        let mut all = self.headers(None);
        for (name, value) in headers {
            all.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        self.post(body.to_owned(), all, None).await
    }

    /// Opens a `GET` stream.
    pub async fn get_stream(&self) -> Exchange {
        self.get_stream_behind(None).await
    }

    async fn get_stream_behind(&self, last_event_id: Option<&str>) -> Exchange {
        let mut headers = self.headers(None);
        headers.insert("accept", HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event_id {
            headers.insert("last-event-id", HeaderValue::from_str(id).unwrap());
        }
        let request = self.http.get(&self.endpoint).headers(headers);
        Exchange::begin(request, Arc::clone(&self.judge), None).await
    }

    /// Ends its MCP session; gives the HTTP status.
    pub async fn delete(&self) -> u16 {
        let request = self.http.delete(&self.endpoint).headers(self.headers(None));
        let judge = Arc::clone(&self.judge);
        Exchange::begin(request, judge, None).await.status()
    }

    async fn post(&self, body: String, headers: HeaderMap, wrong: Option<String>) -> Exchange {
        self.judge.note(&body);
        let request = self.http.post(&self.endpoint).headers(headers).body(body);
        Exchange::begin(request, Arc::clone(&self.judge), wrong).await
    }
}

/// An HTTP client that goes to loopback only: no proxy, no redirects.
pub fn http_client() -> reqwest::Client {
    built(reqwest::Client::builder())
}

/// [`http_client`], with a key or token on each request.
fn showing(key: &str) -> reqwest::Client {
    let value = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
    built(reqwest::Client::builder().default_headers(headers))
}

/// The same, which trusts this authority and no other.
pub fn http_client_trusting(authority: &reqwest::Certificate) -> reqwest::Client {
    built(reqwest::Client::builder().tls_certs_only([authority.clone()]))
}

fn built(builder: reqwest::ClientBuilder) -> reqwest::Client {
    builder
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // A connection kept from before a restart of the gateway is dead, and a POST over it fails.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap()
}
