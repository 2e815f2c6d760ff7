//! Batches: several messages in one body, carried out at once. One revision has them.
//!
//! Spec: 2025-03-26 basic, "Batching"; basic/transports, "Sending Messages to the Server".

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::join_all,
    stream::{self, BoxStream, select_all},
};
use http::StatusCode;
use serde_json::value::RawValue;
use uuid::Uuid;
use warp::reply::{Reply, Response};

use crate::{
    limits::BATCH_MAX,
    mcp::{
        error::error_object,
        failure::Failure,
        header::PROTOCOL_VERSION,
        message::{Message, MessageError, salvage_id, write_error},
        method::INITIALIZE,
        version::Revision,
    },
};

use super::{
    super::{
        Caller, Head,
        answering::Answering,
        event_stream::{self, Accepts},
        record, refusal,
    },
    Asked, admit,
    encode::Legacy,
    legacy_revision, refuse, take_note, wanted,
};

/// Serves a `POST`ed batch.
pub(in super::super) async fn post(caller: Box<Caller>, body: &[u8]) -> Response {
    let mcp_session = match admit(&caller) {
        Ok(mcp_session) => mcp_session,
        Err(unfit) => {
            return record::refused(&caller.sender, unfit.refuse(&caller, None));
        }
    };
    let response = match has_batches(&caller, mcp_session).await {
        Err(failure) => refuse(&caller, None, &failure),
        Ok(false) => refuse_all(&MessageError::Batch),
        Ok(true) => match split(body) {
            Err(error) => refuse_all(&error),
            Ok(messages) => {
                let parts = messages.iter().map(|raw| part(&caller, mcp_session, raw));
                let parts = parts.flatten().collect();
                answer(caller.accepts, parts).await
            }
        },
    };
    record::plain(&http::Method::POST, &caller.sender, response.status());
    response
}

/// Whether this client may send batches: by what was agreed upon with it, or what it says.
async fn has_batches(caller: &Caller, mcp_session: Option<Uuid>) -> Result<bool, Failure> {
    let revision = match mcp_session {
        Some(mcp_session) => {
            let known = caller.session.knows(mcp_session).await?;
            Some(known.ok_or(Failure::UnknownMcpSession)?)
        }
        None => caller.header(PROTOCOL_VERSION).and_then(legacy_revision),
    };
    // Without a header it is that revision. Spec: 2025-11-25 basic/transports, "Protocol Version
    // Header".
    Ok(revision.is_none_or(|revision| revision == Revision::V2025_03_26))
}

/// Takes a batch apart; every message is looked at by itself.
fn split(body: &[u8]) -> Result<Vec<&RawValue>, MessageError> {
    let messages: Vec<&RawValue> =
        serde_json::from_slice(body).map_err(|error| MessageError::NotJson(error.to_string()))?;
    if messages.is_empty() {
        return Err(MessageError::Invalid("a batch holds a message at least"));
    }
    if messages.len() > BATCH_MAX {
        return Err(MessageError::Invalid("a batch holds 100 messages at most"));
    }
    let opens = |raw: &&RawValue| {
        let message = Message::read(raw.get().as_bytes());
        matches!(message, Ok(Message::Request { method, .. }) if method == INITIALIZE)
    };
    // Spec: 2025-03-26 basic/lifecycle, "Initialization".
    if messages.iter().any(opens) {
        return Err(MessageError::Invalid("initialize stands in no batch"));
    }
    Ok(messages)
}

fn refuse_all(error: &MessageError) -> Response {
    let object = error_object(error.code(), &error.to_string());
    event_stream::json(StatusCode::BAD_REQUEST, write_error(None, &object))
}

/// What answers one message of a batch.
enum Part {
    /// What comes of a request.
    Answering(Box<Answering<Legacy>>),
    /// The error that refuses it.
    Refused(Bytes),
}

/// Has a message carried out; `None` for what is not answered.
fn part(caller: &Caller, mcp_session: Option<Uuid>, raw: &RawValue) -> Option<Part> {
    let text = raw.get().as_bytes();
    let read = Message::read(text).and_then(|message| {
        let head = Head::of(&message)?;
        Ok((message, head))
    });
    match read {
        Ok((Message::Request { id, method, params }, head)) => {
            let written = id.clone();
            let asked = Asked {
                id,
                method: method.as_ref().into(),
                params,
                head,
            };
            Some(match wanted(caller, mcp_session, asked) {
                Ok(wanted) => Part::Answering(Answering::begin(wanted)),
                Err(lacking) => {
                    let (record, failure) = *lacking;
                    record.end_failed(&failure);
                    let error = refusal::legacy_object(&failure);
                    Part::Refused(write_error(Some(&written), &error))
                }
            })
        }
        Ok((message, _)) => {
            take_note(&caller.session, mcp_session, &message);
            None
        }
        Err(error) => {
            let object = error_object(error.code(), &error.to_string());
            let id = salvage_id(text);
            Some(Part::Refused(write_error(id.as_ref(), &object)))
        }
    }
}

/// Answers with one stream of all messages, or with one list of all responses.
async fn answer(accepts: Accepts, parts: Vec<Part>) -> Response {
    if parts.is_empty() {
        return StatusCode::ACCEPTED.into_response();
    }
    let messages = parts.into_iter().map(messages);
    if accepts.events {
        let events = select_all(messages).map(|message| event_stream::event(&message));
        return event_stream::events(event_stream::kept_alive(events));
    }
    let all = join_all(messages.map(StreamExt::collect::<Vec<_>>)).await;
    let responses: Vec<Bytes> = all.into_iter().flatten().collect();
    if responses.is_empty() {
        // The client took every request of it back.
        return StatusCode::ACCEPTED.into_response();
    }
    event_stream::json(StatusCode::OK, list(&responses))
}

/// The messages that one message of a batch brings.
fn messages(part: Part) -> BoxStream<'static, Bytes> {
    match part {
        Part::Refused(error) => stream::iter([error]).boxed(),
        Part::Answering(mut answering) => {
            answering.collect();
            stream::unfold(answering, async |mut answering| {
                let message = answering.message().await?;
                Some((message, answering))
            })
            .boxed()
        }
    }
}

fn list(messages: &[Bytes]) -> Bytes {
    let mut list = Vec::with_capacity(messages.iter().map(|message| message.len() + 1).sum());
    for message in messages {
        list.push(if list.is_empty() { b'[' } else { b',' });
        list.extend_from_slice(message);
    }
    list.push(b']');
    list.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_taken_apart_within_its_bounds() {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let batch = |count: usize| format!("[{}]", vec![ping; count].join(","));
        assert_eq!(split(batch(BATCH_MAX).as_bytes()).unwrap().len(), BATCH_MAX);
        // What is wrong with one message is told for it alone.
        assert_eq!(split(b" [7, {}]").unwrap().len(), 2);
        let initialize = format!("[{ping},{}]", ping.replace("ping", "initialize"));
        for (body, words) in [
            ("[]".to_owned(), "at least"),
            (batch(BATCH_MAX + 1), "at most"),
            (initialize, "initialize stands in no batch"),
            ("[".to_owned(), "not JSON"),
        ] {
            let error = split(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn responses_make_one_list() {
        let messages = [Bytes::from_static(b"{}"), Bytes::from_static(b"{ }")];
        assert_eq!(list(&messages), "[{},{ }]");
        assert_eq!(list(&messages[..1]), "[{}]");
    }
}
