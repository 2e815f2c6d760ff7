//! The gateway's REST API, as far as the load needs it: sessions are made and deleted.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use crate::fault::{Fault, RunError, excerpt};
use crate::wire::Wire;

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
    let body = Bytes::from(json!({ "servers": providers }).to_string());
    let callers = (0..CALLERS.min(count)).map(async |caller| {
        let mut wire = Wire::new(authority.to_owned());
        let mut sessions = Vec::new();
        for _ in (caller..count).step_by(CALLERS) {
            let request = Request::post("/create-session")
                .header(HOST, authority)
                .header(CONTENT_TYPE, "application/json")
                .body(Full::new(body.clone()));
            sessions.push(created(&send(&mut wire, request).await?)?);
        }
        Ok::<_, RunError>(sessions)
    });
    Ok(try_join_all(callers).await?.into_iter().flatten().collect())
}

/// Deletes sessions by id.
pub(crate) async fn delete_sessions(authority: &str, ids: &[String]) -> Result<(), RunError> {
    let callers = (0..CALLERS.min(ids.len())).map(async |caller| {
        let mut wire = Wire::new(authority.to_owned());
        for id in ids.iter().skip(caller).step_by(CALLERS) {
            let request = Request::builder()
                .method(Method::DELETE)
                .uri(format!("/session/{id}"))
                .header(HOST, authority)
                .body(Full::default());
            let answer = send(&mut wire, request).await?;
            if !answer.status().is_success() {
                return Err(refused("DELETE session", &answer));
            }
        }
        Ok(())
    });
    try_join_all(callers).await.map(drop)
}

async fn send(
    wire: &mut Wire,
    request: Result<Request<Full<Bytes>>, http::Error>,
) -> Result<Response<Bytes>, RunError> {
    let exchange = async { wire.send(request?).await };
    let answer = timeout(LIMIT, exchange).await;
    let answer = answer.unwrap_or(Err(Fault::Late(LIMIT)));
    answer.map_err(RunError::Rest)
}

fn created(answer: &Response<Bytes>) -> Result<Session, RunError> {
    let session = serde_json::from_slice(answer.body());
    match (answer.status(), session) {
        (StatusCode::CREATED, Ok(session)) => Ok(session),
        _ => Err(refused("POST /create-session", answer)),
    }
}

fn refused(method: &'static str, answer: &Response<Bytes>) -> RunError {
    RunError::Rest(Fault::Status {
        method,
        status: answer.status(),
        excerpt: excerpt(answer.body()),
    })
}
