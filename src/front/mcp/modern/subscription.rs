//! `subscriptions/listen`: a stream of changes that stays open.
//!
//! Spec: 2026-07-28 basic/patterns/subscriptions; SEP-2663, "Task Status Notifications".

use std::future::ready;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{json, value::RawValue};
use warp::reply::Response;

use crate::{
    limits::SUBSCRIPTIONS_MAX,
    mcp::{
        error::{MISSING_CAPABILITY, error_object_with},
        event::Notification,
        failure::Failure,
        kind::ListKind,
        message::{RequestId, write_error, write_notification, write_result},
        meta::{SUBSCRIPTION_ID, TASKS_EXTENSION},
        method::{LISTEN, LISTEN_ACKNOWLEDGED},
        object::{RawObject, quote, to_raw},
        request::Request,
    },
    session::{Filter, Heard, Told},
};

use super::{
    super::{
        Caller, event_stream, following::follow, head::Meta, not_acceptable, record::Record,
        refusal,
    },
    has_extension, refuse,
};

/// The members of a filter that name what they are about.
const URIS: &str = "resourceSubscriptions";
const TASKS: &str = "taskIds";

/// Opens the stream.
pub(super) async fn listen(
    caller: Box<Caller>,
    id: RequestId,
    request: Request,
    meta: &Meta<'_>,
) -> Response {
    if !caller.accepts.events {
        return not_acceptable("text/event-stream");
    }
    let filter = match read(&request) {
        Ok(filter) => filter,
        Err(error) => return refuse(&caller, &id, LISTEN, &error),
    };
    let mut record = Record::begin(LISTEN, None, &caller.sender);
    // It tells of the stream's opening, as the log does.
    let _trace = follow(&caller, &mut record, &id, meta);
    match caller.session.subscribe(request.context, filter).await {
        Ok((honoured, heard)) => {
            record.end_with("listening");
            let events = messages(id, &honoured, heard);
            let events = events.map(|message| event_stream::event(&message));
            let stream = event_stream::events(event_stream::kept_alive(events));
            event_stream::while_good(stream, caller.pass().clone())
        }
        Err(failure) => {
            record.end_failed(&failure);
            let error = refusal::modern_object(&failure);
            let status = refusal::modern_status(&error);
            event_stream::one(caller.accepts, status, write_error(Some(&id), &error))
        }
    }
}

/// The acknowledgement, what changes, and the result once the gateway ends it.
fn messages(
    id: RequestId,
    honoured: &Filter,
    heard: Heard,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let mut params = RawObject::default();
    params.set("notifications", written(honoured));
    let params = tagged(&id, Some(&params.to_raw()));
    let acknowledged = write_notification(LISTEN_ACKNOWLEDGED, Some(&params));
    let told = stream::unfold(Some((id, heard)), |open| async move {
        let (id, mut heard) = open?;
        loop {
            match heard.recv().await {
                Some(Told::Notification(Notification { method, params })) => {
                    let params = tagged(&id, params.as_deref());
                    let message = write_notification(&method, Some(&params));
                    return Some((message, Some((id, heard))));
                }
                // Nothing can be asked here; whoever asks is told so.
                Some(Told::Asked(_) | Told::Withdrawn(_)) => {}
                None => return Some((ended(&id), None)),
            }
        }
    });
    stream::once(ready(acknowledged)).chain(told)
}

/// Reads what a client wants to hear of.
fn read(request: &Request) -> Result<Filter, Box<RawValue>> {
    let invalid = |reason: String| refusal::modern_object(&Failure::InvalidParams { reason });
    let params = RawObject::parse_or_empty(request.params.as_deref());
    let members = params
        .get("notifications")
        .and_then(|raw| RawObject::parse(raw).ok())
        .ok_or_else(|| invalid(format!("{LISTEN} needs params.notifications, an object")))?;
    let texts = |member: &str| match members.get(member) {
        None => Ok(Vec::new()),
        Some(raw) => serde_json::from_str::<Vec<String>>(raw.get())
            .map_err(|_| invalid(format!("{member} must be a list of strings"))),
    };
    let filter = Filter {
        kinds: ListKind::ALL
            .into_iter()
            .filter(|kind| {
                let wanted = members.get(kind.filter_member());
                wanted.is_some_and(|wanted| wanted.get() == "true")
            })
            .collect(),
        uris: texts(URIS)?,
        tasks: texts(TASKS)?,
    };
    if filter.uris.len() + filter.tasks.len() > SUBSCRIPTIONS_MAX {
        return Err(invalid(format!(
            "one subscription is for {SUBSCRIPTIONS_MAX} resources and tasks at most"
        )));
    }
    if members.get(TASKS).is_some() && !has_extension(&request.context, TASKS_EXTENSION) {
        let required = json!({ "extensions": { TASKS_EXTENSION: {} } });
        return Err(error_object_with(
            MISSING_CAPABILITY,
            "taskIds need the client capability extensions.io.modelcontextprotocol/tasks",
            &json!({ "requiredCapabilities": required }),
        ));
    }
    Ok(filter)
}

/// Writes what a client will hear of.
fn written(filter: &Filter) -> Box<RawValue> {
    let mut members = RawObject::default();
    for kind in &filter.kinds {
        members.set(kind.filter_member(), to_raw(&json!(true)));
    }
    for (member, texts) in [(URIS, &filter.uris), (TASKS, &filter.tasks)] {
        if !texts.is_empty() {
            members.set(member, to_raw(&json!(texts)));
        }
    }
    members.to_raw()
}

/// Says in a message's parameters, or in a result, which subscription it belongs to: by the
/// client's own id, to the letter.
fn tagged(id: &RequestId, content: Option<&RawValue>) -> Box<RawValue> {
    let mut content = RawObject::parse_or_empty(content);
    let meta = content.get("_meta").map(ToOwned::to_owned);
    let mut meta = RawObject::parse_or_empty(meta.as_deref());
    // An id is JSON text that was read.
    meta.set(SUBSCRIPTION_ID, id.to_raw());
    let meta = meta.to_raw();
    content.set("_meta", meta);
    content.to_raw()
}

/// Tells that the subscription is over; nothing broke. Same page, "Graceful Closure".
fn ended(id: &RequestId) -> Bytes {
    let mut result = RawObject::default();
    result.set("resultType", quote("complete"));
    write_result(id, tagged(id, Some(&result.to_raw())).get().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{channel::channel, limits::CHANGES_IN_FLIGHT, mcp::request::Context};

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn request(params: &str, capabilities: &str) -> Request {
        let context = Context {
            capabilities: Some(raw(capabilities).into()),
            ..Context::default()
        };
        Request::new(LISTEN, Some(raw(params)), context)
    }

    #[test]
    fn a_filter_is_read_and_written() {
        let tasks = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;
        let params = r#"{"notifications":{"resourcesListChanged":true,"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a:1"],"taskIds":["it.t"],"more":7}}"#;
        let filter = read(&request(params, tasks)).unwrap();
        assert_eq!(filter.kinds, [ListKind::Tools, ListKind::Resources]);
        assert_eq!(
            written(&filter).get(),
            r#"{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:1"],"taskIds":["it.t"]}"#
        );
        assert_eq!(written(&Filter::default()).get(), "{}");
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (params, code) in [
            ("{}", -32602),
            (r#"{"notifications":[]}"#, -32602),
            (
                r#"{"notifications":{"resourceSubscriptions":"a:1"}}"#,
                -32602,
            ),
            (r#"{"notifications":{"resourceSubscriptions":[7]}}"#, -32602),
            (r#"{"notifications":{"taskIds":["it.t"]}}"#, -32021),
        ] {
            let error = read(&request(params, "{}")).unwrap_err();
            let error: serde_json::Value = serde_json::from_str(error.get()).unwrap();
            assert_eq!(error["code"], code, "{params}");
        }
    }

    #[tokio::test]
    async fn every_message_names_the_subscription_and_keeps_its_other_members() {
        let id = RequestId::from_raw(&raw(r#""1\u0061""#)).unwrap();
        let (listener, heard) = channel(CHANGES_IN_FLIGHT);
        let heard = Heard::of(heard);
        let filter = Filter {
            kinds: vec![ListKind::Tools],
            ..Filter::default()
        };
        let mut messages = Box::pin(messages(id, &filter, heard));
        let tag = r#""io.modelcontextprotocol/subscriptionId":"1\u0061""#;
        assert_eq!(
            messages.next().await.unwrap(),
            format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{"toolsListChanged":true}},"_meta":{{{tag}}}}}}}"#
            )
        );
        for (params, expected) in [
            (None, format!(r#"{{"_meta":{{{tag}}}}}"#)),
            (
                Some(raw(r#"{"_meta":{"a":1.0},"uri":"a:1"}"#)),
                format!(r#"{{"_meta":{{"a":1.0,{tag}}},"uri":"a:1"}}"#),
            ),
        ] {
            let method = "notifications/x".to_owned();
            let told = Told::Notification(Notification { method, params });
            listener.send(told).await.unwrap();
            let message = messages.next().await.unwrap();
            assert_eq!(
                message,
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{expected}}}"#)
            );
        }
        drop(listener);
        assert_eq!(
            messages.next().await.unwrap(),
            format!(
                r#"{{"jsonrpc":"2.0","id":"1\u0061","result":{{"resultType":"complete","_meta":{{{tag}}}}}}}"#
            )
        );
        assert_eq!(messages.next().await, None);
    }
}
