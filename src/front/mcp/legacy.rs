//! The legacy era towards clients: handshake, MCP sessions, the `GET` stream, messages.
//!
//! Spec: 2025-11-25 basic/lifecycle, basic/transports.

mod asking;
mod batch;
mod encode;
mod opening;
mod stream;
#[cfg(test)]
mod tests;

use http::StatusCode;
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;
use warp::reply::{Reply, Response};

use crate::{
    mcp::{
        error::{INVALID_REQUEST, error_object},
        event::{Answered, Notification},
        failure::Failure,
        header::{PROTOCOL_VERSION, SESSION_ID},
        message::{Message, RequestId, write_error},
        method::{CANCELLED, INITIALIZE, INITIALIZED},
        object::RawObject,
        request::{Asking, Context, Request},
        version::Revision,
    },
    session::SessionRef,
};

use super::{
    Caller, Head,
    answer::answer,
    answering::{Answering, Wanted},
    event_stream,
    following::follow,
    legacy_revision,
    record::{self, Record},
    refusal,
};

use encode::Legacy;

pub(super) use batch::post as batch;
pub(super) use stream::listen;

/// Serves one `POST`ed message of a legacy client.
pub(super) async fn post<'a>(
    caller: Box<Caller>,
    message: Message<'a>,
    head: Head<'a>,
) -> Response {
    // `initialize` may come with headers of what the client hopes for, or had before.
    let message = match message {
        Message::Request { id, method, params } if method == INITIALIZE => {
            return opening::initialize(caller, id, params, &head.meta).await;
        }
        message => message,
    };
    let mcp_session = match admit(&caller) {
        Ok(mcp_session) => mcp_session,
        Err(unfit) => {
            let refused = unfit.refuse(&caller, message.id());
            return record::refused(&caller.sender, refused);
        }
    };
    match message {
        Message::Request { id, method, params } => {
            let asked = Asked {
                id,
                method: method.as_ref().into(),
                params,
                head,
            };
            request(caller, mcp_session, asked).await
        }
        message => {
            let refused = ended(&caller, mcp_session, None).await;
            let response = refused.unwrap_or_else(|| {
                take_note(&caller.session, mcp_session, &message);
                StatusCode::ACCEPTED.into_response()
            });
            record::note(&message, &caller.sender, response.status());
            response
        }
    }
}

/// A request as it was read.
struct Asked<'a> {
    id: RequestId,
    method: SmolStr,
    params: Option<&'a RawValue>,
    head: Head<'a>,
}

async fn request(caller: Box<Caller>, mcp_session: Option<Uuid>, asked: Asked<'_>) -> Response {
    let id = asked.id.clone();
    match wanted(&caller, mcp_session, asked) {
        Ok(wanted) => answer(Answering::begin(wanted)).await,
        Err(lacking) => {
            let (record, failure) = *lacking;
            // Whoever has no MCP session any more is told that first.
            if let Some(refused) = ended(&caller, mcp_session, Some(&id)).await {
                record.end_with("refused");
                return refused;
            }
            record.end_failed(&failure);
            refuse(&caller, Some(&id), &failure)
        }
    }
}

/// Makes a request ready to be carried out; or tells what it lacks.
fn wanted(
    caller: &Caller,
    mcp_session: Option<Uuid>,
    asked: Asked<'_>,
) -> Result<Wanted<Legacy>, Box<(Record, Failure)>> {
    let Asked {
        id,
        method,
        params,
        head,
    } = asked;
    let begin = |subject| {
        let mut record = Record::begin(&method, subject, &caller.sender);
        let trace = follow(caller, &mut record, &id, &head.meta);
        (record, trace)
    };
    let name = match head.subject(&method) {
        Ok(name) => name,
        Err(failure) => return Err(Box::new((begin(None).0, failure))),
    };
    let (record, trace) = begin(name.as_deref());
    let encode = Legacy::new(caller.session.clone(), mcp_session, &method);
    Ok(Wanted {
        session: caller.session.clone(),
        id,
        request: Request {
            method,
            name,
            params: params.map(ToOwned::to_owned),
            asking: match mcp_session {
                Some(_) if caller.accepts.events => Asking::WhileOpen,
                _ => Asking::Never,
            },
            context: Context {
                trace,
                ..Context::default()
            },
            param_headers: None,
        },
        mcp_session,
        pinned: None,
        // A connection may break; only a message takes a request back.
        // Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
        leaving_cancels: false,
        accepts: caller.accepts,
        record,
        encode,
    })
}

/// Serves `DELETE`: ends the client's MCP session.
///
/// Spec: 2025-11-25 basic/transports, "Session Management".
pub(super) async fn end(caller: Box<Caller>) -> Response {
    let ended = match admit(&caller) {
        Ok(None) => return session_wanted(),
        Ok(Some(id)) => caller.session.end_mcp_session(id).await,
        Err(unfit) => return unfit.refuse(&caller, None),
    };
    match ended {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => refuse(&caller, None, &Failure::UnknownMcpSession),
        Err(failure) => refuse(&caller, None, &failure),
    }
}

/// A header that this era does not take.
enum Unfit {
    /// The revision.
    Version,
    /// The MCP session's id.
    McpSession,
}

/// Checks the headers of this era; gives the client's MCP session, when it names one.
fn admit(caller: &Caller) -> Result<Option<Uuid>, Unfit> {
    if let Some(version) = caller.headers().get(PROTOCOL_VERSION) {
        let version = version.to_str().ok();
        version.and_then(legacy_revision).ok_or(Unfit::Version)?;
    }
    let Some(id) = caller.headers().get(SESSION_ID) else {
        return Ok(None);
    };
    let id = id.to_str().ok().and_then(crate::front::session_id);
    id.map(Some).ok_or(Unfit::McpSession)
}

impl Unfit {
    fn refuse(self, caller: &Caller, id: Option<&RequestId>) -> Response {
        let known = match self {
            // What is no id of ours is an unknown one.
            Self::McpSession => return refuse(caller, id, &Failure::UnknownMcpSession),
            Self::Version => Revision::ALL.map(Revision::as_str).join(", "),
        };
        let message = format!("unsupported MCP-Protocol-Version; send one of {known}");
        event_stream::json(
            StatusCode::BAD_REQUEST,
            write_error(id, &error_object(INVALID_REQUEST, &message)),
        )
    }
}

/// Refuses what comes over an MCP session that has ended.
async fn ended(
    caller: &Caller,
    mcp_session: Option<Uuid>,
    id: Option<&RequestId>,
) -> Option<Response> {
    match caller.session.knows(mcp_session?).await {
        Ok(Some(_)) => None,
        Ok(None) => Some(refuse(caller, id, &Failure::UnknownMcpSession)),
        Err(failure) => Some(refuse(caller, id, &failure)),
    }
}

/// Passes on what wants no answer. Without an MCP session it can concern nothing.
fn take_note(session: &SessionRef, mcp_session: Option<Uuid>, message: &Message<'_>) {
    let Some(mcp_session) = mcp_session else {
        return;
    };
    match message {
        Message::Notification { method, params } => match method.as_ref() {
            // One that names no request takes nothing back. Spec: 2025-11-25 basic/utilities/
            // cancellation, "Error Handling": such notifications are ignored.
            CANCELLED => {
                let request = RawObject::parse_or_empty(*params)
                    .get("requestId")
                    .and_then(|raw| RequestId::from_raw(raw).ok());
                if let Some(request) = request {
                    session.cancel(mcp_session, request);
                }
            }
            // It is the gateway with whom the client opened.
            INITIALIZED => {}
            method => session.notify(
                mcp_session,
                Notification {
                    method: method.to_owned(),
                    params: params.map(ToOwned::to_owned),
                },
            ),
        },
        Message::Result { id, result } => {
            let answered = Answered::Result((*result).to_owned());
            session.answer(mcp_session, id.clone(), answered);
        }
        Message::Error {
            id: Some(id),
            error,
        } => {
            let answered = Answered::Error((*error).to_owned());
            session.answer(mcp_session, id.clone(), answered);
        }
        Message::Error { id: None, .. } | Message::Request { .. } => {}
    }
}

fn refuse(caller: &Caller, id: Option<&RequestId>, failure: &Failure) -> Response {
    let status = match (id, refusal::legacy_status(failure)) {
        // There is no request whose answer could carry the error.
        (None, StatusCode::OK) => StatusCode::SERVICE_UNAVAILABLE,
        (_, status) => status,
    };
    event_stream::one(
        caller.accepts,
        status,
        write_error(id, &refusal::legacy_object(failure)),
    )
}

fn session_wanted() -> Response {
    let error = error_object(
        INVALID_REQUEST,
        "this needs the Mcp-Session-Id header that initialize answered with",
    );
    event_stream::json(StatusCode::BAD_REQUEST, write_error(None, &error))
}
