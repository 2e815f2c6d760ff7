//! A session's actor and its mailbox: ractor's, and a way past its queue for what a lane brings.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef};
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    lanes::{Seat, attempt},
    store::StoredSession,
};

use super::{actor::Session, message::SessionMessage, outbox::Outbox, shared::Shared};

/// Where a session's messages go. It has no bound of its own; ARCHITECTURE.md tells what bounds it.
#[derive(Clone)]
pub(super) struct Mailbox {
    actor: ActorRef<Letter>,
    seat: Arc<Seat<Session>>,
}

/// What is in it.
pub(super) enum Letter {
    /// A message to the session.
    To(SessionMessage),
    /// The session made a mistake in taking a message past the queue, of which the actor is to end.
    Mistaken { words: String },
}

/// A session has ended, and takes no message.
#[derive(Debug)]
pub(super) struct Gone;

/// Has its session take what is in the mailbox, one after the other.
pub(super) struct SessionActor;

impl Actor for SessionActor {
    type Msg = Letter;
    type State = Seated;
    type Arguments = (StoredSession, Shared, Outbox, Arc<Seat<Session>>);

    async fn pre_start(
        &self,
        myself: ActorRef<Letter>,
        (record, shared, outbox, seat): Self::Arguments,
    ) -> Result<Seated, ActorProcessingErr> {
        let myself = Mailbox::new(myself, Arc::clone(&seat));
        let session = Session::start(record, shared, outbox, myself);
        Ok(Seated::new(seat, session))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Letter>,
        letter: Letter,
        session: &mut Seated,
    ) -> Result<(), ActorProcessingErr> {
        session.take(letter).await
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Letter>,
        session: &mut Seated,
    ) -> Result<(), ActorProcessingErr> {
        // Now, and not when the supervisor has heard of it.
        session.end();
        Ok(())
    }
}

/// A session as long as its actor runs: with this, it ends.
pub(super) struct Seated(Arc<Seat<Session>>);

impl Mailbox {
    /// The mailbox of an actor, whose session sits there, or will.
    pub(super) const fn new(actor: ActorRef<Letter>, seat: Arc<Seat<Session>>) -> Self {
        Self { actor, seat }
    }

    /// Puts a message into it.
    ///
    /// # Errors
    ///
    /// When the session has ended.
    pub(super) fn cast(&self, message: SessionMessage) -> Result<(), Gone> {
        self.put(Letter::To(message))
    }

    /// The same, for who holds nothing that the session could want while it takes a message: here it may be taken already.
    ///
    /// # Errors
    ///
    /// As of [`Self::cast`].
    pub(super) fn hand_over(&self, message: SessionMessage) -> Result<(), Gone> {
        let Some(mut session) = self.seat.at_once() else {
            return self.cast(message);
        };
        if let Err(words) = take(&mut session, message) {
            // The actor ends of it as if it had taken the message itself.
            let _ended = self.put(Letter::Mistaken { words });
        }
        Ok(())
    }

    fn put(&self, letter: Letter) -> Result<(), Gone> {
        self.seat.queued();
        self.actor.cast(letter).map_err(|_| Gone)
    }

    /// Puts a message into it after a while.
    pub(super) fn send_after(
        &self,
        pause: Duration,
        message: impl FnOnce() -> SessionMessage + Send + 'static,
    ) -> JoinHandle<()> {
        let mailbox = self.clone();
        tokio::spawn(async move {
            sleep(pause).await;
            // What has ended waits for nothing.
            let _gone = mailbox.cast(message());
        })
    }

    /// Has the actor stop, and take nothing more.
    pub(super) fn stop(&self) {
        // Nothing overtakes what will never be taken.
        self.seat.queued();
        self.actor.stop(None);
    }

    /// Whether nobody is there any more to take a message.
    #[cfg(test)]
    pub(super) fn is_left(&self) -> bool {
        self.seat.actor().is_none()
    }

    /// Names the actor.
    pub(super) fn id(&self) -> ActorId {
        self.actor.get_id()
    }
}

impl Seated {
    /// Has a session sit down.
    pub(super) fn new(seat: Arc<Seat<Session>>, session: Session) -> Self {
        seat.take(session);
        Self(seat)
    }

    /// Has it take what came out of the queue.
    ///
    /// # Errors
    ///
    /// When that is a mistake, or one was made: the session has ended.
    pub(super) async fn take(&self, letter: Letter) -> Result<(), ActorProcessingErr> {
        let mut session = self.0.unqueued().await;
        match letter {
            Letter::To(message) => take(&mut session, message).map_err(Into::into),
            Letter::Mistaken { words } => Err(words.into()),
        }
    }

    /// Ends it.
    pub(super) fn end(&self) {
        let session = self.0.actor().take();
        drop(session);
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        self.end();
    }
}

/// Has a session take a message; one that makes a mistake is dropped, with whatever waited for it, and its actor ends.
fn take(place: &mut Option<Session>, message: SessionMessage) -> Result<(), String> {
    let Some(session) = place else {
        // The word of a mistake is on its way.
        return Ok(());
    };
    let taken = attempt(|| session.receive(message));
    if taken.is_err() {
        let ended = place.take();
        // It made a mistake; another one on its way out says no more.
        let _dropped = attempt(|| drop(ended));
    }
    taken
}
