//! HTTP/1.1 as far as the load and the fake backend need it.
//!
//! Both share the machine with what is measured between them, and must cost much less than it does: hence one task a
//! connection, one buffer that is used again, and nothing above httparse.

use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf as _, Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Header, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Largest head it reads, and how many headers that may have.
const HEAD_BYTES: usize = 64 << 10;
pub(crate) const HEADERS: usize = 64;

/// Room made for what comes next, if nobody knows how much that is.
const READ_BYTES: usize = 16 << 10;

/// One end of a keep-alive connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    /// What has come; the body that was read last stays at its beginning until the next head is asked for.
    buffer: BytesMut,
    held: Held,
    /// A body that came in chunks, put together.
    joined: Vec<u8>,
}

/// Where the last body is.
#[derive(Debug, Clone, Copy)]
enum Held {
    Buffered(usize),
    Joined,
}

/// How a body tells its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Length(usize),
    Chunked,
    UntilClosed,
}

impl Extent {
    /// What the headers say; `None` if they say nothing.
    pub(crate) fn told(headers: &[Header<'_>]) -> io::Result<Option<Self>> {
        if value(headers, "transfer-encoding").is_some() {
            return Ok(Some(Extent::Chunked));
        }
        let Some(length) = value(headers, "content-length") else {
            return Ok(None);
        };
        let length = str::from_utf8(length)
            .ok()
            .and_then(|text| text.parse().ok());
        let length = length.ok_or_else(|| invalid("content-length is no number"))?;
        Ok(Some(Extent::Length(length)))
    }
}

/// A head that was read: what it says, and its length.
pub(crate) type Parsed<T> = io::Result<Option<(T, usize)>>;

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(READ_BYTES),
            held: Held::Buffered(0),
            joined: Vec::new(),
        })
    }

    /// Whether the other side has closed, as far as is known without waiting.
    pub(crate) fn is_closed(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Sends several buffers without copying them together.
    pub(crate) async fn send_all(&mut self, parts: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let sent = self.stream.write_vectored(rest).await?;
            if sent == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut rest, sent);
        }
        Ok(())
    }

    /// Waits for the head of the next message. `None` if the other side has closed instead.
    pub(crate) async fn head<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> Parsed<T>,
    ) -> io::Result<Option<T>> {
        if let Held::Buffered(length) = self.held {
            self.buffer.advance(length);
        }
        self.held = Held::Buffered(0);
        loop {
            if !self.buffer.is_empty()
                && let Some((head, length)) = parse(&self.buffer)?
            {
                self.buffer.advance(length);
                return Ok(Some(head));
            }
            if self.buffer.len() > HEAD_BYTES {
                return Err(invalid("a head without end"));
            }
            if !self.fill(READ_BYTES).await? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        }
    }

    /// Reads the body that follows the head.
    pub(crate) async fn body(&mut self, extent: Extent) -> io::Result<&[u8]> {
        match extent {
            Extent::Length(length) => {
                self.await_bytes(length).await?;
                self.held = Held::Buffered(length);
            }
            Extent::Chunked => {
                self.joined.clear();
                while self.chunk().await? {}
                self.held = Held::Joined;
            }
            Extent::UntilClosed => {
                while self.fill(READ_BYTES).await? {}
                self.held = Held::Buffered(self.buffer.len());
            }
        }
        Ok(self.held())
    }

    /// The body that was read last.
    pub(crate) fn held(&self) -> &[u8] {
        match self.held {
            Held::Buffered(length) => &self.buffer[..length],
            Held::Joined => &self.joined,
        }
    }

    /// Joins one more chunk; says whether there may be another.
    async fn chunk(&mut self) -> io::Result<bool> {
        let (begin, size) = loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(Status::Complete((begin, size))) => break (begin, size),
                Ok(Status::Partial) => self.more().await?,
                Err(_) => return Err(invalid("no size of a chunk")),
            }
        };
        let size = usize::try_from(size).map_err(|_| invalid("too large a chunk"))?;
        if size == 0 {
            self.buffer.advance(begin);
            return self.end_of_chunks().await.map(|()| false);
        }
        let end = begin.saturating_add(size);
        self.await_bytes(end.saturating_add(2)).await?;
        self.joined.extend_from_slice(&self.buffer[begin..end]);
        self.buffer.advance(end + 2);
        Ok(true)
    }

    /// Reads trailers, which say nothing here, and the empty line after them.
    async fn end_of_chunks(&mut self) -> io::Result<()> {
        loop {
            let line = self.buffer.windows(2).position(|pair| pair == b"\r\n");
            match line {
                Some(length) => self.buffer.advance(length + 2),
                None => self.more().await?,
            }
            if line == Some(0) {
                return Ok(());
            }
        }
    }

    async fn await_bytes(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            let missing = length - self.buffer.len();
            if !self.fill(missing.max(READ_BYTES)).await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    async fn more(&mut self) -> io::Result<()> {
        self.await_bytes(self.buffer.len() + 1).await
    }

    /// Reads something; says whether the other side is still there.
    async fn fill(&mut self, room: usize) -> io::Result<bool> {
        self.buffer.reserve(room);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

/// Room for the headers of a head.
pub(crate) const fn no_headers<'a>() -> [Header<'a>; HEADERS] {
    [EMPTY_HEADER; HEADERS]
}

/// The value of a header, by its name in any case.
pub(crate) fn value<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    let mut headers = headers.iter();
    let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
    Some(header.value)
}

/// A message that is none.
pub(crate) fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason)
}
