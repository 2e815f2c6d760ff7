//! Where the headers of requests are in what an HTTP/1 client sends: for their deadline, and for the one
//! thing that hyper hides.
//!
//! A request that gives its length twice, as `Content-Length` and by `Transfer-Encoding: chunked`, is
//! how two servers are brought to see two different requests in the same bytes. hyper drops the first
//! of them in silence.

use std::mem;

use memchr::memchr_iter;

/// How HTTP/2 begins, where nobody asks for what came.
const PREFACE: &[u8] = b"PRI ";
/// What is kept of its memory for the next request.
const KEPT_BYTES_USUAL: usize = 4 * 1024;

/// The heads, each a request's line and headers, that have come and are no requests yet.
pub(super) struct Heads {
    kept: Vec<u8>,
    kept_bytes_max: usize,
    /// What is still to come of the body of the last request.
    body_bytes: u64,
    /// More came than is kept: nobody knows any longer where a head begins.
    is_lost: bool,
}

/// What the bytes of a request tell of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// It gives its length twice, or may have: then nobody knows where it ends.
    pub(super) is_ambiguous: bool,
    /// Whatever else somebody reads into the bytes behind it, nobody here may.
    pub(super) is_last: bool,
}

impl Heads {
    /// Keeps so many bytes of what comes at most.
    pub(super) const fn new(kept_bytes_max: usize) -> Self {
        Self {
            kept: Vec::new(),
            kept_bytes_max,
            body_bytes: 0,
            is_lost: false,
        }
    }

    /// Takes note of bytes from the client, and tells whether some belong to a head.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> bool {
        let body = usize::try_from(self.body_bytes).map_or(bytes.len(), |it| it.min(bytes.len()));
        self.body_bytes -= body as u64;
        let (_, of_head) = bytes.split_at(body);
        if self.kept.starts_with(PREFACE) || self.is_lost {
            return true;
        }
        if of_head.len() > self.kept_bytes_max.saturating_sub(self.kept.len()) {
            self.is_lost = true;
            self.kept = Vec::new();
        }
        if !self.is_lost {
            self.kept.extend_from_slice(of_head);
        }
        !of_head.is_empty()
    }

    /// Takes the head of the request that begins now, with a body of so many bytes; `None` if it comes in
    /// chunks.
    pub(super) fn begin(&mut self, body_bytes: Option<u64>) -> Head {
        let Some(end) = end(&self.kept).filter(|_| !self.is_lost) else {
            self.is_lost = true;
            self.kept = Vec::new();
            return Head {
                is_ambiguous: body_bytes.is_none(),
                is_last: true,
            };
        };
        let Some(body_bytes) = body_bytes else {
            self.body_bytes = u64::MAX;
            let mut head = mem::take(&mut self.kept);
            head.truncate(end);
            return Head {
                is_ambiguous: gives_length(&head),
                is_last: true,
            };
        };
        let behind = self.kept.len() - end;
        let body = usize::try_from(body_bytes).map_or(behind, |it| it.min(behind));
        self.body_bytes = body_bytes - body as u64;
        // Their memory serves the next one.
        self.kept.drain(..end + body);
        self.kept.shrink_to(KEPT_BYTES_USUAL);
        Head {
            is_ambiguous: false,
            is_last: false,
        }
    }

    /// Whether something of a head waits for the rest, or for its turn.
    pub(super) const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Where the first head ends: behind an empty line that is not before it. As in hyper, a line ends
/// with a line feed.
fn end(bytes: &[u8]) -> Option<usize> {
    let begin = bytes
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let bytes = bytes.get(begin..)?;
    memchr_iter(b'\n', bytes).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(begin + at + 2),
        [b'\r', b'\n', ..] => Some(begin + at + 3),
        _ => None,
    })
}

/// Whether these headers, as they came, give a length in bytes.
fn gives_length(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"content-length")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLEAR: Head = Head {
        is_ambiguous: false,
        is_last: false,
    };
    const CHUNKED: Head = Head {
        is_ambiguous: false,
        is_last: true,
    };
    const UNKNOWN: Head = Head {
        is_ambiguous: true,
        is_last: true,
    };
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const CHUNKS: &[u8] = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    const BOTH: &[u8] =
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\ntransfer-encoding: chunked\r\n\r\n";

    fn heads() -> Heads {
        Heads::new(1024)
    }

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

    #[test]
    fn bodies_are_no_heads_however_they_arrive() {
        let post = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nab";
        let mut heads = heads();
        assert!(heads.hear(post));
        assert_eq!(heads.begin(Some(4)), CLEAR);
        assert!(heads.is_empty());
        assert!(!heads.hear(b"c"));
        // The end of the body, and a whole request behind it.
        assert!(heads.hear(&[b"d", BOTH].concat()));
        assert!(!heads.is_empty());
        assert_eq!(heads.begin(None), UNKNOWN);
    }

    #[test]
    fn requests_that_come_at_once_are_told_apart() {
        let mut heads = heads();
        assert!(heads.hear(&[b"\r\n\r\n", GET, GET, CHUNKS, b"2\r\ncontent-length: 2"].concat()));
        assert_eq!(heads.begin(Some(0)), CLEAR);
        assert!(heads.hear(b"\r\n0\r\n\r\n"));
        assert_eq!(heads.begin(Some(0)), CLEAR);
        assert_eq!(heads.begin(None), CHUNKED, "a body's lines are no headers");
        assert!(!heads.hear(GET), "nothing is read behind it");
    }

    #[test]
    fn a_head_ends_where_hyper_ends_it() {
        for head in ["GET /\n\n", "GET /\r\n\r\n", "GET /\n\r\n", "GET /\r\n\n"] {
            let bytes = format!("{head}\n\n\r\n\r\n");
            assert_eq!(end(bytes.as_bytes()), Some(head.len()), "{head:?}");
            let late = format!("\n\r\n{head}");
            assert_eq!(end(late.as_bytes()), Some(late.len()), "{head:?}");
        }
        assert_eq!(end(b"\r\n\r\nGET /\r\nx: y\r\n"), None);
    }

    #[test]
    fn who_sends_more_than_is_kept_has_no_further_request() {
        let mut heads = heads();
        heads.hear(GET);
        assert_eq!(heads.begin(Some(0)), CLEAR);
        heads.hear(&[b'x'; 2000]);
        heads.hear(CHUNKS);
        assert_eq!(heads.begin(None), UNKNOWN);
        assert_eq!(heads.begin(Some(0)), CHUNKED);
    }

    #[test]
    fn of_http2_nothing_is_kept() {
        let mut heads = heads();
        heads.hear(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert!(heads.hear(&[b'x'; 2000]));
        assert!(heads.kept.len() < 100);
    }
}
