//! The modern era towards clients: each request checked by itself, results that say their kind.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata".

mod checks;
mod discover;
mod elicitation;
mod encode;
mod lately;
mod subscription;

use http::StatusCode;
use serde_json::value::RawValue;
use warp::reply::{Reply, Response};

use crate::{
    mcp::{
        failure::Failure,
        header,
        message::{Message, RequestId, write_error},
        method::{
            DISCOVER, INITIALIZE, LISTEN, PING, SET_LEVEL, SUBSCRIBE, TASKS_LIST, TASKS_RESULT,
            UNSUBSCRIBE, may_want_input,
        },
        object::{RawObject, quote},
        request::{Asking, Context, Request},
    },
    session::TakenUp,
};

use super::{
    Caller, Head,
    answer::answer,
    answering::{Answering, Wanted},
    event_stream,
    following::follow,
    record::{self, Record},
    refusal,
};

use encode::Modern;

/// What only the legacy era has.
const LEGACY_METHODS: [&str; 7] = [
    INITIALIZE,
    PING,
    SET_LEVEL,
    SUBSCRIBE,
    UNSUBSCRIBE,
    TASKS_RESULT,
    TASKS_LIST,
];

/// Serves one `POST`ed message of a modern client.
pub(super) async fn post(caller: Box<Caller>, message: Message<'_>, head: Head<'_>) -> Response {
    let Message::Request { id, method, params } = message else {
        let response = take_note(&caller);
        record::note(&message, &caller.sender, response.status());
        return response;
    };
    let context = match checks::context(&caller, &method, &head) {
        Ok(context) => context,
        Err(error) => return refuse(&caller, &id, &method, &error),
    };
    if LEGACY_METHODS.contains(&method.as_ref()) {
        let unknown = Failure::UnknownMethod {
            method: method.clone().into_owned(),
        };
        return refuse(&caller, &id, &method, &refusal::modern_object(&unknown));
    }
    let name = match checks::subject(&caller, &method, &head) {
        Ok(name) => name,
        Err(error) => return refuse(&caller, &id, &method, &error),
    };
    let request = Request {
        name,
        asking: if may_want_input(&method) {
            Asking::ByRetry
        } else {
            Asking::Never
        },
        param_headers: Some(param_headers(&caller)),
        ..Request::new(method.as_ref(), params.map(ToOwned::to_owned), context)
    };
    match request.method.as_ref() {
        DISCOVER => discover::discover(caller, id, request.context, &head.meta).await,
        LISTEN => subscription::listen(caller, id, request, &head.meta).await,
        _ => carry_out(caller, id, request, &head).await,
    }
}

/// Accepts what wants no answer; nothing of the kind means anything to the gateway in this era.
fn take_note(caller: &Caller) -> Response {
    let version = caller.header(header::PROTOCOL_VERSION).unwrap_or_default();
    match checks::speaks(version) {
        Err(error) if caller.headers().contains_key(header::PROTOCOL_VERSION) => {
            event_stream::json(StatusCode::BAD_REQUEST, write_error(None, &error))
        }
        _ => StatusCode::ACCEPTED.into_response(),
    }
}

async fn carry_out(
    caller: Box<Caller>,
    id: RequestId,
    mut request: Request,
    head: &Head<'_>,
) -> Response {
    let mut record = Record::begin(&request.method, request.name.as_deref(), &caller.sender);
    request.context.trace = follow(&caller, &mut record, &id, &head.meta);
    let taken_up = match head.request_state {
        Some(_) if may_want_input(&request.method) => caller.session.take_up(&request).await,
        _ => Ok(TakenUp::New),
    };
    let mut wanted = Wanted {
        session: caller.session,
        id,
        mcp_session: None,
        pinned: None,
        // Spec: 2026-07-28 basic/transports/streamable-http, "Cancellation".
        leaving_cancels: true,
        accepts: caller.accepts,
        record,
        encode: Modern::new(&request),
        request,
    };
    answer(match taken_up {
        Ok(TakenUp::New) => Answering::begin(wanted),
        Ok(TakenUp::Pinned { backend, state }) => {
            wanted.pinned = Some(backend);
            let params = RawObject::parse_or_empty(wanted.request.params.as_deref());
            let params = with_state(params, &state);
            wanted.request.params = Some(params);
            Answering::begin(wanted)
        }
        Ok(TakenUp::Parked(parked)) => {
            wanted.encode.goes_on_for(head);
            let brought = head.brought();
            Answering::take_up(wanted, parked, &brought)
        }
        Err(failure) => Answering::refuse(wanted, failure),
    })
    .await
}

/// Gives a backend back what it put into the client's hands.
fn with_state(mut params: RawObject<'_>, state: &str) -> Box<RawValue> {
    params.set("requestState", quote(state));
    params.to_raw()
}

/// The headers that mirror a tool's arguments. They go on only for a tool whose schema is not known
/// yet; for any other they are written anew from the arguments.
fn param_headers(caller: &Caller) -> Vec<(String, String)> {
    caller
        .headers()
        .iter()
        .filter(|(name, _)| name.as_str().starts_with(header::PARAM_PREFIX))
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        })
        .collect()
}

/// Refuses a request for how it came, or for a method that nothing serves.
fn refuse(caller: &Caller, id: &RequestId, method: &str, error: &RawValue) -> Response {
    Record::begin(method, None, &caller.sender).end_with("refused");
    let status = match refusal::modern_status(error) {
        // What is wrong with a request's own form is its sender's fault in HTTP's words too.
        StatusCode::OK => StatusCode::BAD_REQUEST,
        status => status,
    };
    event_stream::json(status, write_error(Some(id), error))
}

/// Whether the client declared an extension.
fn has_extension(context: &Context, extension: &str) -> bool {
    let capabilities = RawObject::parse_or_empty(context.capabilities.as_deref());
    let extensions = RawObject::parse_or_empty(capabilities.get("extensions"));
    extensions.get(extension).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backends_state_takes_the_place_of_the_sealed_one() {
        let text = r#"{"name":"it.x","requestState":"sealed","inputResponses":{"a":{ }}}"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let params = RawObject::parse(&raw).unwrap();
        assert_eq!(
            with_state(params, r#"{"a":"b"}"#).get(),
            r#"{"name":"it.x","requestState":"{\"a\":\"b\"}","inputResponses":{"a":{ }}}"#
        );
    }

    #[test]
    fn an_extension_is_declared_by_its_name() {
        let context = |text: &str| Context {
            capabilities: Some(RawValue::from_string(text.to_owned()).unwrap().into()),
            ..Context::default()
        };
        assert!(has_extension(
            &context(r#"{"extensions":{"a/b":{}}}"#),
            "a/b"
        ));
        for text in [r#"{"extensions":{"a/c":{}}}"#, "{}", r#"{"a/b":{}}"#] {
            assert!(!has_extension(&context(text), "a/b"), "{text}");
        }
    }
}
