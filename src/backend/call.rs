//! Carries out one call: sends, repeats where that is safe, passes events on, ends it once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use tokio_retry::RetryIf;

use crate::mcp::{
    error::{HEADER_MISMATCH, code_of},
    event::{Outcome, Rejection, ResultBody},
    message::RequestId,
};

use super::{
    endpoint::Endpoint,
    error::BackendError,
    exchange::{Answer, Audience, read_answer},
    link::Link,
    message::Call,
    retry::Policy,
    transport::streamable_http::Content,
};

/// How a call's task ended, for the connection.
pub(crate) enum Ending {
    /// The client has its answer.
    Answered,
    /// The client has its answer: the backend is out of reach, for this reason.
    Lost(BackendError),
    /// The client has its answer: the backend will turn every call down, for this reason.
    TurnedDown(BackendError),
    /// Nothing ran: the backend forgot the MCP session. The call wants another one.
    Expired(Call),
    /// Nothing ran: the backend speaks in the other era now. The call wants a link in that.
    EraChanged(Call),
    /// Nothing ran: the backend wants the call's arguments in headers.
    Unmirrored(Call),
}

/// Carries out a call over an opened link.
pub(super) async fn run(
    endpoint: Arc<Endpoint>,
    link: Arc<Link>,
    mut call: Call,
    repeatable: bool,
) -> Ending {
    // What is on its way now, so that a cancellation can name it.
    let current = Current::default();
    let answered = {
        let work = within_limit(&endpoint, &link, &call, repeatable, &current);
        tokio::pin!(work);
        tokio::select! {
            biased;
            () = call.cancel.cancelled() => {
                // Before the connection closes with `work`: a broken connection is no
                // cancellation to a backend of the legacy era. And beside the answer, for which a
                // slow client may leave no room.
                tokio::join!(
                    tell_cancelled(&endpoint, &link, current.take()),
                    call.finish(&endpoint.name, Outcome::Cancelled),
                );
                return Ending::Answered;
            }
            answered = &mut work => answered,
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
        BackendError::SessionExpired if !call.renewed => return Ending::Expired(call),
        BackendError::EraChanged if !call.renewed => {
            call.turned_down = Some(link.dialect.is_shared());
            return Ending::EraChanged(call);
        }
        BackendError::HeadersWanted { .. } if !call.mirrored => return Ending::Unmirrored(call),
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
    if matches!(
        error,
        BackendError::Silent { .. } | BackendError::TooLong { .. }
    ) {
        // Nobody waits for it any more; the backend need not go on.
        let id = current.take();
        tell_cancelled(&endpoint, &link, id).await;
    }
    let failure = error.clone().into_failure(&endpoint.name);
    call.finish(&endpoint.name, Outcome::Failed(failure)).await;
    if error.is_outage() {
        Ending::Lost(error)
    } else if error.is_passing() {
        Ending::Answered
    } else {
        Ending::TurnedDown(error)
    }
}

async fn within_limit(
    endpoint: &Endpoint,
    link: &Link,
    call: &Call,
    repeatable: bool,
    current: &Current,
) -> Result<Outcome, BackendError> {
    let policy = Policy::new(repeatable);
    let attempts = RetryIf::start(
        policy.pauses(&endpoint.retries),
        || attempt(endpoint, link, call, current),
        |error: &BackendError| {
            let again = policy.allows(error);
            if again {
                tracing::debug!(backend.name = %endpoint.name, %error, "may send the request again");
            }
            again
        },
    );
    let after: Duration = endpoint.timeouts.call;
    timeout(after, attempts)
        .await
        .unwrap_or(Err(BackendError::TooLong { after }))
}

async fn attempt(
    endpoint: &Endpoint,
    link: &Link,
    call: &Call,
    current: &Current,
) -> Result<Outcome, BackendError> {
    let number = link.next_id();
    let id = RequestId::from_number(number);
    let encoded = link.dialect.encode(&call.request, &id);
    current.set(number);
    let reply = endpoint.wire.post(encoded.outgoing).await?;
    let answer = match reply.content {
        Content::Refused(refusal) => link.dialect.judge(&refusal, &id, &endpoint.wire)?,
        content => {
            let audience = Audience::client(
                &endpoint.wire,
                link,
                &call.events,
                encoded.client_token.as_deref(),
            );
            read_answer(content, &id, &audience).await?
        }
    };
    Ok(match answer {
        Answer::Result(json) => Outcome::Completed(ResultBody {
            json,
            typed: link.dialect.types_results(),
            freshness: None,
        }),
        Answer::Error(error) if code_of(&error) == Some(HEADER_MISMATCH) => {
            return Err(BackendError::HeadersWanted {
                error: error.into(),
            });
        }
        Answer::Error(error) => Outcome::Rejected(Rejection {
            error,
            typed: link.dialect.types_results(),
        }),
    })
}

/// Tells the backend to stop, once; it may have finished already.
async fn tell_cancelled(endpoint: &Endpoint, link: &Link, id: Option<RequestId>) {
    let Some(outgoing) = id.and_then(|id| link.dialect.cancellation(&id)) else {
        return;
    };
    let told = timeout(endpoint.timeouts.handshake, endpoint.wire.post(outgoing)).await;
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
