//! What links carry besides calls.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::{
        link::LinkKey,
        message::{Report, Wants},
    },
    mcp::{
        event::{Notification, Question},
        failure::Failure,
    },
};

use super::Connection;

impl Connection {
    /// Has a link carry this besides its calls.
    pub(in crate::backend) fn want(
        &mut self,
        _link: LinkKey,
        _wants: Wants,
        reply: oneshot::Sender<Result<(), Failure>>,
    ) {
        let _asker_left = reply.send(Ok(()));
    }

    /// Tells what the backend said about no call.
    pub(in crate::backend) fn heard(&self, link: LinkKey, notification: Notification) {
        (self.report)(Report::Heard {
            backend: self.name.clone(),
            link,
            notification,
        });
    }

    /// Tells what the backend asks the client of an MCP session.
    pub(in crate::backend) fn asked(&self, mcp_session: Uuid, question: Question) {
        (self.report)(Report::Asked {
            backend: self.name.clone(),
            mcp_session,
            question,
        });
    }

    /// Tells that it no longer wants it.
    pub(in crate::backend) fn withdrawn(&self, mcp_session: Uuid, number: u64) {
        (self.report)(Report::Withdrawn {
            mcp_session,
            number,
        });
    }

    /// Passes a client's notification on.
    pub(in crate::backend) fn notify(&mut self, _link: LinkKey, _notification: Notification) {}
}
