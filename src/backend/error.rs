//! What can go wrong with a backend, and whether the request may be sent again.

mod http_client;

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use serde_json::value::RawValue;

use crate::mcp::{failure::Failure, name::BackendName};

use http_client::root_cause;

pub(crate) use http_client::{BoxError, HttpError};

/// A request to a backend that got no answer.
///
/// Cloneable, because one broken handshake fails every call that waited for it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum BackendError {
    /// No connection, so not a byte of the request was sent.
    #[error("{}", root_cause(cause))]
    Unreachable {
        #[source]
        cause: Arc<HttpError>,
    },
    /// The provider is gone for every session: nothing was tried.
    #[error("it is out of reach for every session ({cause}); {}", tried_again(*retry_in))]
    Gone {
        /// What the last attempt of any session met.
        cause: Arc<str>,
        retry_in: Duration,
    },
    /// HTTP/2 says that the request was not looked at.
    #[error("it closed the connection without reading the request")]
    Unread,
    /// The connection broke after the request was sent.
    #[error("{}", root_cause(cause))]
    Interrupted {
        #[source]
        cause: Arc<HttpError>,
    },
    /// The backend ended its answer before the response was in it.
    #[error("it closed the connection before it answered")]
    Truncated,
    /// It broke off after the client was given a part of the result.
    #[error("{cause}, in the middle of the result")]
    CutOff {
        #[source]
        cause: Box<BackendError>,
    },
    /// It broke off after it had asked the client for something: what was answered fits no other try.
    #[error("{cause}, after it had asked the client for input")]
    AfterAsking {
        #[source]
        cause: Box<BackendError>,
    },
    /// It wanted input of the client, which did not come.
    #[error("it wanted input of the client, which gave none")]
    Unanswered,
    /// It asks for more during one call than the gateway passes on.
    #[error("it made {what}")]
    AskedTooOften { what: &'static str },
    /// The backend was silent for too long after the request was sent.
    #[error("it sent nothing for {}", humantime::format_duration(*after))]
    Silent { after: Duration },
    /// The backend was lively, but not done within a call's limit.
    #[error("it was not done after {}", humantime::format_duration(*after))]
    TooLong { after: Duration },
    /// 429 or 503: the backend did not take the request. A 503 that does not say when to come back
    /// may be a proxy's word for a backend that it lost in the middle of it.
    #[error("it is overloaded (HTTP {status})")]
    Overloaded {
        status: StatusCode,
        retry_after: Option<Duration>,
    },
    /// 502 or 504: something before the backend lost it.
    #[error("a proxy before it answered HTTP {status}")]
    BadGateway { status: StatusCode },
    /// The backend does not know the MCP session any more.
    #[error("it no longer knows the MCP session")]
    SessionExpired,
    /// 401 or 403.
    #[error(
        "it refused {credential} (HTTP {status}); give the session a valid one with PATCH, or create another"
    )]
    CredentialRefused {
        status: StatusCode,
        credential: &'static str,
    },
    /// The credential cannot be used at all: it was not readable, or does not fit a header.
    #[error("{reason}")]
    CredentialUnusable { reason: String },
    /// The server left the session.
    #[error("it was taken out of this session")]
    Removed,
    /// A connection with another credential, or by another entry, took this one's place.
    #[error("its credential or its entry was just replaced; send the request again")]
    Replaced,
    /// The registry has no such provider any more.
    #[error(
        "the registry no longer has it; restore its entry, or take it out of the session with PATCH"
    )]
    Unregistered,
    /// Any other status without a JSON-RPC error in its body.
    #[error("it answered HTTP {status}")]
    Status { status: StatusCode },
    /// An answer that is not MCP.
    #[error("it answered with {what}")]
    Garbled { what: &'static str },
    /// The backend speaks no revision that the gateway, or the registry's pin, does.
    #[error("no common MCP revision: {reason}")]
    Incompatible { reason: String },
    /// It turned a handshake down for a reason that may pass.
    #[error("it answered initialize with error {code}")]
    NotOpened { code: i64 },
    /// It wants a call's arguments repeated in headers, by its tool list.
    #[error("it wants arguments in headers")]
    HeadersWanted { error: Arc<RawValue> },
    /// What was found out of the backend's era no longer holds: it spoke in the other one.
    #[error("it answered as a server of the other era would")]
    EraChanged,
    /// Too many links for sets of capabilities are in use.
    #[error("clients with {limit} different sets of capabilities use it already")]
    TooManyLinks { limit: usize },
    /// Too many calls wait for the connection.
    #[error("{limit} calls wait for it already")]
    Crowded { limit: usize },
}

/// Whether a request may be sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// It cannot have been carried out: anyone may repeat it, not before the pause.
    Always(Option<Duration>),
    /// It may have been carried out: only what may run twice.
    IfRepeatable,
    /// Sending it again would meet the same end.
    Never,
}

impl BackendError {
    /// PROTOCOL.md's table, one row an arm.
    pub(crate) const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::Unread => Retry::Always(None),
            Self::Overloaded {
                status: StatusCode::TOO_MANY_REQUESTS,
                retry_after,
            } => Retry::Always(*retry_after),
            Self::Overloaded {
                retry_after: Some(pause),
                ..
            } => Retry::Always(Some(*pause)),
            Self::Overloaded { .. }
            | Self::BadGateway { .. }
            | Self::Interrupted { .. }
            | Self::Truncated
            | Self::Silent { .. } => Retry::IfRepeatable,
            // An expired session is renewed by the connection, not repeated by the call.
            Self::SessionExpired
            | Self::Gone { .. }
            | Self::CutOff { .. }
            | Self::AfterAsking { .. }
            | Self::Unanswered
            | Self::AskedTooOften { .. }
            | Self::TooLong { .. }
            | Self::CredentialRefused { .. }
            | Self::CredentialUnusable { .. }
            | Self::Removed
            | Self::Replaced
            | Self::Unregistered
            | Self::Status { .. }
            | Self::Garbled { .. }
            | Self::Incompatible { .. }
            | Self::NotOpened { .. }
            | Self::HeadersWanted { .. }
            | Self::EraChanged
            | Self::TooManyLinks { .. }
            | Self::Crowded { .. } => Retry::Never,
        }
    }

    /// Whether trying again later could help without anyone changing anything.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::AfterAsking { cause } => cause.is_passing(),
            Self::CredentialRefused { .. }
            | Self::CredentialUnusable { .. }
            | Self::Incompatible { .. } => false,
            _ => true,
        }
    }

    /// The same, after the client was asked for something.
    pub(crate) fn after_asking(self) -> Self {
        match self {
            Self::AfterAsking { .. } | Self::AskedTooOften { .. } => self,
            cause => Self::AfterAsking {
                cause: Box::new(cause),
            },
        }
    }

    /// Whether nothing of the request left the gateway.
    pub(crate) const fn was_not_sent(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Gone { .. } | Self::CredentialUnusable { .. }
        )
    }

    /// Whether the backend may still be at work on the request.
    pub(crate) fn leaves_work(&self) -> bool {
        self.is_late() || matches!(self, Self::AskedTooOften { .. })
    }

    /// Whether nothing at all was heard of it.
    pub(crate) fn is_silence(&self) -> bool {
        match self {
            Self::AfterAsking { cause } => cause.is_silence(),
            _ => matches!(self, Self::Silent { .. }),
        }
    }

    /// Whether the backend took longer than it may.
    fn is_late(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::TooLong { .. } => true,
            Self::AfterAsking { cause } => cause.is_late(),
            _ => false,
        }
    }

    /// How long the backend wants to be left alone.
    pub(crate) const fn asked_pause(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after, .. } => *retry_after,
            Self::Gone { retry_in, .. } => Some(*retry_in),
            _ => None,
        }
    }

    /// Whether it shows that the backend cannot be reached at all just now, by any request.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::AfterAsking { cause } => cause.is_outage(),
            _ => matches!(self, Self::Unreachable { .. } | Self::Gone { .. }),
        }
    }

    /// Whether it took all the time there was to meet it: nobody should wait for the same again.
    pub(crate) fn took_long(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Unreachable { cause } => cause.is_timeout(),
            _ => false,
        }
    }

    /// What the client is told when its request never left: only that the backend is not there.
    pub(crate) fn into_unsent(self, backend: &BackendName) -> Failure {
        let backend = backend.clone();
        match self {
            Self::Garbled { what } => Failure::Garbled {
                backend,
                reason: what.to_owned(),
            },
            _ => Failure::Unavailable {
                backend,
                reason: self.to_string(),
            },
        }
    }

    /// What the client is told when its request may have left.
    pub(crate) fn into_failure(self, backend: &BackendName) -> Failure {
        match &self {
            Self::Status { status } if !status.is_server_error() => self.into_unsent(backend),
            _ if self.is_late() => Failure::TimedOut {
                backend: backend.clone(),
                reason: self.to_string(),
            },
            Self::Status { .. }
            | Self::Interrupted { .. }
            | Self::Removed
            | Self::Truncated
            | Self::CutOff { .. }
            | Self::AfterAsking { .. }
            | Self::AskedTooOften { .. }
            | Self::Unanswered
            | Self::Overloaded {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: None,
            }
            | Self::BadGateway { .. } => Failure::Interrupted {
                backend: backend.clone(),
                reason: self.to_string(),
            },
            _ => self.into_unsent(backend),
        }
    }
}

fn tried_again(retry_in: Duration) -> String {
    if retry_in.is_zero() {
        return "it is being tried again now".to_owned();
    }
    let seconds = Duration::from_secs(retry_in.as_secs() + 1);
    format!(
        "it is tried again within {}",
        humantime::format_duration(seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_run_is_repeated_only_where_that_is_harmless() {
        let after = Some(Duration::from_secs(2));
        for (error, retry) in [
            (
                BackendError::Overloaded {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    retry_after: after,
                },
                Retry::Always(after),
            ),
            (
                BackendError::Overloaded {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    retry_after: None,
                },
                Retry::IfRepeatable,
            ),
            (
                BackendError::Overloaded {
                    status: StatusCode::TOO_MANY_REQUESTS,
                    retry_after: None,
                },
                Retry::Always(None),
            ),
            (BackendError::Unread, Retry::Always(None)),
            (
                BackendError::BadGateway {
                    status: StatusCode::BAD_GATEWAY,
                },
                Retry::IfRepeatable,
            ),
            (BackendError::Truncated, Retry::IfRepeatable),
            (
                BackendError::Silent {
                    after: Duration::from_secs(1),
                },
                Retry::IfRepeatable,
            ),
            (BackendError::SessionExpired, Retry::Never),
            (
                BackendError::CredentialRefused {
                    status: StatusCode::UNAUTHORIZED,
                    credential: "the bearer token",
                },
                Retry::Never,
            ),
            (
                BackendError::Status {
                    status: StatusCode::INTERNAL_SERVER_ERROR,
                },
                Retry::Never,
            ),
        ] {
            assert_eq!(error.retry(), retry, "{error}");
        }
    }
}
