//! Speaks with a backend in its era: the one place of this room where the two are told apart.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use crate::mcp::{
    members::Members,
    message::{RequestId, write_request, write_request_around, write_request_of},
    meta::PROGRESS_TOKEN,
    method::subject_member,
    object::{RawObject, quote},
    request::Request,
    version::Revision,
};

use super::{
    error::BackendError,
    exchange::Answer,
    input,
    legacy::Legacy,
    listening::Filter,
    modern::Modern,
    transport::streamable_http::{Outgoing, Refusal, Wire},
};

/// What was agreed with a backend about how to speak.
pub(crate) enum Dialect {
    /// After a handshake.
    Legacy(Legacy),
    /// Each request for itself.
    Modern(Modern),
}

/// A request ready to be sent, and what its answer needs.
pub(crate) struct Encoded {
    pub(crate) outgoing: Outgoing,
    /// The progress token the client chose; towards the backend it is the request's id.
    pub(crate) client_token: Option<Box<RawValue>>,
}

impl Dialect {
    /// Writes a request in this dialect.
    pub(crate) fn encode(&self, request: &Request, id: &RequestId) -> Encoded {
        match self {
            Self::Legacy(legacy) => legacy.encode(request, id),
            Self::Modern(modern) => modern.encode(request, id),
        }
    }

    /// Tells what an HTTP error means for a request.
    pub(crate) fn judge(
        &self,
        refusal: &Refusal,
        id: &RequestId,
        wire: &Wire,
    ) -> Result<Answer, BackendError> {
        match self {
            Self::Legacy(legacy) => legacy.judge(refusal, id, wire),
            Self::Modern(_) => Modern::judge(refusal, id, wire),
        }
    }

    /// What to send so that the backend stops working on a request; `None` where closing the
    /// answer says it.
    pub(crate) fn cancellation(&self, id: &RequestId) -> Option<Outgoing> {
        match self {
            Self::Legacy(legacy) => Some(legacy.cancellation(id)),
            Self::Modern(_) => None,
        }
    }

    /// What to send for a stream of what the backend says by itself; `id` names it, and `filter` says
    /// what is wanted, where such streams have that.
    pub(crate) fn listening(&self, id: &RequestId, filter: &Filter) -> Outgoing {
        match self {
            Self::Legacy(legacy) => legacy.listening(),
            Self::Modern(modern) => modern.listening(id, filter),
        }
    }

    /// Whether such a stream says itself from when on nothing is missed; else it is from its opening.
    pub(crate) const fn acknowledges_listening(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// The headers of a message that answers a request of the backend's; `None` where backends may
    /// not send any.
    pub(crate) fn reply_headers(&self) -> Option<HeaderMap> {
        match self {
            Self::Legacy(legacy) => Some(legacy.headers().clone()),
            Self::Modern(_) => None,
        }
    }

    /// The backend's MCP session, which can be ended; `None` where there is none.
    pub(crate) const fn session(&self) -> Option<&HeaderValue> {
        match self {
            Self::Legacy(legacy) => legacy.session(),
            Self::Modern(_) => None,
        }
    }

    /// The headers of what ends the backend's MCP session; `None` where there is none.
    pub(crate) fn farewell(&self) -> Option<HeaderMap> {
        self.session().and_then(|_| self.reply_headers())
    }

    /// Whether one conversation serves every MCP session of ours, because it holds no state.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// Whether the backend may send several messages at once.
    pub(crate) fn takes_batches(&self) -> bool {
        match self {
            Self::Legacy(legacy) => legacy.takes_batches(),
            Self::Modern(_) => false,
        }
    }

    /// Whether results say what kind they are.
    pub(crate) const fn types_results(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// The revision agreed upon.
    pub(crate) const fn revision(&self) -> Revision {
        match self {
            Self::Legacy(legacy) => legacy.revision(),
            Self::Modern(modern) => modern.revision(),
        }
    }
}

/// Takes up a conversation as it was remembered.
pub(crate) fn resume(revision: Revision, session: Option<HeaderValue>) -> Dialect {
    match Modern::speaking(revision) {
        Some(modern) => Dialect::Modern(modern),
        None => Dialect::Legacy(Legacy::new(revision, session)),
    }
}

/// The member of parameters that is for the protocol.
const META: &str = "_meta";

/// Writes a request's body: own name and own progress token in, parameters and `_meta` as `edit`
/// leaves them.
///
/// Every other byte of the parameters stays as the client wrote it.
pub(super) fn write_body<'a>(
    request: &'a Request,
    id: &'a RequestId,
    edit: impl FnOnce(&mut RawObject<'a>, &mut RawObject<'a>),
) -> (Bytes, Option<Box<RawValue>>) {
    let mut params = RawObject::parse_or_empty(request.params.as_deref());
    let mut members = RawObject::parse_or_empty(params.read(META));
    let client_token = members.get(PROGRESS_TOKEN).map(ToOwned::to_owned);
    if client_token.is_some() {
        members.set(PROGRESS_TOKEN, json(id.as_json()));
    }
    let was_empty = members.is_empty();
    edit(&mut params, &mut members);
    if let Some(trace) = &request.context.trace {
        trace.set_meta(&mut members);
    }
    if members.is_empty() && !was_empty {
        // All that stood there was for another era.
        params.retain(|name| name != META);
    }
    if let (Some(name), Some(member)) = (&request.name, subject_member(&request.method)) {
        params.set(member, quote(name));
    }
    let meta = (!members.is_empty()).then_some((META, &members));
    let body = if request.params.is_some() || meta.is_some() || !params.is_empty() {
        write_request_of(id, &request.method, &params, meta)
    } else {
        write_request(id, &request.method, None)
    };
    (body, client_token)
}

/// Writes the body of a request of whose parameters nothing changes but what it is about, which is put in its place;
/// `None` where something else may have to change, as in the parameters of a call that is followed, or that is not there once.
/// `add` tells of the `_meta` there is, or that there is none, what is added behind it, in pieces; `None` where it may not stay
/// as it is.
pub(super) fn write_renamed<'a>(
    request: &Request,
    id: &RequestId,
    add: impl FnOnce(Option<&str>) -> Option<&'a [&'a str]>,
) -> Option<Bytes> {
    if request.context.trace.is_some() {
        // It may have to say where in a trace it is.
        return None;
    }
    let (name, member) = (request.name.as_ref()?, subject_member(&request.method)?);
    let params = request.params.as_deref()?.get();
    let (mut place, mut meta) = (None, None);
    for found in Members::of(params) {
        let name = found.name()?;
        if input::is_of_retry(&name) {
            return None;
        }
        if name == member && place.replace(found).is_some()
            || name == META && meta.replace(found.value).is_some()
        {
            return None;
        }
    }
    let (place, added) = (place?, add(meta)?);
    let (before, behind) = params.split_at_checked(place.at)?;
    let behind = behind.get(place.value.len()..)?.strip_suffix('}')?;
    Some(write_request_around(
        id,
        &request.method,
        (before, name, behind),
        added,
    ))
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        backend::OWN_IMPLEMENTATION,
        mcp::{meta, request::Context},
    };

    fn request(params: &str) -> Request {
        Request {
            name: Some("own".into()),
            ..Request::new("tools/call", Some(json(params)), Context::default())
        }
    }

    #[test]
    fn only_the_name_and_the_progress_token_change() {
        let (body, token) = write_body(
            &request(
                r#"{"name":"p.own","arguments":{"n":1.0},"_meta":{"progressToken":"t","x":1e2}}"#,
            ),
            &RequestId::from_number(9),
            |_, _| {},
        );
        assert_eq!(
            body,
            r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"own","arguments":{"n":1.0},"_meta":{"progressToken":9,"x":1e2}}}"#
        );
        assert_eq!(token.unwrap().get(), "\"t\"");
    }

    #[test]
    fn where_nothing_else_changes_only_the_name_is_put_in_its_place() {
        let id = RequestId::from_number(9);
        for (params, is_short_way) in [
            (r#"{"name":"p.own","arguments":{"name":"x"}}"#, true),
            (r#"{"arguments" : {}, "n\u0061me" : "p.own" }"#, true),
            (r#"{"name":"p.own","name":"p.own"}"#, false),
            (r#"{"name":"p.own","_meta":{}}"#, false),
            (r#"{"_meta":{"kept":1},"name":"p.own"}"#, true),
            (
                r#"{"_meta":{"kept":1},"name":"p.own","_meta":{"kept":1}}"#,
                false,
            ),
            (r#"{"name":"p.own","requestState":"x"}"#, false),
            (r#"{"name":"p.own","inputRespons\u0065s":{}}"#, false),
            (r#"{"name":"p.own","\ud800":1}"#, false),
            ("{}", false),
        ] {
            let request = request(params);
            let renamed = write_renamed(&request, &id, |meta| {
                let is_kept = meta.is_none_or(|meta| meta == r#"{"kept":1}"#);
                is_kept.then_some(&[][..])
            });
            assert_eq!(renamed.is_some(), is_short_way, "{params}");
            let (whole, _) = write_body(&request, &id, |_, _| {});
            let value = |body: &Bytes| serde_json::from_slice::<serde_json::Value>(body).unwrap();
            if let Some(renamed) = renamed {
                assert_eq!(value(&renamed), value(&whole), "{params}");
            }
        }
    }

    #[test]
    fn the_short_way_to_a_modern_backend_says_who_asks_as_the_long_one_does() {
        let (revision, id) = (Revision::LATEST_MODERN, RequestId::from_number(9));
        let modern = Modern::speaking(revision).unwrap();
        let named = Context {
            client_info: Some(json(r#"{"name":"n"}"#).into()),
            capabilities: Some(json(r#"{"roots":{}}"#).into()),
            ..Context::default()
        };
        let own = Context {
            client_info: Some(Arc::clone(&OWN_IMPLEMENTATION)),
            ..Context::default()
        };
        for (context, said) in [(named.clone(), named), (Context::default(), own)] {
            for params in [
                r#"{"name":"p.own","arguments":{"_meta":{}}}"#,
                r#"{ "arguments":{}, "name":"p.own" }"#,
                r#"{"name":"p.own","_meta":{}}"#,
            ] {
                let request = Request {
                    context: context.clone(),
                    ..request(params)
                };
                let sent = modern.encode(&request, &id).outgoing.body;
                let (whole, _) = write_body(&request, &id, |_, members| {
                    meta::set_context(members, &said, revision);
                });
                let value =
                    |body: &Bytes| serde_json::from_slice::<serde_json::Value>(body).unwrap();
                assert_eq!(value(&sent), value(&whole), "{params}");
                assert!(value(&sent)["params"]["_meta"][meta::CLIENT_INFO].is_object());
            }
        }
    }

    #[test]
    fn what_a_request_is_about_goes_where_its_method_has_it() {
        for (method, params) in [
            ("prompts/get", r#"{"name":"own"}"#),
            ("resources/read", r#"{"uri":"own"}"#),
            ("resources/subscribe", r#"{"uri":"own"}"#),
            ("tasks/cancel", r#"{"taskId":"own"}"#),
        ] {
            let request = Request {
                method: method.into(),
                ..request("{}")
            };
            let (body, _) = write_body(&request, &RequestId::from_number(9), |_, _| {});
            let written =
                format!(r#"{{"jsonrpc":"2.0","id":9,"method":"{method}","params":{params}}}"#);
            assert_eq!(body, written);
        }
    }

    #[test]
    fn a_meta_goes_with_the_last_of_what_stood_in_it() {
        let written = |params: &str| {
            let edit = |_: &mut RawObject<'_>, members: &mut RawObject<'_>| {
                members.retain(|name| name != "of another era");
            };
            let (body, _) = write_body(&request(params), &RequestId::from_number(9), edit);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            body["params"].get("_meta").map(ToString::to_string)
        };
        assert_eq!(written(r#"{"_meta":{"of another era":1}}"#), None);
        let both = written(r#"{"_meta":{"of another era":1,"x":1}}"#);
        assert_eq!(both.as_deref(), Some(r#"{"x":1}"#));
        assert_eq!(written(r#"{"_meta":{}}"#).as_deref(), Some("{}"));
    }

    #[test]
    fn no_meta_appears_where_none_was_wanted() {
        let (body, token) = write_body(
            &request(r#"{"name":"p.own"}"#),
            &RequestId::from_number(9),
            |_, _| {},
        );
        assert_eq!(
            body,
            r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"own"}}"#
        );
        assert!(token.is_none());
    }
}
