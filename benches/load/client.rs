//! An MCP client of the load: one TCP connection, one operation at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::time::{Instant, sleep, timeout};

use crate::answer::{Expected, Verifier};
use crate::endpoint::Endpoint;
use crate::fault::{Fault, RunError, excerpt};
use crate::message::{self, INITIALIZE, INITIALIZED, METHOD, NAME, PROTOCOL_VERSION, SESSION_ID};
use crate::options::{Era, Mode, Options};
use crate::text::{FILLER, MARK_BYTES, mark};
use crate::wire::{Head, Request, Wire};

/// How long a session may take to come up: the gateway connects to its backends in the background.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
const OPEN_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Client {
    number: usize,
    mode: Mode,
    era: Era,
    limit: Duration,
    progress: u32,
    wire: Wire,
    headers: Vec<u8>,
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
    /// Whether its handshake is done, where the era has one.
    is_open: bool,
    /// Absent, too, at servers that keep no MCP sessions.
    mcp_session: Option<Bytes>,
}

/// What one request says: a method of MCP, or DELETE, which has no body.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    method: &'static str,
    name: Option<&'a str>,
    body: &'a str,
}

impl<'a> Said<'a> {
    fn of(method: &'static str, body: &'a str) -> Self {
        Self {
            method,
            name: None,
            body,
        }
    }
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
            is_open: false,
            mcp_session: None,
        };
        Self {
            number,
            mode: options.mode,
            era: first.era,
            limit: options.timeout,
            progress: options.progress,
            wire: Wire::new(first.authority.clone()),
            headers: message::headers(&first.authority),
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

    /// Makes the MCP sessions that the operations need, and proves each lane with one operation; with a call of every
    /// backend, whose connections open when they are first used: that is no part of what is measured.
    pub(crate) async fn open(&mut self) -> Result<(), RunError> {
        for lane in 0..self.lanes.len() {
            let deadline = Instant::now() + OPEN_LIMIT;
            while let Err(fault) = self.open_lane(lane).await {
                self.wire.cut();
                if Instant::now() >= deadline {
                    let endpoint = &self.lanes[lane].endpoint;
                    return Err(RunError::Open {
                        authority: endpoint.authority.clone(),
                        path: endpoint.path.clone(),
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
        // Whole rounds of the lanes take turns with the tools, so that every lane meets every tool.
        let tool = self.turn / self.lanes.len();
        let outcome = self.operate_within(lane, tool).await;
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
        let needs_handshake = self.era == Era::Legacy && self.mode != Mode::Initialize;
        if needs_handshake && !self.lanes[lane].is_open {
            let limit = self.limit;
            let made = timeout(limit, self.initialize(lane)).await;
            self.lanes[lane].mcp_session = made.map_err(|_| Fault::Late(limit))??;
            self.lanes[lane].is_open = true;
        }
        let tools = match self.mode {
            Mode::ToolsCall => self.lanes[lane].endpoint.names.called.len(),
            Mode::ToolsList | Mode::Initialize => 1,
        };
        for tool in 0..tools {
            self.operate_within(lane, tool).await?;
        }
        Ok(())
    }

    async fn operate_within(&mut self, lane: usize, tool: usize) -> Result<(), Fault> {
        let limit = self.limit;
        let operation = async {
            match (self.mode, self.era) {
                (Mode::ToolsCall, _) => self.call(lane, tool).await,
                (Mode::ToolsList, _) => self.list(lane).await,
                (Mode::Initialize, Era::Modern) => self.discover(lane).await,
                (Mode::Initialize, Era::Legacy) => match self.initialize(lane).await? {
                    Some(mcp_session) => self.end(lane, mcp_session).await,
                    None => Ok(()),
                },
            }
        };
        timeout(limit, operation)
            .await
            .map_err(|_| Fault::Late(limit))?
    }

    async fn call(&mut self, lane: usize, tool: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let mark = mark(self.number, id);
        self.text.replace_range(..MARK_BYTES, &mark);
        let names = Arc::clone(&self.lanes[lane].endpoint.names);
        let name = &names.called[tool % names.called.len()];
        let size_bytes = self.text.len();
        let params =
            format!(r#""name":"{name}","arguments":{{"text":"{mark}","bytes":{size_bytes}}}"#);
        let wants_progress = self.progress > 0;
        let body = message::request(self.era, id, "tools/call", &params, wants_progress);
        let said = Said::of("tools/call", &body);
        let head = self
            .post(
                lane,
                Said {
                    name: Some(name.as_str()),
                    ..said
                },
            )
            .await?;
        let expected = Expected::Text(&self.text, self.progress);
        self.verifier
            .verify(head.kind, self.wire.body(), id, expected)
    }

    async fn list(&mut self, lane: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "tools/list", "", false);
        let head = self.post(lane, Said::of("tools/list", &body)).await?;
        let expected = Expected::Tools(&self.lanes[lane].endpoint.names);
        self.verifier
            .verify(head.kind, self.wire.body(), id, expected)
    }

    async fn discover(&mut self, lane: usize) -> Result<(), Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "server/discover", "", false);
        let head = self.post(lane, Said::of("server/discover", &body)).await?;
        self.verifier
            .verify(head.kind, self.wire.body(), id, Expected::Discovered)
    }

    /// The handshake of the legacy era, and the MCP session it makes, if it makes one. Spec: 2025-11-25
    /// basic/lifecycle, "Initialization".
    async fn initialize(&mut self, lane: usize) -> Result<Option<Bytes>, Fault> {
        let id = self.new_id();
        let body = message::request(self.era, id, "initialize", INITIALIZE, false);
        let head = self.post(lane, Said::of("initialize", &body)).await?;
        self.verifier
            .verify(head.kind, self.wire.body(), id, Expected::Initialized)?;
        let mcp_session = head.mcp_session;
        let said = Said::of("notifications/initialized", INITIALIZED);
        let head = self.send(lane, mcp_session.clone(), said).await?;
        self.require(&head, said.method, &[StatusCode::ACCEPTED])?;
        Ok(mcp_session)
    }

    async fn end(&mut self, lane: usize, mcp_session: Bytes) -> Result<(), Fault> {
        let said = Said::of("DELETE", "");
        let head = self.send(lane, Some(mcp_session), said).await?;
        let ended = [StatusCode::OK, StatusCode::ACCEPTED, StatusCode::NO_CONTENT];
        self.require(&head, "DELETE", &ended)
    }

    /// Posts a request, whose answer must be there.
    async fn post(&mut self, lane: usize, said: Said<'_>) -> Result<Head, Fault> {
        let mcp_session = self.lanes[lane].mcp_session.clone();
        let head = self.send(lane, mcp_session, said).await?;
        self.require(&head, said.method, &[StatusCode::OK])?;
        Ok(head)
    }

    async fn send(
        &mut self,
        lane: usize,
        mcp_session: Option<Bytes>,
        said: Said<'_>,
    ) -> Result<Head, Fault> {
        let mut more: Vec<(&'static str, &[u8])> = Vec::with_capacity(4);
        // Its version is not negotiated yet. Spec: 2025-11-25 basic/transports, "Protocol Version Header".
        if self.era == Era::Modern || said.method != "initialize" {
            more.push((PROTOCOL_VERSION, self.era.revision().as_bytes()));
        }
        if self.era == Era::Modern {
            more.push((METHOD, said.method.as_bytes()));
            more.extend(said.name.map(|name| (NAME, name.as_bytes())));
        }
        more.extend(mcp_session.iter().map(|id| (SESSION_ID, &id[..])));
        let request = Request {
            method: if said.body.is_empty() {
                "DELETE"
            } else {
                "POST"
            },
            path: &self.lanes[lane].endpoint.path,
            headers: &self.headers,
            more: &more,
            body: said.body.as_bytes(),
        };
        self.wire.send(request).await
    }

    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn require(
        &self,
        head: &Head,
        method: &'static str,
        wanted: &[StatusCode],
    ) -> Result<(), Fault> {
        if wanted.contains(&head.status) {
            return Ok(());
        }
        Err(Fault::Status {
            method,
            status: head.status,
            excerpt: excerpt(self.wire.body()),
        })
    }
}
