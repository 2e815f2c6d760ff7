//! What waits for a link to its backend.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::sync::oneshot;

use crate::mcp::{
    discovery::Discovery, event::Outcome, failure::Failure, name::BackendName, request::Context,
};

use super::{
    adapter,
    error::BackendError,
    link::{Link, LinkKey, Origin},
    mailbox::Mailbox,
    message::{Call, Memory},
};

/// Something that needs a link.
pub(super) enum Pending {
    /// A call to be sent over it.
    Call(Box<Call>),
    /// Somebody who wants to know when it is open, and to what.
    Connect {
        link: LinkKey,
        context: Context,
        reply: oneshot::Sender<Result<Discovery, Failure>>,
    },
}

/// One link's place: open, or being opened with those who wait for it.
pub(super) enum Slot {
    Opening(Vec<Pending>),
    Open(Arc<Link>),
}

impl Slot {
    /// Takes up a link as it was remembered; one that cannot be read is opened anew instead.
    pub(super) fn remembered(
        (key, memory): (LinkKey, Memory),
        connection: &Mailbox,
    ) -> Option<(LinkKey, Self)> {
        let session = match &memory.backend_session {
            Some(session) => Some(session.expose_secret().parse().ok()?),
            None => None,
        };
        let dialect = adapter::resume(memory.revision, session);
        let origin = Origin {
            key,
            generation: 0,
            context: None,
        };
        let link = Link::new(origin, dialect, memory.discovery, connection.clone());
        Some((key, Self::Open(Arc::new(link))))
    }
}

impl Pending {
    /// The link it needs.
    pub(super) const fn link(&self) -> LinkKey {
        match self {
            Self::Call(call) => call.link,
            Self::Connect { link, .. } => *link,
        }
    }

    /// Who needs it.
    pub(super) const fn context(&self) -> &Context {
        match self {
            Self::Call(call) => &call.request.context,
            Self::Connect { context, .. } => context,
        }
    }

    /// Tells whoever waits that there will be none.
    pub(super) fn fail(self, backend: &BackendName, error: BackendError) {
        let failure = error.into_unsent(backend);
        match self {
            Self::Call(call) => {
                let backend = backend.clone();
                tokio::spawn(async move { call.finish(&backend, Outcome::Failed(failure)).await });
            }
            Self::Connect { reply, .. } => {
                let _asker_left = reply.send(Err(failure));
            }
        }
    }
}
