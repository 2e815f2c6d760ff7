//! Which link serves a call, and how links end.

use crate::backend::{
    error::BackendError,
    link::{Link, LinkKey},
    message::Call,
    open::say_goodbye,
    pending::{Pending, Slot},
};

use crate::mcp::request::Context;

use super::{Connection, tools::Reason};

impl Connection {
    /// Forgets every link, and what was found out of the backend: it speaks in the other era now.
    pub(super) fn change_era(&mut self, key: LinkKey, generation: u64) {
        let key = self.serving(key);
        // Only the first of the calls that met it finds the old link here.
        if matches!(self.links.get(&key), Some(Slot::Open(link)) if link.generation == generation) {
            tracing::info!(backend.name = %self.name, "{} speaks in another era now; asking it anew", self.name);
            self.known = None;
            let carried = self.carried.values_mut();
            carried.for_each(|carried| carried.fall_silent());
            self.carried.retain(|_, carried| carried.is_wanted());
            self.links
                .retain(|_, slot| matches!(slot, Slot::Opening(_)));
            self.look(Reason::Unsure);
        }
    }

    /// Sends a call again over another link than the one that ended.
    pub(super) fn renew(&mut self, key: LinkKey, generation: u64, call: Box<Call>) {
        let key = self.serving(key);
        match self.links.get(&key) {
            // One renewal for every call that met the old link: only the first finds it here.
            Some(Slot::Open(link)) if link.generation == generation => {
                tracing::info!(backend.name = %self.name, "the conversation with {} ended; opening another", self.name);
                self.links.remove(&key);
            }
            Some(_) => {}
            // The client's MCP session was ended meanwhile, or could not be renewed: a call must
            // not bring it back.
            None => return Pending::Call(call).fail(&self.name, BackendError::SessionExpired),
        }
        self.send_over_link(Pending::Call(call));
    }

    /// Opens a link anew whose MCP session has ended; tells whether that can be done.
    pub(super) fn reopen(&mut self, key: LinkKey, generation: u64) -> bool {
        let context = match self.links.get(&key) {
            Some(Slot::Open(link)) if link.generation == generation => link.context().cloned(),
            // Somebody else is at it.
            _ => return true,
        };
        let context = match (key, context) {
            (_, Some(context)) => context,
            (LinkKey::Default, None) => Context::default(),
            // For whom it was opened before a restart only its next call will tell.
            (LinkKey::Own(_) | LinkKey::Capable(_), None) => return false,
        };
        self.links.insert(key, Slot::Opening(Vec::new()));
        self.open(key, context);
        true
    }

    /// Ends the backend's MCP session for one of ours; what still waits for it fails.
    pub(in crate::backend) fn forget(&mut self, key: LinkKey) {
        let queue = std::mem::take(&mut self.queue);
        let (mut forgotten, kept): (Vec<_>, Vec<_>) =
            queue.into_iter().partition(|pending| pending.link() == key);
        self.queue = kept;
        self.carried.remove(&key);
        self.announce_no_more(key);
        match self.links.remove(&key) {
            Some(Slot::Open(link)) => self.say_goodbye(&link),
            Some(Slot::Opening(waiting)) => forgotten.extend(waiting),
            None => {}
        }
        for pending in forgotten {
            pending.fail(&self.name, self.farewell());
        }
        if !self.closing && self.serving(key) != key {
            // What it wanted of the link of all is wanted no longer.
            self.carry(LinkKey::Default);
        }
    }

    /// Ends every MCP session at the backend. Those that are being opened are ended when they are
    /// open: until then the connection stays.
    pub(in crate::backend) fn close(&mut self) {
        self.closing = true;
        let keys: Vec<LinkKey> = self
            .links
            .keys()
            .copied()
            .chain([LinkKey::Default])
            .collect();
        for key in keys {
            self.forget(key);
        }
        for call in std::mem::take(&mut self.unmirrored) {
            Pending::Call(call).fail(&self.name, self.farewell());
        }
        self.stop_if_done();
    }

    /// Ends the actor once nothing is left to say goodbye to.
    pub(super) const fn stop_if_done(&mut self) {
        if self.closing && self.handshakes == 0 {
            self.has_ended = true;
        }
    }

    /// The link that serves a key: stateless backends have one for all.
    pub(super) fn serving(&self, key: LinkKey) -> LinkKey {
        if self.serves_all() {
            return LinkKey::Default;
        }
        key
    }

    /// Whether the default link serves everybody.
    pub(super) fn serves_all(&self) -> bool {
        let default = self.links.get(&LinkKey::Default);
        matches!(default, Some(Slot::Open(link)) if link.dialect.is_shared())
    }

    pub(super) fn say_goodbye(&self, link: &Link) {
        let (Ok(endpoint), Some(headers)) = (self.endpoint.clone(), link.dialect.farewell()) else {
            return;
        };
        tokio::spawn(async move { say_goodbye(&endpoint, headers).await });
    }
}
