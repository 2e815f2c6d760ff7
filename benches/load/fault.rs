//! What can go wrong with one operation, and with a whole run.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use http::StatusCode;

/// How much of an answer an error text shows.
const EXCERPT_BYTES: usize = 300;

/// One operation that did not end with the right answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no connection to {authority}: {source}")]
    Connect {
        authority: String,
        source: std::io::Error,
    },
    #[error("HTTP exchange broke: {0}")]
    Exchange(std::io::Error),
    #[error("no answer within {}", humantime::format_duration(*.0))]
    Late(Duration),
    #[error("{method} answered {status}: {excerpt}")]
    Status {
        method: &'static str,
        status: StatusCode,
        excerpt: String,
    },
    #[error("error instead of a result: {0}")]
    Refused(String),
    #[error("wrong answer: {reason}; got {excerpt}")]
    Wrong { reason: String, excerpt: String },
}

impl Fault {
    pub(crate) fn wrong(reason: impl Into<String>, body: &[u8]) -> Self {
        Fault::Wrong {
            reason: reason.into(),
            excerpt: excerpt(body),
        }
    }

    pub(crate) fn is_wrong_answer(&self) -> bool {
        matches!(self, Fault::Wrong { .. })
    }
}

/// A run that could not be carried through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("{program} could not be started: {source}")]
    Spawn {
        program: PathBuf,
        source: std::io::Error,
    },
    #[error("{program} {what}")]
    Start { program: PathBuf, what: String },
    #[error("{source}\nthe end of its log:\n{log}")]
    Logged { source: Box<RunError>, log: String },
    #[error("{0} is no http:// address of a gateway")]
    Url(String),
    #[error("{0}")]
    Line(String),
    #[error("{0}")]
    Absent(String),
    #[error("cannot be installed: {0}")]
    Install(String),
    #[error("the gateway was not built: cargo ended with {0}")]
    Build(ExitStatus),
    #[error("no gateway was built for this run")]
    Unbuilt,
    #[error("plot: {0}")]
    Plot(String),
    #[error("REST API of the gateway: {0}")]
    Rest(Fault),
    #[error("first operation on {path} at {authority}: {fault}")]
    Open {
        authority: String,
        path: String,
        fault: Fault,
    },
    #[error("its program did not end within {} of being asked to", humantime::format_duration(*.0))]
    Stuck(Duration),
    #[error("its program ended by itself")]
    Ended,
    #[error("first call of a session: {0}")]
    First(Fault),
    #[error("a thread of the load ended early")]
    ThreadLost,
    #[error("histogram: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
    #[error("run took longer than {}, the most its options allow for", humantime::format_duration(*.0))]
    Overdue(Duration),
    #[error("interrupted")]
    Interrupted,
    #[error("file error: {0}")]
    File(#[from] std::io::Error),
    #[error("report could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The beginning of an answer, for an error text.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let shown = &body[..body.len().min(EXCERPT_BYTES)];
    let more = if shown.len() < body.len() { "…" } else { "" };
    let shown = String::from_utf8_lossy(shown).replace(char::is_control, " ");
    format!("{shown}{more}")
}
