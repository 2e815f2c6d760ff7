//! What sessions want of links besides calls, and what is told of that.

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use uuid::Uuid;

use crate::{
    backend::{
        link::LinkKey,
        message::{Report, Unmet, Wants},
        pending::Slot,
        transport::streamable_http::Outgoing,
    },
    limits::within,
    mcp::{
        event::{Notification, Question},
        message::write_notification,
        method::PROGRESS,
        request::Context,
    },
};

use super::{Connection, carried::Waiter};

impl Connection {
    /// Has a link carry this besides its calls, and nothing else.
    pub(in crate::backend) fn want(
        &mut self,
        key: LinkKey,
        opens: Option<Context>,
        wants: Wants,
        reply: oneshot::Sender<Result<(), Unmet>>,
    ) {
        let refused = match &self.endpoint {
            _ if self.closing => Some(self.farewell()),
            Ok(_) => None,
            Err(error) => Some(error.clone()),
        };
        let waiter = Waiter::new(wants.clone(), reply);
        if let Some(error) = refused {
            return waiter.answer(Err(error.into_unsent(&self.name)));
        }
        self.wake();
        let carried = self.carried.entry(key).or_default();
        carried.wants = wants;
        carried.opens = opens;
        carried.stalled = false;
        carried.waiters.push(waiter);
        self.carry(key);
    }

    /// Tells what the backend said about no call.
    pub(in crate::backend) fn heard(
        &self,
        link: LinkKey,
        notification: Notification,
        room: OwnedSemaphorePermit,
    ) {
        (self.report)(Report::Heard {
            backend: self.name.clone(),
            link: (!self.serves_all()).then_some(link),
            notification,
            room,
        });
    }

    /// Tells what the backend asks the client of an MCP session.
    pub(in crate::backend) fn asked(
        &self,
        mcp_session: Uuid,
        question: Question,
        room: OwnedSemaphorePermit,
    ) {
        (self.report)(Report::Asked {
            mcp_session,
            question,
            room,
        });
    }

    /// Tells that it no longer wants it.
    pub(in crate::backend) fn withdrawn(&self, mcp_session: Uuid, number: u64) {
        (self.report)(Report::Withdrawn {
            mcp_session,
            number,
        });
    }

    /// Passes a client's notification on, where the backend keeps clients apart.
    pub(in crate::backend) fn notify(&self, key: LinkKey, notification: &Notification) {
        let (Ok(endpoint), Some(Slot::Open(link))) = (self.endpoint.clone(), self.links.get(&key))
        else {
            return;
        };
        let Some(headers) = link.dialect.reply_headers() else {
            return;
        };
        let params = notification.params.as_deref();
        let body = if notification.method == PROGRESS {
            // Of what this backend asked, and of nothing else.
            let Some(params) = link.questions.progress(params) else {
                return;
            };
            write_notification(PROGRESS, Some(&params))
        } else {
            write_notification(&notification.method, params)
        };
        let Ok(room) = endpoint.notices.try_take(body.len()) else {
            return tracing::debug!(backend.name = %self.name, "dropped a client's notification: too many are on their way");
        };
        let outgoing = Outgoing {
            headers: headers.into(),
            body,
        };
        tokio::spawn(async move {
            let _until_told = room;
            let told = endpoint.wire.post(outgoing);
            if !matches!(within(endpoint.timeouts.handshake, told).await, Ok(Ok(_))) {
                tracing::debug!(backend.name = %endpoint.name, "could not pass a client's notification on");
            }
        });
    }
}
