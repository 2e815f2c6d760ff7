//! From an answer's messages to one HTTP answer: JSON when nothing came before the result, a
//! stream of events otherwise. A large result is written while it arrives.

use std::{future::ready, io};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;
use warp::reply::Response;

use crate::{
    lanes,
    limits::{KEEP_ALIVE_INTERVAL, RESUMABLE_AFTER},
};

use super::{
    answering::{Answering, broken},
    encode::Encode,
    event_stream::{self, Form, KEEP_ALIVE},
    resumable,
    taken::Taken,
};

/// Waits for what decides the form of the answer, and answers.
pub(super) async fn answer<E: Encode>(mut answering: Box<Answering<E>>) -> Response {
    let accepts = answering.accepts;
    let begun = lanes::now();
    let mut wait_until = Some(begun + RESUMABLE_AFTER);
    loop {
        let deadline = wait_until.unwrap_or(begun + KEEP_ALIVE_INTERVAL);
        let step = tokio::select! {
            biased;
            step = answering.step() => step,
            () = lanes::until(deadline), if accepts.events || wait_until.is_some() => {
                answering.let_go();
                let is_first = wait_until.take().is_some();
                if !accepts.events {
                    continue;
                }
                if !is_first {
                    // Something in between may take a connection without a byte for dead.
                    return written(answering, Form::Events, vec![KEEP_ALIVE]);
                }
                if let Some(log) = answering.encode.log().await {
                    return resumable::answer(answering, log, None).await;
                }
                continue;
            }
        };
        match answering.take(step).await {
            Taken::Nothing => {}
            Taken::Message(message) => {
                return match answering.encode.log().await {
                    Some(log) => resumable::answer(answering, log, Some(message)).await,
                    None => written(answering, Form::Events, vec![event_stream::event(&message)]),
                };
            }
            Taken::Part(part) => {
                let form = if accepts.json {
                    Form::Json
                } else {
                    Form::Events
                };
                return written(answering, form, form.start(part));
            }
            Taken::Whole(status, Some(message)) => {
                if accepts.json || !status.is_success() {
                    return event_stream::json_response(status, message);
                }
                let message = message.whole();
                return match answering.encode.log().await {
                    Some(log) => resumable::answer(answering, log, Some(message)).await,
                    None => event_stream::one(accepts, status, message),
                };
            }
            // The client took the request back and expects nothing more.
            Taken::Whole(_, None) => return event_stream::events(stream::empty()),
            Taken::LastPart(_) | Taken::Broken => {
                return event_stream::events(stream::once(ready(Err(broken()))));
            }
        }
    }
}

/// Answers with a body whose first bytes are there.
fn written<E: Encode>(answering: Box<Answering<E>>, form: Form, first: Vec<Bytes>) -> Response {
    let rest = stream::unfold(Some(answering), move |answering| async move {
        let mut answering = answering?;
        let (written, ended) = next(&mut answering, form).await;
        Some((written, (!ended).then_some(answering)))
    });
    let each = |written: Vec<Bytes>| stream::iter(written.into_iter().map(Ok));
    let body = each(first).chain(rest.map_ok(each).try_flatten());
    match form {
        Form::Json => event_stream::json_parts(body),
        Form::Events => event_stream::events(body),
    }
}

/// Waits for what is written next of the body, which may be nothing; tells whether it is the last.
async fn next<E: Encode>(
    answering: &mut Answering<E>,
    form: Form,
) -> (Result<Vec<Bytes>, io::Error>, bool) {
    loop {
        let Ok(step) = timeout(KEEP_ALIVE_INTERVAL, answering.step()).await else {
            answering.let_go();
            // A comment may stand between events, not within one or within JSON.
            if answering.is_within_message() {
                continue;
            }
            return (Ok(vec![KEEP_ALIVE]), false);
        };
        let begun = answering.is_within_message();
        return match answering.take(step).await {
            Taken::Nothing => continue,
            Taken::Message(message) => (Ok(vec![event_stream::event(&message)]), false),
            Taken::Part(part) if begun => (Ok(form.middle(part)), false),
            Taken::Part(part) => (Ok(form.start(part)), false),
            Taken::LastPart(part) => (Ok(form.end(part)), true),
            Taken::Whole(_, message) => {
                let event = message.map(|message| event_stream::event(&message.whole()));
                (Ok(Vec::from_iter(event)), true)
            }
            Taken::Broken => (Err(broken()), true),
        };
    }
}
