//! What comes back for a request: notifications, then one outcome.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{failure::Failure, name::BackendName};

/// A step on the way to a request's answer.
#[derive(Debug)]
pub enum Event {
    /// The backend told something while it works: progress, a log message.
    Notified(Notification),
    /// The next part of a large result's JSON text; the last one comes with [`Event::Finished`].
    Part(ResultBody),
    /// The answer. Exactly one, last.
    Finished(Finished),
}

/// A notification without its envelope.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The method.
    pub method: String,
    /// The parameters, untouched but for the progress token.
    pub params: Option<Box<RawValue>>,
}

/// How a request ended, and who answered it.
#[derive(Debug)]
pub struct Finished {
    /// The backend that answered; `None` when the gateway did.
    pub backend: Option<BackendName>,
    /// The end.
    pub outcome: Outcome,
}

/// The end of a request.
#[derive(Debug)]
pub enum Outcome {
    /// A result; the rest of one, after [`Event::Part`]s.
    Completed(ResultBody),
    /// The backend's own error object, an answer like any other.
    Rejected(Box<RawValue>),
    /// The gateway could not get an answer.
    Failed(Failure),
    /// The client took its request back and wants no answer.
    Cancelled,
}

/// JSON text of a result, or of a part of one.
#[derive(Debug, Clone)]
pub struct ResultBody {
    /// The text, as the backend wrote it.
    pub json: Bytes,
    /// Whether it was written to state what kind of result it is (`resultType`), as results of the
    /// modern era do. An edge whose clients expect the other adds or removes that.
    pub typed: bool,
    /// How long a result of the gateway's own making may be kept.
    pub freshness: Option<Freshness>,
}

/// How long a result stays good, for the client that has it: names depend on who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Milliseconds; 0 means not at all.
    pub ttl_ms: u64,
}
