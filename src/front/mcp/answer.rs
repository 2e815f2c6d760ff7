//! From an exchange's events to one HTTP answer: JSON when nothing came before the result, a
//! stream of events otherwise. A large result is written while it arrives.

use std::{future::ready, io};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use warp::reply::Response;

use crate::{
    limits::{EVENTS_IN_FLIGHT, KEEP_ALIVE_INTERVAL},
    mcp::{
        event::{Event, Finished, Outcome, ResultBody},
        failure::Failure,
        message::{RequestId, frame_result, write_notification},
        request::Request,
    },
    session::{Exchange, InFlight, SessionRef},
};

use super::{
    encode::{Encode, response},
    event_stream::{self, Accepts, Form, KEEP_ALIVE},
    record::Record,
};

/// A client's request, read and ready to be carried out.
pub(super) struct Asked<E> {
    pub(super) session: SessionRef,
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) mcp_session: Option<Uuid>,
    /// Whether the client's leaving takes the request back.
    pub(super) leaving_cancels: bool,
    pub(super) accepts: Accepts,
    pub(super) record: Record,
    pub(super) encode: E,
}

/// Carries a request out and answers it.
pub(super) async fn answer<E: Encode>(asked: Asked<E>) -> Response {
    let (events, received) = mpsc::channel(EVENTS_IN_FLIGHT);
    let exchange = Exchange {
        mcp_session: asked.mcp_session,
        cancel_by: asked.mcp_session.map(|_| asked.id.clone()),
        request: asked.request,
        events,
        cancel: CancellationToken::new(),
        pinned: None,
    };
    match asked.session.begin(exchange, asked.leaving_cancels) {
        Ok(in_flight) => {
            let answering = Answering {
                in_flight: Some(in_flight),
                received,
                id: asked.id,
                encode: asked.encode,
                record: Some(asked.record),
                accepts: asked.accepts,
                collected: BytesMut::new(),
                writing: None,
            };
            answering.first().await
        }
        Err(failure) => {
            let outcome = Outcome::Failed(failure);
            let status = asked.encode.status(&outcome);
            asked.record.end(None, &outcome);
            let message = response(&asked.encode, &asked.id, outcome).unwrap_or_default();
            event_stream::one(asked.accepts, status, message)
        }
    }
}

/// An answer being written.
struct Answering<E> {
    /// `None` once the answer is complete.
    in_flight: Option<InFlight>,
    received: mpsc::Receiver<Event>,
    id: RequestId,
    encode: E,
    /// `None` once the answer is complete.
    record: Option<Record>,
    accepts: Accepts,
    /// The parts of a result that can only be told whole.
    collected: BytesMut,
    /// What is written after a result whose parts are being written; `None` before that.
    writing: Option<Bytes>,
}

/// What one event means for the answer.
enum Taken {
    /// The client does not hear of it.
    Nothing,
    /// A message that comes before the answer.
    Message(Bytes),
    /// A part of the response message.
    Part(Bytes),
    /// The response message, and the status if none is sent yet; `None` when the client wants none.
    Whole(StatusCode, Option<Bytes>),
    /// The last part of the response message.
    LastPart(Bytes),
    /// The response message will never be complete.
    Broken,
}

impl<E: Encode> Answering<E> {
    /// Waits for what decides the form of the answer.
    async fn first(mut self) -> Response {
        let begin_stream = Instant::now() + KEEP_ALIVE_INTERVAL;
        loop {
            let taken = tokio::select! {
                event = self.received.recv() => self.take(event),
                // Something in between may take a connection without a byte for dead.
                () = sleep_until(begin_stream), if self.accepts.events => {
                    return self.written(Form::Events, KEEP_ALIVE);
                }
            };
            match taken {
                Taken::Nothing => {}
                Taken::Message(message) => {
                    return self.written(Form::Events, event_stream::event(&message));
                }
                Taken::Part(part) if self.accepts.json => return self.written(Form::Json, part),
                Taken::Part(part) => {
                    let start = Form::Events.start(&part);
                    return self.written(Form::Events, start);
                }
                Taken::Whole(status, Some(message)) => {
                    return event_stream::one(self.accepts, status, message);
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
    fn written(self, form: Form, first: Bytes) -> Response {
        let rest = stream::unfold(Some(self), move |answering| async move {
            let mut answering = answering?;
            let (bytes, ended) = answering.next(form).await;
            Some((bytes, (!ended).then_some(answering)))
        });
        let body = stream::once(ready(Ok(first))).chain(rest);
        match form {
            Form::Json => event_stream::json_parts(body),
            Form::Events => event_stream::events(body),
        }
    }

    /// Waits for the next bytes of the body; tells whether they are the last.
    async fn next(&mut self, form: Form) -> (Result<Bytes, io::Error>, bool) {
        loop {
            let event = match timeout(KEEP_ALIVE_INTERVAL, self.received.recv()).await {
                Ok(event) => event,
                // A comment may stand between events, not within one or within JSON.
                Err(_) if self.writing.is_none() => return (Ok(KEEP_ALIVE), false),
                Err(_) => continue,
            };
            let begun = self.writing.is_some();
            return match self.take(event) {
                Taken::Nothing => continue,
                Taken::Message(message) => (Ok(event_stream::event(&message)), false),
                Taken::Part(part) if begun => (Ok(form.middle(part)), false),
                Taken::Part(part) => (Ok(form.start(&part)), false),
                Taken::LastPart(part) => (Ok(form.end(&part)), true),
                Taken::Whole(_, message) => {
                    let event = message.map(|message| event_stream::event(&message));
                    (Ok(event.unwrap_or_default()), true)
                }
                Taken::Broken => (Err(broken()), true),
            };
        }
    }

    fn take(&mut self, event: Option<Event>) -> Taken {
        match event {
            Some(Event::Notified(notification)) => {
                if !self.accepts.events
                    || self.writing.is_some()
                    || !self.encode.wants(&notification)
                {
                    return Taken::Nothing;
                }
                Taken::Message(write_notification(
                    &notification.method,
                    notification.params.as_deref(),
                ))
            }
            Some(Event::Part(part)) => self.part(part),
            Some(Event::Asked(_) | Event::Withdrawn(_)) => Taken::Nothing,
            Some(Event::Finished(finished)) => self.finish(finished),
            // Whoever worked on it is gone without a word.
            None => self.finish(Finished {
                backend: None,
                outcome: Outcome::Failed(Failure::Lost),
            }),
        }
    }

    fn part(&mut self, part: ResultBody) -> Taken {
        if self.writing.is_some() {
            return Taken::Part(part.json);
        }
        if self.collected.is_empty()
            && let Some(first) = self.encode.first_part(&part)
        {
            let (before, after) = frame_result(&self.id);
            self.writing = Some(after);
            return Taken::Part([before, first].concat().into());
        }
        // The backend's connection bounds the sum of the parts.
        self.collected.extend_from_slice(&part.json);
        Taken::Nothing
    }

    fn finish(&mut self, finished: Finished) -> Taken {
        if let Some(mut in_flight) = self.in_flight.take() {
            in_flight.answered();
        }
        if let Some(record) = self.record.take() {
            record.end(finished.backend.as_ref(), &finished.outcome);
        }
        if let Some(after) = self.writing.take() {
            return match finished.outcome {
                Outcome::Completed(last) => Taken::LastPart([last.json, after].concat().into()),
                // Too late for an error: the client sees that its answer broke off.
                _ => Taken::Broken,
            };
        }
        let outcome = match finished.outcome {
            Outcome::Completed(last) if !self.collected.is_empty() => {
                self.collected.extend_from_slice(&last.json);
                Outcome::Completed(ResultBody {
                    json: self.collected.split().freeze(),
                    ..last
                })
            }
            outcome => outcome,
        };
        let status = self.encode.status(&outcome);
        Taken::Whole(status, response(&self.encode, &self.id, outcome))
    }
}

fn broken() -> io::Error {
    io::Error::other("the backend broke off in the middle of its answer")
}
