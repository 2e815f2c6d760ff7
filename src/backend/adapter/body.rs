//! Bodies of requests: what a client sent, with what it is called at its backend.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    backend::input,
    mcp::{
        members::Members,
        message::{Put, RequestId, write_request, write_request_edited, write_request_of},
        meta::PROGRESS_TOKEN,
        method::subject_member,
        object::{RawObject, quote},
        request::Request,
    },
};

/// The member of parameters that is for the protocol.
const META: &str = "_meta";

/// Writes a request's body: own name and own progress token in, parameters and `_meta` as `edit`
/// leaves them.
///
/// Every other byte of the parameters stays as the client wrote it.
pub(in crate::backend) fn write_body<'a>(
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

/// The same for a request of whose parameters nothing changes but what it is about, its progress token and the context of
/// its `_meta`, of which `context` is the members: they are put in where they belong. `None` where something else may have to
/// change, as in the parameters of a call that is followed, or that is not there once. `keeps` says whether a `_meta` may stay as
/// it is that is not just a progress token.
pub(in crate::backend) fn write_renamed(
    request: &Request,
    id: &RequestId,
    context: &[&str],
    keeps: impl FnOnce(&str) -> bool,
) -> Option<(Bytes, Option<Box<RawValue>>)> {
    if request.context.trace.is_some() {
        // It may have to say where in a trace it is.
        return None;
    }
    let (name, member) = (request.name.as_ref()?, subject_member(&request.method)?);
    let params = request.params.as_deref()?.get();
    let (mut subject, mut meta) = (None, None);
    for found in Members::of(params) {
        let name = found.name()?;
        if input::is_of_retry(&name) {
            return None;
        }
        if name == member && subject.replace(found).is_some()
            || name == META && meta.replace(found).is_some()
        {
            return None;
        }
    }
    let subject = (subject?.place(), Put::Text(name));
    let write = |edits: &[_]| write_request_edited(id, &request.method, params, edits);
    let comma = if context.is_empty() { "" } else { "," };
    let Some(meta) = meta else {
        let end = params.len().checked_sub(1)?;
        let added = [&[r#","_meta":{"#][..], context, &["}"]];
        let added = if context.is_empty() { &[][..] } else { &added };
        return Some((write(&[subject, (end..end, Put::Json(added))]), None));
    };
    let Some(token) = only_token(meta.value) else {
        return keeps(meta.value).then(|| (write(&[subject]), None));
    };
    let start = [r#"{"progressToken":"#, id.as_json(), comma];
    let parts = [&start[..], context, &["}"]];
    let edited = (meta.place(), Put::Json(&parts));
    let body = if meta.at < subject.0.start {
        write(&[edited, subject])
    } else {
        write(&[subject, edited])
    };
    Some((body, Some(json(token))))
}

/// The progress token of a `_meta` that holds nothing else.
fn only_token(meta: &str) -> Option<&str> {
    let mut members = Members::of(meta);
    let token = members.next()?;
    let is_alone = members.next().is_none();
    (is_alone && token.name()? == PROGRESS_TOKEN).then_some(token.value)
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        backend::{OWN_IMPLEMENTATION, modern::Modern},
        mcp::{meta, request::Context, version::Revision},
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
            (r#"{"_meta":{"progressToken":"t"},"name":"p.own"}"#, true),
            (
                r#"{"name":"p.own", "_meta" : { "progress\u0054oken" : 7 } }"#,
                true,
            ),
            (
                r#"{"name":"p.own","_meta":{"progressToken":7,"x":1}}"#,
                false,
            ),
            (r#"{"name":"p.own","_meta":{"x":1}}"#, false),
            (r#"{"name":"p.own","_meta":7}"#, false),
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
            let renamed = write_renamed(&request, &id, &[], |meta| meta == r#"{"kept":1}"#);
            assert_eq!(renamed.is_some(), is_short_way, "{params}");
            let (whole, token) = write_body(&request, &id, |_, _| {});
            let value = |body: &Bytes| serde_json::from_slice::<serde_json::Value>(body).unwrap();
            if let Some((renamed, renamed_token)) = renamed {
                assert_eq!(value(&renamed), value(&whole), "{params}");
                let text = |token: Option<Box<RawValue>>| token.map(|it| it.get().to_owned());
                assert_eq!(text(renamed_token), text(token), "{params}");
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
                r#"{"name":"p.own","_meta":{"progressToken":1}}"#,
                r#"{"_meta":{"progressToken":"t"},"name":"p.own"}"#,
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
