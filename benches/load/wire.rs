//! One keep-alive HTTP/1.1 connection of the load.

use std::io;
use std::io::Write as _;

use bytes::Bytes;
use http::StatusCode;
use httparse::Response;
use tokio::net::TcpStream;

use crate::fault::Fault;
use crate::http1::{Connection, Extent, Parsed, invalid, no_headers, value};
use crate::message::SESSION_ID;

/// Opens itself on first use, and again when the server has closed it.
#[derive(Debug)]
pub(crate) struct Wire {
    authority: String,
    connection: Option<Connection>,
    /// The server said that it closes after the last answer.
    is_over: bool,
    lost: u64,
    written: Vec<u8>,
}

/// What a request says; the wire adds its length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'static str,
    pub(crate) path: &'a str,
    /// Header lines, each with its end.
    pub(crate) headers: &'a [u8],
    /// Further headers.
    pub(crate) more: &'a [(&'static str, &'a [u8])],
    pub(crate) body: &'a [u8],
}

/// What an answer says before its body.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) kind: Kind,
    pub(crate) mcp_session: Option<Bytes>,
    extent: Extent,
    is_last: bool,
}

/// The content type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    EventStream,
    Other,
}

impl Wire {
    pub(crate) fn new(authority: String) -> Self {
        Self {
            authority,
            connection: None,
            is_over: false,
            lost: 0,
            written: Vec::new(),
        }
    }

    /// How often the server closed the connection between two exchanges.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Closes the connection, so that nothing of an abandoned exchange meets the next one.
    pub(crate) fn cut(&mut self) {
        self.connection = None;
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        self.connection.as_ref().map_or(&[], Connection::held)
    }

    /// Sends one request and reads its whole answer.
    pub(crate) async fn send(&mut self, request: Request<'_>) -> Result<Head, Fault> {
        self.written.clear();
        request.write(&mut self.written).map_err(Fault::Exchange)?;
        let kept = self.connection.take();
        let was_open = kept.is_some();
        let kept = kept.filter(|connection| !self.is_over && !connection.is_closed());
        self.lost += u64::from(was_open && kept.is_none());
        let mut open = match kept {
            Some(connection) => connection,
            None => connect(&self.authority).await?,
        };
        // Only a whole exchange leaves the connection fit for another.
        let head = exchange(&mut open, &self.written).await;
        let head = head.map_err(Fault::Exchange)?;
        self.is_over = head.is_last;
        self.connection = Some(open);
        Ok(head)
    }
}

impl Request<'_> {
    fn write(&self, written: &mut Vec<u8>) -> io::Result<()> {
        write!(written, "{} {} HTTP/1.1\r\n", self.method, self.path)?;
        written.extend_from_slice(self.headers);
        for (name, value) in self.more {
            written.extend_from_slice(name.as_bytes());
            written.extend_from_slice(b": ");
            written.extend_from_slice(value);
            written.extend_from_slice(b"\r\n");
        }
        write!(written, "content-length: {}\r\n\r\n", self.body.len())?;
        written.extend_from_slice(self.body);
        Ok(())
    }
}

async fn exchange(connection: &mut Connection, request: &[u8]) -> io::Result<Head> {
    connection.send(request).await?;
    let head = connection.head(parse).await?;
    let head = head.ok_or_else(|| invalid("closed without an answer"))?;
    connection.body(head.extent).await?;
    Ok(head)
}

fn parse(bytes: &[u8]) -> Parsed<Head> {
    let mut headers = no_headers();
    let mut response = Response::new(&mut headers);
    let parsed = response.parse(bytes).map_err(invalid)?;
    let (httparse::Status::Complete(length), Some(code)) = (parsed, response.code) else {
        return Ok(None);
    };
    let status = StatusCode::from_u16(code).map_err(invalid)?;
    let headers = &*response.headers;
    let extent = match Extent::told(headers)? {
        _ if status == StatusCode::NO_CONTENT => Extent::Length(0),
        Some(told) => told,
        None => Extent::UntilClosed,
    };
    let closes = |value: &[u8]| value.eq_ignore_ascii_case(b"close");
    let head = Head {
        status,
        kind: Kind::of(value(headers, "content-type").unwrap_or_default()),
        mcp_session: value(headers, SESSION_ID).map(Bytes::copy_from_slice),
        extent,
        is_last: extent == Extent::UntilClosed || value(headers, "connection").is_some_and(closes),
    };
    Ok(Some((head, length)))
}

impl Kind {
    fn of(value: &[u8]) -> Self {
        if value.starts_with(b"application/json") {
            Kind::Json
        } else if value.starts_with(b"text/event-stream") {
            Kind::EventStream
        } else {
            Kind::Other
        }
    }
}

async fn connect(authority: &str) -> Result<Connection, Fault> {
    let fault = |source| Fault::Connect {
        authority: authority.to_owned(),
        source,
    };
    let stream = TcpStream::connect(authority).await.map_err(fault)?;
    Connection::new(stream).map_err(fault)
}
