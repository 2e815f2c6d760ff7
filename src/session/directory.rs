//! Where the live sessions are: a concurrent map, read by every request without a mailbox.

mod ending;
mod resting;
mod telling;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use dashmap::DashMap;
use ractor::ActorId;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::{
    lanes::Lane,
    limits::EXCHANGES_PER_SESSION_MAX,
    mcp::{
        failure::Failure,
        message::RequestId,
        request::{Context, Request},
        version::Revision,
    },
    store::Sealer,
};

use super::{
    activity::Activity,
    describe::SessionDescription,
    exchange::{Exchange, InFlight, Place, next_number},
    heard::{Heard, Listener},
    mailbox::Mailbox,
    message::{Client, Filter, SessionMessage, Subscription, Welcome},
    outbox::{Attendance, Outbox},
    parked::{Parked, TakenUp},
    patch::{Patched, SessionPatch},
    quota::{CallerPlaces, Quota},
    request_state::{Opened, RequestStates},
    used::Used,
};

/// The live sessions by id.
#[derive(Clone)]
pub(super) struct Directory {
    /// Ids are looked for in it by whoever names one, and put in by the gateway alone: nobody can choose them to
    /// collide.
    live: Arc<DashMap<Uuid, SessionRef, foldhash::fast::RandomState>>,
    stopping: Arc<AtomicBool>,
    sealer: Sealer,
    quota: Quota,
}

impl Directory {
    pub(super) fn new(sealer: Sealer, quota: Quota) -> Self {
        Self {
            live: Arc::default(),
            stopping: Arc::default(),
            sealer,
            quota,
        }
    }

    pub(super) const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Where a live session is carried on.
    pub(super) fn lane(&self, id: Uuid) -> Option<Lane> {
        self.live.get(&id).map(|entry| entry.0.lane)
    }

    pub(super) fn get(&self, id: Uuid) -> Option<SessionRef> {
        self.live.get(&id).map(|entry| entry.clone())
    }

    pub(super) fn insert(
        &self,
        id: Uuid,
        owner: Option<Arc<str>>,
        (mailbox, lane): (Mailbox, Lane),
        outbox: Outbox,
    ) -> SessionRef {
        let session = SessionRef(Arc::new(Live {
            mailbox,
            lane,
            caller_places: owner.as_ref().map(|owner| self.quota.requests_of(owner)),
            owner,
            places: Arc::new(Semaphore::new(EXCHANGES_PER_SESSION_MAX)),
            stopping: Arc::clone(&self.stopping),
            states: RequestStates::new(id, self.sealer.clone()),
            outbox,
            activity: Activity::default(),
        }));
        self.live.insert(id, session.clone());
        session
    }

    pub(super) fn remove(&self, id: Uuid) -> Option<SessionRef> {
        self.live.remove(&id).map(|(_, session)| session)
    }

    /// Takes a session out whose actor ended, unless another actor has taken its place.
    pub(super) fn remove_ended(&self, id: Uuid, actor: ActorId) {
        self.live
            .remove_if(&id, |_, session| session.0.mailbox.id() == actor);
    }

    /// From now on no session takes another exchange.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn all(&self) -> Vec<SessionRef> {
        self.live.iter().map(|entry| entry.clone()).collect()
    }
}

/// A handle to one live session, which does not go to sleep while somebody has one: whoever is at work with it
/// keeps it until then.
#[derive(Clone)]
pub struct SessionRef(Arc<Live>);

/// What all handles to a session share.
struct Live {
    mailbox: Mailbox,
    /// Where the actor lives.
    lane: Lane,
    owner: Option<Arc<str>>,
    places: Arc<Semaphore>,
    /// Those that all sessions of the owner share.
    caller_places: Option<CallerPlaces>,
    stopping: Arc<AtomicBool>,
    states: RequestStates,
    outbox: Outbox,
    activity: Activity,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.activity.end();
    }
}

impl SessionRef {
    /// Whose it is.
    pub(super) fn owner(&self) -> Option<&str> {
        self.0.owner.as_deref()
    }

    /// Hands an exchange over. Its events come through its own channel; keep what is returned until
    /// the answer is written. With `cancel_when_dropped`, dropping it early takes the request back.
    ///
    /// # Errors
    ///
    /// When the session, or its owner, has all the exchanges it may have, or the gateway is stopping.
    pub fn begin(
        &self,
        exchange: Box<Exchange>,
        cancel_when_dropped: bool,
    ) -> Result<InFlight, Failure> {
        self.go_on()?;
        let permit = Arc::clone(&self.0.places)
            .try_acquire_owned()
            .map_err(|_| Failure::Busy {
                limit: EXCHANGES_PER_SESSION_MAX,
            })?;
        let caller_permit = self
            .0
            .caller_places
            .as_ref()
            .map(CallerPlaces::take)
            .transpose()?;
        let number = next_number();
        let cancel = exchange.cancel.clone();
        let place = Place {
            number,
            running: None,
            _permits: Some((permit, caller_permit)),
        };
        self.0
            .mailbox
            .hand_over(SessionMessage::Begin { exchange, place })
            .map_err(|_| Failure::Lost)?;
        Ok(InFlight {
            cancel,
            cancel_when_dropped,
        })
    }

    /// Takes a request of that MCP session back; one that is answered or unknown is no error.
    pub fn cancel(&self, mcp_session: Uuid, request: RequestId) {
        self.tell(SessionMessage::Cancel {
            mcp_session,
            request,
        });
    }

    /// Opens an MCP session. It is durable once something that was asked in it is answered.
    ///
    /// # Errors
    ///
    /// When there are too many, or a backend has something for it and it could not be stored.
    pub async fn open_mcp_session(&self, client: Client) -> Result<(Uuid, Welcome), Failure> {
        self.ask(|reply| SessionMessage::OpenMcpSession { client, reply })
            .await?
    }

    /// Tells what the session offers.
    ///
    /// # Errors
    ///
    /// When the session is going down.
    pub async fn discover(&self, context: Context) -> Result<Welcome, Failure> {
        self.ask(|reply| SessionMessage::Discover { context, reply })
            .await
    }

    /// Ends an MCP session; tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the session is going down, or the store could not delete it: then it has ended, may be
    /// back after a restart, and can be ended again.
    pub async fn end_mcp_session(&self, id: Uuid) -> Result<bool, Failure> {
        self.ask(|reply| SessionMessage::EndMcpSession { id, reply })
            .await?
    }

    /// Has changes told to a further listener of that MCP session: rather to one that is read, where
    /// `attendance` tells whether this one is. Of a change of that, [`Self::attended`] tells.
    ///
    /// # Errors
    ///
    /// When there is no such MCP session, or it has all the listeners it may have.
    pub async fn listen(
        &self,
        mcp_session: Uuid,
        attendance: Option<Attendance>,
    ) -> Result<Heard, Failure> {
        let farewell = SessionMessage::Left { mcp_session };
        let (heard, told) = Heard::new(self.0.mailbox.clone(), farewell);
        let listener = Listener::new(told, attendance);
        self.ask(|reply| SessionMessage::Listen {
            mcp_session,
            listener,
            reply,
        })
        .await??;
        self.go_on()?;
        Ok(heard)
    }

    /// Somebody began or ceased to read a stream of that MCP session.
    pub fn attended(&self, mcp_session: Uuid) {
        self.tell(SessionMessage::Left { mcp_session });
    }

    /// Has changes told to a listener without an MCP session; tells which of them it will hear of.
    /// They are listened for when this returns.
    ///
    /// # Errors
    ///
    /// When the session has all the listeners it may have, or is going down.
    pub async fn subscribe(
        &self,
        context: Context,
        filter: Filter,
    ) -> Result<(Filter, Heard), Failure> {
        let number = next_number();
        let farewell = SessionMessage::Unsubscribed { number };
        let (heard, listener) = Heard::new(self.0.mailbox.clone(), farewell);
        let subscription = Subscription {
            context,
            filter,
            listener,
        };
        let honoured = self
            .ask(|reply| SessionMessage::Subscribe {
                number,
                subscription,
                reply,
            })
            .await??;
        self.go_on()?;
        Ok((honoured, heard))
    }

    /// Keeps an exchange whose client has to answer first; gives the `requestState` by which the
    /// client goes on with it. `request` is the one that the client will send once more.
    ///
    /// # Errors
    ///
    /// When as many wait as may, or the session is going down.
    pub async fn park(&self, request: &Request, parked: Parked) -> Result<String, Failure> {
        let id = Uuid::new_v4();
        let state = self.0.states.seal_parked(request, id)?;
        self.ask(|reply| SessionMessage::Park { id, parked, reply })
            .await??;
        Ok(state)
    }

    /// Finds out how a request goes on, by the `requestState` in its parameters.
    ///
    /// # Errors
    ///
    /// When that is not of this request, or what it speaks of is gone.
    pub async fn take_up(&self, request: &Request) -> Result<TakenUp, Failure> {
        match self.0.states.open(request)? {
            Opened::Nothing => Ok(TakenUp::New),
            Opened::Passed { backend, state } => Ok(TakenUp::Pinned { backend, state }),
            Opened::Parked(id) => self
                .ask(|reply| SessionMessage::TakeUp { id, reply })
                .await?
                .map(TakenUp::Parked)
                .ok_or(Failure::UnknownState),
        }
    }

    /// The streams that clients may take up again.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// Tells what was agreed upon for a client's MCP session, `None` where there is none, and notes
    /// that it is in use.
    ///
    /// # Errors
    ///
    /// When the session is going down.
    pub async fn knows(&self, mcp_session: Uuid) -> Result<Option<Revision>, Failure> {
        self.ask(|reply| SessionMessage::Knows { mcp_session, reply })
            .await
    }

    /// Changes the session. Durable when it returns; `None` when the session went down meanwhile.
    pub(super) async fn patch(&self, patch: SessionPatch) -> Option<Patched> {
        let asked = self.ask(|reply| SessionMessage::Patch { patch, reply });
        asked.await.ok()
    }

    /// Has the session meet the registry that is in force now.
    pub(super) fn meet_registry(&self) {
        self.tell(SessionMessage::MeetRegistry);
    }

    pub(super) async fn describe(&self) -> Result<SessionDescription, Failure> {
        self.ask(SessionMessage::Describe).await
    }

    pub(super) fn close(&self) {
        self.tell(SessionMessage::Close);
    }

    /// Has the session make a mistake.
    #[cfg(test)]
    pub(super) fn mistake(&self) {
        let _gone = self.0.mailbox.hand_over(SessionMessage::Mistake);
    }

    /// Whether it has ended, once it is done with what it takes now.
    #[cfg(test)]
    pub(super) fn is_left(&self) -> bool {
        self.0.mailbox.is_left()
    }

    fn tell(&self, message: SessionMessage) {
        // A session that is gone has no use for any of these.
        let _gone = self.0.mailbox.cast(message);
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> SessionMessage,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        // As above.
        let _gone = self.0.mailbox.hand_over(question(reply));
        answer.await.map_err(|_| Failure::Lost)
    }
}
