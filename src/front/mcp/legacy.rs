//! The legacy era towards clients: handshake, MCP sessions, the `GET` stream, messages.
//!
//! Spec: 2025-11-25 basic/lifecycle, basic/transports.

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, StatusCode};
use serde_json::{json, value::RawValue};
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;
use warp::reply::{Reply, Response};

use crate::{
    limits::{CHANGES_IN_FLIGHT, KEEP_ALIVE_INTERVAL},
    mcp::{
        error::{INTERNAL_ERROR, INVALID_REQUEST, error_object},
        event::{Notification, Outcome, ResultBody},
        failure::Failure,
        header::{PROTOCOL_VERSION, SESSION_ID},
        message::{Message, RequestId, write_error, write_notification, write_result},
        method::{CANCELLED, INITIALIZE, TOOLS_CALL},
        object::{RawObject, to_raw},
        request::{Asking, Context, Request},
        version::Revision,
    },
    session::{Client, Told, Welcome},
};

use super::{
    Caller, Head,
    answer::{Asked, answer},
    description,
    encode::Encode,
    event_stream, legacy_revision, not_acceptable,
    record::Record,
    refusal,
};

/// Serves one `POST`ed message of a legacy client.
pub(super) async fn post(caller: Caller, message: Message<'_>, head: Head<'_>) -> Response {
    // `initialize` may come with headers of what the client hopes for, or had before.
    let message = match message {
        Message::Request { id, method, params } if method == INITIALIZE => {
            return initialize(caller, id, params).await;
        }
        message => message,
    };
    if let Some(refused) = refuse_version(&caller, message.id()) {
        return refused;
    }
    let mcp_session = match mcp_session(&caller) {
        Ok(mcp_session) => mcp_session,
        Err(failure) => return refuse(&caller, message.id(), &failure),
    };
    match message {
        Message::Request { id, method, params } => {
            let name = head.name();
            if name.is_none() && method == TOOLS_CALL {
                return nameless(caller, mcp_session, id).await;
            }
            let request = Request {
                method: method.into_owned().into(),
                name,
                params: params.map(ToOwned::to_owned),
                asking: Asking::Never,
                context: Context::default(),
                param_headers: Vec::new(),
            };
            carry_out(caller, mcp_session, id, request).await
        }
        Message::Notification { method, params } => {
            notification(&caller, mcp_session, &method, params).await
        }
        // An answer to a request; the gateway sends clients none, so nobody waits for it.
        Message::Result { .. } | Message::Error { .. } => ended(&caller, mcp_session, None)
            .await
            .unwrap_or_else(accepted),
    }
}

/// Serves `GET`: a stream on which the client hears that lists changed.
///
/// Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".
pub(super) async fn listen(caller: Caller) -> Response {
    if !caller.accepts.events {
        return not_acceptable("text/event-stream");
    }
    if let Some(refused) = refuse_version(&caller, None) {
        return refused;
    }
    let Ok(mcp_session) = mcp_session(&caller) else {
        return refuse(&caller, None, &Failure::UnknownMcpSession);
    };
    let Some(mcp_session) = mcp_session else {
        return session_wanted();
    };
    let (listener, heard) = mpsc::channel(CHANGES_IN_FLIGHT);
    if let Err(failure) = caller.session.listen(mcp_session, listener).await {
        return refuse(&caller, None, &failure);
    }
    let changes = stream::unfold(heard, |mut heard| async move {
        let bytes = match timeout(KEEP_ALIVE_INTERVAL, heard.recv()).await {
            Err(_) => event_stream::KEEP_ALIVE,
            Ok(None) => return None,
            Ok(Some(Told::Notification(Notification { method, params }))) => {
                event_stream::event(&write_notification(&method, params.as_deref()))
            }
            Ok(Some(Told::Asked(_) | Told::Withdrawn(_))) => event_stream::KEEP_ALIVE,
        };
        Some((Ok(bytes), heard))
    });
    // A first comment shows what is in between that the stream lives.
    let opened = stream::once(async { Ok(event_stream::KEEP_ALIVE) });
    event_stream::events(opened.chain(changes))
}

/// Serves `DELETE`: ends the client's MCP session.
///
/// Spec: 2025-11-25 basic/transports, "Session Management".
pub(super) async fn end(caller: Caller) -> Response {
    if let Some(refused) = refuse_version(&caller, None) {
        return refused;
    }
    let ended = match mcp_session(&caller) {
        Ok(None) => return session_wanted(),
        Ok(Some(id)) => caller.session.end_mcp_session(id).await,
        Err(failure) => Err(failure),
    };
    match ended {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => refuse(&caller, None, &Failure::UnknownMcpSession),
        Err(failure) => refuse(&caller, None, &failure),
    }
}

async fn initialize(caller: Caller, id: RequestId, params: Option<&RawValue>) -> Response {
    let record = Record::begin(INITIALIZE, None, &caller.session_short);
    let client = match introduced(params) {
        Ok(client) => client,
        Err(failure) => {
            record.end_failed(&failure);
            return refuse(&caller, Some(&id), &failure);
        }
    };
    let revision = client.revision;
    match caller.session.open_mcp_session(client).await {
        Ok((mcp_session, welcome)) => {
            record.end_with("ok");
            let written = write_result(&id, greeting(revision, welcome).get().as_bytes());
            let mut response = event_stream::one(caller.accepts, StatusCode::OK, written);
            if let Ok(value) = HeaderValue::from_str(&mcp_session.to_string()) {
                response.headers_mut().insert(SESSION_ID, value);
            }
            response
        }
        Err(failure) => {
            record.end_failed(&failure);
            refuse(&caller, Some(&id), &failure)
        }
    }
}

/// Reads who the client says it is.
fn introduced(params: Option<&RawValue>) -> Result<Client, Failure> {
    let params = RawObject::parse_or_empty(params);
    let (Some(requested), Some(capabilities), Some(info)) = (
        params.get_str("protocolVersion"),
        params.get("capabilities"),
        params.get("clientInfo"),
    ) else {
        return Err(Failure::InvalidParams {
            reason: "initialize needs protocolVersion, capabilities and clientInfo".to_owned(),
        });
    };
    Ok(Client {
        // A version we do not speak this way is answered with one we do.
        revision: legacy_revision(&requested).unwrap_or(Revision::LATEST_LEGACY),
        context: Context {
            client_info: Some(description::info("clientInfo", info)?),
            capabilities: Some(description::capabilities("capabilities", capabilities)?),
            log_level: None,
        },
    })
}

/// What the gateway offers in this era; nothing is advertised that is not served.
fn greeting(revision: Revision, welcome: Welcome) -> Box<RawValue> {
    let mut result = json!({
        "protocolVersion": revision.as_str(),
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": super::implementation(),
    });
    if let Some(instructions) = welcome.instructions {
        result["instructions"] = instructions.into();
    }
    to_raw(&result)
}

async fn carry_out(
    caller: Caller,
    mcp_session: Option<Uuid>,
    id: RequestId,
    request: Request,
) -> Response {
    let record = Record::begin(
        &request.method,
        request.name.as_deref(),
        &caller.session_short,
    );
    answer(Asked {
        session: caller.session,
        id,
        request,
        mcp_session,
        // A connection may break; only a message takes a request back.
        // Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
        leaving_cancels: false,
        accepts: caller.accepts,
        record,
        encode: Legacy,
    })
    .await
}

/// Refuses a call that names no tool.
async fn nameless(caller: Caller, mcp_session: Option<Uuid>, id: RequestId) -> Response {
    let record = Record::begin(TOOLS_CALL, None, &caller.session_short);
    if let Some(refused) = ended(&caller, mcp_session, Some(&id)).await {
        record.end_with("refused");
        return refused;
    }
    let failure = Head::nameless();
    record.end_failed(&failure);
    refuse(&caller, Some(&id), &failure)
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

async fn notification(
    caller: &Caller,
    mcp_session: Option<Uuid>,
    method: &str,
    params: Option<&RawValue>,
) -> Response {
    if let Some(refused) = ended(caller, mcp_session, None).await {
        return refused;
    }
    if let Some(mcp_session) = mcp_session
        && method == CANCELLED
    {
        let request = RawObject::parse_or_empty(params)
            .get("requestId")
            .and_then(|raw| RequestId::from_raw(raw).ok());
        // One that names no request takes nothing back. Spec: 2025-11-25 basic/utilities/
        // cancellation, "Error Handling": such notifications are ignored.
        if let Some(request) = request {
            caller.session.cancel(mcp_session, request);
        }
    }
    accepted()
}

/// Reads the client's MCP session from its header; what is no id of ours is an unknown one.
fn mcp_session(caller: &Caller) -> Result<Option<Uuid>, Failure> {
    if !caller.headers.contains_key(SESSION_ID) {
        return Ok(None);
    }
    caller
        .header(SESSION_ID)
        .and_then(crate::front::session_id)
        .map(Some)
        .ok_or(Failure::UnknownMcpSession)
}

fn refuse_version(caller: &Caller, id: Option<&RequestId>) -> Option<Response> {
    if !caller.headers.contains_key(PROTOCOL_VERSION) {
        return None;
    }
    let version = caller.header(PROTOCOL_VERSION).unwrap_or_default();
    if legacy_revision(version).is_some() {
        return None;
    }
    let known: Vec<_> = Revision::ALL.map(Revision::as_str).into();
    let message = format!(
        "unsupported MCP-Protocol-Version; send one of {}",
        known.join(", ")
    );
    Some(event_stream::json(
        StatusCode::BAD_REQUEST,
        write_error(id, &error_object(INVALID_REQUEST, &message)),
    ))
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
        write_error(id, &refusal::object(failure)),
    )
}

fn session_wanted() -> Response {
    let error = error_object(
        INVALID_REQUEST,
        "this needs the Mcp-Session-Id header that initialize answered with",
    );
    event_stream::json(StatusCode::BAD_REQUEST, write_error(None, &error))
}

fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// Writes answers as the legacy era has them.
struct Legacy;

/// What only results of the modern era carry.
const MODERN_MEMBERS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

impl Encode for Legacy {
    fn wants(&self, _: &Notification) -> bool {
        true
    }

    fn result(&self, body: ResultBody) -> Result<Bytes, Box<RawValue>> {
        if !body.typed {
            return Ok(body.json);
        }
        let garbled = || error_object(INTERNAL_ERROR, "the backend's result is no object");
        let raw: &RawValue = serde_json::from_slice(&body.json).map_err(|_| garbled())?;
        let mut members = RawObject::parse(raw).map_err(|_| garbled())?;
        let kind = members.get_str("resultType");
        if kind.as_deref().is_some_and(|kind| kind != "complete") {
            return Err(error_object(
                INTERNAL_ERROR,
                "the backend asks for input, which the gateway cannot ask of a client of this revision",
            ));
        }
        members.retain(|name| !MODERN_MEMBERS.contains(&name));
        Ok(members.to_raw().get().to_owned().into())
    }

    /// What only the modern era has may stand anywhere in a result.
    fn first_part(&self, part: &ResultBody) -> Option<Bytes> {
        (!part.typed).then(|| part.json.clone())
    }

    fn status(&self, outcome: &Outcome) -> StatusCode {
        match outcome {
            Outcome::Failed(failure) => refusal::legacy_status(failure),
            _ => StatusCode::OK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(json: &'static str, typed: bool) -> Result<Bytes, Box<RawValue>> {
        Legacy.result(ResultBody {
            json: json.into(),
            typed,
            freshness: None,
        })
    }

    #[test]
    fn what_only_modern_clients_read_is_taken_out() {
        let modern =
            r#"{"resultType":"complete","content":[],"n":1.0,"ttlMs":1,"cacheScope":"private"}"#;
        assert_eq!(result(modern, true).unwrap(), r#"{"content":[],"n":1.0}"#);
        let legacy = r#"{ "content" : [] }"#;
        assert_eq!(result(legacy, false).unwrap(), legacy);
        assert!(result(r#"{"resultType":"input_required"}"#, true).is_err());
    }
}
