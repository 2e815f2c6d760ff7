//! What clients say between their requests, and what is put to them.

use uuid::Uuid;

use crate::mcp::{
    event::{Answered, Notification, Question},
    message::RequestId,
};

use super::{SessionMessage, SessionRef};

impl SessionRef {
    /// Remembers that a question is put to a client under an id. Call it before the client can know
    /// the id.
    pub fn asked(&self, mcp_session: Uuid, id: RequestId, question: Question) {
        self.tell(SessionMessage::Asked {
            mcp_session,
            id,
            question,
        });
    }

    /// Forgets what was asked under that number: dropped, it tells whoever asked.
    pub fn withdrawn(&self, mcp_session: Uuid, number: u64) {
        self.tell(SessionMessage::Withdrawn {
            mcp_session,
            number,
        });
    }

    /// Hands a client's answer to whoever asked; an answer to nothing changes nothing.
    pub fn answer(&self, mcp_session: Uuid, id: RequestId, answered: Answered) {
        self.tell(SessionMessage::Answer {
            mcp_session,
            id,
            answered,
        });
    }

    /// Passes a client's notification on to the backends that have a use for it.
    pub fn notify(&self, mcp_session: Uuid, notification: Notification) {
        self.tell(SessionMessage::Notify {
            mcp_session,
            notification,
        });
    }
}
