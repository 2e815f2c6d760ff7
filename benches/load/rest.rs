//! The gateway's REST API, as far as the load needs it: sessions are made and deleted.

use std::time::Duration;

use futures_util::future::try_join_all;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::fault::{Fault, RunError, excerpt};
use crate::message;
use crate::wire::{Head, Request, Wire};

/// How many sessions are made or deleted at the same time.
const CALLERS: usize = 64;

/// How long one of them may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A session that the gateway has made.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) session_id: String,
    /// Path of its MCP endpoint.
    pub(crate) mcp_endpoint: String,
}

/// Makes `count` sessions with these providers.
pub(crate) async fn create_sessions(
    authority: &str,
    providers: &[String],
    count: usize,
) -> Result<Vec<Session>, RunError> {
    let body = json!({ "servers": providers }).to_string();
    let callers = (0..CALLERS.min(count)).map(async |caller| {
        let mut wire = Wire::new(authority.to_owned());
        let headers = message::headers(authority);
        let mut sessions = Vec::new();
        for _ in (caller..count).step_by(CALLERS) {
            let request = Request {
                method: "POST",
                path: "/create-session",
                headers: &headers,
                more: &[],
                body: body.as_bytes(),
            };
            let head = send(&mut wire, request).await?;
            sessions.push(created(&head, wire.body())?);
        }
        Ok::<_, RunError>(sessions)
    });
    Ok(try_join_all(callers).await?.into_iter().flatten().collect())
}

/// Deletes sessions by id.
pub(crate) async fn delete_sessions(authority: &str, ids: &[String]) -> Result<(), RunError> {
    let callers = (0..CALLERS.min(ids.len())).map(async |caller| {
        let mut wire = Wire::new(authority.to_owned());
        let headers = message::headers(authority);
        for id in ids.iter().skip(caller).step_by(CALLERS) {
            let request = Request {
                method: "DELETE",
                path: &format!("/session/{id}"),
                headers: &headers,
                more: &[],
                body: &[],
            };
            let head = send(&mut wire, request).await?;
            if !head.status.is_success() {
                return Err(refused("DELETE session", &head, wire.body()));
            }
        }
        Ok(())
    });
    try_join_all(callers).await.map(drop)
}

/// One exchange, which must come in time.
pub(crate) async fn send(wire: &mut Wire, request: Request<'_>) -> Result<Head, RunError> {
    let answer = timeout(LIMIT, wire.send(request)).await;
    let answer = answer.unwrap_or(Err(Fault::Late(LIMIT)));
    answer.map_err(RunError::Rest)
}

fn created(head: &Head, body: &[u8]) -> Result<Session, RunError> {
    let session = serde_json::from_slice(body);
    match (head.status, session) {
        (StatusCode::CREATED, Ok(session)) => Ok(session),
        _ => Err(refused("POST /create-session", head, body)),
    }
}

/// An answer that does not do.
pub(crate) fn refused(method: &'static str, head: &Head, body: &[u8]) -> RunError {
    RunError::Rest(Fault::Status {
        method,
        status: head.status,
        excerpt: excerpt(body),
    })
}
