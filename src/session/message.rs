//! What can be said to a session's actor.

use tokio::sync::oneshot;
use uuid::Uuid;

use serde_json::value::RawValue;

use crate::{
    backend::Report,
    channel::{Sender, Weighed},
    mcp::{
        event::{Answered, Notification, Question},
        failure::Failure,
        kind::ListKind,
        message::RequestId,
        name::BackendName,
        request::Context,
        shelf::Shelf,
        version::Revision,
    },
    store::StoreError,
};

use super::{
    actor::Patcher,
    describe::SessionDescription,
    exchange::{Exchange, Place},
    heard::Listener,
    kept::KeptList,
    parked::Parked,
    patch::{Plan, SessionPatch},
    used::Used,
};

/// Commands, facts and questions of one session.
pub(crate) enum SessionMessage {
    /// Command: make one.
    #[cfg(test)]
    Mistake,
    /// Command: carry out an exchange.
    Begin {
        exchange: Box<Exchange>,
        place: Place,
    },
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
        listener: Listener,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    /// Command: tell a listener without an MCP session of the changes it asks for; answers which of
    /// them it will hear of.
    Subscribe {
        number: u64,
        subscription: Subscription,
        reply: oneshot::Sender<Result<Filter, Failure>>,
    },
    /// Command: remember that this was put to a client, under this id.
    Asked {
        mcp_session: Uuid,
        id: RequestId,
        question: Question,
    },
    /// Command: forget what was put to a client under this number.
    Withdrawn { mcp_session: Uuid, number: u64 },
    /// Command: hand a client's answer to whoever asked.
    Answer {
        mcp_session: Uuid,
        id: RequestId,
        answered: Answered,
    },
    /// Command: pass a client's notification on.
    Notify {
        mcp_session: Uuid,
        notification: Notification,
    },
    /// Command: keep an exchange that waits for its client's answer.
    Park {
        id: Uuid,
        parked: Parked,
        reply: oneshot::Sender<Result<(), Failure>>,
    },
    /// Command: give an exchange that was parked back.
    TakeUp {
        id: Uuid,
        reply: oneshot::Sender<Option<Parked>>,
    },
    /// Question: what was agreed upon for this MCP session, if there is one? Asking counts as use.
    Knows {
        mcp_session: Uuid,
        reply: oneshot::Sender<Option<Revision>>,
    },
    /// Fact: a stream of this MCP session ended, or somebody began or ceased to read it.
    Left { mcp_session: Uuid },
    /// Fact: a listener without an MCP session is gone.
    Unsubscribed { number: u64 },
    /// Command: store what a client wants to hear; answers when it is stored.
    KeepWants {
        mcp_session: Uuid,
        kept: oneshot::Sender<()>,
    },
    /// Fact: what a client wanted to hear is stored.
    WantsKept { mcp_session: Uuid },
    /// Fact: a backend did not agree to tell a client of this resource.
    NotSubscribed { mcp_session: Uuid, uri: String },
    /// Fact: a list showed these keys, by backend, and may be kept.
    Listed {
        shelf: Shelf,
        keys: Vec<(BackendName, Vec<String>)>,
        kept: Option<Box<KeptList>>,
    },
    /// Fact: a result of this backend spoke of these resources.
    Saw {
        backend: BackendName,
        uris: Vec<String>,
    },
    /// Fact: the time of a parked exchange is over.
    ParkedTooLong { id: Uuid },
    /// Command: connect to every backend now.
    Warm,
    /// Command: forget MCP sessions nobody used for long, and tell what was used since the last
    /// time; whoever asks writes it down.
    Sweep(oneshot::Sender<Used>),
    /// Fact: what was used could not be written down.
    NotWrittenDown,
    /// Command: go to sleep, if nothing needs the session; answers whether it does.
    Sleep(oneshot::Sender<bool>),
    /// Fact: nothing needs its connections either.
    ConnectionsUnneeded(oneshot::Sender<bool>),
    /// Fact: the connections have ended of a session that goes to sleep.
    ConnectionsAsleep,
    /// Command: end the streams on which clients hear of changes: the gateway is stopping.
    StopListening,
    /// Command: answer what is in flight: the gateway has no more time.
    GiveUp,
    /// Command: the session is deleted.
    Close,
    /// Fact: the backends were asked for an MCP session that is being opened.
    McpSessionOpened {
        id: Uuid,
        welcome: Welcome,
        reply: oneshot::Sender<Result<(Uuid, Welcome), Failure>>,
    },
    /// Fact: an MCP session is stored, or could not be.
    McpSessionStored {
        id: Uuid,
        stored: Result<(), StoreError>,
    },
    /// Fact: the row of an MCP session that ended is gone.
    McpSessionDeleted { id: Uuid },
    /// Fact: a connection has news.
    Reported {
        /// Which connection: it may not be the backend's present one.
        number: u64,
        report: Report,
    },
    /// Command: change the session; answers when it is stored and done.
    Patch { patch: SessionPatch, reply: Patcher },
    /// Fact: a change is stored, or could not be.
    Patched {
        plan: Box<Plan>,
        outcome: Result<(), StoreError>,
        reply: Patcher,
    },
    /// Command: replace the connections with providers that are others now.
    MeetRegistry,
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
#[derive(Debug, Clone)]
pub struct Welcome {
    /// How to use it: each backend's words under its name.
    pub instructions: Option<String>,
    /// What it can do: all that any of its backends can, as a `ServerCapabilities` object.
    pub capabilities: Box<RawValue>,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Told {
    /// A list or a resource changed, a task went on, a log message, or what an extension defines.
    Notification(Notification),
    /// A backend asks the client something.
    Asked(Question),
    /// It no longer wants what it asked under that number.
    Withdrawn(u64),
}

impl Weighed for Told {
    fn bytes(&self) -> usize {
        match self {
            Self::Notification(notification) => notification.bytes(),
            Self::Asked(question) => question.bytes(),
            Self::Withdrawn(_) => 0,
        }
    }
}

/// A listener without an MCP session.
pub(super) struct Subscription {
    /// Who listens.
    pub context: Context,
    /// What for.
    pub filter: Filter,
    /// Where it is told.
    pub listener: Sender<Told>,
}

/// The changes that a subscription asks for, by public names.
///
/// Spec: 2026-07-28 basic/patterns/subscriptions, "Notification Filter".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Lists that may change.
    pub kinds: Vec<ListKind>,
    /// Resources that may be updated.
    pub uris: Vec<String>,
    /// Tasks that may go on.
    pub tasks: Vec<String>,
}
