//! How the parts of a message are written that is not there as a whole.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{Memchr2, memchr2_iter};

use super::{EVENT_END, EVENT_START};
use crate::pieces::Pieces;

/// How a body is written that is not there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Form {
    /// One JSON message.
    Json,
    /// Events, of which the last carries the message.
    Events,
}

impl Form {
    /// Writes the first part of a message.
    pub(in super::super) fn start(self, part: Pieces) -> Vec<Bytes> {
        self.written(EVENT_START, part, b"")
    }

    /// Writes a further part.
    pub(in super::super) fn middle(self, part: Pieces) -> Vec<Bytes> {
        self.written(b"", part, b"")
    }

    /// Writes the last part.
    pub(in super::super) fn end(self, part: Pieces) -> Vec<Bytes> {
        self.written(b"", part, EVENT_END)
    }

    fn written(self, before: &'static [u8], part: Pieces, behind: &'static [u8]) -> Vec<Bytes> {
        if self == Self::Json {
            return part.each();
        }
        let mut written = Pieces::from(Bytes::from_static(before));
        for piece in part.each() {
            written.add(data(piece));
        }
        written.add(Bytes::from_static(behind));
        written.each()
    }
}

/// JSON text as it stands in a data field, without a copy where it has no line breaks.
fn data(text: Bytes) -> Bytes {
    if line_breaks(&text).next().is_none() {
        return text;
    }
    let mut data = BytesMut::with_capacity(text.len());
    put_data(&mut data, &text);
    data.freeze()
}

/// Copies JSON text into a data field. A line break between its tokens becomes one between two
/// data lines, which the reader joins again.
///
/// `\r\n` becomes two of them: its halves may come in two parts, and white space is all it is.
pub(super) fn put_data(event: &mut BytesMut, text: &[u8]) {
    let mut begin = 0;
    for end in line_breaks(text) {
        event.put_slice(&text[begin..end]);
        event.put_slice(b"\ndata: ");
        begin = end + 1;
    }
    event.put_slice(&text[begin..]);
}

/// Where a reader of events ends a line: left as it is, a lone `\r` would let a backend write fields and events of its own.
fn line_breaks(text: &[u8]) -> Memchr2<'_> {
    memchr2_iter(b'\n', b'\r', text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_are_not_copied_are_one_event_like_others() {
        let (long, broken) = ("x".repeat(10_000), format!("{}\r", "y".repeat(10_000)));
        let mut part = Pieces::default();
        for piece in [&long, &broken, &"\n".to_owned(), &long] {
            part.add(piece.clone().into());
        }
        let written = Form::Events.end(part).concat();
        let expected = format!("{long}{}\ndata: \ndata: {long}\n\n", "y".repeat(10_000));
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }

    #[test]
    fn no_split_of_line_breaks_ends_the_event_early() {
        let text = b"{\r\n\r\n\r\r\n\n}";
        for (first, second) in (0..=text.len())
            .flat_map(|first| (first..=text.len()).map(move |second| (first, second)))
        {
            let part = |range: std::ops::Range<usize>| Bytes::copy_from_slice(&text[range]).into();
            let written = [
                Form::Events.start(part(0..first)),
                Form::Events.middle(part(first..second)),
                Form::Events.end(part(second..text.len())),
            ]
            .concat()
            .concat();
            let body = written.strip_suffix(b"\n\n").unwrap();
            assert!(!body.contains(&b'\r'), "{first}, {second}");
            let mut lines = body.split(|byte| *byte == b'\n');
            assert_eq!(lines.next(), Some(b"event: message".as_slice()));
            assert!(
                lines.all(|line| line.starts_with(b"data: ")),
                "{first}, {second}"
            );
        }
    }
}
