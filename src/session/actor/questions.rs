//! What backends ask clients: put to them, answered by them, or waiting for them to ask again.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    limits::{PARKED_PER_SESSION_MAX, QUESTIONS_PER_MCP_SESSION_MAX},
    mcp::{
        event::{Answered, Question},
        failure::Failure,
        message::RequestId,
    },
    session::{
        message::{SessionMessage, Told},
        parked::Parked,
    },
};

use super::Session;

impl Session {
    /// Remembers that this was put to a client under this id. Of too many the oldest is dropped,
    /// which tells its backend that there will be no answer.
    pub(super) fn asked(&mut self, mcp_session: Uuid, id: RequestId, question: Question) {
        let Some(mcp_session) = self.mcp_sessions.get_mut(&mcp_session) else {
            return;
        };
        let asked = &mut mcp_session.asked;
        if asked.len() >= QUESTIONS_PER_MCP_SESSION_MAX {
            asked.pop_front();
        }
        asked.push_back((id, question.put()));
    }

    /// Hands a client's answer to whoever asked that client under that id.
    pub(super) fn answer(&mut self, mcp_session: Uuid, id: &RequestId, answered: Answered) {
        let Some(mcp_session) = self.mcp_sessions.get_mut(&mcp_session) else {
            return;
        };
        mcp_session.touch();
        let place = mcp_session.asked.iter().position(|(asked, _)| asked == id);
        if let Some((_, question)) = place.and_then(|place| mcp_session.asked.remove(place)) {
            question.answer(answered);
        }
    }

    /// Puts to a client what a backend asks on no call's stream. Nobody there to hear it drops it.
    pub(super) fn put(&mut self, mcp_session: Uuid, question: Question) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&mcp_session) {
            mcp_session.tell(Told::Asked(question));
        }
    }

    /// Forgets what a client was asked, who knows by its answer that nothing is wanted any more.
    pub(super) fn forget_asked(&mut self, mcp_session: Uuid, number: u64) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&mcp_session) {
            mcp_session
                .asked
                .retain(|(_, asked)| asked.number != number);
        }
    }

    /// Tells a client that an answer is no longer wanted.
    pub(super) fn withdraw(&mut self, mcp_session: Uuid, number: u64) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&mcp_session) {
            mcp_session
                .asked
                .retain(|(_, asked)| asked.number != number);
            mcp_session.tell(Told::Withdrawn(number));
        }
    }

    /// Keeps an exchange until its client asks again, or its time is over.
    pub(super) fn park(
        &mut self,
        id: Uuid,
        parked: Parked,
        reply: oneshot::Sender<Result<(), Failure>>,
    ) {
        if self.is_ending() || self.parked.len() >= PARKED_PER_SESSION_MAX {
            // Dropped, the exchange takes its request back.
            let _asker_left = reply.send(Err(Failure::TooManyParked {
                limit: PARKED_PER_SESSION_MAX,
            }));
            return;
        }
        self.parked.insert(id, parked);
        let too_long = move || SessionMessage::ParkedTooLong { id };
        // The timer ends with the actor: its message then finds no mailbox.
        let _timer = self.myself.send_after(self.shared.input_timeout, too_long);
        if reply.send(Ok(())).is_err() {
            // The client left before it learned how to go on.
            self.parked.remove(&id);
        }
    }

    /// Gives a parked exchange back, once.
    pub(super) fn take_up(&mut self, id: Uuid, reply: oneshot::Sender<Option<Parked>>) {
        if let Err(unheard) = reply.send(self.parked.remove(&id))
            && let Some(parked) = unheard
        {
            // The client that asked is gone; it may ask again.
            self.parked.insert(id, parked);
        }
    }

    /// Ends a parked exchange whose client did not come back; its backend hears of it.
    pub(super) fn expire_parked(&mut self, id: Uuid) {
        if self.parked.remove(&id).is_some() {
            tracing::info!("a request that waited for input for too long was taken back");
        }
    }
}
