//! One opened conversation with a backend: what was agreed, and the ids used in it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use crate::{
    channel::Room,
    lanes,
    limits::HEARD_IN_FLIGHT,
    mcp::{discovery::Discovery, level::Level, object::RawObject, request::Context},
};

use super::{
    adapter::Dialect, asking::Questions, mailbox::Mailbox, message::BackendMessage,
    ongoing::Ongoing,
};

/// Whose conversation a link is.
// Aligned: the future of a call keeps one, and is made in its box only if nothing in it begins at an odd byte (`in_place`).
#[repr(align(8))]
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
        if capabilities == "{}"
            || RawObject::parse_or_empty(context.capabilities.as_deref()).is_empty()
        {
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
    /// Whose it is.
    pub(crate) key: LinkKey,
    /// Counts the renewals, so that an old call's news about an old link is known as such.
    pub(crate) generation: u64,
    /// How to speak.
    pub(crate) dialect: Dialect,
    /// What the backend said of itself.
    pub(crate) discovery: Discovery,
    /// For whom it was opened. After it was taken up again, the first call tells.
    context: OnceLock<Context>,
    /// The calls that are on their way in it.
    pub(super) ongoing: Ongoing,
    /// What its backend asked for by requests of its own.
    pub(super) questions: Questions,
    connection: Mailbox,
    next_id: AtomicU64,
    heard: AtomicBool,
    away: AtomicBool,
    looking: AtomicBool,
    /// For what is heard over it about no call, until the session has heard it.
    room: Room,
    uses: Mutex<Uses>,
    /// From which level on the backend was asked to send log messages.
    pub(super) level: tokio::sync::Mutex<Option<Level>>,
}

/// How many calls use a link, and when the last one began or ended.
struct Uses {
    calls: usize,
    last: Instant,
}

/// One call's use of a link, from before it is sent until it has ended.
pub(super) struct InUse(Arc<Link>);

/// Somebody looks whether the link's backend is there, until this is dropped.
pub(super) struct Looking<'a>(&'a AtomicBool);

impl Drop for Looking<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Which link it is, and since when.
pub(crate) struct Origin {
    /// Whose it is.
    pub(crate) key: LinkKey,
    /// Counts the renewals.
    pub(crate) generation: u64,
    /// For whom it was opened; `None` when it was taken up again.
    pub(crate) context: Option<Context>,
}

impl Link {
    /// A link just agreed upon, or taken up again.
    pub(crate) fn new(
        origin: Origin,
        dialect: Dialect,
        discovery: Discovery,
        connection: Mailbox,
    ) -> Self {
        Self {
            key: origin.key,
            generation: origin.generation,
            dialect,
            discovery,
            context: origin.context.map(Into::into).unwrap_or_default(),
            ongoing: Ongoing::default(),
            questions: Questions::default(),
            connection,
            next_id: AtomicU64::new(first_id()),
            heard: AtomicBool::new(false),
            away: AtomicBool::new(false),
            looking: AtomicBool::new(false),
            room: Room::new(HEARD_IN_FLIGHT),
            uses: Mutex::new(Uses {
                calls: 0,
                last: Instant::now(),
            }),
            level: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to look whether the backend is there; `None` while somebody is at it.
    pub(super) fn look(&self) -> Option<Looking<'_>> {
        let was_looking = self.looking.swap(true, Ordering::Acquire);
        (!was_looking).then(|| Looking(&self.looking))
    }

    /// Begins to use it for a call.
    pub(super) fn take_up(self: &Arc<Self>) -> InUse {
        self.uses().calls += 1;
        InUse(Arc::clone(self))
    }

    /// How long no call has used it; `None` while one does.
    pub(super) fn idle(&self) -> Option<Duration> {
        let uses = self.uses();
        (uses.calls == 0).then(|| uses.last.elapsed())
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For whom it was opened, if that is known.
    pub(crate) fn context(&self) -> Option<&Context> {
        self.context.get()
    }

    /// Notes whose it is, unless that is known; tells whether it was not.
    pub(crate) fn learn(&self, context: &Context) -> bool {
        // Of nearly every call that is known.
        self.context.get().is_none() && self.context.set(context.untraced()).is_ok()
    }

    /// Whether its client hears what the backend says on no call's stream.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether it hears that only once it comes back.
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    /// Notes whether its client hears that, and whether it does only once it comes back.
    pub(crate) fn set_heard(&self, heard: bool, away: bool) {
        self.heard.store(heard, Ordering::Relaxed);
        self.away.store(away, Ordering::Relaxed);
    }

    /// Whether the client for whom it was opened may be asked this; where nobody knows, it may.
    pub(crate) fn may_be_asked(&self, method: &str, params: Option<&RawValue>) -> bool {
        self.context()
            .is_none_or(|context| context.can_be_asked(method, params))
    }

    /// Tells the connection what was heard in this conversation and is about more than one call.
    pub(crate) fn tell(&self, fact: BackendMessage) {
        // With the connection gone, nobody wants to know.
        let _gone = self.connection.cast(fact);
    }

    /// The same for what a backend may say without end: mailboxes have no bound of their own. While there is no
    /// room for so many bytes more, the backend waits.
    pub(crate) async fn tell_in_room(
        &self,
        bytes: usize,
        fact: impl FnOnce(OwnedSemaphorePermit) -> BackendMessage,
    ) {
        // Without it, it was closed, which nobody does.
        if let Some(room) = self.room.take(bytes).await {
            self.tell(fact(room));
        }
    }

    /// A request id never used in this conversation; never 0.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let mut uses = self.0.uses();
        uses.calls = uses.calls.saturating_sub(1);
        uses.last = lanes::now().into_std();
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
