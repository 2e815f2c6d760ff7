//! What can be said to a backend's actor.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::mcp::{
    discovery::Discovery,
    event::{Event, Finished, Outcome},
    failure::Failure,
    name::BackendName,
    request::{Context, Request},
    version::Revision,
};

use super::{
    call::Ending,
    catalogue::Catalogue,
    error::BackendError,
    link::{Link, LinkKey},
    state::State,
};

use std::{sync::Arc, time::Duration};

/// Carries a call's events to whoever asked, in order, past the actors.
pub(crate) type EventSender = mpsc::Sender<Event>;

/// Commands, facts and questions of one connection.
pub(crate) enum BackendMessage {
    /// Command: carry out a call; its events go to the call's own channel.
    Send(Call),
    /// Command: have a conversation ready for this link, and tell what the backend offers.
    Connect {
        link: LinkKey,
        context: Context,
        reply: oneshot::Sender<Result<Discovery, Failure>>,
    },
    /// Command: an MCP session of ours has ended; end the backend's.
    Forget(LinkKey),
    /// Command: the session is deleted; end every MCP session at the backend, then stop.
    Close,
    /// Fact: a handshake ended.
    Opened {
        link: LinkKey,
        outcome: Result<Arc<Link>, BackendError>,
    },
    /// Fact: the pause after a failure is over; `pause` tells which.
    Elapsed { pause: u64 },
    /// Fact: a call's task ended.
    Ended {
        link: LinkKey,
        generation: u64,
        ending: Ending,
    },
    /// Fact: the backend's tools were listed for a client.
    Listed(Catalogue),
    /// Fact: they were listed in the background, or could not be.
    Looked(Option<Catalogue>),
    /// Fact: the backend says that its tools are others now.
    ToolsChanged,
    /// Fact: the backend is heard again; what it announced before was missed.
    HeardAgain,
    /// Fact: the listener met the end of its MCP session, and stopped. So many times in a row it
    /// found no stream.
    Unheard { generation: u64, tries: u32 },
    /// Question: how does the connection stand?
    Describe(oneshot::Sender<Description>),
}

/// One request for one backend.
pub(crate) struct Call {
    /// The conversation it belongs to.
    pub(crate) link: LinkKey,
    /// The request; `name` is the backend's own by now.
    pub(crate) request: Request,
    /// Where its events go.
    pub(crate) events: EventSender,
    /// Fires when the client takes the request back.
    pub(crate) cancel: CancellationToken,
    /// Whether the MCP session was renewed for this call already: once is enough.
    pub(crate) renewed: bool,
    /// Whether the link over which it was turned down, as by a server of the other era, was a shared
    /// one. Over another of the same kind it is not sent again: then no era has changed.
    pub(crate) turned_down: Option<bool>,
    /// Whether its arguments were put into headers by the backend's own wish: once is enough.
    pub(crate) mirrored: bool,
    /// What whoever made the call wants kept until its end.
    pub(crate) _held: Option<Box<dyn Send + Sync>>,
}

impl Call {
    /// Ends the call. The channel's other end may be gone, with nobody left to tell.
    pub(crate) async fn finish(&self, backend: &BackendName, outcome: Outcome) {
        let finished = Finished {
            backend: Some(backend.clone()),
            outcome,
        };
        let _nobody_left = self.events.send(Event::Finished(finished)).await;
    }
}

/// What a connection tells the session that owns it.
pub(crate) enum Report {
    /// A conversation was opened: worth remembering across a restart.
    LinkOpened {
        backend: BackendName,
        link: LinkKey,
        memory: Memory,
    },
    /// The backend's tools are others now, or are reachable again, or no longer.
    Changed,
}

/// What is remembered of a link across a restart.
#[derive(Clone)]
pub(crate) struct Memory {
    /// The revision agreed upon.
    pub(crate) revision: Revision,
    /// The backend's MCP session.
    pub(crate) backend_session: Option<secrecy::SecretString>,
    /// What the backend said of itself, JSON.
    pub(crate) discovery: Box<serde_json::value::RawValue>,
}

/// How a connection stands, for people.
pub(crate) struct Description {
    pub(crate) state: State,
    pub(crate) revision: Option<Revision>,
    pub(crate) tools: Option<usize>,
    pub(crate) last_error: Option<String>,
    pub(crate) retry_in: Option<Duration>,
}
