//! An answer on its way to a client: its request is in flight until the answer is out.
//!
//! An HTTP/2 client can leave one stream unread on a connection that is lively otherwise: of that the
//! socket shows nothing. So such an answer is handed out in pieces, and let go of when a piece is not
//! taken for too long.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::activity::{Busy, Lease};

/// Bytes handed to HTTP/2 at a time: as much as a stream holds for its client when it is new.
const PIECE_BYTES: usize = 64 * 1024;

type BoxError = Box<dyn Error + Send + Sync>;

/// A body, and the note that its request is in flight.
pub(super) enum Answer<B> {
    /// HTTP/1: whether it is read shows at the socket.
    Own(
        B,
        #[expect(dead_code, reason = "it is held, and dropped")] Busy,
    ),
    /// HTTP/2: its connection may let go of it.
    Leased(Arc<Leased<B>>),
}

/// A body that may be let go of from outside.
pub(super) struct Leased<B> {
    held: Mutex<Option<Held<B>>>,
    /// Since when a piece waits to be taken; 0 while none does.
    handed_ms: AtomicU64,
}

struct Held<B> {
    body: B,
    /// What is left of the last frame.
    rest: Bytes,
    busy: Busy,
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    /// Begins with an answer whose headers are there.
    pub(super) fn new(body: B, busy: Busy) -> Self {
        if !busy.activity().is_http2() {
            return Self::Own(body, busy);
        }
        let activity = Arc::clone(busy.activity());
        let held = Held {
            body,
            rest: Bytes::new(),
            busy,
        };
        let leased = Arc::new(Leased {
            held: Mutex::new(Some(held)),
            handed_ms: AtomicU64::new(0),
        });
        let lease: Weak<Leased<B>> = Arc::downgrade(&leased);
        activity.watch(lease);
        Self::Leased(leased)
    }
}

impl<B> Leased<B> {
    fn held(&self) -> MutexGuard<'_, Option<Held<B>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Leased<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // Whoever asks for more has taken what there was.
        self.handed_ms.store(0, Relaxed);
        let mut held = self.held();
        let Some(Held { body, rest, busy }) = held.as_mut() else {
            let error = "the client took nothing of its answer for too long";
            return Poll::Ready(Some(Err(error.into())));
        };
        if rest.is_empty() {
            let frame = match ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            };
            match frame.into_data() {
                Ok(bytes) => *rest = bytes,
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            }
        }
        self.handed_ms.store(busy.activity().now_ms(), Relaxed);
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl<B: Send> Lease for Leased<B> {
    fn end_if_stalled(&self, now_ms: u64, stall_max: Duration) {
        let handed_ms = self.handed_ms.load(Relaxed);
        let waits = Duration::from_millis(now_ms.saturating_sub(handed_ms));
        if handed_ms != 0 && waits >= stall_max {
            let given_up = self.held().take();
            if given_up.is_some() {
                tracing::debug!("an answer was given up whose client takes nothing of it");
            }
        }
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Own(body, _) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Leased(leased) => leased.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body, _) => body.is_end_stream(),
            Self::Leased(leased) => leased
                .held()
                .as_ref()
                .is_some_and(|held| held.rest.is_empty() && held.body.is_end_stream()),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body, _) => body.size_hint(),
            // Asked for before the first piece.
            Self::Leased(leased) => leased
                .held()
                .as_ref()
                .map_or_else(SizeHint::default, |held| held.body.size_hint()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, Full, StreamBody};

    use super::{super::activity::Activity, *};

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_is_let_go_of_and_no_other() {
        let activity = Activity::new(1024);
        let large = Full::new(Bytes::from(vec![7; PIECE_BYTES + 1]));
        let mut unread = Answer::new(large, activity.begin_stream());
        let waiting = StreamBody::new(stream::pending::<Result<Frame<Bytes>, BoxError>>());
        let mut silent = Answer::new(waiting, activity.begin_stream());
        let first = unread.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap().len(), PIECE_BYTES);
        let nothing = tokio::time::timeout(PATIENCE / 2, silent.frame());
        assert!(nothing.await.is_err(), "nothing is there to take");
        activity.end_stalled(PATIENCE);
        assert!(!unread.is_end_stream());
        tokio::time::sleep(PATIENCE).await;
        activity.end_stalled(PATIENCE);
        let error = unread.frame().await.unwrap().unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
        let nothing = tokio::time::timeout(PATIENCE, silent.frame());
        assert!(nothing.await.is_err(), "its client took all there was");
        assert!(activity.is_busy());
        drop(silent);
        assert!(!activity.is_busy(), "the other one is no longer in flight");
    }

    #[tokio::test]
    async fn an_answer_in_pieces_is_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(3 * PIECE_BYTES + 5).collect();
        for is_http2 in [true, false] {
            let body = Full::new(Bytes::from(bytes.clone()));
            let activity = Activity::new(1024);
            let busy = if is_http2 {
                activity.begin_stream()
            } else {
                activity.begin(Some(0)).0
            };
            let answer = Answer::new(body, busy);
            assert_eq!(answer.size_hint().exact(), Some(bytes.len() as u64));
            let collected = answer.collect().await.unwrap().to_bytes();
            assert!(collected == bytes);
        }
    }
}
