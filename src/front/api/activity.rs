//! `GET /session/{id}/activity`: a session's exchanges as they end, as events.

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::Method;
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;
use warp::{Filter, Rejection, reply::Response};

use super::{ACTIVITY, RETRY_AFTER, client, failure, with};
use crate::{
    callers::Admitted,
    front::{FrontState, mcp::event_stream, problem::Problem, session_id},
    mcp::name::BackendName,
    session::{Done, Watcher},
};

/// One exchange that is over. Nothing that stood in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExchangeOver<'a> {
    /// How many milliseconds ago it was over, when this was sent.
    ago_ms: u64,
    /// The request's method.
    method: &'a str,
    /// The tool, prompt, resource or task that it was about.
    name: Option<&'a str>,
    /// The server that answered, if one did.
    server: Option<&'a str>,
    /// How it ended: `ok`, `error`, `failed` and the log's other words.
    outcome: &'a str,
    /// How long it took, in milliseconds.
    elapsed_ms: u64,
}

pub(super) fn route(
    state: FrontState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path!("session" / String / "activity")
        .and(warp::method())
        .and(with(state))
        .and(warp::ext::get::<Admitted>())
        .and(client())
        .then(
            |id, method: Method, state: FrontState, admitted, client| async move {
                let handler = async {
                    match method {
                        Method::GET => watch(&state, admitted, id).await,
                        _ => Err(ACTIVITY.method_not_allowed()),
                    }
                };
                ACTIVITY.answer(method.clone(), client, handler).await
            },
        )
}

/// Tells each exchange of a session when it is over: first the last ones, then each as it ends.
///
/// Its owner alone may watch. The stream ends with the session and with the gateway, and when the session goes to sleep.
#[utoipa::path(
    get, path = "/session/{session_id}/activity", operation_id = "watchSession", tag = "sessions",
    params(("session_id" = uuid::Uuid, Path, description = "The session's id.")),
    responses(
        (status = 200, description = "Events named `exchange`, each with one exchange.",
            content_type = "text/event-stream", body = ExchangeOver<'static>),
        (status = 404, description = "There is no such session of the caller's."),
        (status = 429, description = "As many watch the session as may."),
        (status = 503, description = "The store does not answer."),
    )
)]
pub(super) async fn watch(
    state: &FrontState,
    admitted: Admitted,
    id: String,
) -> Result<Response, Problem> {
    let id = session_id(&id).ok_or_else(Problem::no_such_session)?;
    let found = state.sessions.seen_by(&admitted.caller).find(id).await;
    let session = found.map_err(|error| failure(&error))?;
    let session = session.ok_or_else(Problem::no_such_session)?;
    let watcher = session.watch().ok_or_else(|| {
        let detail = "as many watch this session as may; close another window first";
        Problem::too_many(detail, RETRY_AFTER)
    })?;
    // Whoever watches keeps no session awake.
    drop(session);
    let response = event_stream::live(events(watcher));
    Ok(event_stream::while_good(response, admitted.pass))
}

fn events(watcher: Watcher) -> impl Stream<Item = Bytes> + Send {
    stream::unfold(watcher, async |mut watcher| {
        let done = watcher.next().await?;
        let events: String = done.iter().map(event).collect();
        Some((events.into(), watcher))
    })
}

fn event(done: &Done) -> String {
    let ago = Instant::now().saturating_duration_since(done.at);
    let over = ExchangeOver {
        ago_ms: u64::try_from(ago.as_millis()).unwrap_or(u64::MAX),
        method: &done.method,
        name: done.subject.as_deref(),
        server: done.backend.as_ref().map(BackendName::as_str),
        outcome: done.outcome,
        elapsed_ms: done.elapsed_ms,
    };
    // Texts and numbers always serialize, on one line.
    let text = serde_json::to_string(&over).unwrap_or_default();
    format!("event: exchange\ndata: {text}\n\n")
}
