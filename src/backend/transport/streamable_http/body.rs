//! The body of an answer, piece by piece, each waited for within bounds.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, response::Parts};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;

use crate::{
    backend::{
        error::{BackendError, HttpError},
        transport::call_client::CallBody,
        waiting::Waiting,
    },
    limits::within,
    pieces::Pieces,
};

/// An answer whose head is there.
pub(super) struct Response {
    head: Parts,
    body: Source,
}

/// Where a body comes from.
enum Source {
    Call(CallBody),
    Listening(reqwest::Body),
}

impl From<http::Response<CallBody>> for Response {
    fn from(response: http::Response<CallBody>) -> Self {
        let (head, body) = response.into_parts();
        let body = Source::Call(body);
        Self { head, body }
    }
}

impl From<reqwest::Response> for Response {
    fn from(response: reqwest::Response) -> Self {
        let (head, body) = http::Response::from(response).into_parts();
        let body = Source::Listening(body);
        Self { head, body }
    }
}

impl Response {
    pub(super) const fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(super) const fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// Whether nothing comes behind the head, as far as that says so.
    pub(super) fn is_empty(&self) -> bool {
        let size = match &self.body {
            Source::Call(body) => body.size_hint(),
            Source::Listening(body) => body.size_hint(),
        };
        size.exact() == Some(0)
    }
}

impl Source {
    /// Whether it is known that nothing comes any more.
    fn is_over(&self) -> bool {
        matches!(self, Self::Call(body) if body.is_over())
    }

    /// Waits for the next bytes; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        let body = match self {
            Self::Call(body) => return body.next().await,
            Self::Listening(body) => body,
        };
        while let Some(frame) = body.frame().await {
            // Trailers say nothing here.
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// How long a backend may be silent.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    limit: Duration,
    waiting: Option<Arc<Waiting>>,
}

impl Patience {
    /// So long, whatever happens.
    pub(super) const fn of(limit: Duration) -> Self {
        Self {
            limit,
            waiting: None,
        }
    }

    /// So long, the time left out in which the call waits for its client.
    pub(super) fn sparing(limit: Duration, waiting: &Arc<Waiting>) -> Self {
        Self {
            limit,
            waiting: Some(Arc::clone(waiting)),
        }
    }

    /// Waits for what the backend is due to send.
    pub(super) async fn wait<T>(
        &self,
        work: impl Future<Output = T> + Unpin,
    ) -> Result<T, BackendError> {
        let done = match &self.waiting {
            Some(waiting) => waiting.within(self.limit, work).await,
            None => within(self.limit, work).await.ok(),
        };
        done.ok_or(BackendError::Silent { after: self.limit })
    }
}

/// A JSON body on its way.
pub(crate) struct Body {
    source: Source,
    patience: Patience,
}

impl Body {
    pub(super) fn new(response: Response, patience: Patience) -> Self {
        let source = response.body;
        Self { source, patience }
    }

    /// Waits for the next bytes; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BackendError> {
        let chunk = self.patience.wait(pin!(self.source.next())).await?;
        chunk.map_err(BackendError::from_http)
    }

    /// Reads all of it, if it is no longer than `bytes_max`.
    pub(crate) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, BackendError> {
        match self.head(bytes_max).await? {
            Head::Whole(bytes) => Ok(bytes),
            Head::More(_) => Err(BackendError::Garbled {
                what: "more bytes than the gateway takes in one message",
            }),
        }
    }

    /// Reads to the end, or until there are more than `bytes_max` bytes.
    pub(crate) async fn head(&mut self, bytes_max: usize) -> Result<Head, BackendError> {
        let Some(first) = self.next().await? else {
            return Ok(Head::Whole(Bytes::new()));
        };
        // Most bodies come in one piece, which is passed on without a copy, and say so.
        if first.len() <= bytes_max && self.source.is_over() {
            return Ok(Head::Whole(first));
        }
        let mut pieces = Pieces::default();
        let mut length = first.len();
        pieces.add(first);
        while length <= bytes_max {
            match self.next().await? {
                Some(chunk) => {
                    length += chunk.len();
                    pieces.add(chunk);
                }
                None => return Ok(Head::Whole(pieces.whole())),
            }
        }
        Ok(Head::More(pieces.each()))
    }
}

/// The beginning of a body.
pub(crate) enum Head {
    /// There is no more.
    Whole(Bytes),
    /// There is more.
    More(Vec<Bytes>),
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;

    use super::*;

    fn body(chunks: &[&str]) -> Body {
        let chunks = chunks
            .iter()
            .map(|chunk| Ok::<_, io::Error>((*chunk).to_owned()));
        let chunks: Vec<_> = chunks.collect();
        let body = reqwest::Body::wrap_stream(stream::iter(chunks));
        let response = reqwest::Response::from(http::Response::new(body));
        Body::new(response.into(), Patience::of(Duration::from_mins(1)))
    }

    #[tokio::test]
    async fn a_body_that_is_no_longer_than_asked_for_is_whole() {
        let parts = [
            &[""; 0][..],
            &["abcd"],
            &["ab", "", "cd"],
            &["a", "b", "c", "d"],
        ];
        for chunks in parts {
            let text = chunks.concat();
            match body(chunks).head(4).await.unwrap() {
                Head::Whole(whole) => assert_eq!(whole, text),
                Head::More(_) => panic!("{chunks:?} is whole"),
            }
        }
    }

    #[tokio::test]
    async fn of_a_longer_one_the_rest_comes_behind_the_head() {
        for chunks in [
            &["abcd", "e", "fgh"][..],
            &["abcde", "fgh"],
            &["ab", "cde", "fgh"],
        ] {
            let mut body = body(chunks);
            match body.head(4).await.unwrap() {
                Head::More(pieces) => assert_eq!(pieces.concat(), b"abcde"),
                Head::Whole(_) => panic!("{chunks:?} is longer"),
            }
            assert_eq!(body.next().await.unwrap().unwrap(), "fgh");
            assert!(body.next().await.unwrap().is_none());
        }
    }
}
