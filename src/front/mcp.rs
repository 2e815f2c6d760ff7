//! The MCP endpoint: admits one message, picks its era, and hands it to that era's adapter.
//!
//! Streamable HTTP for clients of every revision. Spec: 2025-11-25 basic/transports; 2026-07-28
//! basic/transports/streamable-http.

mod addressed;
mod answer;
mod answering;
mod depth;
mod description;
mod encode;
pub(super) mod event_stream;
mod following;
mod head;
mod input_required;
mod legacy;
mod modern;
mod record;
mod refusal;
mod resumable;
mod taken;
mod writing;

use bytes::Bytes;
use futures_util::{Stream, future::ready};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, RETRY_AFTER},
};
use std::{str::FromStr, sync::Arc};
use warp::{
    Buf, Filter, Rejection,
    reply::{Reply, Response},
};

use crate::{
    audit::AuditLog,
    callers::Pass,
    front::{
        api::MCP,
        body::{BodyBounds, collect, require_json},
        problem::Problem,
    },
    in_place,
    limits::KEY_SET_PAUSE,
    mcp::{
        error::error_object,
        failure::Failure,
        header::PROTOCOL_VERSION,
        message::{Message, MessageError, salvage_id, write_error},
        meta,
        method::INITIALIZE,
        version::Revision,
    },
    session::{SessionRef, Sessions, SessionsError, short},
    traces::Traces,
};

pub(super) use addressed::Addressed;

use event_stream::Accepts;
use head::Head;
use record::Sender;

/// What the endpoint works with.
#[derive(Clone)]
pub struct McpState {
    /// The sessions.
    pub sessions: Sessions,
    /// Who had what carried out.
    pub audit: AuditLog,
    /// Where spans of requests come from.
    pub traces: Traces,
    /// What a message may measure, and how long it may take to arrive.
    pub body: BodyBounds,
}

/// Serves `/session/{session_id}/mcp`; rejects every other path as not found.
#[must_use]
pub fn route(
    state: McpState,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static {
    let state = Arc::new(state);
    warp::ext::optional::<Arc<Addressed>>()
        .and_then(|addressed: Option<_>| ready(addressed.ok_or_else(warp::reject::not_found)))
        .and(warp::body::stream())
        .then(move |addressed, body| {
            let state = Arc::clone(&state);
            // Boxed: each filter in front of it would move all that it ever holds.
            in_place::pinned(|| serve(state, addressed, body))
        })
}

async fn serve<S, B>(state: Arc<McpState>, addressed: Arc<Addressed>, body: S) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    if ![Method::POST, Method::GET, Method::DELETE].contains(&addressed.method) {
        return MCP.method_not_allowed().into_response();
    }
    let admitted = &addressed.admitted;
    let found = match addressed.session {
        Some(id) => state
            .sessions
            .find(id, &admitted.caller)
            .await
            .map(|found| found.zip(Some(short(id)))),
        None => Ok(None),
    };
    let (session, short) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Problem::no_such_session().into_response(),
        Err(error) => return unavailable(&error),
    };
    let bounds = state.body;
    // Boxed: it goes from hand to hand.
    let caller = Box::new(Caller {
        sender: Arc::new(Sender {
            session: short,
            caller: admitted.caller.name().cloned(),
            address: addressed.via.as_ref().map(|via| via.address),
            activity: session.activity().clone(),
            state,
        }),
        session,
        accepts: Accepts::read(addressed.headers.get_all(ACCEPT)),
        addressed,
    });
    if caller.addressed.method == Method::POST {
        return post(caller, bounds, body).await;
    }
    let (sender, addressed) = (Arc::clone(&caller.sender), Arc::clone(&caller.addressed));
    let response = match addressed.method {
        Method::GET => {
            let pass = caller.pass().clone();
            event_stream::while_good(legacy::listen(caller).await, pass)
        }
        _ => legacy::end(caller).await,
    };
    record::plain(&addressed.method, &sender, response.status());
    response
}

/// Who sent a request, and where to.
struct Caller {
    session: SessionRef,
    sender: Arc<Sender>,
    addressed: Arc<Addressed>,
    accepts: Accepts,
}

impl Caller {
    fn headers(&self) -> &HeaderMap {
        &self.addressed.headers
    }

    /// For what outlasts the request.
    fn pass(&self) -> &Pass {
        &self.addressed.admitted.pass
    }

    /// A header's text; `None` when it is absent or no text.
    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }
}

async fn post<S, B>(caller: Box<Caller>, bounds: BodyBounds, body: S) -> Response
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    let refused = |response| record::refused(&caller.sender, response);
    let body = match admit(&caller, bounds, body).await {
        Ok(body) => body,
        Err(response) => return refused(response),
    };
    let (message, head) = match read(&body) {
        Ok(read) => read,
        Err(MessageError::Batch) if !names_modern(&caller) => {
            return legacy::batch(caller, &body).await;
        }
        Err(error) => {
            let object = error_object(error.code(), &error.to_string());
            let written = write_error(salvage_id(&body).as_ref(), &object);
            return refused(event_stream::json(StatusCode::BAD_REQUEST, written));
        }
    };
    if speaks_modern(&caller, &message, &head) {
        modern::post(caller, message, head).await
    } else {
        legacy::post(caller, message, head).await
    }
}

fn read(body: &[u8]) -> Result<(Message<'_>, Head<'_>), MessageError> {
    depth::check(body)?;
    let message = Message::read(body)?;
    let head = Head::of(&message)?;
    Ok((message, head))
}

/// Takes a body in whose announcement is right, or says what is wrong with it.
async fn admit<S, B>(caller: &Caller, bounds: BodyBounds, body: S) -> Result<Bytes, Response>
where
    S: Stream<Item = Result<B, warp::Error>> + Send,
    B: Buf + Send,
{
    if !caller.accepts.anything() {
        return Err(not_acceptable("application/json, text/event-stream"));
    }
    require_json(caller.headers()).map_err(Reply::into_response)?;
    collect(caller.headers(), body, bounds)
        .await
        .map_err(|error| Problem::from(error).into_response())
}

/// Picks the era of one message: the modern one is told by what each of its requests carries.
///
/// `initialize` without that is always legacy, whatever headers came along.
fn speaks_modern(caller: &Caller, message: &Message<'_>, head: &Head<'_>) -> bool {
    let opens = matches!(
        message,
        Message::Request { method, .. } | Message::Notification { method, .. } if method == INITIALIZE
    );
    if !opens && names_modern(caller) {
        return true;
    }
    let members = head.meta.members();
    members.get(meta::PROTOCOL_VERSION).is_some()
}

/// Whether a version header speaks of the modern era.
fn names_modern(caller: &Caller) -> bool {
    caller
        .headers()
        .get(PROTOCOL_VERSION)
        .is_some_and(|version| !names_legacy(version.to_str().unwrap_or_default()))
}

/// Whether a version header could be of the legacy era: a date before the modern revisions.
fn names_legacy(version: &str) -> bool {
    let is_date = version.len() == 10
        && version
            .bytes()
            .enumerate()
            .all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
    // Dates of this form compare as texts do.
    is_date && version < "2026"
}

/// What the gateway calls itself.
fn implementation() -> serde_json::Value {
    serde_json::json!({
        "name": "mcp-gateway",
        "title": "Multi-MCP Gateway",
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn not_acceptable(accept: &'static str) -> Response {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        format!("this endpoint answers in JSON or in events; send Accept: {accept}"),
    )
    .into_response()
}

/// Refuses a request that is not let in at all. Its message is not read, so that neither its id nor its era is known:
/// this is the same in all of them.
pub(super) fn refused(failure: &Failure) -> Response {
    let status = refusal::legacy_status(failure);
    let mut response =
        event_stream::json(status, write_error(None, &refusal::legacy_object(failure)));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let headers = response.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from(KEY_SET_PAUSE.as_secs()));
    }
    response
}

fn unavailable(error: &SessionsError) -> Response {
    Problem::unavailable(error.to_string(), std::time::Duration::from_secs(1)).into_response()
}

/// The legacy revision a header names; `None` for one that the gateway does not speak.
fn legacy_revision(version: &str) -> Option<Revision> {
    Revision::from_str(version)
        .ok()
        .filter(|revision| *revision <= Revision::LATEST_LEGACY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_header_tells_the_era_by_its_date() {
        for version in ["2025-03-26", "2025-11-25", "2024-11-05", "1900-01-01"] {
            assert!(names_legacy(version), "{version}");
        }
        for version in ["2026-07-28", "2031-01-01", "DRAFT-2026", "", "latest"] {
            assert!(!names_legacy(version), "{version}");
        }
    }

    #[test]
    fn only_revisions_with_a_handshake_are_legacy() {
        assert_eq!(legacy_revision("2025-06-18"), Some(Revision::V2025_06_18));
        assert_eq!(legacy_revision("2026-07-28"), None);
        assert_eq!(legacy_revision("1900-01-01"), None);
    }
}
