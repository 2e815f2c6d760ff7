//! A response body made of several buffers, so that a large text is never copied together.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Buffers that are sent one after the other.
#[derive(Debug, Default)]
pub(super) struct Pieces(VecDeque<Bytes>);

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
        Self(pieces)
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}
