//! What every session of the process shares, and when its own things expire.

use std::time::Duration;

use crate::{
    backend::HttpClients,
    lanes::Lanes,
    limits::{LIST_DEADLINE, TELLING_WITHIN},
    registry::CurrentRegistry,
    store::{Store, StoredServer, Unused},
};

use super::clock::{before_now_ms, now_ms};

/// What every session of the process shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) registry: CurrentRegistry,
    pub(super) store: Store,
    pub(super) clients: HttpClients,
    /// Where sessions live.
    pub(super) lanes: Lanes,
    /// How long `initialize` waits for slow backends.
    pub(super) initialize_deadline: Duration,
    /// How long an MCP session lives without a request.
    pub(super) mcp_session_ttl: Duration,
    /// How long a session lives that nobody uses; `None` for until it is deleted.
    pub(super) session_idle_ttl: Option<Duration>,
    /// How long a session stays awake that nobody uses.
    pub(super) dormant_after: Duration,
    /// How long an exchange waits for its client's answer.
    pub(super) input_timeout: Duration,
}

impl Shared {
    /// Whether a backend of a session is met with a credential.
    pub(super) fn uses_credential(&self, server: &StoredServer) -> bool {
        let spec = self.registry.get(server.backend.as_str());
        !matches!(server.credential, Ok(None))
            || spec.is_some_and(|spec| spec.auth.default_secret().is_some())
    }

    /// How long a client waits for backends to hear of what it wants from now on: as with lists.
    pub(super) fn telling_deadline(&self) -> Duration {
        TELLING_WITHIN.max(self.initialize_deadline)
    }

    /// How long a list waits for slow backends: whoever has an `initialize` wait longer has lists, too.
    pub(super) fn list_deadline(&self) -> Duration {
        LIST_DEADLINE.max(self.initialize_deadline)
    }

    /// MCP sessions last used before this have expired.
    pub(super) fn oldest_mcp_session_ms(&self) -> i64 {
        before_now_ms(self.mcp_session_ttl)
    }

    /// Which sessions have expired.
    pub(super) fn unused_sessions(&self) -> Unused {
        Unused {
            since_ms: self.session_idle_ttl.map(before_now_ms),
            now_ms: now_ms(),
        }
    }
}
