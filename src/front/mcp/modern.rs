//! The modern era towards clients: each request checked by itself, results that say their kind.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata"; server/discover.

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use serde_json::{json, value::RawValue};
use warp::reply::{Reply, Response};

use crate::mcp::{
    error::{HEADER_MISMATCH, UNSUPPORTED_VERSION, error_object, error_object_with},
    event::{Freshness, Notification, Outcome, ResultBody},
    failure::Failure,
    header::{self, decode_value},
    message::{Message, RequestId, write_error, write_result},
    meta,
    method::{DISCOVER, LOG_MESSAGE, TOOLS_CALL, TOOLS_LIST},
    object::{RawObject, to_raw},
    request::{Asking, Context, Request},
    version::{Era, Revision},
};

use super::{
    Caller, Head,
    answer::{Asked, answer},
    description,
    encode::Encode,
    event_stream,
    record::Record,
    refusal,
};

/// Serves one `POST`ed message of a modern client.
pub(super) async fn post(caller: Caller, message: Message<'_>, head: Head<'_>) -> Response {
    let Message::Request { id, method, params } = message else {
        return take_note(&caller);
    };
    let name = head.name();
    let context = match check(&caller, &method, name.as_deref(), &head) {
        Ok(context) => context,
        Err(error) => {
            let record = Record::begin(&method, name.as_deref(), &caller.session_short);
            record.end_with("refused");
            return refuse(&id, &error);
        }
    };
    match method.as_ref() {
        DISCOVER => discover(caller, id, context).await,
        TOOLS_LIST | TOOLS_CALL => {
            let request = Request {
                method: method.into_owned().into(),
                name,
                params: params.map(ToOwned::to_owned),
                asking: Asking::ByRetry,
                context,
                param_headers: param_headers(&caller),
            };
            carry_out(caller, id, request).await
        }
        method => {
            let record = Record::begin(method, None, &caller.session_short);
            record.end_with("unknown method");
            let method = method.to_owned();
            refuse(&id, &refusal::object(&Failure::UnknownMethod { method }))
        }
    }
}

/// Accepts what wants no answer; nothing of the kind means anything to the gateway in this era.
fn take_note(caller: &Caller) -> Response {
    let version = caller.header(header::PROTOCOL_VERSION).unwrap_or_default();
    match speaks(version) {
        Err(error) if caller.headers.contains_key(header::PROTOCOL_VERSION) => {
            event_stream::json(StatusCode::BAD_REQUEST, write_error(None, &error))
        }
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

/// Checks a request in the order that tells a client most: its context, then what the headers
/// mirror.
fn check(
    caller: &Caller,
    method: &str,
    name: Option<&str>,
    head: &Head<'_>,
) -> Result<Context, Box<RawValue>> {
    let members = RawObject::parse_or_empty(head.meta);
    let version = members
        .get_str(meta::PROTOCOL_VERSION)
        .ok_or_else(|| refusal::object(&missing(meta::PROTOCOL_VERSION)))?;
    let context = context(&members).map_err(|failure| refusal::object(&failure))?;
    mirrored(caller, header::PROTOCOL_VERSION, &version)?;
    speaks(&version)?;
    mirrored(caller, header::METHOD, method)?;
    if method == TOOLS_CALL {
        let name = name.ok_or_else(|| refusal::object(&Head::nameless()))?;
        mirrored(caller, header::NAME, name)?;
    }
    Ok(context)
}

/// Reads who the client says it is.
fn context(members: &RawObject<'_>) -> Result<Context, Failure> {
    let capabilities = members
        .get(meta::CLIENT_CAPABILITIES)
        .ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?;
    let info = members.get(meta::CLIENT_INFO);
    Ok(Context {
        client_info: info
            .map(|info| description::info(meta::CLIENT_INFO, info))
            .transpose()?,
        capabilities: Some(description::capabilities(
            meta::CLIENT_CAPABILITIES,
            capabilities,
        )?),
        log_level: members
            .get(meta::LOG_LEVEL)
            .map(|raw| raw.to_owned().into()),
    })
}

fn missing(key: &str) -> Failure {
    Failure::InvalidParams {
        reason: format!("_meta needs {key}"),
    }
}

/// Demands that a header says what the body says.
fn mirrored(caller: &Caller, name: &str, expected: &str) -> Result<(), Box<RawValue>> {
    let mismatch = |what: &str| error_object(HEADER_MISMATCH, &format!("header mismatch: {what}"));
    let mut values = caller.headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(mismatch(&format!("{name} must be there, once")));
    };
    let value = value.to_str().ok().and_then(decode_value);
    if value.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(mismatch(&format!("{name} does not say what the body says")))
}

fn speaks(version: &str) -> Result<(), Box<RawValue>> {
    let is_modern =
        |revision: &Revision| revision.era() == Era::Modern && revision.as_str() == version;
    if Revision::ALL.iter().any(is_modern) {
        return Ok(());
    }
    Err(error_object_with(
        UNSUPPORTED_VERSION,
        "unsupported protocol version",
        &json!({ "supported": supported(), "requested": version }),
    ))
}

/// Every revision, the newest first: the endpoint serves them all.
fn supported() -> Vec<&'static str> {
    Revision::ALL
        .iter()
        .rev()
        .map(|revision| revision.as_str())
        .collect()
}

async fn discover(caller: Caller, id: RequestId, context: Context) -> Response {
    let record = Record::begin(DISCOVER, None, &caller.session_short);
    let welcome = match caller.session.discover(context).await {
        Ok(welcome) => welcome,
        Err(failure) => {
            let outcome = Outcome::Failed(failure);
            record.end(None, &outcome);
            let written = super::encode::response(&Modern::new(false), &id, outcome);
            return event_stream::json(StatusCode::OK, written.unwrap_or_default());
        }
    };
    record.end_with("ok");
    let mut result = json!({
        "resultType": "complete",
        "supportedVersions": supported(),
        "capabilities": { "tools": {} },
        // Backends come and go; only asking again tells.
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": { meta::SERVER_INFO: super::implementation() },
    });
    if let Some(instructions) = welcome.instructions {
        result["instructions"] = instructions.into();
    }
    let written = write_result(&id, to_raw(&result).get().as_bytes());
    event_stream::one(caller.accepts, StatusCode::OK, written)
}

async fn carry_out(caller: Caller, id: RequestId, request: Request) -> Response {
    let record = Record::begin(
        &request.method,
        request.name.as_deref(),
        &caller.session_short,
    );
    let encode = Modern::new(request.context.log_level.is_some());
    answer(Asked {
        session: caller.session,
        id,
        request,
        mcp_session: None,
        // Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation".
        leaving_cancels: true,
        accepts: caller.accepts,
        record,
        encode,
    })
    .await
}

/// The headers that mirror a tool's arguments. They go on only for a tool whose schema is not known
/// yet; for any other they are written anew from the arguments.
fn param_headers(caller: &Caller) -> Vec<(String, String)> {
    caller
        .headers
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(header::PARAM_PREFIX))
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect()
}

fn refuse(id: &RequestId, error: &RawValue) -> Response {
    let status = match refusal::modern_status(error) {
        // What is wrong with a request's own form is its sender's fault in HTTP's words too.
        StatusCode::OK => StatusCode::BAD_REQUEST,
        status => status,
    };
    event_stream::json(status, write_error(Some(id), error))
}

/// Writes answers as the modern era has them.
struct Modern {
    wants_log: bool,
}

impl Modern {
    const fn new(wants_log: bool) -> Self {
        Self { wants_log }
    }
}

impl Encode for Modern {
    /// Log messages come only to who asked for them. Spec: 2026-07-28 server/utilities/logging.
    fn wants(&self, notification: &Notification) -> bool {
        self.wants_log || notification.method != LOG_MESSAGE
    }

    fn result(&self, body: ResultBody) -> Result<Bytes, Box<RawValue>> {
        if body.typed {
            return Ok(body.json);
        }
        Ok(typed(&body.json, body.freshness))
    }

    fn first_part(&self, part: &ResultBody) -> Option<Bytes> {
        Some(if part.typed {
            part.json.clone()
        } else {
            typed(&part.json, part.freshness)
        })
    }

    fn status(&self, outcome: &Outcome) -> StatusCode {
        match outcome {
            Outcome::Rejected(rejection) => refusal::modern_status(&rejection.error),
            Outcome::Failed(failure) => refusal::modern_status(&refusal::object(failure)),
            Outcome::Completed(_) | Outcome::Cancelled => StatusCode::OK,
        }
    }
}

/// Puts what this era demands in front of a result's own members, which stay as they are.
fn typed(json: &Bytes, freshness: Option<Freshness>) -> Bytes {
    let Some(members) = json.trim_ascii_start().strip_prefix(b"{") else {
        return json.clone();
    };
    let front = match freshness {
        None => r#"{"resultType":"complete""#.to_owned(),
        Some(Freshness { ttl_ms, public }) => {
            let scope = if public { "public" } else { "private" };
            format!(r#"{{"resultType":"complete","ttlMs":{ttl_ms},"cacheScope":"{scope}""#)
        }
    };
    let is_empty = members.trim_ascii_start().starts_with(b"}");
    let mut typed = BytesMut::with_capacity(front.len() + 1 + members.len());
    typed.put_slice(front.as_bytes());
    if !is_empty {
        typed.put_u8(b',');
    }
    typed.put_slice(members);
    typed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_gets_its_kind_and_keeps_every_byte() {
        let typed = |json: &'static str, freshness| typed(&json.into(), freshness);
        assert_eq!(
            typed(r#"{"content":[ 1.0 ]}"#, None),
            r#"{"resultType":"complete","content":[ 1.0 ]}"#
        );
        assert_eq!(typed("{ }", None), r#"{"resultType":"complete" }"#);
        let freshness = Some(Freshness {
            ttl_ms: 5,
            public: false,
        });
        assert_eq!(
            typed(r#"{"tools":[]}"#, freshness),
            r#"{"resultType":"complete","ttlMs":5,"cacheScope":"private","tools":[]}"#
        );
    }

    #[test]
    fn log_messages_come_only_to_who_asked() {
        let log = Notification {
            method: LOG_MESSAGE.to_owned(),
            params: None,
        };
        assert!(!Modern::new(false).wants(&log));
        assert!(Modern::new(true).wants(&log));
    }
}
