//! What the fake backend reads of a request besides its body.

use httparse::{Request, Status};

use crate::http1::{Extent, Parsed, invalid, no_headers, value};
use crate::message::{METHOD, NAME, PROTOCOL_VERSION, SESSION_ID};
use crate::options::Era;

#[derive(Debug)]
pub(super) struct Head {
    pub(super) verb: Verb,
    pub(super) extent: Extent,
    /// The value of `MCP-Protocol-Version`.
    pub(super) version: Option<Vec<u8>>,
    pub(super) mcp_session: Option<Vec<u8>>,
    pub(super) method: Option<Vec<u8>>,
    pub(super) name: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Post,
    Delete,
    Other,
}

impl Head {
    /// The era that the request is of. Spec: 2026-07-28 basic/transports, "Protocol Version Header".
    pub(super) fn era(&self) -> Era {
        match &self.version {
            Some(version) if version >= &b"2026".to_vec() => Era::Modern,
            _ => Era::Legacy,
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Parsed<Head> {
    let mut headers = no_headers();
    let mut request = Request::new(&mut headers);
    let parsed = request.parse(bytes).map_err(invalid)?;
    let (Status::Complete(length), Some(verb)) = (parsed, request.method) else {
        return Ok(None);
    };
    let headers = &*request.headers;
    let owned = |name| value(headers, name).map(<[u8]>::to_vec);
    let head = Head {
        verb: match verb {
            "POST" => Verb::Post,
            "DELETE" => Verb::Delete,
            _ => Verb::Other,
        },
        extent: Extent::told(headers)?.unwrap_or(Extent::Length(0)),
        version: owned(PROTOCOL_VERSION),
        mcp_session: owned(SESSION_ID),
        method: owned(METHOD),
        name: owned(NAME),
    };
    Ok(Some((head, length)))
}
