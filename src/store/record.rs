//! What the store takes and gives: plain records, times in milliseconds since 1970.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::sealing::UnsealError;
use crate::mcp::{
    name::{BackendName, Naming},
    tool_filter::ToolFilter,
    version::Revision,
};

/// A session to be stored.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// Names the session in its URL.
    pub id: Uuid,
    /// Whose it is; nobody's, if callers were not authenticated when it was made.
    pub owner: Option<Arc<str>>,
    /// What its creator calls it.
    pub name: Option<String>,
    /// How it spells public names.
    pub naming: Naming,
    /// For how long it lives unused; `None` for as long as the gateway says.
    pub idle_expiry: Option<Duration>,
    /// Its backends; their order is the session's and is kept.
    pub servers: Vec<ServerRecord>,
    /// When it was created.
    pub created_ms: i64,
    /// When a client last used it.
    pub last_used_ms: i64,
}

/// A backend of a session to be stored.
#[derive(Debug, Clone)]
pub struct ServerRecord {
    /// The provider's name in the registry.
    pub backend: BackendName,
    /// What the session brought for it; sealed before it reaches the disk.
    pub credential: Option<SecretString>,
    /// Which of its tools the session offers; `None` for all.
    pub tools: Option<Arc<ToolFilter>>,
}

/// What becomes of something that may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is this from now on, or absent.
    To(Option<T>),
}

/// What is to be another in a stored session.
#[derive(Debug)]
pub struct SessionChange {
    /// Which session.
    pub id: Uuid,
    /// Its name.
    pub name: Change<String>,
    /// How it spells public names, if that is to be another way.
    pub naming: Option<Naming>,
    /// For how long it lives unused.
    pub idle_expiry: Change<Duration>,
    /// Its backends from now on, in order.
    pub servers: Vec<ServerChange>,
    /// Those that leave it.
    pub removed: Vec<BackendName>,
    /// Those whose links are forgotten.
    pub unlinked: Vec<BackendName>,
    /// When it was changed, which is a use: milliseconds since 1970.
    pub used_ms: i64,
}

/// A backend of a session that is changed.
#[derive(Debug)]
pub struct ServerChange {
    /// The provider's name in the registry.
    pub backend: BackendName,
    /// What the session brings for it from now on.
    pub credential: Change<SecretString>,
    /// Which of its tools the session offers from now on.
    pub tools: Change<Arc<ToolFilter>>,
}

/// A session as it was stored, with all that belongs to it.
#[derive(Debug, Clone)]
pub struct StoredSession {
    /// Names the session in its URL.
    pub id: Uuid,
    /// Whose it is; nobody's, if callers were not authenticated when it was made.
    pub owner: Option<Arc<str>>,
    /// What its creator calls it.
    pub name: Option<String>,
    /// How it spells public names.
    pub naming: Naming,
    /// For how long it lives unused; `None` for as long as the gateway says.
    pub idle_expiry: Option<Duration>,
    /// Its backends, in the session's order.
    pub servers: Vec<StoredServer>,
    /// When it was created.
    pub created_ms: i64,
    /// When a client last used it.
    pub last_used_ms: i64,
    /// Its MCP sessions.
    pub mcp_sessions: Vec<McpSessionRecord>,
    /// What its connections learned.
    pub links: Vec<LinkRecord>,
}

/// A backend of a stored session.
#[derive(Debug, Clone)]
pub struct StoredServer {
    /// The provider's name in the registry.
    pub backend: BackendName,
    /// What the session brought for it. An error costs the session this backend only.
    pub credential: Result<Option<SecretString>, UnsealError>,
    /// Which of its tools the session offers; `None` for all.
    pub tools: Option<Arc<ToolFilter>>,
}

/// Which sessions nobody used for too long.
#[derive(Debug, Clone, Copy)]
pub struct Unused {
    /// All that were last used before this; `None` where only those go that say so themselves.
    pub since_ms: Option<i64>,
    /// By when those that say for how long they live unused have lived that long.
    pub now_ms: i64,
}

/// A session in a listing: no credential is read for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionSummary {
    /// Names the session in its URL.
    pub id: Uuid,
    /// Whose it is; nobody's, if callers were not authenticated when it was made.
    pub owner: Option<Arc<str>>,
    /// What its creator calls it.
    pub name: Option<String>,
    /// Its backends, in the session's order.
    pub servers: Vec<BackendName>,
    /// When it was created.
    pub created_ms: i64,
    /// When a client last used it.
    pub last_used_ms: i64,
}

/// An MCP session that a client of the legacy era opened with `initialize`.
#[derive(Debug, Clone)]
pub struct McpSessionRecord {
    /// The `Mcp-Session-Id` that the client carries.
    pub id: Uuid,
    /// The session it belongs to.
    pub session: Uuid,
    /// What was negotiated with the client.
    pub revision: Revision,
    /// The client's `clientInfo`, byte for byte.
    pub client_info: Option<Box<RawValue>>,
    /// The client's `capabilities`, byte for byte.
    pub capabilities: Option<Box<RawValue>>,
    /// What the client wants to hear besides its answers, as its session writes it.
    pub wants: Option<Box<RawValue>>,
    /// When it was opened.
    pub created_ms: i64,
    /// When the client last used it.
    pub last_used_ms: i64,
}

/// What a connection learned of its backend, for one MCP session of ours.
#[derive(Debug, Clone)]
pub struct LinkRecord {
    /// The session of the connection.
    pub session: Uuid,
    /// Our MCP session; `None` is the connection's default one.
    pub mcp_session: Option<Uuid>,
    /// The connection's backend.
    pub backend: BackendName,
    /// What was negotiated with the backend.
    pub revision: Revision,
    /// The fingerprint of the provider's entry under which it was learned; sealed before it reaches the disk.
    pub provider: SecretString,
    /// The backend's own `Mcp-Session-Id`; sealed before it reaches the disk.
    pub backend_session: Option<SecretString>,
    /// The backend's answer to `initialize` or `server/discover`, byte for byte and in the clear.
    pub discovery: Box<RawValue>,
}

impl LinkRecord {
    /// What of it is sealed, as one text: no fingerprint and no `Mcp-Session-Id` holds a line break.
    pub(super) fn secrets(&self) -> SecretString {
        let provider = self.provider.expose_secret();
        let backend_session = self
            .backend_session
            .as_ref()
            .map(ExposeSecret::expose_secret);
        format!("{provider}\n{}", backend_session.unwrap_or_default()).into()
    }

    /// Reads what [`Self::secrets`] made: provider and backend session; `None` for what was written without provider.
    pub(super) fn read_secrets(
        text: &SecretString,
    ) -> Option<(SecretString, Option<SecretString>)> {
        let (provider, backend_session) = text.expose_secret().split_once('\n')?;
        let backend_session = (!backend_session.is_empty()).then(|| backend_session.into());
        Some((provider.into(), backend_session))
    }
}
