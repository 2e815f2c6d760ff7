//! From an exchange's events to one HTTP answer: JSON when nothing came before the result, a
//! stream of events otherwise.

use bytes::Bytes;
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
        event::{Event, Finished, Outcome},
        failure::Failure,
        message::{RequestId, write_notification},
        request::Request,
    },
    session::{Exchange, InFlight, SessionRef},
};

use super::{
    encode::{Encode, response},
    event_stream::{self, Accepts, KEEP_ALIVE},
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
    };
    let answering = match asked.session.begin(exchange, asked.leaving_cancels) {
        Ok(in_flight) => Answering {
            in_flight: Some(in_flight),
            received,
            id: asked.id,
            encode: asked.encode,
            record: Some(asked.record),
            accepts: asked.accepts,
        },
        Err(failure) => {
            let outcome = Outcome::Failed(failure);
            let status = asked.encode.status(&outcome);
            asked.record.end(None, &outcome);
            let message = response(&asked.encode, &asked.id, outcome).unwrap_or_default();
            return event_stream::one(asked.accepts, status, message);
        }
    };
    answering.first().await
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
}

impl<E: Encode> Answering<E> {
    /// Waits for what decides the form of the answer.
    async fn first(mut self) -> Response {
        let begin_stream = Instant::now() + KEEP_ALIVE_INTERVAL;
        loop {
            tokio::select! {
                event = self.received.recv() => match self.take(event) {
                    Taken::Nothing => {}
                    Taken::Message(first) => return self.stream(first),
                    Taken::Last(status, Some(message)) => {
                        return event_stream::one(self.accepts, status, message);
                    }
                    // The client took the request back and expects nothing more.
                    Taken::Last(_, None) => return event_stream::events(stream::empty()),
                },
                // Something in between may take a connection without a byte for dead.
                () = sleep_until(begin_stream), if self.accepts.events => {
                    return self.stream(KEEP_ALIVE);
                }
            }
        }
    }

    fn stream(self, first: Bytes) -> Response {
        let rest = stream::unfold(Some(self), |answering| async move {
            let mut answering = answering?;
            let (bytes, ended) = answering.next().await;
            Some((Ok(bytes), (!ended).then_some(answering)))
        });
        event_stream::events(stream::once(async { Ok(first) }).chain(rest))
    }

    /// Waits for the next bytes of the stream; tells whether they are the last.
    async fn next(&mut self) -> (Bytes, bool) {
        loop {
            let Ok(event) = timeout(KEEP_ALIVE_INTERVAL, self.received.recv()).await else {
                return (KEEP_ALIVE, false);
            };
            match self.take(event) {
                Taken::Nothing => {}
                Taken::Message(message) => return (message, false),
                Taken::Last(_, message) => {
                    let last = message.map(|message| event_stream::event(&message));
                    return (last.unwrap_or_default(), true);
                }
            }
        }
    }

    fn take(&mut self, event: Option<Event>) -> Taken {
        match event {
            Some(Event::Notified(notification)) => {
                if !self.accepts.events || !self.encode.wants(&notification) {
                    return Taken::Nothing;
                }
                let message =
                    write_notification(&notification.method, notification.params.as_deref());
                Taken::Message(event_stream::event(&message))
            }
            Some(Event::Finished(finished)) => self.finish(finished),
            // Whoever worked on it is gone without a word.
            None => self.finish(Finished {
                backend: None,
                outcome: Outcome::Failed(Failure::Lost),
            }),
        }
    }

    fn finish(&mut self, finished: Finished) -> Taken {
        if let Some(mut in_flight) = self.in_flight.take() {
            in_flight.answered();
        }
        if let Some(record) = self.record.take() {
            record.end(finished.backend.as_ref(), &finished.outcome);
        }
        let status = self.encode.status(&finished.outcome);
        Taken::Last(status, response(&self.encode, &self.id, finished.outcome))
    }
}

/// What one event means for the answer.
enum Taken {
    /// The client does not hear of it.
    Nothing,
    /// Bytes of the stream.
    Message(Bytes),
    /// The response message, and the status if none is sent yet.
    Last(StatusCode, Option<Bytes>),
}
