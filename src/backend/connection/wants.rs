//! What links carry besides calls.

use tokio::sync::oneshot;

use crate::{
    backend::{link::LinkKey, message::Wants},
    mcp::{event::Notification, failure::Failure},
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

    /// Passes a client's notification on.
    pub(in crate::backend) fn notify(&mut self, _link: LinkKey, _notification: Notification) {}
}
