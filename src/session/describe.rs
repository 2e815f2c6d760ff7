//! Sessions as people see them: what to make, and how one stands. No credential comes out.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    backend::{self, State},
    mcp::{
        name::{BackendName, Naming},
        tool_filter::ToolFilter,
        version::Revision,
    },
    store::StoreError,
};

/// A session to be made. Checked against the registry by whoever asks for it.
pub struct NewSession {
    /// For people.
    pub name: Option<String>,
    /// How its tools are called.
    pub naming: Naming,
    /// For how long it lives unused; `None` for as long as the gateway says.
    pub idle_expiry: Option<Duration>,
    /// Its backends, in the order of its lists.
    pub servers: Vec<NewServer>,
}

/// One backend of a session to be made.
pub struct NewServer {
    /// A provider of the registry.
    pub backend: BackendName,
    /// The session's own credential for it.
    pub credential: Option<SecretString>,
    /// Which of its tools are offered; `None` for all.
    pub tools: Option<Arc<ToolFilter>>,
}

/// Whether a provider answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// Not known yet: it is being looked at.
    Unknown,
    /// It does, in this revision; without one where it first wants the credential that its entry names.
    There(Option<Revision>),
    /// Something does there, and is no MCP server to the gateway.
    Unfit(ProviderTrouble),
    /// It does not.
    Away(ProviderTrouble),
}

/// What is wrong with a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderTrouble {
    /// What happened.
    pub why: Arc<str>,
    /// What to do about it.
    pub remedy: &'static str,
}

impl From<backend::Trouble> for ProviderTrouble {
    fn from(trouble: backend::Trouble) -> Self {
        let backend::Trouble { why, remedy } = trouble;
        Self { why, remedy }
    }
}

impl From<backend::Presence> for Presence {
    fn from(presence: backend::Presence) -> Self {
        match presence {
            backend::Presence::Unknown => Self::Unknown,
            backend::Presence::There(revision) => Self::There(revision),
            backend::Presence::Unfit(trouble) => Self::Unfit(trouble.into()),
            backend::Presence::Away(trouble) => Self::Away(trouble.into()),
        }
    }
}

/// One line of the list of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionListing {
    /// Its id.
    pub id: Uuid,
    /// Whose it is; nobody's, if callers were not authenticated when it was made.
    pub owner: Option<Arc<str>>,
    /// For people.
    pub name: Option<String>,
    /// Its backends.
    pub servers: Vec<BackendName>,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Milliseconds since 1970.
    pub last_used_ms: i64,
}

/// How one session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDescription {
    /// Its id.
    pub id: Uuid,
    /// Whose it is; nobody's, if callers were not authenticated when it was made.
    pub owner: Option<Arc<str>>,
    /// For people.
    pub name: Option<String>,
    /// How its tools are called.
    pub naming: Naming,
    /// For how long it lives unused; `None` for as long as the gateway says.
    pub idle_expiry: Option<Duration>,
    /// Which tools are offered, of the backends of which not all are.
    pub tools: Vec<(BackendName, Arc<ToolFilter>)>,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// Milliseconds since 1970.
    pub last_used_ms: i64,
    /// How many MCP sessions clients hold open in it.
    pub mcp_sessions: usize,
    /// Its backends.
    pub connections: Vec<ConnectionDescription>,
}

/// How one connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionDescription {
    /// Which backend.
    pub backend: BackendName,
    /// Where it is in its life.
    pub state: ConnectionState,
    /// What it speaks, once that is known.
    pub revision: Option<Revision>,
    /// How many tools it last listed.
    pub tools: Option<usize>,
    /// Why it last failed, in words.
    pub last_error: Option<String>,
    /// When it is tried again.
    pub retry_in: Option<Duration>,
}

/// The states of a connection, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Not needed yet.
    Idle,
    /// A handshake is under way.
    Connecting,
    /// Calls go out at once.
    Ready,
    /// Out of reach; tried again in the background.
    Waiting,
    /// Turned the gateway down; tried again by the next call.
    Refused,
}

impl ConnectionState {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Idle,
        Self::Connecting,
        Self::Ready,
        Self::Waiting,
        Self::Refused,
    ];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Refused => "refused",
        }
    }
}

impl From<State> for ConnectionState {
    fn from(state: State) -> Self {
        match state {
            State::Idle => Self::Idle,
            State::Connecting => Self::Connecting,
            State::Ready => Self::Ready,
            State::Waiting => Self::Waiting,
            State::Refused => Self::Refused,
        }
    }
}

/// Why nothing could be done with a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// The store did not answer, or not in time.
    #[error("{}", shown(.0))]
    Store(#[source] Arc<StoreError>),
    /// There are as many sessions as there may be.
    #[error("the gateway holds {limit} sessions already")]
    Busy {
        /// How many there may be.
        limit: u64,
    },
    /// The caller has as many sessions as it may have.
    #[error("you hold {limit} sessions already")]
    TooMany {
        /// How many it may have.
        limit: u64,
    },
    /// The session's part of the gateway died too often.
    #[error("session {short} failed repeatedly and stays closed until the gateway restarts")]
    Broken {
        /// The start of its id.
        short: String,
    },
    /// The session's part of the gateway died at it.
    #[error("the gateway lost track of this change, which may have been made")]
    Interrupted,
    /// The gateway is going down.
    #[error("the gateway is stopping")]
    Stopping,
}

/// What passes, in its own words; the rest is for the log.
fn shown(error: &StoreError) -> String {
    match error {
        StoreError::Busy(_) | StoreError::Full(_) => error.to_string(),
        _ => "the session store failed".to_owned(),
    }
}

impl From<StoreError> for SessionsError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
