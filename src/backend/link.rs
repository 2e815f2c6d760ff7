//! One opened conversation with a backend: what was agreed, and the ids used in it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use ractor::ActorRef;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::mcp::{discovery::Discovery, object::RawObject, request::Context};

use super::{adapter::Dialect, message::BackendMessage};

/// Whose conversation a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LinkKey {
    /// Of all clients that have no MCP session and can do nothing.
    Default,
    /// Of the client that has this MCP session of ours.
    Own(Uuid),
    /// Of all clients without an MCP session that can do the same, by a digest of what that is.
    Capable([u8; 16]),
}

impl LinkKey {
    /// The link for a request: a legacy backend is told once, when a link is opened, what its client
    /// can do, and so each has one that was told the truth.
    pub(crate) fn of(mcp_session: Option<Uuid>, context: &Context) -> Self {
        if let Some(id) = mcp_session {
            return Self::Own(id);
        }
        let capabilities = context.capabilities.as_ref().map_or("{}", |raw| raw.get());
        if RawObject::parse_or_empty(context.capabilities.as_deref()).is_empty() {
            return Self::Default;
        }
        let digest = Sha256::digest(capabilities.as_bytes());
        let mut key = [0; 16];
        for (to, from) in key.iter_mut().zip(digest) {
            *to = from;
        }
        Self::Capable(key)
    }
}

/// An opened conversation. In the legacy era it is the backend's MCP session.
pub(crate) struct Link {
    /// Counts the renewals, so that an old call's news about an old link is known as such.
    pub(crate) generation: u64,
    /// How to speak.
    pub(crate) dialect: Dialect,
    /// What the backend said of itself.
    pub(crate) discovery: Discovery,
    connection: ActorRef<BackendMessage>,
    next_id: AtomicU64,
}

impl Link {
    /// A link just agreed upon, or taken up again.
    pub(crate) fn new(
        generation: u64,
        dialect: Dialect,
        discovery: Discovery,
        connection: ActorRef<BackendMessage>,
    ) -> Self {
        Self {
            generation,
            dialect,
            discovery,
            connection,
            next_id: AtomicU64::new(first_id()),
        }
    }

    /// Tells the connection what was heard in this conversation and is about more than one call.
    pub(crate) fn tell(&self, fact: BackendMessage) {
        // With the connection gone, nobody wants to know.
        let _gone = self.connection.cast(fact);
    }

    /// A request id never used in this conversation; never 0.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Starts at the clock's microseconds: a conversation taken up after a restart of the gateway goes
/// on above every id it has seen, and ids stay below 2^53, where JSON numbers are exact everywhere.
fn first_id() -> u64 {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(now.as_micros()).unwrap_or(1)
}
