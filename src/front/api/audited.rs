//! The audit log's line for a request of the REST API that changes something.

use std::{net::IpAddr, sync::Arc, time::Instant};

use http::Method;
use uuid::Uuid;
use warp::reply::Response;

use super::Client;
use crate::{
    audit::{AuditLog, Entry},
    session::short,
};

/// The session that a request made, in its response.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made(pub(super) Uuid);

/// Writes the line once, when the answer is there; dropped before that, it says that the client left.
pub(super) struct Audited {
    log: AuditLog,
    method: &'static str,
    session: Option<Uuid>,
    client: Option<IpAddr>,
    caller: Option<Arc<str>>,
    began: Instant,
    written: bool,
}

impl Audited {
    /// Begins with a request for a new session; nothing for one that asks for something else.
    pub(super) fn creation(log: &AuditLog, method: &Method, client: &Client) -> Option<Self> {
        let method = (*method == Method::POST).then_some("session/create")?;
        Self::begin(log, method, None, client)
    }

    /// Begins with a request about a session; nothing for one that only looks.
    pub(super) fn of(
        log: &AuditLog,
        method: &Method,
        session: Option<Uuid>,
        client: &Client,
    ) -> Option<Self> {
        let method = match *method {
            Method::PATCH => "session/patch",
            Method::DELETE => "session/delete",
            _ => return None,
        };
        Self::begin(log, method, session, client)
    }

    fn begin(
        log: &AuditLog,
        method: &'static str,
        session: Option<Uuid>,
        client: &Client,
    ) -> Option<Self> {
        log.is_open().then(|| Self {
            log: log.clone(),
            method,
            session,
            client: client.address,
            caller: client.caller.clone(),
            began: Instant::now(),
            written: false,
        })
    }

    /// Writes the line of a request that was answered so.
    pub(super) fn end(mut self, response: &Response) {
        if let Some(Made(id)) = response.extensions().get() {
            self.session = Some(*id);
        }
        let is_done = response.status().is_success();
        self.write(if is_done { "ok" } else { "failed" });
    }

    fn write(&mut self, outcome: &'static str) {
        self.written = true;
        self.log.write(Entry {
            caller: self.caller.clone(),
            session: self.session.map(short),
            client: self.client,
            method: self.method.into(),
            provider: None,
            tool: None,
            outcome,
            elapsed_ms: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
        });
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if !self.written {
            self.write("client left");
        }
    }
}
