//! Answers and their two forms: one JSON body, or an event stream.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    door::Link,
    judging,
    listeners::Opened,
    script::Answers,
    stage::Stage,
    tape::{Cut, Playback},
};

pub(super) type Headers = Vec<(HeaderName, HeaderValue)>;
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What will be answered; not yet in its wire form, so that a fault can still spoil it.
pub(super) enum Reply {
    /// A status and a body that is complete.
    Whole {
        status: u16,
        headers: Headers,
        json: String,
    },
    /// Messages as a running call makes them.
    Flow(Flow),
    /// A stream that belongs to no request.
    Open(Opened),
    /// A stream that may be resumed.
    Taped(Playback),
}

/// The outer form of what answers a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) answers: Answers,
    /// Sent before the first event of a stream.
    pub(super) preamble: &'static str,
    /// Every message stands in an array.
    pub(super) batched: bool,
}

/// The messages of one running call.
pub(super) struct Flow {
    pub(super) events: mpsc::UnboundedReceiver<Event>,
    pub(super) work: Work,
    pub(super) form: Form,
    pub(super) headers: Headers,
}

/// A message on its way out.
#[derive(Debug)]
pub(super) enum Event {
    /// A notification or a request, before the response.
    Message(String),
    /// The response.
    Last(String),
}

/// A task that ends when nobody waits for what it makes.
pub(super) struct Work(pub(super) JoinHandle<()>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Event {
    pub(super) fn into_text(self) -> String {
        let (Self::Message(text) | Self::Last(text)) = self;
        text
    }

    fn frame(self, batched: bool, link: &Link) -> Bytes {
        let text = self.into_text();
        link.says(&text);
        frame(&batched_text(text, batched))
    }
}

fn frame(text: &str) -> Bytes {
    format!("event: message\ndata: {text}\n\n").into()
}

fn batched_text(text: String, batched: bool) -> String {
    if batched { format!("[{text}]") } else { text }
}

/// Where the messages of a request go. That nobody takes them is for its work to ignore.
#[derive(Clone)]
pub(super) struct Outlet {
    sender: mpsc::UnboundedSender<Event>,
    stage: Arc<Stage>,
    revision: String,
}

impl Outlet {
    pub(super) fn of(
        stage: &Arc<Stage>,
        sender: mpsc::UnboundedSender<Event>,
        revision: &str,
    ) -> Self {
        Self {
            sender,
            stage: Arc::clone(stage),
            revision: revision.to_owned(),
        }
    }

    /// Another stream to the same client.
    pub(super) fn new(sender: mpsc::UnboundedSender<Event>, like: &Self) -> Self {
        Self {
            sender,
            ..like.clone()
        }
    }

    pub(super) fn sender(&self) -> mpsc::UnboundedSender<Event> {
        self.sender.clone()
    }

    pub(super) fn message(&self, text: String) {
        judging::said(&self.stage, &self.revision, &text);
        let _ = self.sender.send(Event::Message(text));
    }

    /// The response, whatever it is.
    pub(super) fn last(&self, text: String) {
        let _ = self.sender.send(Event::Last(text));
    }

    /// The response to a method.
    pub(super) fn last_of(&self, method: &str, text: String) {
        judging::answered(&self.stage, &self.revision, method, &text);
        self.last(text);
    }
}

impl Reply {
    pub(super) fn status(status: u16) -> Self {
        Self::json(status, String::new())
    }

    pub(super) fn json(status: u16, json: String) -> Self {
        Self::Whole {
            status,
            headers: Vec::new(),
            json,
        }
    }

    /// A JSON-RPC result.
    pub(super) fn result(id: &str, result: &str) -> Self {
        Self::json(200, success(id, result))
    }

    /// A JSON-RPC error; `error` is the raw error object.
    pub(super) fn error(status: u16, id: Option<&str>, error: &str) -> Self {
        let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
        Self::json(
            status,
            format!(r#"{{"jsonrpc":"2.0",{id}"error":{error}}}"#),
        )
    }

    /// Says whether it turns a request down.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Whole { status, json, .. } = self else {
            return false;
        };
        let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
        *status >= 400 || json.get("error").is_some()
    }

    pub(super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Whole { headers, .. } = &mut self {
            let value = HeaderValue::from_str(value).unwrap();
            headers.push((HeaderName::from_static(name), value));
        }
        self
    }

    /// Puts a whole 200 answer to a request into an event stream if the script says so.
    pub(super) fn in_form(self, form: Form) -> Self {
        match self {
            Self::Whole {
                status: 200,
                headers,
                json,
            } if form.answers == Answers::Sse || form.batched => {
                let (sender, events) = mpsc::unbounded_channel();
                // The receiver is in our hand.
                let _ = sender.send(Event::Last(json));
                Self::Flow(Flow {
                    events,
                    work: Work(tokio::spawn(async {})),
                    form,
                    headers,
                })
            }
            other => other,
        }
    }

    /// Runs the call to its end and gives the text of its response.
    pub(super) async fn finish(self) -> String {
        self.finish_telling(|_| {}).await
    }

    /// [`Self::finish`], telling what was said before the response.
    pub(super) async fn finish_telling(self, tell: impl Fn(String)) -> String {
        match self {
            Self::Whole { json, .. } => json,
            Self::Open(_) => String::new(),
            Self::Taped(playback) => playback.last().await,
            Self::Flow(mut flow) => loop {
                match flow.events.recv().await {
                    Some(Event::Last(text)) => return text,
                    Some(Event::Message(text)) => tell(text),
                    None => return String::new(),
                }
            },
        }
    }

    pub(super) async fn into_response(self, link: &Arc<Link>) -> Response<Body> {
        match self {
            Self::Whole {
                status,
                headers,
                json,
            } => {
                link.says(&json);
                whole(status, headers, json)
            }
            Self::Open(opened) => {
                let Opened {
                    events,
                    batched,
                    end,
                } = opened;
                let events = receive(events, batched, link);
                // First the receiver goes with its stream, then the end is told: what was named last
                // is dropped first.
                let events = stream::unfold((end, Box::pin(events)), async |(end, mut it)| {
                    Some((it.next().await?, (end, it)))
                });
                event_stream(": open\n\n", events)
            }
            Self::Flow(flow) => flow.into_response(link).await,
            Self::Taped(playback) => event_stream("", play(playback, link)),
        }
    }

    /// Ends the connection early; the stream goes on.
    pub(super) fn cut(mut self, cut: Cut) -> Self {
        match &mut self {
            Self::Taped(playback) => playback.cut(cut),
            _ => panic!("only the streams of a resumable backend can be cut"),
        }
        self
    }
}

impl Flow {
    async fn into_response(mut self, link: &Arc<Link>) -> Response<Body> {
        let batched = self.form.batched;
        let first = match self.form.answers {
            Answers::Sse => None,
            Answers::Json => match self.events.recv().await {
                Some(Event::Last(json)) => {
                    link.says(&json);
                    return whole(200, self.headers, batched_text(json, batched));
                }
                first => first,
            },
        };
        let work = self.work;
        let rest = receive(self.events, batched, link).map(move |bytes| {
            // Held by the stream: a closed stream ends the work.
            let _ = &work;
            bytes
        });
        let first = stream::iter(first.map(|event| event.frame(batched, link)));
        let mut response = event_stream(self.form.preamble, first.chain(rest));
        response.headers_mut().extend(self.headers);
        response
    }
}

fn receive(
    events: mpsc::UnboundedReceiver<Event>,
    batched: bool,
    link: &Arc<Link>,
) -> impl Stream<Item = Bytes> + Send + 'static {
    let link = Arc::clone(link);
    // The last is an event that was taken but not sent.
    stream::unfold(
        (events, link, None),
        move |(mut events, link, held)| async move {
            let first = match held {
                Some(event) => event,
                None => events.recv().await?,
            };
            let mut held = None;
            let frame = if batched && let Event::Message(text) = first {
                link.says(&text);
                let mut batch = vec![text];
                while let Ok(event) = events.try_recv() {
                    let Event::Message(text) = event else {
                        held = Some(event);
                        break;
                    };
                    link.says(&text);
                    batch.push(text);
                }
                frame(&batched_text(batch.join(","), true))
            } else {
                first.frame(batched, &link)
            };
            Some((frame, (events, link, held)))
        },
    )
}

fn play(playback: Playback, link: &Arc<Link>) -> impl Stream<Item = Bytes> + Send + 'static {
    let link = Arc::clone(link);
    stream::unfold((playback, link), async |(mut playback, link)| {
        let piece = playback.next(&link).await?;
        Some((piece, (playback, link)))
    })
}

fn whole(status: u16, headers: Headers, json: String) -> Response<Body> {
    let has_body = !json.is_empty();
    let mut response = Response::new(Full::from(json).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if has_body {
        content_type(&mut response, "application/json");
    }
    response.headers_mut().extend(headers);
    response
}

fn event_stream(
    preamble: &'static str,
    events: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let preamble =
        stream::iter((!preamble.is_empty()).then(|| Bytes::from_static(preamble.as_bytes())));
    chunked("text/event-stream", preamble.chain(events))
}

/// A 200 answer whose body comes in pieces.
pub(super) fn chunked(
    kind: &'static str,
    pieces: impl Stream<Item = Bytes> + Send + 'static,
) -> Response<Body> {
    let frames = pieces.map(|piece| Ok(Frame::data(piece)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    content_type(&mut response, kind);
    response
}

fn content_type(response: &mut Response<Body>, kind: &'static str) {
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
}

/// The text of a JSON-RPC response with a result.
pub(super) fn success(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}
