//! A response body made of several buffers, so that a large text is never copied together.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Buffers that are sent one after the other.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    pieces: VecDeque<Bytes>,
    end: End,
}

/// How the reader learns that nothing more comes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The length is announced.
    #[default]
    Announced,
    /// The end is sent by itself, after all else.
    Later,
    /// The end is sent now.
    Now,
}

impl Pieces {
    /// Leaves the length open, and the end for later: so servers send event streams.
    pub(super) fn streamed(self) -> Self {
        Self {
            end: End::Later,
            ..self
        }
    }
}

/// From this size on a buffer is sent as it is; smaller neighbours are cheaper copied together.
const LARGE_BYTES: usize = 4096;

impl FromIterator<Bytes> for Pieces {
    fn from_iter<T: IntoIterator<Item = Bytes>>(buffers: T) -> Self {
        let mut pieces = VecDeque::new();
        let mut small = Vec::new();
        for buffer in buffers {
            if buffer.len() < LARGE_BYTES {
                small.extend_from_slice(&buffer);
            } else {
                pieces.push_back(Bytes::from(std::mem::take(&mut small)));
                pieces.push_back(buffer);
            }
        }
        pieces.push_back(Bytes::from(small));
        pieces.retain(|piece| !piece.is_empty());
        Self {
            pieces,
            end: End::Announced,
        }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(piece) = self.pieces.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if self.end == End::Later {
            self.end = End::Now;
            // Waiting once makes hyper send what it has.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && self.end == End::Announced
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Announced => {
                SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            End::Later | End::Now => SizeHint::default(),
        }
    }
}
