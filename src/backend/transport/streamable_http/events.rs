//! The messages of an event stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use http::HeaderValue;
use sse_stream::SseByteStream;
use tokio::time::timeout;

use super::body::{Body, Patience, Response};
use crate::{
    backend::error::BackendError,
    limits::{EVENT_BYTES_MAX, STREAM_END_WITHIN},
};

/// A stream of messages on its way.
pub(crate) struct Events {
    stream: SseByteStream<BoxStream<'static, Result<Bytes, BackendError>>>,
    unread: Arc<AtomicUsize>,
    retry: Option<Duration>,
    last_id: Option<HeaderValue>,
    heard: u64,
}

impl Events {
    pub(super) fn new(response: Response, patience: Patience) -> Self {
        let body = Body::new(response, patience);
        Self::of(stream::try_unfold(body, |mut body| async move {
            Ok(body.next().await?.map(|chunk| (chunk, body)))
        }))
    }

    /// Reads what comes in pieces of any size.
    fn of(chunks: impl Stream<Item = Result<Bytes, BackendError>> + Send + 'static) -> Self {
        let unread = Arc::new(AtomicUsize::new(0));
        let bytes = bounded(chunks, Arc::clone(&unread)).boxed();
        Self {
            stream: SseByteStream::new(bytes),
            unread,
            retry: None,
            last_id: None,
            heard: 0,
        }
    }

    /// The same stream, opened again: what it said of itself before still holds.
    pub(crate) fn after(self, before: &Self) -> Self {
        Self {
            retry: before.retry,
            last_id: before.last_id.clone(),
            ..self
        }
    }

    /// How many events came, those among them that carry no message.
    pub(crate) const fn heard(&self) -> u64 {
        self.heard
    }

    /// The pause that the backend asks for before such a stream is opened again.
    pub(crate) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Names the last event that had a name: after it the stream can be gone on with.
    pub(crate) const fn last_id(&self) -> Option<&HeaderValue> {
        self.last_id.as_ref()
    }

    /// Reads the end of a stream whose answer has come: a connection is used again only then.
    pub(crate) fn finish(mut self) {
        tokio::spawn(async move {
            let rest = async { while let Ok(Some(_)) = self.next().await {} };
            // A stream that goes on costs its connection, which closes with it.
            let _goes_on = timeout(STREAM_END_WITHIN, rest).await;
        });
    }

    /// Waits for the next message's text; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BackendError> {
        while let Some(event) = self.stream.next().await {
            self.unread.store(0, Ordering::Relaxed);
            let event = event.map_err(from_sse)?;
            self.heard += 1;
            self.retry = event.retry.map(Duration::from_millis).or(self.retry);
            if let Some(id) = &event.id {
                // An empty id takes the last one back; one that fits no header cannot be repeated.
                let named = !id.is_empty();
                self.last_id = named.then(|| id.parse().ok()).flatten();
            }
            // Other event types, and events without data (a priming id), carry no message.
            let is_message = event.event.is_none_or(|name| name == "message");
            match event.data {
                Some(data) if is_message && !data.is_empty() => return Ok(Some(data.into())),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The bytes of a stream, cut off when an event grows past its bound.
fn bounded(
    chunks: impl Stream<Item = Result<Bytes, BackendError>> + Send,
    unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BackendError>> + Send {
    chunks.map(move |chunk| {
        let chunk = chunk?;
        let before = unread.fetch_add(chunk.len(), Ordering::Relaxed);
        if before + chunk.len() > EVENT_BYTES_MAX {
            return Err(BackendError::Garbled {
                what: "an event longer than the gateway takes",
            });
        }
        Ok(chunk)
    })
}

fn from_sse(error: sse_stream::Error) -> BackendError {
    match error {
        sse_stream::Error::Body(cause) => match cause.downcast::<BackendError>() {
            Ok(error) => *error,
            Err(_) => BackendError::Truncated,
        },
        _ => BackendError::Garbled {
            what: "an event stream that is not UTF-8",
        },
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;

    /// All that a stream says, and what it says of itself at its end.
    #[derive(Debug, PartialEq)]
    struct Said {
        messages: Vec<Bytes>,
        is_text: bool,
        last_id: Option<HeaderValue>,
        retry: Option<Duration>,
        heard: u64,
    }

    fn said(pieces: Vec<Bytes>) -> Said {
        let mut events = Events::of(stream::iter(pieces.into_iter().map(Ok)));
        let mut messages = Vec::new();
        let is_text = loop {
            // Everything is there already.
            match events.next().now_or_never().unwrap() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        Said {
            messages,
            is_text,
            last_id: events.last_id.clone(),
            retry: events.retry,
            heard: events.heard,
        }
    }

    #[test]
    fn an_event_without_an_end_is_cut_off_and_events_without_number_are_not() {
        let piece = Bytes::from(vec![b'x'; EVENT_BYTES_MAX / 8]);
        let with_ends = |end: &'static [u8]| {
            let one = [
                Bytes::from_static(b"data: "),
                piece.clone(),
                Bytes::from_static(end),
            ];
            one.into_iter().cycle().take(3 * 9).collect()
        };
        assert_eq!(said(with_ends(b"\n\n")).messages.len(), 9);
        let endless = said(with_ends(b"\n"));
        assert_eq!((endless.messages.len(), endless.is_text), (0, false));
    }

    fn cut(text: &[u8], places: &[prop::sample::Index]) -> Vec<Bytes> {
        let mut places: Vec<usize> = places.iter().map(|it| it.index(text.len() + 1)).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let piece = |ends: &[usize]| Bytes::copy_from_slice(&text[ends[0]..ends[1]]);
        places.windows(2).map(piece).collect()
    }

    /// Lines that a stream may have, and some that say nothing.
    fn line() -> impl Strategy<Value = &'static [u8]> {
        prop::sample::select(vec![
            b"".as_slice(),
            b"",
            b"",
            b"data: {\"jsonrpc\":\"2.0\"}",
            b"data:{}",
            b"data",
            b"data:  two ",
            "data: caf\u{e9} \u{6f22}\u{1f600}".as_bytes(),
            b"event: message",
            b"event: other",
            b"id: a-1",
            b"id: b:2 ",
            b"id",
            b"retry: 20",
            b"retry: soon",
            b": a comment",
            b":",
            b"unknown: field",
            b"data: \xff",
        ])
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let ends = prop::sample::select(vec![b"\n".as_slice(), b"\n", b"\r\n", b"\r"]);
        let lines = prop::collection::vec((line(), ends), 0..40);
        (any::<bool>(), lines).prop_map(|(marked, lines)| {
            let mark: &[u8] = if marked { "\u{feff}".as_bytes() } else { b"" };
            let lines = lines.into_iter().flat_map(|(line, end)| [line, end]);
            [mark].into_iter().chain(lines).collect::<Vec<_>>().concat()
        })
    }

    proptest! {
        #[test]
        fn any_split_of_a_stream_is_read_alike(
            text in text(),
            places in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let whole = said(vec![Bytes::from(text.clone())]);
            prop_assert_eq!(said(cut(&text, &places)), whole);
        }
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes_is_read_alike(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            places in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let whole = said(vec![Bytes::from(bytes.clone())]);
            prop_assert_eq!(said(cut(&bytes, &places)), whole);
        }
    }

    #[test]
    fn a_stream_is_read_as_it_is_written() {
        let text = "\u{feff}id: a-1\nretry: 20\ndata:\n\nevent: message\r\nid: a-2\r\ndata: {\r\ndata: }\r\n\r\nevent: other\rdata: no\r\r: x\n\ndata: cut off";
        let told = said(text.bytes().map(|byte| vec![byte].into()).collect());
        assert_eq!(
            told,
            Said {
                messages: vec![Bytes::from_static(b"{\n}")],
                is_text: true,
                last_id: Some(HeaderValue::from_static("a-2")),
                retry: Some(Duration::from_millis(20)),
                heard: 3,
            }
        );
    }
}
