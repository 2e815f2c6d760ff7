//! Carries out one call: sends, repeats where that is safe, passes events on, ends it once.

mod work;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    channel::Undisturbed,
    limits::within,
    mcp::{
        event::{Outcome, Rejection},
        message::RequestId,
        name::BackendName,
    },
};

use super::{
    audience::Conversation, caller::Caller, endpoint::Endpoint, error::BackendError,
    fresh::Changes, link::Link, listening::Opening, message::Call,
};

use work::Work;

/// How a call's task ended, for the connection.
pub(crate) enum Ending {
    /// The client has its answer.
    Answered,
    /// The client has its answer: the backend is out of reach, for this reason.
    Lost(BackendError),
    /// The client has its answer: the backend will turn every call down, for this reason.
    TurnedDown(BackendError),
    /// Nothing ran: the backend forgot the MCP session. The call wants another one.
    Expired(Box<Call>),
    /// Nothing ran: the backend speaks in the other era now. The call wants a link in that.
    EraChanged(Box<Call>),
    /// Nothing ran: the backend wants the call's arguments in headers.
    Unmirrored(Box<Call>),
}

/// How a call is to be carried out.
pub(super) struct Plan {
    /// Whether it may run twice.
    pub(super) repeatable: bool,
    /// The stream on which the backend may ask its client, if that can be asked.
    pub(super) stream: Option<Opening>,
    /// What the connection's lists are kept by.
    pub(super) changes: Arc<Changes>,
}

impl Call {
    /// Tells whoever follows it that it goes out again.
    fn repeats(&self, error: &BackendError, backend: &BackendName) {
        if let Some(span) = self.span() {
            span.repeats(&error.clone().into_failure(backend));
        }
    }
}

/// Carries out a call over an opened link.
pub(super) async fn run(
    endpoint: Arc<Endpoint>,
    link: Arc<Link>,
    mut call: Box<Call>,
    plan: Plan,
) -> Ending {
    let Plan {
        repeatable,
        stream,
        changes,
    } = plan;
    // What is on its way now, so that a cancellation can name it.
    let current = Current::default();
    let answered = {
        let conversation = Conversation {
            endpoint: &endpoint,
            link: &link,
        };
        let caller = Arc::new(Caller::of(&call));
        let work = Work::new(conversation, &call, &current, &caller);
        let mut work = pin!(work.within_limit(repeatable, stream));
        let taken_back = pin!(taken_back(&endpoint, &call));
        tokio::select! {
            biased;
            outcome = Undisturbed::new(taken_back) => {
                // To its backend a call that is taken back has taken its questions with it.
                link.questions.end(&caller);
                // Before the connection closes with `work`: a broken connection is no
                // cancellation to a backend of the legacy era. And beside the answer, for which a
                // slow client may leave no room.
                tokio::join!(
                    Box::pin(tell_cancelled(&endpoint, &link, current.take())),
                    call.finish(&endpoint.name, outcome),
                );
                return Ending::Answered;
            }
            answered = &mut work => {
                conversation.end_questions(&caller).await;
                answered
            }
        }
    };
    let error = match answered {
        Ok(outcome) => {
            call.finish(&endpoint.name, outcome).await;
            return Ending::Answered;
        }
        Err(error) => error,
    };
    match &error {
        BackendError::SessionExpired if !call.renewed => {
            call.repeats(&error, &endpoint.name);
            return Ending::Expired(call);
        }
        BackendError::EraChanged if !call.renewed => {
            call.repeats(&error, &endpoint.name);
            call.turned_down = Some(link.dialect.is_shared());
            return Ending::EraChanged(call);
        }
        BackendError::HeadersWanted { .. } if !call.mirrored => {
            call.repeats(&error, &endpoint.name);
            return Ending::Unmirrored(call);
        }
        BackendError::HeadersWanted { error } => {
            let answer = Outcome::Rejected(Rejection {
                error: (**error).to_owned(),
                typed: link.dialect.types_results(),
            });
            call.finish(&endpoint.name, answer).await;
            return Ending::Answered;
        }
        _ => {}
    }
    if error.is_outage() {
        // Before the client hears of it: no list that it asks for then may show what is out of reach.
        changes.note_all();
    }
    let failure = error.clone().into_failure(&endpoint.name);
    let finish = call.finish(&endpoint.name, Outcome::Failed(failure));
    if error.leaves_work() {
        // Nobody waits for it any more; the backend need not go on. And beside the answer: a backend
        // that says nothing takes its time for that, too.
        let told = Box::pin(tell_cancelled(&endpoint, &link, current.take()));
        tokio::join!(told, finish);
    } else {
        finish.await;
    }
    // Boxed: hardly any call needs it, and each would have room for it.
    if error.is_outage() || (error.is_silence() && Box::pin(is_lost(&endpoint, &link)).await) {
        Ending::Lost(error)
    } else if error.is_passing() {
        Ending::Answered
    } else {
        Ending::TurnedDown(error)
    }
}

/// Waits until nobody wants the answer any more: its client, or its session without this backend.
async fn taken_back(endpoint: &Endpoint, call: &Call) -> Outcome {
    tokio::select! {
        biased;
        () = call.cancel.cancelled() => Outcome::Cancelled,
        () = endpoint.removed.cancelled() => {
            Outcome::Failed(BackendError::Removed.into_failure(&endpoint.name))
        }
    }
}

/// Finds out, one call for all, whether a backend that a call heard nothing of is there at all.
async fn is_lost(endpoint: &Arc<Endpoint>, link: &Arc<Link>) -> bool {
    let Some(_looking) = link.look() else {
        return false;
    };
    !Conversation { endpoint, link }.is_alive().await
}

/// Tells the backend to stop, once; it may have finished already.
async fn tell_cancelled(endpoint: &Endpoint, link: &Link, id: Option<RequestId>) {
    let Some(outgoing) = id.and_then(|id| link.dialect.cancellation(&id)) else {
        return;
    };
    let told = within(endpoint.timeouts.handshake, endpoint.wire.post(outgoing)).await;
    if !matches!(told, Ok(Ok(_))) {
        tracing::debug!(backend.name = %endpoint.name, "could not pass a cancellation on");
    }
}

/// The number of the request that is on its way; 0 for none.
#[derive(Default)]
struct Current(AtomicU64);

impl Current {
    fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }

    fn take(&self) -> Option<RequestId> {
        let number = self.0.swap(0, Ordering::Relaxed);
        (number != 0).then(|| RequestId::from_number(number))
    }
}
