//! The messages of an event stream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream::BoxStream};
use http::HeaderValue;
use reqwest::Response;
use sse_stream::SseByteStream;
use tokio::time::timeout;

use super::body::{Body, Patience};
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
        let unread = Arc::new(AtomicUsize::new(0));
        let bytes = bounded(Body::new(response, patience), Arc::clone(&unread)).boxed();
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

/// The bytes of a body, cut off when an event grows past its bound.
fn bounded(
    body: Body,
    unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BackendError>> + Send {
    futures_util::stream::try_unfold((body, unread), |(mut body, unread)| async move {
        let Some(chunk) = body.next().await? else {
            return Ok(None);
        };
        let before = unread.fetch_add(chunk.len(), Ordering::Relaxed);
        if before + chunk.len() > EVENT_BYTES_MAX {
            return Err(BackendError::Garbled {
                what: "an event longer than the gateway takes",
            });
        }
        Ok(Some((chunk, (body, unread))))
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
