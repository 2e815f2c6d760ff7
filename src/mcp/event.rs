//! What comes back for a request: notifications and questions, then one outcome.

use std::fmt;

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
    /// The backend wants something of the client before it goes on.
    Asked(Question),
    /// The backend no longer wants what it asked for under that number.
    Withdrawn(u64),
    /// The answer. Exactly one, last.
    Finished(Finished),
}

impl Event {
    /// The bytes of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Notified(notification) => notification.bytes(),
            Self::Part(part) => part.json.len(),
            Self::Asked(question) => question.bytes(),
            Self::Finished(finished) => match &finished.outcome {
                Outcome::Completed(last) => last.json.len(),
                Outcome::Rejected(rejection) => rejection.error.get().len(),
                // Others hold what many answers share.
                Outcome::Kept(_) | Outcome::Failed(_) | Outcome::Cancelled => 0,
            },
            Self::Withdrawn(_) => 0,
        }
    }
}

fn length(params: Option<&RawValue>) -> usize {
    params.map_or(0, |params| params.get().len())
}

/// A notification without its envelope.
#[derive(Debug, Clone)]
pub struct Notification {
    /// The method.
    pub method: String,
    /// The parameters, untouched but for the progress token.
    pub params: Option<Box<RawValue>>,
}

impl Notification {
    /// The bytes of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.method.len() + length(self.params.as_deref())
    }
}

/// What a backend asks a client for: elicitation, sampling, roots, or what an extension defines.
///
/// Dropped without an answer, it tells the backend that there will be none.
pub struct Question {
    /// Told apart from every other question of the process by this.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The parameters, untouched.
    pub params: Option<Box<RawValue>>,
    answer: Box<dyn FnOnce(Answered) + Send + Sync>,
}

impl Question {
    /// A question whose answer `answer` takes.
    #[must_use]
    pub fn new(
        number: u64,
        method: String,
        params: Option<Box<RawValue>>,
        answer: impl FnOnce(Answered) + Send + Sync + 'static,
    ) -> Self {
        Self {
            number,
            method,
            params,
            answer: Box::new(answer),
        }
    }

    /// The bytes of it.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.method.len() + length(self.params.as_deref())
    }

    /// The same once it is put to the client: what waits for the answer, and not what was asked.
    #[must_use]
    pub fn put(self) -> Self {
        Self {
            method: String::new(),
            params: None,
            ..self
        }
    }

    /// Hands the client's answer to whoever asked.
    pub fn answer(self, answered: Answered) {
        (self.answer)(answered);
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Question")
            .field("number", &self.number)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// What a client answered to a [`Question`], untouched.
#[derive(Debug, Clone)]
pub enum Answered {
    /// The result.
    Result(Box<RawValue>),
    /// The error object.
    Error(Box<RawValue>),
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
    /// A result that others get, too.
    Kept(SharedResult),
    /// The backend's own error, an answer like any other.
    Rejected(Rejection),
    /// The gateway could not get an answer.
    Failed(Failure),
    /// The client took its request back and wants no answer.
    Cancelled,
}

/// A backend's own error.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The error object, untouched.
    pub error: Box<RawValue>,
    /// Whether its code has the modern era's meaning. An edge whose clients expect the other
    /// translates the few codes that differ.
    pub typed: bool,
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

/// How long a result stays good, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Milliseconds; 0 means not at all.
    pub ttl_ms: u64,
    /// Whether it is the same for everyone, so that a shared cache may keep it.
    pub public: bool,
}

/// A result of the gateway's own making that many answers carry, and none of them copies.
#[derive(Debug, Clone)]
pub struct SharedResult {
    /// The result's JSON text, and behind it the brace that ends a response message.
    closed: Bytes,
    freshness: Option<Freshness>,
}

impl SharedResult {
    /// Gets a result ready.
    #[must_use]
    pub fn new(result: &ResultBody) -> Self {
        Self {
            closed: [&result.json[..], b"}"].concat().into(),
            freshness: result.freshness,
        }
    }

    /// The result by itself.
    #[must_use]
    pub fn body(&self) -> ResultBody {
        self.part(0..self.closed.len().saturating_sub(1))
    }

    /// The brace that the result begins with, and all the rest of a response message; `None` where nothing can
    /// stand between the two.
    #[must_use]
    pub fn in_two(&self) -> Option<(ResultBody, Bytes)> {
        let is_open = self.closed.starts_with(b"{\"");
        is_open.then(|| (self.part(0..1), self.closed.slice(1..)))
    }

    /// How long it stays good.
    #[must_use]
    pub const fn freshness(&self) -> Option<Freshness> {
        self.freshness
    }

    /// The same, good for so long.
    #[must_use]
    pub fn staying(&self, freshness: Option<Freshness>) -> Self {
        Self {
            closed: self.closed.clone(),
            freshness,
        }
    }

    /// Holds the text of another one, if that is the same; tells whether it is.
    pub fn share(&mut self, other: &Self) -> bool {
        let is_same = self.closed == other.closed;
        if is_same {
            self.closed = other.closed.clone();
        }
        is_same
    }

    /// Whether it is the same text, held once.
    #[must_use]
    pub fn is_one_with(&self, other: &Self) -> bool {
        std::ptr::eq(self.closed.as_ptr(), other.closed.as_ptr())
    }

    /// The bytes of its text.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.closed.len()
    }

    fn part(&self, range: std::ops::Range<usize>) -> ResultBody {
        ResultBody {
            json: self.closed.slice(range),
            typed: false,
            freshness: self.freshness,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(json: &'static str) -> SharedResult {
        SharedResult::new(&ResultBody {
            json: json.into(),
            typed: false,
            freshness: None,
        })
    }

    #[test]
    fn a_shared_result_is_told_whole_or_around_its_beginning() {
        let list = shared(r#"{"tools":[]}"#);
        assert_eq!(list.body().json, r#"{"tools":[]}"#);
        let (first, rest) = list.in_two().unwrap();
        assert_eq!(
            (&first.json[..], &rest[..]),
            (&b"{"[..], &br#""tools":[]}}"#[..])
        );
        assert!(shared("{}").in_two().is_none(), "a comma would be too many");
    }

    #[test]
    fn the_same_text_is_held_once() {
        let (one, mut two, mut other) = (shared("{}"), shared("{}"), shared("{ }"));
        assert!(!two.is_one_with(&one));
        assert!(two.share(&one) && two.is_one_with(&one));
        assert!(!other.share(&one) && !other.is_one_with(&one));
    }
}
