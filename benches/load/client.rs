//! An MCP client of the load: one TCP connection, one operation at a time.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{Expected, Verifier};
use crate::endpoint::Endpoint;
use crate::fault::{Fault, RunError, excerpt};
use crate::message::{self, INITIALIZE, INITIALIZED, METHOD, NAME, SESSION_ID};
use crate::options::{Era, Mode, Options};
use crate::text::{FILLER, MARK_BYTES, mark};
use crate::wire::Wire;

/// How long a session may take to come up: the gateway connects to its backends in the background.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
const OPEN_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    mode: Mode,
    era: Era,
    limit: Duration,
    wire: Wire,
    headers: HeaderMap,
    lanes: Vec<Lane>,
    turn: usize,
    last_id: u64,
    /// The text that the next call must return: a mark, then filler.
    text: String,
    verifier: Verifier,
}

/// One endpoint as this client uses it.
#[derive(Debug)]
struct Lane {
    endpoint: Endpoint,
    mcp_session: Option<HeaderValue>,
}

impl Client {
    /// A client that goes round `endpoints`, which share authority and era with `first`.
    pub(crate) fn new(
        number: usize,
        options: &Options,
        first: &Endpoint,
        endpoints: Vec<Endpoint>,
    ) -> Self {
        let size_bytes = options.payload.map_or(MARK_BYTES, |bytes| bytes as usize);
        let lane = |endpoint| Lane {
            endpoint,
            mcp_session: None,
        };
        Self {
            number,
            mode: options.mode,
            era: first.era,
            limit: options.timeout,
            wire: Wire::new(first.authority.clone()),
            headers: message::headers(first.era, first.host.clone()),
            lanes: endpoints.into_iter().map(lane).collect(),
            // Connections begin at different backends, or they would all crowd at one and then at the next.
            turn: number,
            last_id: 0,
            text: char::from(FILLER).to_string().repeat(size_bytes),
            verifier: Verifier::new(first.era),
        }
    }

    /// How often the server closed the connection, which should have been kept alive.
    pub(crate) fn lost(&self) -> u64 {
        self.wire.lost()
    }

    /// Makes the MCP sessions that the operations need, and proves each lane with one operation.
    pub(crate) async fn open(&mut self) -> Result<(), RunError> {
        for lane in 0..self.lanes.len() {
            let deadline = Instant::now() + OPEN_LIMIT;
            while let Err(fault) = self.open_lane(lane).await {
                self.wire.cut();
                if Instant::now() >= deadline {
                    let endpoint = &self.lanes[lane].endpoint;
                    return Err(RunError::Open {
                        authority: endpoint.authority.clone(),
                        path: endpoint.uri.to_string(),
                        fault,
                    });
                }
                sleep(OPEN_PAUSE).await;
            }
        }
        Ok(())
    }

    /// One operation on the next lane. After a fault the connection is a new one.
    pub(crate) async fn operate(&mut self) -> Result<(), Fault> {
        let lane = self.turn % self.lanes.len();
        let outcome = self.operate_within(lane).await;
        self.turn = self.turn.wrapping_add(1);
        if outcome.is_err() {
            self.wire.cut();
        }
        outcome
    }

    /// Ends the MCP sessions.
    pub(crate) async fn close(&mut self) {
        for lane in 0..self.lanes.len() {
            if let Some(mcp_session) = self.lanes[lane].mcp_session.take() {
                // Nothing is measured any more, and a server may forbid it.
                let _ = timeout(self.limit, self.end(lane, mcp_session)).await;
            }
        }
    }

    async fn open_lane(&mut self, lane: usize) -> Result<(), Fault> {
        let needs_session = self.era == Era::Legacy && self.mode != Mode::Initialize;
        if needs_session && self.lanes[lane].mcp_session.is_none() {
            let limit = self.limit;
            let made = timeout(limit, self.initialize(lane)).await;
            self.lanes[lane].mcp_session = Some(made.map_err(|_| Fault::Late(limit))??);
        }
        self.operate_within(lane).await
    }

    async fn operate_within(&mut self, lane: usize) -> Result<(), Fault> {
        let limit = self.limit;
        let operation = async {
            match (self.mode, self.era) {
                (Mode::ToolsCall, _) => self.call(lane).await,
                (Mode::ToolsList, _) => self.list(lane).await,
                (Mode::Initialize, Era::Modern) => self.discover(lane).await,
                (Mode::Initialize, Era::Legacy) => {
                    let mcp_session = self.initialize(lane).await?;
                    self.end(lane, mcp_session).await
                }
            }
        };
        timeout(limit, operation)
            .await
            .map_err(|_| Fault::Late(limit))?
    }

    async fn call(&mut self, lane: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let mark = mark(self.number, id);
        self.text.replace_range(..MARK_BYTES, &mark);
        let endpoint = &self.lanes[lane].endpoint;
        // Whole rounds of the lanes take turns with the tools, so that every lane meets every tool.
        let called = &endpoint.names.called;
        let tool = &called[(self.turn / self.lanes.len()) % called.len()];
        let name = &tool.name;
        let size_bytes = self.text.len();
        let params =
            format!(r#""name":"{name}","arguments":{{"text":"{mark}","bytes":{size_bytes}}}"#);
        let body = message::request(self.era, id, "tools/call", &params);
        let name = Some(tool.header.clone());
        let answer = self.post(lane, "tools/call", name, body).await?;
        let expected = Expected::Text(&self.text);
        self.verifier.verify(&answer, id, expected)
    }

    async fn list(&mut self, lane: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "tools/list", "");
        let answer = self.post(lane, "tools/list", None, body).await?;
        let expected = Expected::Tools(&self.lanes[lane].endpoint.names.listed);
        self.verifier.verify(&answer, id, expected)
    }

    async fn discover(&mut self, lane: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "server/discover", "");
        let answer = self.post(lane, "server/discover", None, body).await?;
        self.verifier.verify(&answer, id, Expected::Discovered)
    }

    /// The handshake of the legacy era. Spec: 2025-11-25 basic/lifecycle, "Initialization".
    async fn initialize(&mut self, lane: usize) -> Result<HeaderValue, Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "initialize", INITIALIZE);
        let answer = self.post(lane, "initialize", None, body).await?;
        self.verifier.verify(&answer, id, Expected::Initialized)?;
        let mcp_session = answer.headers().get(SESSION_ID).cloned();
        let mcp_session =
            mcp_session.ok_or_else(|| Fault::wrong("no Mcp-Session-Id", answer.body()))?;
        let request = self.request(lane, Method::POST, Some(mcp_session.clone()));
        let request = request.body(Full::from(INITIALIZED))?;
        let answer = self.wire.send(request).await?;
        require(
            &answer,
            "notifications/initialized",
            &[StatusCode::ACCEPTED],
        )?;
        Ok(mcp_session)
    }

    async fn end(&mut self, lane: usize, mcp_session: HeaderValue) -> Result<(), Fault> {
        let request = self.request(lane, Method::DELETE, Some(mcp_session));
        let answer = self.wire.send(request.body(Full::default())?).await?;
        let ended = [StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT];
        require(&answer, "DELETE", &ended)
    }

    async fn post(
        &mut self,
        lane: usize,
        method: &'static str,
        name: Option<HeaderValue>,
        body: Bytes,
    ) -> Result<Response<Bytes>, Fault> {
        let mcp_session = self.lanes[lane].mcp_session.clone();
        let mut request = self
            .request(lane, Method::POST, mcp_session)
            .body(Full::new(body))?;
        let headers = request.headers_mut();
        match self.era {
            Era::Modern => {
                headers.insert(METHOD, HeaderValue::from_static(method));
                headers.extend(name.map(|name| (NAME, name)));
            }
            // Its version is not negotiated yet. Spec: 2025-11-25 basic/transports, "Protocol Version Header".
            Era::Legacy if method == "initialize" => {
                headers.remove(message::PROTOCOL_VERSION);
            }
            Era::Legacy => {}
        }
        let answer = self.wire.send(request).await?;
        require(&answer, method, &[StatusCode::OK])?;
        Ok(answer)
    }

    fn request(
        &self,
        lane: usize,
        method: Method,
        mcp_session: Option<HeaderValue>,
    ) -> http::request::Builder {
        let mut request = Request::builder()
            .method(method)
            .uri(self.lanes[lane].endpoint.uri.clone());
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&self.headers);
            headers.extend(mcp_session.map(|id| (SESSION_ID, id)));
        }
        request
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

fn require(
    answer: &Response<Bytes>,
    method: &'static str,
    wanted: &[StatusCode],
) -> Result<(), Fault> {
    if wanted.contains(&answer.status()) {
        return Ok(());
    }
    Err(Fault::Status {
        method,
        status: answer.status(),
        excerpt: excerpt(answer.body()),
    })
}
