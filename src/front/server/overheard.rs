//! What a client sends, in the clear, before HTTP is made of it: for deadlines, and for the one thing that
//! hyper hides.
//!
//! A request that gives its length twice, as `Content-Length` and by `Transfer-Encoding: chunked`, is
//! how two servers are brought to see two different requests in the same bytes. hyper drops the first
//! of them in silence.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;

/// A stream whose reads its connection's activity hears of.
pub(super) struct Overheard<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Overheard<S> {
    pub(super) const fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

/// Whether these headers, as they came, give a length in bytes.
pub(super) fn gives_length(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"content-length")
    })
}

impl<S: AsyncRead + Unpin> AsyncRead for Overheard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            self.activity.heard(read);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Overheard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_found_however_it_is_written() {
        for head in [
            "POST / HTTP/1.1\r\nhost: a\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\ncontent-length:5\n\n",
            "POST / HTTP/1.1\r\nCONTENT-LENGTH : 5\r\n\r\n",
        ] {
            assert!(gives_length(head.as_bytes()), "{head}");
        }
        let none =
            "POST /content-length: HTTP/1.1\r\nx: content-length: 5\r\nx-content-length: 5\r\n\r\n";
        assert!(!gives_length(none.as_bytes()));
    }
}
