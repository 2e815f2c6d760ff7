//! What a fake backend does wrong on demand.

use std::{
    future::pending,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::Response;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    door::Link,
    quoting,
    record::Recorded,
    reply::{Body, Reply, chunked},
    says::Says,
    stage::Stage,
    tape::Cut,
};

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const PAGE: &str = "<!doctype html><title>Sign in</title><p>Please sign in to the portal.";
const GARBAGE: &[u8] = &[0, 255, 254, b'{', 128, b'}', 10];
const CHUNK: usize = 64 * 1024;

/// What stands for the right answer in [`Fault::Stream`].
pub const ANSWER: &[u8] = b"{answer}";

/// One way to fail. Unless said otherwise the request is carried out, and then the answer is lost
/// or spoilt.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Never answers.
    HangBeforeHeaders,
    /// Answers the headers and nothing more.
    HangAfterHeaders,
    /// Answers half of the body and nothing more.
    HangMidBody,
    /// Resets the connection before it answers anything.
    ResetBeforeHeaders,
    /// Resets the connection after the headers.
    ResetAfterHeaders,
    /// Resets the connection in the middle of the body.
    ResetMidBody,
    /// Answers with this status; only 502 and 504 carry the request out, as a proxy may have.
    Status {
        /// The status code.
        code: u16,
        /// The value of `Retry-After`, if any.
        retry_after: Option<&'static str>,
    },
    /// Sends the client elsewhere (307) and carries nothing out.
    Redirect(String),
    /// Answers 200 with a page of HTML.
    Html,
    /// Answers 200 with the first half of the JSON.
    BrokenJson,
    /// Answers with an id that nobody used.
    WrongId,
    /// Answers with this status and a JSON-RPC error that quotes the credential in every spelling.
    Quote(u16),
    /// The same on an event stream, after a log message that does the same.
    QuoteOnStream,
    /// Answers an event stream that ends in the middle of its first event.
    TruncatedSse,
    /// Answers bytes that are neither JSON nor text.
    Garbage,
    /// Answers a result with a text of so many bytes.
    Oversized(usize),
    /// Answers an event stream of these bytes, in which [`ANSWER`] stands for the right answer, cut
    /// into pieces at these places.
    Stream {
        /// The bytes.
        bytes: Vec<u8>,
        /// The places, in order, before the answer is put in.
        cuts: Vec<usize>,
    },
    /// Answers this, byte for byte.
    Says(Box<Says>),
    /// Answers a body of this media type that begins so and goes on with this for ever, as fast as it is
    /// read.
    Endless {
        /// The media type.
        kind: &'static str,
        /// `{id}` stands for the request's id.
        begins: &'static str,
        /// What comes again and again.
        goes_on: String,
        /// How long it takes between two of them.
        pause: Duration,
    },
    /// Answers after a while.
    Delay(Duration),
    /// Carries nothing out until [`super::FakeBackend::release`]; then goes on as if nothing was.
    Hold,
    /// Closes the connection after so many messages; the stream goes on for who resumes it.
    /// Only for a backend that is [`super::Script::resumable`].
    CloseAfter(usize),
    /// Resets the connection after so many messages; the stream goes on for who resumes it.
    /// Only for a backend that is [`super::Script::resumable`].
    BreakAfter(usize),
}

impl Fault {
    /// Answers with a status.
    pub fn status(code: u16) -> Self {
        Self::Status {
            code,
            retry_after: None,
        }
    }

    /// Answers with a status and `Retry-After`.
    pub fn retry_after(code: u16, value: &'static str) -> Self {
        Self::Status {
            code,
            retry_after: Some(value),
        }
    }

    /// Only for requests of this JSON-RPC method, or of the HTTP method `GET`.
    pub fn on(self, method: &str) -> FaultPlan {
        FaultPlan {
            method: Some(method.to_owned()),
            ..FaultPlan::from(self)
        }
    }

    /// Only for the next so many requests.
    pub fn times(self, requests: usize) -> FaultPlan {
        FaultPlan::from(self).times(requests)
    }

    /// The answer of a request that is not carried out.
    pub(super) fn instead(&self, heard: &Recorded) -> Option<Response<Body>> {
        match self {
            Self::Says(says) if !says.runs() => Some(says.response(heard)),
            _ => None,
        }
    }

    /// What happens before the request is carried out; a reply here ends it.
    pub(super) async fn before(&self, stage: &Stage) -> Option<Reply> {
        match self {
            Self::Hold => stage.faults.released().await,
            Self::Status { code, .. } if !matches!(code, 502 | 504) => return Some(self.refusal()),
            Self::Redirect(url) => return Some(Reply::status(307).with_header("location", url)),
            _ => {}
        }
        None
    }

    /// What becomes of the answer.
    pub(super) async fn after(
        &self,
        reply: Reply,
        heard: &Recorded,
        link: &Arc<Link>,
    ) -> Response<Body> {
        match self {
            Self::Hold => reply.into_response(link).await,
            Self::CloseAfter(messages) => {
                reply.cut(Cut::Close(*messages)).into_response(link).await
            }
            Self::BreakAfter(messages) => {
                let cut = Cut::Break(*messages, Arc::clone(link));
                reply.cut(cut).into_response(link).await
            }
            Self::Delay(time) => {
                tokio::time::sleep(*time).await;
                reply.into_response(link).await
            }
            Self::Status { .. } => {
                reply.finish().await;
                self.refusal().into_response(link).await
            }
            _ => self.spoil(reply.finish().await, heard, link).await,
        }
    }

    async fn spoil(&self, text: String, heard: &Recorded, link: &Arc<Link>) -> Response<Body> {
        let half = Bytes::copy_from_slice(&text.as_bytes()[..text.len() / 2]);
        match self {
            Self::HangBeforeHeaders => pending().await,
            Self::HangAfterHeaders => chunked(JSON, stream::pending()),
            Self::HangMidBody => chunked(JSON, once(half).chain(stream::pending())),
            Self::ResetBeforeHeaders => {
                link.reset();
                pending().await
            }
            Self::ResetAfterHeaders => chunked(JSON, reset(link)),
            Self::ResetMidBody => chunked(JSON, once(half).chain(reset(link))),
            Self::Html => chunked("text/html", once(PAGE.into())),
            Self::BrokenJson => chunked(JSON, once(half)),
            Self::WrongId => chunked(JSON, once(of_a_stranger(&text))),
            Self::Quote(code) => {
                let mut response = chunked(JSON, once(quoting::response(heard).to_string().into()));
                *response.status_mut() = (*code).try_into().unwrap();
                response
            }
            Self::QuoteOnStream => chunked(SSE, once(quoted_on_stream(heard))),
            Self::TruncatedSse => chunked(SSE, once([b"data: ".as_slice(), &half].concat().into())),
            Self::Garbage => chunked(JSON, once(Bytes::from_static(GARBAGE))),
            Self::Oversized(bytes) => chunked(JSON, oversized(heard, *bytes)),
            Self::Stream { bytes, cuts } => chunked(SSE, stream::iter(pieces(bytes, cuts, &text))),
            Self::Says(says) => says.response(heard),
            Self::Endless {
                kind,
                begins,
                goes_on,
                pause,
            } => {
                let begins = begins.replace("{id}", heard.id().unwrap_or("null"));
                let goes_on = Bytes::from(goes_on.clone());
                chunked(kind, once(begins.into()).chain(endless(goes_on, *pause)))
            }
            Self::Status { .. }
            | Self::Redirect(_)
            | Self::Delay(_)
            | Self::Hold
            | Self::CloseAfter(_)
            | Self::BreakAfter(_) => unreachable!("spoils nothing"),
        }
    }

    fn refusal(&self) -> Reply {
        let Self::Status { code, retry_after } = self else {
            unreachable!("only a status refuses")
        };
        let reply = Reply::status(*code);
        match retry_after {
            Some(value) => reply.with_header("retry-after", value),
            None => reply,
        }
    }
}

fn once(bytes: Bytes) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::iter([bytes])
}

/// No more bytes, but a reset once those before are out.
fn reset(link: &Arc<Link>) -> impl Stream<Item = Bytes> + Send + 'static {
    let link = Arc::clone(link);
    stream::poll_fn(move |_| {
        link.reset();
        Poll::Pending
    })
}

/// Cuts bytes at some places, and puts the right answer in.
fn pieces(bytes: &[u8], cuts: &[usize], answer: &str) -> Vec<Bytes> {
    let whole = bytes.windows(ANSWER.len()).position(|it| it == ANSWER);
    let mut pieces = Vec::new();
    let mut start = 0;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let end = cut.min(bytes.len()).max(start);
        pieces.push(bytes[start..end].to_vec());
        start = end;
    }
    if let Some(place) = whole {
        // Cuts within the mark would tear it: they fall away, and others cut the answer itself.
        let text = [
            &bytes[..place],
            answer.as_bytes(),
            &bytes[place + ANSWER.len()..],
        ]
        .concat();
        let scaled = cuts.iter().map(|cut| cut * text.len() / bytes.len().max(1));
        let ends: Vec<usize> = scaled.chain([text.len()]).collect();
        pieces = ends
            .iter()
            .scan(0, |start, end| {
                Some(text[std::mem::replace(start, *end)..*end].to_vec())
            })
            .collect();
    }
    pieces.into_iter().map(Bytes::from).collect()
}

fn endless(piece: Bytes, pause: Duration) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::repeat(piece).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    })
}

fn of_a_stranger(text: &str) -> Bytes {
    let mut response: Value = serde_json::from_str(text).unwrap_or_default();
    response["id"] = "an-id-nobody-used".into();
    response.to_string().into()
}

fn quoted_on_stream(heard: &Recorded) -> Bytes {
    let words = quoting::words(heard);
    let log = json!({"jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": "error", "data": words}});
    format!("data: {log}\n\ndata: {}\n\n", quoting::response(heard)).into()
}

fn oversized(heard: &Recorded, bytes: usize) -> impl Stream<Item = Bytes> + Send + 'static {
    let id = heard.id().unwrap_or("null");
    let opening = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[{{"type":"text","text":""#
    );
    let filling = stream::iter((0..bytes).step_by(CHUNK))
        .map(move |start| Bytes::from(vec![b'a'; CHUNK.min(bytes - start)]));
    once(opening.into())
        .chain(filling)
        .chain(once(Bytes::from_static(br#""}]}}"#)))
}

/// A fault, for whom, and how often.
#[derive(Debug, Clone)]
pub struct FaultPlan {
    fault: Fault,
    method: Option<String>,
    left: Option<usize>,
}

impl FaultPlan {
    /// Only for the next so many requests.
    pub fn times(mut self, requests: usize) -> Self {
        self.left = Some(requests);
        self
    }

    fn fits(&self, heard: &Recorded) -> bool {
        let of = |method: &str| {
            heard.method() == Some(method) || (method == "GET" && heard.http_method == method)
        };
        self.left != Some(0) && self.method.as_deref().is_none_or(of)
    }
}

impl From<Fault> for FaultPlan {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            left: None,
        }
    }
}

/// The faults switched on.
#[derive(Default)]
pub(super) struct Faults {
    plans: Mutex<Vec<FaultPlan>>,
    /// Counts the releases of held requests.
    releases: watch::Sender<usize>,
}

impl Faults {
    pub(super) fn add(&self, plan: FaultPlan) {
        self.plans().push(plan);
    }

    pub(super) fn clear(&self) {
        self.plans().clear();
    }

    /// The first fault that fits; one less of it is left.
    pub(super) fn take(&self, heard: &Recorded) -> Option<Fault> {
        let mut plans = self.plans();
        let plan = plans.iter_mut().find(|plan| plan.fits(heard))?;
        if let Some(left) = &mut plan.left {
            *left -= 1;
        }
        Some(plan.fault.clone())
    }

    pub(super) fn left(&self) -> usize {
        self.plans().iter().filter_map(|plan| plan.left).sum()
    }

    pub(super) fn release(&self) {
        self.plans()
            .retain(|plan| !matches!(plan.fault, Fault::Hold));
        self.releases.send_modify(|releases| *releases += 1);
    }

    async fn released(&self) {
        // An error would mean that the fake backend is gone, and this task with it.
        let _ = self.releases.subscribe().changed().await;
    }

    fn plans(&self) -> std::sync::MutexGuard<'_, Vec<FaultPlan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
