//! Why a command was not done, with the remedy and the code that it ends with.

use std::{io, path::PathBuf};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answers.
    #[error(
        "no gateway answers at {url} ({reason}); start one with `mcp-gateway`, or name another with --url or MCP_GATEWAY_URL"
    )]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What came instead of an answer.
        reason: String,
    },
    /// Somebody takes the connection and says nothing.
    #[error(
        "{url} takes connections, but did not answer within {waited}; if a gateway is there, it is busy or stuck: its \
         log tells; else name another with --url or MCP_GATEWAY_URL"
    )]
    Silent {
        /// Who was asked.
        url: String,
        /// For how long.
        waited: String,
    },
    /// Somebody answers, but not as a gateway does.
    #[error("{url} answers {status}, but not as a gateway does; name the gateway with --url")]
    Foreign {
        /// Who was asked.
        url: String,
        /// How it answered.
        status: u16,
    },
    /// A key is needed, or another one.
    #[error(
        "{detail}; here, put it into MCP_GATEWAY_KEY or name a file that holds it with --api-key-file"
    )]
    NotLetIn {
        /// What the gateway says.
        detail: String,
    },
    /// There is no such session.
    #[error("there is no session {session:?}; `mcp-gateway session list` shows those there are")]
    NoSession {
        /// As it was asked for.
        session: String,
    },
    /// The request cannot be done as it is.
    #[error("{0}")]
    Refused(String),
    /// The command lacks something.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output takes nothing.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// The system refused what an HTTP client needs.
    #[error("cannot speak HTTP: {0}")]
    Http(reqwest::Error),
}

impl Failure {
    /// The code that the program ends with.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Output(_) | Self::Http(_) | Self::Foreign { .. } => 1,
            Self::Usage(_) | Self::Unreadable { .. } => 2,
            Self::Unreachable { .. } | Self::Silent { .. } => 3,
            Self::NotLetIn { .. } => 4,
            Self::NoSession { .. } => 5,
            Self::Refused(_) => 6,
        }
    }
}
