//! What can be said to a session's actor.

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    backend::Report,
    mcp::{
        event::Notification, failure::Failure, message::RequestId, request::Context,
        version::Revision,
    },
};

use super::{
    describe::SessionDescription,
    exchange::{Exchange, Place},
    used::Used,
};

/// Commands, facts and questions of one session.
pub(crate) enum SessionMessage {
    /// Command: carry out an exchange.
    Begin { exchange: Exchange, place: Place },
    /// Command: a client takes a request back.
    Cancel {
        mcp_session: Uuid,
        request: RequestId,
    },
    /// Command: open an MCP session for a client that initializes.
    OpenMcpSession {
        client: Client,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    },
    /// Command: tell what the session offers, to a client that only asks.
    Discover {
        context: Context,
        reply: oneshot::Sender<Welcome>,
    },
    /// Command: a client ends its MCP session; answers whether there was one.
    EndMcpSession {
        id: Uuid,
        reply: oneshot::Sender<Result<bool, Failure>>,
    },
    /// Command: tell this client's listener of changes.
    Listen {
        mcp_session: Uuid,
        listener: mpsc::Sender<Notification>,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    /// Question: is there this MCP session? Asking counts as use.
    Knows {
        mcp_session: Uuid,
        reply: oneshot::Sender<bool>,
    },
    /// Command: connect to every backend now.
    Warm,
    /// Command: forget MCP sessions nobody used for long, and tell what was used since the last
    /// time; whoever asks writes it down.
    Sweep(oneshot::Sender<Used>),
    /// Command: end the streams on which clients hear of changes: the gateway is stopping.
    StopListening,
    /// Command: the session is deleted.
    Close,
    /// Fact: an MCP session is stored and its backends were asked.
    McpSessionOpened {
        id: Uuid,
        client: Client,
        place: OwnedSemaphorePermit,
        welcome: Welcome,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    },
    /// Fact: the row of an MCP session that ended is gone.
    McpSessionDeleted { id: Uuid },
    /// Fact: the work on an exchange ended.
    Ended { number: u64 },
    /// Fact: a connection has news.
    Reported(Report),
    /// Question: how does the session stand?
    Describe(oneshot::Sender<SessionDescription>),
}

/// A client that initializes.
#[derive(Debug, Clone)]
pub struct Client {
    /// The revision agreed upon with it.
    pub revision: Revision,
    /// Who it is and what it can do.
    pub context: Context,
}

/// What a session says of itself to a client that meets it.
#[derive(Debug, Clone, Default)]
pub struct Welcome {
    /// How to use it: each backend's words under its name.
    pub instructions: Option<String>,
}
