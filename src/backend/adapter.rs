//! Speaks with a backend in its era: the one place of this room where the two are told apart.

mod body;

use http::{HeaderMap, HeaderValue};
use serde_json::value::RawValue;

use crate::mcp::{message::RequestId, request::Request, version::Revision};

use super::{
    error::BackendError,
    exchange::Answer,
    legacy::Legacy,
    listening::Filter,
    modern::Modern,
    transport::streamable_http::{Outgoing, Refusal, Wire},
};

pub(super) use body::{write_body, write_renamed};

/// What was agreed with a backend about how to speak.
pub(crate) enum Dialect {
    /// After a handshake.
    Legacy(Legacy),
    /// Each request for itself.
    Modern(Modern),
}

/// A request ready to be sent, and what its answer needs.
pub(crate) struct Encoded {
    pub(crate) outgoing: Outgoing,
    /// The progress token the client chose; towards the backend it is the request's id.
    pub(crate) client_token: Option<Box<RawValue>>,
}

impl Dialect {
    /// Writes a request in this dialect.
    pub(crate) fn encode(&self, request: &Request, id: &RequestId) -> Encoded {
        match self {
            Self::Legacy(legacy) => legacy.encode(request, id),
            Self::Modern(modern) => modern.encode(request, id),
        }
    }

    /// Tells what an HTTP error means for a request.
    pub(crate) fn judge(
        &self,
        refusal: &Refusal,
        id: &RequestId,
        wire: &Wire,
    ) -> Result<Answer, BackendError> {
        match self {
            Self::Legacy(legacy) => legacy.judge(refusal, id, wire),
            Self::Modern(_) => Modern::judge(refusal, id, wire),
        }
    }

    /// What to send so that the backend stops working on a request; `None` where closing the
    /// answer says it.
    pub(crate) fn cancellation(&self, id: &RequestId) -> Option<Outgoing> {
        match self {
            Self::Legacy(legacy) => Some(legacy.cancellation(id)),
            Self::Modern(_) => None,
        }
    }

    /// What to send for a stream of what the backend says by itself; `id` names it, and `filter` says
    /// what is wanted, where such streams have that.
    pub(crate) fn listening(&self, id: &RequestId, filter: &Filter) -> Outgoing {
        match self {
            Self::Legacy(legacy) => legacy.listening(),
            Self::Modern(modern) => modern.listening(id, filter),
        }
    }

    /// Whether such a stream says itself from when on nothing is missed; else it is from its opening.
    pub(crate) const fn acknowledges_listening(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// The headers of a message that answers a request of the backend's; `None` where backends may
    /// not send any.
    pub(crate) fn reply_headers(&self) -> Option<HeaderMap> {
        match self {
            Self::Legacy(legacy) => Some(legacy.headers().clone()),
            Self::Modern(_) => None,
        }
    }

    /// The backend's MCP session, which can be ended; `None` where there is none.
    pub(crate) const fn session(&self) -> Option<&HeaderValue> {
        match self {
            Self::Legacy(legacy) => legacy.session(),
            Self::Modern(_) => None,
        }
    }

    /// The headers of what ends the backend's MCP session; `None` where there is none.
    pub(crate) fn farewell(&self) -> Option<HeaderMap> {
        self.session().and_then(|_| self.reply_headers())
    }

    /// Whether one conversation serves every MCP session of ours, because it holds no state.
    pub(crate) const fn is_shared(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// Whether the backend may send several messages at once.
    pub(crate) fn takes_batches(&self) -> bool {
        match self {
            Self::Legacy(legacy) => legacy.takes_batches(),
            Self::Modern(_) => false,
        }
    }

    /// Whether results say what kind they are.
    pub(crate) const fn types_results(&self) -> bool {
        matches!(self, Self::Modern(_))
    }

    /// The revision agreed upon.
    pub(crate) const fn revision(&self) -> Revision {
        match self {
            Self::Legacy(legacy) => legacy.revision(),
            Self::Modern(modern) => modern.revision(),
        }
    }
}

/// Takes up a conversation as it was remembered.
pub(crate) fn resume(revision: Revision, session: Option<HeaderValue>) -> Dialect {
    match Modern::speaking(revision) {
        Some(modern) => Dialect::Modern(modern),
        None => Dialect::Legacy(Legacy::new(revision, session)),
    }
}
