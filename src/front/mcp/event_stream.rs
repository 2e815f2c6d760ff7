//! The two forms of an answer on the wire: one JSON body, or a stream of events.

mod form;

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, GetAll},
};
use http_body_util::BodyExt;
use tokio::time::timeout;
use warp::reply::{Reply, Response};

use crate::{
    callers::Pass,
    limits::{KEEP_ALIVE_INTERVAL, RESUMED_AFTER},
};

use super::encode;
pub(super) use form::Form;
use form::put_data;

/// What a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepts {
    pub(super) json: bool,
    pub(super) events: bool,
}

impl Accepts {
    /// Reads the `Accept` headers; without one, a client takes anything.
    pub(super) fn read(values: GetAll<'_, HeaderValue>) -> Self {
        let mut accepts = Self {
            json: false,
            events: false,
        };
        let mut present = false;
        for value in values {
            present = true;
            // What the protocol asks of every client, in the spelling of nearly all.
            if value == "application/json, text/event-stream" {
                accepts = Self::ANY;
                continue;
            }
            for range in value.to_str().unwrap_or_default().split(',') {
                let essence = range.split(';').next().unwrap_or_default().trim();
                let is = |name| essence.eq_ignore_ascii_case(name);
                if is("application/json") || is("application/*") {
                    accepts.json = true;
                } else if is("text/event-stream") || is("text/*") {
                    accepts.events = true;
                } else if is("*/*") {
                    accepts = Self::ANY;
                }
            }
        }
        if present { accepts } else { Self::ANY }
    }

    const ANY: Self = Self {
        json: true,
        events: true,
    };

    /// Whether there is a form both sides know.
    pub(super) const fn anything(self) -> bool {
        self.json || self.events
    }
}

/// The media type of a stream of events.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// A comment that keeps a silent stream alive.
pub(super) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

/// What begins an event that carries a message.
const EVENT_START: &[u8] = b"event: message\ndata: ";
/// What begins the id of one.
const ID_START: &[u8] = b"id: ";
/// What ends an event.
const EVENT_END: &[u8] = b"\n\n";

/// Writes one message as an event.
pub(super) fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(EVENT_START.len() + message.len() + EVENT_END.len());
    put_event(&mut event, message);
    event.freeze()
}

fn put_event(event: &mut BytesMut, message: &[u8]) {
    event.put_slice(EVENT_START);
    put_data(event, message);
    event.put_slice(EVENT_END);
}

/// Writes one message behind other events, as one under whose id the stream can be taken up behind it.
pub(super) fn put_event_with_id(events: &mut BytesMut, id: &str, message: &[u8]) {
    let bytes = id.len() + EVENT_START.len() + message.len() + EVENT_END.len();
    events.reserve(ID_START.len() + 1 + bytes);
    events.put_slice(ID_START);
    events.put_slice(id.as_bytes());
    events.put_slice(b"\n");
    put_event(events, message);
}

/// Writes the event that begins a stream which can be taken up: it carries no message.
///
/// Spec: 2025-11-25 basic/transports, "Sending Messages to the Server".
pub(super) fn priming(id: &str) -> Bytes {
    format!("id: {id}\nretry: {}\ndata: \n\n", RESUMED_AFTER.as_millis()).into()
}

/// Has comments written into a stream of events while there are none.
pub(super) fn kept_alive(
    events: impl Stream<Item = Bytes> + Send,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    stream::unfold(Box::pin(events), async |mut events| {
        let bytes = match timeout(KEEP_ALIVE_INTERVAL, events.next()).await {
            Ok(event) => event?,
            Err(_) => KEEP_ALIVE,
        };
        Some((Ok(bytes), events))
    })
}

/// Answers with a stream of events that stays open, in which comments stand while there are none.
pub(in crate::front) fn live(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    // A first comment shows what is in between that the stream lives.
    let opened = stream::once(async { Ok(KEEP_ALIVE) });
    self::events(opened.chain(kept_alive(events)))
}

/// Ends a stream that stays open when whoever opened it is not let in any more; another answer is left as it is.
pub(in crate::front) fn while_good(response: Response, pass: Pass) -> Response {
    let content = response.headers().get(CONTENT_TYPE);
    if !response.status().is_success() || content != Some(&EVENT_STREAM) {
        return response;
    }
    let (head, body) = response.into_parts();
    let parts = body.into_data_stream().map_err(io::Error::other);
    let mut response = events(parts.take_until(Box::pin(pass.over())));
    *response.headers_mut() = head.headers;
    response
}

/// Answers with one JSON-RPC message in JSON.
pub(super) fn json(status: StatusCode, message: Bytes) -> Response {
    let mut response = Response::new(message.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The same with a response message, of which no more is copied than its own.
pub(super) fn json_response(status: StatusCode, message: encode::Response) -> Response {
    let encode::Response { own, shared } = message;
    if shared.is_empty() {
        return json(status, own);
    }
    let size_bytes = own.len() + shared.len();
    let parts = stream::iter([own, shared].map(Ok::<_, Infallible>));
    let mut response = warp::reply::stream(parts).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_LENGTH, size_bytes.into());
    response
}

/// Answers with one message in the form the client takes, JSON if it takes both.
pub(super) fn one(accepts: Accepts, status: StatusCode, message: Bytes) -> Response {
    if accepts.json || !status.is_success() {
        return json(status, message);
    }
    let mut response = Response::new(event(&message).into());
    stream_headers(response.headers_mut());
    response
}

/// Answers with a stream of events, written as they come.
pub(super) fn events<S>(events: S) -> Response
where
    S: Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
{
    let mut response = warp::reply::stream(Body::of(events)).into_response();
    stream_headers(response.headers_mut());
    response
}

/// Answers with a JSON body that is written as it comes.
pub(super) fn json_parts<S>(parts: S) -> Response
where
    S: Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
{
    let mut response = warp::reply::stream(Body::of(parts)).into_response();
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream that is polled by whoever has it, as a body that may be shared must be: nobody waits
/// for the lock.
struct Body(Mutex<stream::BoxStream<'static, Result<Bytes, io::Error>>>);

impl Body {
    fn of(stream: impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static) -> Self {
        Self(Mutex::new(stream.boxed()))
    }
}

impl Stream for Body {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> task::Poll<Option<Self::Item>> {
        let stream = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        stream.poll_next_unpin(context)
    }
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies such as nginx would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT;

    use super::*;

    fn accepts(values: &[&'static str]) -> Accepts {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        Accepts::read(headers.get_all(ACCEPT))
    }

    #[test]
    fn what_a_client_takes_is_read_from_every_header() {
        let both = Accepts::ANY;
        assert_eq!(accepts(&[]), both);
        assert_eq!(accepts(&["*/*"]), both);
        assert_eq!(accepts(&["application/json, text/event-stream"]), both);
        assert_eq!(
            accepts(&["Application/JSON;q=0.9", "text/event-stream"]),
            both
        );
        assert!(!accepts(&["text/html"]).anything());
        let json = accepts(&["application/json"]);
        assert!(json.json && !json.events);
    }

    #[test]
    fn no_cache_keeps_events_and_no_proxy_holds_them_back() {
        let events_only = Accepts {
            json: false,
            events: true,
        };
        let message = || Bytes::from_static(b"{}");
        for response in [
            one(events_only, StatusCode::OK, message()),
            events(stream::iter([Ok(message())])),
        ] {
            let headers = response.headers();
            assert_eq!(headers[CONTENT_TYPE], EVENT_STREAM);
            assert_eq!(headers[CACHE_CONTROL], "no-cache");
            assert_eq!(headers["x-accel-buffering"], "no");
        }
    }

    #[test]
    fn a_message_with_line_breaks_stays_one_event() {
        assert_eq!(event(b"{}"), "event: message\ndata: {}\n\n");
        for broken in [b"{\n}", b"{\r}"] {
            assert_eq!(event(broken), "event: message\ndata: {\ndata: }\n\n");
        }
    }

    #[test]
    fn an_id_stands_before_its_event_and_the_first_event_carries_none() {
        let mut events = BytesMut::new();
        put_event_with_id(&mut events, "a-1", b"{}");
        assert_eq!(events, "id: a-1\nevent: message\ndata: {}\n\n");
        assert_eq!(priming("a-0"), "id: a-0\nretry: 1000\ndata: \n\n");
    }
}
