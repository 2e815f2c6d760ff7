//! How a session that nobody uses goes to sleep: its actors end, its row stays, and its next request wakes it
//! from that, as after a restart of the gateway.

use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::{
    backend::Backend,
    session::{clock::before_now_ms, message::SessionMessage},
};

use super::{Ending, McpSession, Session};

impl Session {
    /// Whether nobody has used the session for long, nothing of it is under way, and all that matters of it
    /// stands in its row.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_idle = !self.is_ending()
            && self.running.is_empty()
            && self.parked.is_empty()
            && self.subscribers.is_empty()
            && self.leaving.is_empty();
        let is_stored = self.last_used_ms == self.stored_used_ms
            && self.opening.is_empty()
            && self.storing.is_empty()
            && self.ended.is_empty()
            && !self.patching.is_under_way()
            && !self.link_writes.are_under_way();
        is_idle
            && is_stored
            && self.mcp_sessions.values().all(McpSession::is_at_rest)
            && self.is_unused()
            // Clients may come back for what they missed.
            && self.outbox.is_empty()
    }

    /// Whether nobody has used it for so long that it may sleep.
    fn is_unused(&self) -> bool {
        let clients = || self.mcp_sessions.values();
        let used_ms = clients().map(|client| client.last_used_ms).max();
        let used_ms = used_ms.unwrap_or_default().max(self.last_used_ms);
        let mut patience = self.shared.dormant_after;
        if clients().any(|client| !client.asked.is_empty()) {
            // People answer.
            patience = patience.max(self.shared.input_timeout);
        }
        used_ms.max(self.woken_ms) <= before_now_ms(patience)
    }

    /// Goes to sleep, if nothing needs the session and its connections; answers whether it does. Nobody can find
    /// it meanwhile.
    pub(super) fn sleep(&self, reply: oneshot::Sender<bool>) {
        if !self.is_at_rest() {
            // Whoever asked may be gone, here and below: then everything is.
            let _stays = reply.send(false);
            return;
        }
        let (backends, myself) = (self.backends.clone(), self.myself.clone());
        tokio::spawn(async move {
            let needed = join_all(backends.iter().map(Backend::is_needed)).await;
            if needed.contains(&true) {
                let _stays = reply.send(false);
            } else {
                // A session that died sleeps, too.
                let _died = myself.cast(SessionMessage::ConnectionsUnneeded(reply));
            }
        });
    }

    /// Nothing needs the connections: ends them, unless the session is needed by now.
    pub(super) fn fall_asleep(&mut self, reply: oneshot::Sender<bool>) {
        let falls_asleep = self.is_at_rest();
        if falls_asleep {
            self.ending = Ending::Asleep;
            self.backends.retain(Backend::rest);
            self.stop_if_done();
        }
        let _asker_gone = reply.send(falls_asleep);
    }

    /// Ends with the last connection of a session that goes to sleep, once what they learned is stored: it is
    /// woken with that.
    pub(super) fn end_asleep(&mut self) {
        if self.ending != Ending::Asleep {
            // It was deleted meanwhile.
            return self.stop_if_done();
        }
        let links = std::mem::take(&mut self.link_writes);
        let myself = self.myself.clone();
        tokio::spawn(async move {
            links.end().await;
            myself.stop();
        });
    }
}
