//! From an exchange's events to the messages that its client gets.

use std::{io, mem, ops::ControlFlow, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::StatusCode;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{
    channel::{Receiver, channel},
    in_place,
    limits::{EVENTS_IN_FLIGHT, KEEP_ALIVE_INTERVAL, QUESTIONS_GATHERED_WITHIN},
    mcp::{
        event::{Answered, Event, Finished, Outcome, Question, ResultBody},
        failure::Failure,
        message::{RequestId, write_notification, write_result},
        name::BackendName,
        object::RawObject,
        request::{Asking, Request},
    },
    session::{Exchange, InFlight, Parked, SessionRef},
};

use super::{
    encode::{Encode, Put, response},
    event_stream::Accepts,
    input_required,
    record::Record,
    taken::Taken,
    writing::Writing,
};

/// A client's request, read and ready to be carried out.
pub(super) struct Wanted<E> {
    pub(super) session: SessionRef,
    pub(super) id: RequestId,
    pub(super) request: Request,
    pub(super) mcp_session: Option<Uuid>,
    /// The backend that the request goes on at.
    pub(super) pinned: Option<BackendName>,
    /// Whether the client's leaving takes the request back.
    pub(super) leaving_cancels: bool,
    pub(super) accepts: Accepts,
    pub(super) record: Record,
    pub(super) encode: E,
}

/// An answer being written.
pub(super) struct Answering<E> {
    session: SessionRef,
    /// What a client sends once more that is asked in place of an answer.
    request: Option<Request>,
    /// `None` once the answer is complete.
    in_flight: Option<InFlight>,
    received: Receiver<Event>,
    /// What the client has to be asked in place of an answer, each under a key.
    questions: Vec<(String, Question)>,
    /// The numbers of what the client was asked while the request is open.
    asked: Vec<u64>,
    /// Until when further ones are gathered; the first of them sets it.
    gathers_until: Option<Instant>,
    id: RequestId,
    pub(super) encode: E,
    /// `None` once the answer is complete.
    record: Option<Record>,
    pub(super) accepts: Accepts,
    /// Whether a result that comes in parts is told whole.
    whole: bool,
    /// The parts of a result that is told whole.
    collected: BytesMut,
    /// The rest of a response message whose parts are being written; `None` before that.
    writing: Option<Writing>,
}

/// What happens next.
pub(super) enum Step {
    /// An event, or the end of events.
    Event(Option<Event>),
    /// Nothing: the backend waits for the client.
    Wait,
}

impl<E: Encode> Answering<E> {
    /// Has a request carried out.
    ///
    /// Boxed, here and below: whoever writes the answer holds it in several places.
    pub(super) fn begin(wanted: Wanted<E>) -> Box<Self> {
        let (events, mut received) = channel(EVENTS_IN_FLIGHT);
        let kept = (wanted.request.asking == Asking::ByRetry).then(|| wanted.request.clone());
        let exchange = in_place::boxed(|| Exchange {
            mcp_session: wanted.mcp_session,
            cancel_by: wanted.mcp_session.map(|_| wanted.id.clone()),
            request: wanted.request,
            events,
            // Whoever answers waits, until there is an answer or something comes before it.
            desk: Some(received.desk(KEEP_ALIVE_INTERVAL)),
            cancel: Arc::default(),
            pinned: wanted.pinned,
        });
        let (in_flight, received) = match wanted.session.begin(exchange, wanted.leaving_cancels) {
            Ok(in_flight) => (Some(in_flight), received),
            Err(failure) => (None, failed(failure)),
        };
        in_place::boxed(|| Self {
            session: wanted.session,
            request: kept,
            in_flight,
            received,
            questions: Vec::new(),
            asked: Vec::new(),
            gathers_until: None,
            id: wanted.id,
            encode: wanted.encode,
            record: Some(wanted.record),
            accepts: wanted.accepts,
            // A client without JSON may want to take the stream up again, whole events only.
            whole: !wanted.accepts.json,
            collected: BytesMut::new(),
            writing: None,
        })
    }

    /// Answers a request that is not carried out.
    pub(super) fn refuse(wanted: Wanted<E>, failure: Failure) -> Box<Self> {
        Self::over(wanted, failed(failure))
    }

    /// Goes on with an exchange that waited for this request and what it brings.
    pub(super) fn take_up(wanted: Wanted<E>, parked: Parked, brought: &RawObject<'_>) -> Box<Self> {
        let mut answering = Self::over(wanted, parked.received);
        answering.in_flight = Some(parked.in_flight);
        for (key, question) in parked.questions {
            // Whatever is no object is no answer to anything that a server may ask.
            match brought.get(&key).filter(|raw| raw.get().starts_with('{')) {
                Some(raw) => question.answer(Answered::Result(raw.to_owned())),
                None => answering.questions.push((key, question)),
            }
        }
        answering
    }

    /// Writes the answer of events that come from elsewhere.
    pub(super) fn over(wanted: Wanted<E>, received: Receiver<Event>) -> Box<Self> {
        Box::new(Self {
            session: wanted.session,
            request: Some(wanted.request),
            in_flight: None,
            received,
            questions: Vec::new(),
            asked: Vec::new(),
            gathers_until: None,
            id: wanted.id,
            encode: wanted.encode,
            record: Some(wanted.record),
            accepts: wanted.accepts,
            whole: !wanted.accepts.json,
            collected: BytesMut::new(),
            writing: None,
        })
    }

    /// From here on, results are told whole, and nobody may be waiting for them.
    pub(super) fn collect(&mut self) {
        self.whole = true;
        self.let_go();
    }

    /// From here on nobody may be waiting, and the exchange goes on all the same. Whoever waits for a step says so
    /// where none comes within [`KEEP_ALIVE_INTERVAL`].
    pub(super) fn let_go(&mut self) {
        self.received.let_go();
    }

    /// Whether a part of the response message is out, and its end is not.
    pub(super) fn is_within_message(&self) -> bool {
        self.writing.is_some()
    }

    /// Whether the last message has been told.
    pub(super) const fn has_ended(&self) -> bool {
        self.record.is_none()
    }

    /// Waits for what happens next. Losing interest loses nothing.
    pub(super) async fn step(&mut self) -> Step {
        if self.questions.is_empty() {
            return Step::Event(self.received.recv().await);
        }
        // What is there already goes out before the client is asked, however late it is.
        let until = *self.gathers_until.get_or_insert_with(gathering);
        match timeout_at(until, self.received.recv()).await {
            Ok(event) => Step::Event(event),
            Err(_) => Step::Wait,
        }
    }

    /// Takes note of what happened.
    pub(super) async fn take(&mut self, step: Step) -> Taken {
        match step {
            Step::Event(Some(Event::Notified(notification))) => {
                if !self.accepts.events || self.writing.is_some() {
                    return Taken::Nothing;
                }
                let notification = self.encode.notification(notification);
                notification.map_or(Taken::Nothing, |told| {
                    Taken::Message(write_notification(&told.method, told.params.as_deref()))
                })
            }
            Step::Event(Some(Event::Part(part))) => self.part(part),
            Step::Event(Some(Event::Asked(question))) => self.ask(question),
            Step::Event(Some(Event::Withdrawn(number))) => self.withdraw(number),
            Step::Event(Some(Event::Finished(finished))) => self.finish(finished),
            // Whoever worked on it is gone without a word.
            Step::Event(None) => self.finish(lost(Failure::Lost)),
            Step::Wait => self.park().await,
        }
    }

    /// The next message as a whole; `None` after the last. [`Self::collect`] comes first.
    pub(super) async fn message(&mut self) -> Option<Bytes> {
        loop {
            // The answer is complete without it.
            self.record.as_ref()?;
            let step = self.step().await;
            if let ControlFlow::Break(message) = self.take(step).await.whole() {
                return message;
            }
        }
    }

    /// The same, as far as it needs not be waited for; breaks off where it must be.
    pub(super) async fn message_at_hand(&mut self) -> ControlFlow<(), Option<Bytes>> {
        while self.record.is_some() {
            let Some(step) = self.step().now_or_never() else {
                return ControlFlow::Break(());
            };
            if let ControlFlow::Break(message) = self.take(step).await.whole() {
                return ControlFlow::Continue(message);
            }
        }
        ControlFlow::Continue(None)
    }

    fn ask(&mut self, question: Question) -> Taken {
        if self.writing.is_some() {
            // No question fits into a response message; dropped, it tells whoever asked.
            return Taken::Nothing;
        }
        let number = question.number;
        match self.encode.ask(question) {
            Put::Now(message) if self.accepts.events => {
                self.asked.push(number);
                Taken::Message(message)
            }
            Put::Instead(question) => {
                if !input_required::has_room(&self.questions, &question) {
                    // Dropped, it tells whoever asked.
                    return Taken::Nothing;
                }
                if self.questions.is_empty() {
                    self.gathers_until = Some(gathering());
                }
                self.questions.push((input_required::key(), question));
                Taken::Nothing
            }
            Put::Now(_) => {
                // The client will not see it.
                self.encode.withdraw(number);
                Taken::Nothing
            }
            Put::Never => Taken::Nothing,
        }
    }

    fn withdraw(&mut self, number: u64) -> Taken {
        self.questions.retain(|(_, asked)| asked.number != number);
        self.asked.retain(|asked| *asked != number);
        match self.encode.withdraw(number) {
            Some(message) if self.accepts.events && self.writing.is_none() => {
                Taken::Message(message)
            }
            _ => Taken::Nothing,
        }
    }

    /// Ends this request with what the client is asked, and keeps the exchange for the next one.
    async fn park(&mut self) -> Taken {
        let questions = mem::take(&mut self.questions);
        let (Some(request), Some(in_flight)) = (&self.request, self.in_flight.take()) else {
            return self.finish(lost(Failure::Lost));
        };
        let requests = input_required::requests(&questions);
        let (_, nothing) = channel(EVENTS_IN_FLIGHT);
        let parked = Parked {
            received: mem::replace(&mut self.received, nothing),
            in_flight,
            questions,
        };
        match self.session.park(request, parked).await {
            Ok(state) => {
                if let Some(record) = self.record.take() {
                    record.end_with("input required");
                }
                let result = input_required::result(&requests, Some(&state));
                let message = write_result(&self.id, result.get().as_bytes());
                Taken::Whole(StatusCode::OK, Some(message.into()))
            }
            Err(failure) => self.finish(lost(failure)),
        }
    }

    fn part(&mut self, part: ResultBody) -> Taken {
        if let Some(writing) = &mut self.writing {
            return Taken::Part(writing.further(part.json));
        }
        if !self.whole && self.collected.is_empty() {
            let (writing, begin) = Writing::begin(&self.encode, &self.id, part);
            self.writing = Some(writing);
            return Taken::Part(begin);
        }
        // The backend's connection bounds the sum of the parts.
        self.collected.extend_from_slice(&part.json);
        Taken::Nothing
    }

    fn finish(&mut self, finished: Finished) -> Taken {
        self.questions.clear();
        if !matches!(
            finished.outcome,
            Outcome::Completed(_) | Outcome::Rejected(_)
        ) {
            // What may be about another of its calls stays, as long as this one ended well.
            for number in mem::take(&mut self.asked) {
                self.encode.withdraw(number);
            }
        }
        if let Some(mut in_flight) = self.in_flight.take() {
            in_flight.answered();
        }
        if let Some(record) = self.record.take() {
            record.end(finished.backend.as_ref(), &finished.outcome);
        }
        if let Some(writing) = self.writing.take() {
            return match finished.outcome {
                Outcome::Completed(last) => Taken::LastPart(writing.end(last.json)),
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
        let (status, message) = response(&self.encode, &self.id, outcome);
        Taken::Whole(status, message)
    }
}

/// Until when questions are gathered of which the first is there now.
fn gathering() -> Instant {
    Instant::now() + QUESTIONS_GATHERED_WITHIN
}

/// The end of a request that the gateway could not get an answer to.
const fn lost(failure: Failure) -> Finished {
    Finished {
        backend: None,
        outcome: Outcome::Failed(failure),
    }
}

/// The events of a request that failed before there were any.
fn failed(failure: Failure) -> Receiver<Event> {
    let (events, received) = channel(EVENTS_IN_FLIGHT);
    // There is room for it.
    let _sent = events.try_send(Event::Finished(lost(failure)));
    received
}

/// What a body ends with whose response message will never be complete.
pub(super) fn broken() -> io::Error {
    io::Error::other("the backend broke off in the middle of its answer")
}
