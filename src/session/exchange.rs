//! One client request on its way through a session.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, mpsc::error::TrySendError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    channel::{Desk, Sender},
    mcp::{
        event::{Event, Finished, Outcome, ResultBody},
        failure::Failure,
        message::RequestId,
        name::BackendName,
        request::Request,
    },
};

use super::actor::Entered;

/// One client request and where its events go.
pub struct Exchange {
    /// The client's MCP session, when it has one.
    pub mcp_session: Option<Uuid>,
    /// The id under which the client may take the request back by a message.
    pub cancel_by: Option<RequestId>,
    /// The request; its name is the public one.
    pub request: Request,
    /// Where its events go, in order, past the actors.
    pub events: Sender<Event>,
    /// Where the work on it may be carried out.
    pub desk: Option<Desk>,
    /// Fires when the client takes the request back.
    pub cancel: Arc<CancellationToken>,
    /// The backend that the request goes on at, whatever its name would say.
    pub pinned: Option<BackendName>,
}

impl Exchange {
    /// The same with other parameters.
    pub(super) fn with(mut self: Box<Self>, params: Box<RawValue>) -> Box<Self> {
        self.request.params = Some(params);
        self
    }

    /// Answers an exchange that no backend gets to see.
    pub(super) fn refuse(self, failure: Failure) {
        self.answer(Outcome::Failed(failure));
    }

    /// Answers with a result the gateway knows.
    pub(super) fn complete(self, json: &'static str) {
        self.answer(known(json));
    }

    /// The same, for who waits until it is answered.
    pub(super) async fn completed(self, json: &'static str) {
        self.finish(known(json)).await;
    }

    /// Answers on the gateway's own behalf, without a wait: nothing else was told before.
    pub(super) fn answer(self, outcome: Outcome) {
        let finished = Event::Finished(Finished {
            backend: None,
            outcome,
        });
        if let Err(TrySendError::Full(finished)) = self.events.try_send(finished) {
            tokio::spawn(async move {
                // As below.
                let _nobody_left = self.events.send(finished).await;
            });
        }
    }

    /// Answers on the gateway's own behalf.
    pub(super) async fn finish(self, outcome: Outcome) {
        let finished = Finished {
            backend: None,
            outcome,
        };
        // The client may be gone, with nobody left to tell.
        let _nobody_left = self.events.send(Event::Finished(finished)).await;
    }
}

fn known(json: &'static str) -> Outcome {
    Outcome::Completed(ResultBody {
        json: json.into(),
        typed: false,
        freshness: None,
    })
}

/// Numbers exchanges: their ids may meet, those of different clients and those of one.
pub(super) fn next_number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An exchange's place among those its session may have. It goes with the work, not with the
/// client: a client that hangs up frees nothing while its call runs on.
pub(super) struct Place {
    pub(super) number: u64,
    /// Where it is among those in flight; `None` until its session has seen it.
    pub(super) running: Option<Entered>,
    /// Its session's, and its caller's.
    pub(super) _permits: Option<(OwnedSemaphorePermit, Option<OwnedSemaphorePermit>)>,
}

/// The front's hold on an exchange. With `cancel_when_dropped`, dropping it before the answer is
/// complete takes the request back.
pub struct InFlight {
    pub(super) cancel: Arc<CancellationToken>,
    pub(super) cancel_when_dropped: bool,
}

impl InFlight {
    /// From here on the client's leaving means nothing: the answer is complete.
    pub fn answered(&mut self) {
        self.cancel_when_dropped = false;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.cancel_when_dropped {
            self.cancel.cancel();
        }
    }
}
