//! What can be said to a backend's actor.

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    channel::{Desk, Sender, Weighed},
    in_place,
    mcp::{
        discovery::Discovery,
        event::{Event, Finished, Notification, Outcome, Question},
        failure::Failure,
        kind::ListKind,
        level::Level,
        name::BackendName,
        request::{Context, Request},
        trace::FollowedCall,
        version::Revision,
    },
    metrics::{self, Metered},
};

use super::{
    call::Ending,
    catalogue::Catalogue,
    connection::Occupied,
    error::BackendError,
    link::{Link, LinkKey},
    listening::News,
    state::State,
    subscribing,
};

use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Carries a call's events to whoever asked, in order, past the actors.
pub(crate) type EventSender = Sender<Event>;

impl Weighed for Event {
    fn bytes(&self) -> usize {
        self.bytes()
    }

    fn is_piece(&self) -> bool {
        matches!(self, Self::Part(_))
    }
}

/// Commands, facts and questions of one connection.
pub(crate) enum BackendMessage {
    /// Command: carry out a call; its events go to the call's own channel.
    Send(Box<Call>),
    /// Command: have a conversation ready for this link, and tell what the backend offers.
    Connect {
        link: LinkKey,
        context: Context,
        reply: oneshot::Sender<Result<Discovery, Failure>>,
    },
    /// Command: have a link carry this besides its calls, and nothing else; answers when it does.
    /// With `opens` the link is opened for that, if it is not open.
    Want {
        link: LinkKey,
        opens: Option<Context>,
        wants: Wants,
        reply: oneshot::Sender<Result<(), Unmet>>,
    },
    /// Command: pass a client's notification on over its link, if the backend has a use for it.
    Notify {
        link: LinkKey,
        notification: Notification,
    },
    /// Command: an MCP session of ours has ended; end the backend's.
    Forget(LinkKey),
    /// Command: the session is deleted; end every MCP session at the backend, then stop.
    Close,
    /// Command: the server left the session; the same, and end the calls on their way.
    Leave,
    /// Command: another connection takes this one's place; the same once its calls have ended.
    Retire,
    /// Command: the session goes to sleep; stop, and leave those MCP sessions that it goes on with.
    Rest,
    /// Question: would its end cut something off?
    IsNeeded(oneshot::Sender<bool>),
    /// Fact: a handshake ended, which was begun to replace the link of that generation.
    Opened {
        link: LinkKey,
        instead_of: Option<u64>,
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
    /// Fact: the backend says that its lists of a kind are others now, on the stream of a link that is
    /// no call's, or else on a call's.
    Changed {
        kind: ListKind,
        stream: Option<LinkKey>,
        /// As of [`Self::Heard`].
        _room: OwnedSemaphorePermit,
    },
    /// Fact: the pause is over after which a change is told to who has a link, or to the others.
    Due {
        link: Option<LinkKey>,
        kind: ListKind,
    },
    /// Fact: the backend said this over a link, about no call.
    Heard {
        link: LinkKey,
        notification: Notification,
        /// What it takes up of the room for such; free again when this is dropped.
        room: OwnedSemaphorePermit,
    },
    /// Fact: the backend asks the client of an MCP session something, about no call.
    Asked {
        mcp_session: Uuid,
        question: Question,
        /// As of [`Self::Heard`].
        room: OwnedSemaphorePermit,
    },
    /// Fact: it no longer wants what it asked under that number.
    Withdrawn { mcp_session: Uuid, number: u64 },
    /// Fact: what a listener has to tell.
    Listener {
        link: LinkKey,
        number: u64,
        news: News,
    },
    /// Fact: a listener had its time to hear what the backend honours.
    Overdue { number: u64 },
    /// Fact: a link that somebody wants something of is open, or cannot be opened.
    Connected {
        link: LinkKey,
        outcome: Result<(), Failure>,
    },
    /// Fact: the backend was asked for something by requests over a link.
    Applied {
        link: LinkKey,
        generation: u64,
        outcome: subscribing::Outcome,
    },
    /// Command: end the links for sets of capabilities that no call used for so long.
    Tidy { idle_max: Duration },
    /// Question: where does the backend announce to whoever has this link that lists of a kind are others?
    Hears {
        link: LinkKey,
        kind: ListKind,
        reply: oneshot::Sender<Option<watch::Receiver<bool>>>,
    },
    /// Question: how does the connection stand?
    Describe(oneshot::Sender<Description>),
}

/// One request for one backend. It goes through many hands, boxed.
pub(crate) struct Call {
    /// The conversation it belongs to.
    pub(crate) link: LinkKey,
    /// The request; `name` is the backend's own by now.
    pub(crate) request: Request,
    /// Where its events go.
    pub(crate) events: EventSender,
    /// Where it may be carried out, the first time.
    pub(crate) desk: Option<Desk>,
    /// Fires when the client takes the request back.
    pub(crate) cancel: Arc<CancellationToken>,
    /// Whether the MCP session was renewed for this call already: once is enough.
    pub(crate) renewed: bool,
    /// Whether the link over which it was turned down, as by a server of the other era, was a shared
    /// one. Over another of the same kind it is not sent again: then no era has changed.
    pub(crate) turned_down: Option<bool>,
    /// Whether its arguments were put into headers by the backend's own wish: once is enough.
    pub(crate) mirrored: bool,
    /// What is changed in what comes back; `None` changes nothing.
    pub(crate) translation: Option<Arc<dyn Translation>>,
    /// What the connection counts it by until its end.
    pub(crate) occupied: Option<Occupied>,
    /// Since when its provider has it, and where that is counted.
    pub(super) metered: Option<Metered>,
    /// What whoever made the call wants kept until its end.
    pub(crate) _held: Option<Box<dyn Send + Sync>>,
}

/// What a session changes in what a backend answers to a call: the names that only clients know.
pub(crate) trait Translation: Send + Sync {
    /// Translates a result that is there as a whole; `request` is the one it answers.
    ///
    /// # Errors
    ///
    /// Why the client cannot be given this result.
    fn result(&self, request: &Request, json: Bytes) -> Result<Bytes, Failure>;

    /// Translates a notification on the call's stream.
    fn notification(&self, notification: Notification) -> Notification;
}

/// What a link carries besides its calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The resources of whose updates somebody wants to hear, by the backend's own URIs.
    pub(crate) uris: BTreeSet<String>,
    /// The tasks of whose changes somebody wants to hear, by the backend's own ids.
    pub(crate) tasks: BTreeSet<String>,
    /// Whether somebody hears what the backend says by itself, and can answer it. The default link
    /// is listened to all the same, if its backend announces anything.
    pub(crate) stream: bool,
    /// Whether that somebody does not hear it just now, but may come back to it.
    pub(crate) away: bool,
    /// The least severe log message wanted; `None` leaves it to the backend.
    pub(crate) level: Option<Level>,
}

/// What of its wants a link does not carry, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unmet {
    /// These resources.
    pub(crate) uris: BTreeSet<String>,
    /// These tasks.
    pub(crate) tasks: BTreeSet<String>,
    /// Why.
    pub(crate) failure: Failure,
}

impl Unmet {
    /// Nothing of it.
    pub(crate) fn all(wants: &Wants, failure: Failure) -> Self {
        Self {
            uris: wants.uris.clone(),
            tasks: wants.tasks.clone(),
            failure,
        }
    }
}

impl Call {
    /// A call that nobody took back or repeated yet, and of which nothing is translated.
    pub(crate) fn new(
        link: LinkKey,
        request: Request,
        events: EventSender,
        cancel: Arc<CancellationToken>,
    ) -> Box<Self> {
        Self::holding(link, request, events, cancel, None)
    }

    /// The same, with something that is kept until its end.
    pub(crate) fn holding(
        link: LinkKey,
        request: Request,
        events: EventSender,
        cancel: Arc<CancellationToken>,
        held: Option<Box<dyn Send + Sync>>,
    ) -> Box<Self> {
        in_place::boxed(|| Self {
            link,
            request,
            events,
            desk: None,
            cancel,
            renewed: false,
            turned_down: None,
            mirrored: false,
            translation: None,
            occupied: None,
            metered: None,
            _held: held,
        })
    }

    /// Ends the call. The channel's other end may be gone, with nobody left to tell.
    pub(crate) async fn finish(&self, backend: &BackendName, outcome: Outcome) {
        self.end(Some(backend.clone()), outcome).await;
    }

    /// Its span, if somebody follows it.
    pub(super) fn span(&self) -> Option<&dyn FollowedCall> {
        self.request.context.trace.as_ref()?.call.as_deref()
    }

    /// Ends a call that its backend does not get to see.
    pub(crate) async fn refuse(&self, failure: Failure) {
        self.end(None, Outcome::Failed(failure)).await;
    }

    async fn end(&self, backend: Option<BackendName>, outcome: Outcome) {
        if let Some(metered) = &self.metered {
            metered.end(&self.request.method, ending(&outcome));
        }
        if let Some(span) = self.span() {
            span.end(&outcome);
        }
        let finished = Finished { backend, outcome };
        let _nobody_left = self.events.send(Event::Finished(finished)).await;
    }
}

const fn ending(outcome: &Outcome) -> metrics::Ending {
    match outcome {
        Outcome::Completed(_) | Outcome::Kept(_) => metrics::Ending::Well,
        Outcome::Rejected(_) => metrics::Ending::Error,
        Outcome::Failed(_) => metrics::Ending::Failed,
        Outcome::Cancelled => metrics::Ending::Cancelled,
    }
}

/// Who is told of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hearers {
    /// The clients whose link this is.
    Of(LinkKey),
    /// All clients but those of these links, who hear of it by themselves.
    AllBut(Vec<LinkKey>),
}

impl Hearers {
    /// Whether it is told to whoever has this link.
    pub(crate) fn include(&self, link: LinkKey) -> bool {
        match self {
            Self::Of(only) => *only == link,
            Self::AllBut(others) => !others.contains(&link),
        }
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
    /// Lists of the backend are others now.
    Changed {
        kinds: Vec<ListKind>,
        hearers: Hearers,
    },
    /// The backend can be reached: all that it has may be others now.
    Reachable { backend: BackendName },
    /// The backend can no longer be reached, or turned the gateway down, for this reason.
    Unreachable {
        backend: BackendName,
        reason: String,
    },
    /// The backend said something by itself, on no call's stream: that a resource was updated, how a
    /// task stands, a log message, or what an extension defines.
    Heard {
        backend: BackendName,
        /// Over which link; `None` if one serves everybody.
        link: Option<LinkKey>,
        notification: Notification,
        /// What it takes up of the room for such; free again when this is dropped.
        room: OwnedSemaphorePermit,
    },
    /// The backend asks the client of an MCP session something, on no call's stream.
    Asked {
        mcp_session: Uuid,
        question: Question,
        /// As of [`Self::Heard`].
        room: OwnedSemaphorePermit,
    },
    /// It no longer wants what it asked under that number.
    Withdrawn { mcp_session: Uuid, number: u64 },
    /// The connection has ended, or died of a mistake; its last report.
    Ended { mistake: Option<String> },
}

/// What is remembered of a link across a restart.
#[derive(Clone)]
pub(crate) struct Memory {
    /// The revision agreed upon.
    pub(crate) revision: Revision,
    /// The backend's MCP session.
    pub(crate) backend_session: Option<secrecy::SecretString>,
    /// What the backend said of itself.
    pub(crate) discovery: Discovery,
}

/// How a connection stands, for people.
pub(crate) struct Description {
    pub(crate) state: State,
    pub(crate) revision: Option<Revision>,
    pub(crate) tools: Option<usize>,
    pub(crate) last_error: Option<String>,
    pub(crate) retry_in: Option<Duration>,
}
