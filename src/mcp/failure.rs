//! Why the gateway could not get an answer, in words for the client.

use std::borrow::Cow;

use super::name::BackendName;
use crate::limits::SHOWN_CHARS_MAX;

/// What stood between a request and its answer. The text says which backend, what happened, and
/// what to do; it never holds a credential or anything a backend wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The method is not served.
    #[error("method not found: {}", shortened(.method))]
    UnknownMethod {
        /// As the client wrote it.
        method: String,
    },
    /// No backend of the session answers to the name.
    #[error(
        "unknown {what} {:?}: a {what} is called provider.{what}, and this session has the providers {known}",
        shortened(.name)
    )]
    UnknownName {
        /// What it would be: a tool, a prompt, a task.
        what: &'static str,
        /// As the client wrote it.
        name: String,
        /// The session's providers, separated by commas.
        known: String,
    },
    /// The parameters do not fit the method.
    #[error("invalid params: {reason}")]
    InvalidParams {
        /// What is wrong with them.
        reason: String,
    },
    /// No backend of the session has such a resource.
    #[error("resource not found: {}", shortened(.uri))]
    UnknownResource {
        /// As the client wrote it.
        uri: String,
    },
    /// What a client sent back to go on with a request does not belong to it.
    #[error(
        "invalid params: requestState is not of this request, or has expired; begin the request anew"
    )]
    UnknownState,
    /// A backend wants something of the client that it cannot give.
    #[error("backend {backend} needs the client capability {capability} for this request")]
    Incapable {
        /// Which one.
        backend: BackendName,
        /// What the client would have to declare.
        capability: &'static str,
    },
    /// As many requests wait for their clients' answers as may.
    #[error("this session has {limit} requests waiting for input already; answer or drop some")]
    TooManyParked {
        /// How many it may have.
        limit: usize,
    },
    /// The backend cannot be reached, or refused the gateway; nothing ran.
    #[error("backend {backend} is unavailable: {reason}")]
    Unavailable {
        /// Which one.
        backend: BackendName,
        /// What happened and what to do.
        reason: String,
    },
    /// The connection broke after the request was sent.
    #[error(
        "backend {backend} broke off: {reason}; the request may have been carried out, and was not sent again"
    )]
    Interrupted {
        /// Which one.
        backend: BackendName,
        /// What happened.
        reason: String,
    },
    /// The backend took too long.
    #[error(
        "backend {backend} did not answer in time: {reason}; the request may still be carried out there"
    )]
    TimedOut {
        /// Which one.
        backend: BackendName,
        /// How long the gateway waited for what.
        reason: String,
    },
    /// The backend answered with something that is not MCP.
    #[error("backend {backend} answered with {reason}")]
    Garbled {
        /// Which one.
        backend: BackendName,
        /// What it was.
        reason: String,
    },
    /// The client's MCP session has ended or never was.
    #[error("unknown MCP session: it has ended or expired; initialize again")]
    UnknownMcpSession,
    /// Nobody may open another MCP session in this session.
    #[error(
        "this session has {limit} MCP sessions open already; end some with DELETE, or wait for idle ones to expire"
    )]
    TooManyMcpSessions {
        /// How many it may have.
        limit: usize,
    },
    /// An MCP session has all the streams it may have.
    #[error("this MCP session has {limit} GET streams open already; close one")]
    TooManyListeners {
        /// How many it may have.
        limit: usize,
    },
    /// The session was deleted while the request was on its way.
    #[error("this session was deleted; create another one")]
    SessionDeleted,
    /// It is not known who calls.
    #[error("this gateway has to know who calls: {how}")]
    Unauthenticated {
        /// What to do.
        how: &'static str,
    },
    /// The caller's token is right, but for less than is needed here.
    #[error("the token lacks a scope that this gateway wants: {scopes}")]
    Unauthorized {
        /// All that are wanted, separated by spaces.
        scopes: String,
    },
    /// The keys that tokens are checked with are not there.
    #[error(
        "the token cannot be checked: the authorization server's keys could not be fetched yet; try again soon"
    )]
    Unverifiable,
    /// The caller has all the exchanges it may have, over all its sessions.
    #[error("this caller has {limit} requests in flight already; wait for some to finish")]
    CallerBusy {
        /// How many it may have.
        limit: usize,
    },
    /// The session has all the exchanges it may have.
    #[error("this session has {limit} requests in flight already; wait for some to finish")]
    Busy {
        /// How many it may have.
        limit: usize,
    },
    /// The gateway is going down.
    #[error("the gateway is stopping; try again in a moment")]
    Stopping,
    /// The gateway is going down, and the request took too long for that.
    #[error(
        "the gateway is stopping and had no more time for this request, which may have been carried out"
    )]
    OutOfTime,
    /// The part of the gateway that worked on the request died.
    #[error("the gateway lost track of this request; it may have been carried out")]
    Lost,
    /// A record could not be written.
    #[error("the gateway could not store the MCP session; try again, or look at the gateway's log")]
    NotStored,
}

impl Failure {
    /// The same in one word, for who counts and compares.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::UnknownMethod { .. } => "unknown_method",
            Self::UnknownName { .. } | Self::UnknownResource { .. } => "unknown_name",
            Self::InvalidParams { .. } | Self::UnknownState => "invalid_params",
            Self::Incapable { .. } => "incapable",
            Self::Unavailable { .. } => "unavailable",
            Self::Interrupted { .. } => "interrupted",
            Self::TimedOut { .. } => "timeout",
            Self::Garbled { .. } => "garbled",
            Self::UnknownMcpSession => "unknown_mcp_session",
            Self::TooManyParked { .. }
            | Self::TooManyMcpSessions { .. }
            | Self::TooManyListeners { .. }
            | Self::CallerBusy { .. }
            | Self::Busy { .. } => "busy",
            Self::SessionDeleted => "session_deleted",
            Self::Unauthenticated { .. } | Self::Unauthorized { .. } | Self::Unverifiable => {
                "unauthorized"
            }
            Self::Stopping | Self::OutOfTime => "stopping",
            Self::Lost | Self::NotStored => "internal",
        }
    }
}

/// What a client wrote, short enough to be repeated in a log or an answer.
#[must_use]
pub fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN_CHARS_MAX {
        return Cow::Borrowed(text);
    }
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_wrote_is_repeated_in_part() {
        let fits = "ü".repeat(SHOWN_CHARS_MAX);
        assert_eq!(shortened(&fits), fits);
        let long = "ü".repeat(1_000_000);
        assert_eq!(shortened(&long), format!("{fits}…"));
        let method = long.clone();
        let words = Failure::UnknownMethod { method }.to_string();
        assert_eq!(words, format!("method not found: {fits}…"));
        let (name, known) = (long, "docs".to_owned());
        let what = "tool";
        let words = Failure::UnknownName { what, name, known }.to_string();
        let start = format!("unknown tool \"{fits}…\": ");
        assert!(words.starts_with(&start) && words.len() < 400, "{words}");
    }
}
