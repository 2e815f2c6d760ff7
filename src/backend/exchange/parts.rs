//! Passes a large result on while it arrives.

use bytes::Bytes;
use memchr::memmem;

use super::{Answer, read_body};
use crate::{
    backend::{
        audience::Audience, error::BackendError, scanner::Scanner, transport::streamable_http::Body,
    },
    limits::ANSWER_BYTES_MAX,
    mcp::message::RequestId,
};

/// What only results hold that do not end their request, cut before what all of these share: one search finds them.
const WANTING: [(&str, &str); 3] = [
    ("\"inputR", "equests\""),
    ("\"r", "equestState\""),
    ("input_r", "equired"),
];
/// What it looks for.
const SHARED: &str = "equ";
/// The same of a task.
const TASK: &str = "\"taskId\"";
/// What only results hold that do.
const COMPLETE: [&str; 6] = [
    "\"content\"",
    "\"resultType\":\"complete\"",
    "\"resultType\": \"complete\"",
    "\"contents\"",
    "\"messages\"",
    "\"structuredContent\"",
];
/// The longest of all of them, in bytes.
const WORD_BYTES_MAX: usize = 24;
/// A first part of a result is no shorter, if there are more. What a result begins with fits.
const FIRST_BYTES_MIN: usize = 1024;

/// Whether the beginning of a response shows that its result ends the request. Where it does not,
/// the response is read whole first.
pub(super) fn shows_complete(head: &[Bytes]) -> bool {
    let seams = seams(head);
    let texts = || {
        head.iter()
            .map(AsRef::as_ref)
            .chain(seams.iter().map(Vec::as_slice))
    };
    let holds = |text: &[u8], word: &str| memmem::find(text, word.as_bytes()).is_some();
    // What shows that it ends stands near its beginning, mostly, and nothing else is looked for any more.
    let ends = texts().any(|text| COMPLETE.iter().any(|word| holds(text, word)));
    ends && !texts().any(|text| holds(text, TASK) || wants(text))
}

/// What stands where one piece ends and the next begins, as far as a word may reach.
fn seams(pieces: &[Bytes]) -> Vec<Vec<u8>> {
    let mut before = Vec::new();
    let seams = pieces.iter().map(|piece| {
        let mut seam = before.clone();
        seam.extend(piece.iter().take(WORD_BYTES_MAX));
        let end = piece.len().saturating_sub(WORD_BYTES_MAX);
        before.extend_from_slice(&piece[end..]);
        before.drain(..before.len().saturating_sub(WORD_BYTES_MAX));
        seam
    });
    // There is nothing before the first.
    seams.skip(1).collect()
}

/// Whether a text holds one of [`WANTING`].
fn wants(text: &[u8]) -> bool {
    memmem::find_iter(text, SHARED).any(|at| {
        let (before, from) = text.split_at(at);
        WANTING.iter().any(|(begin, end)| {
            before.ends_with(begin.as_bytes()) && from.starts_with(end.as_bytes())
        })
    })
}

/// Passes a large result on while it arrives; what is returned is its last part.
///
/// Anything else is read whole, as long as nothing was passed on.
pub(super) async fn pass_on(
    head: Vec<Bytes>,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut scanner = Scanner::default();
    let mut unpassed = head.clone();
    let mut parts = Vec::new();
    let mut head = head.into_iter();
    let mut next = head.next();
    let mut received_bytes = 0;
    while let Some(chunk) = next {
        received_bytes += chunk.len();
        let step = if received_bytes > ANSWER_BYTES_MAX {
            Err(too_large())
        } else {
            scanner
                .feed(&chunk, &mut parts)
                .map_err(|_| garbled_result())
        };
        match step {
            Ok(()) => {}
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(_) => return read_whole(unpassed, body, id, audience).await,
        }
        // As long as a part of the beginning may be wrong, none of it goes out.
        next = head.next();
        if next.is_some() {
            continue;
        }
        if !parts.is_empty() && !unpassed.is_empty() {
            lengthen_first(&mut parts);
            unpassed.clear();
        }
        for part in parts.drain(..) {
            audience.give(part).await;
        }
        next = match body.next().await {
            Ok(next) => next,
            Err(error) if unpassed.is_empty() => return Err(cut_off(error)),
            Err(error) => return Err(error),
        };
        if !unpassed.is_empty() {
            unpassed.extend(next.clone());
        }
    }
    match scanner.end() {
        Ok(answered) if answered == id.as_json() => Ok(Answer::Result(Bytes::new())),
        Err(_) if !unpassed.is_empty() => read_whole(unpassed, body, id, audience).await,
        Ok(_) | Err(_) => Err(cut_off(garbled_result())),
    }
}

/// Puts a first part that is short together with the next: by how it begins, a result is told in another era.
fn lengthen_first(parts: &mut Vec<Bytes>) {
    if let [first, second, ..] = &parts[..]
        && first.len() < FIRST_BYTES_MIN
    {
        let joined = Bytes::from([&first[..], second].concat());
        parts.splice(..2, [joined]);
    }
}

/// Reads a body to its end whose beginning was read already.
pub(super) async fn read_whole(
    beginning: Vec<Bytes>,
    mut body: Body,
    id: &RequestId,
    audience: &Audience<'_>,
) -> Result<Answer, BackendError> {
    let mut bytes = beginning.concat();
    while bytes.len() <= ANSWER_BYTES_MAX {
        match body.next().await? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return read_body(&bytes.into(), id, audience).await,
        }
    }
    Err(too_large())
}

/// What goes wrong once a part was passed on ends the answer in its middle.
fn cut_off(error: BackendError) -> BackendError {
    BackendError::CutOff {
        cause: Box::new(error),
    }
}

const fn garbled_result() -> BackendError {
    BackendError::Garbled {
        what: "a large JSON body that is no response to the request",
    }
}

pub(super) const fn too_large() -> BackendError {
    BackendError::Garbled {
        what: "more bytes than the gateway takes in one answer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_shows_its_end_goes_on_in_parts() {
        for (head, complete) in [
            (r#"{"result":{"resultType":"complete","x":"#, true),
            (r#"{"result":{"content":[{"type":"text","#, true),
            (r#"{"result":{"content":[],"equal":{"requests":"#, true),
            (r#"{"result":{"x":[{"type":"text","#, false),
            (r#"{"result":{"resultType":"input_required","#, false),
            (
                r#"{"result":{"messages":[],"resultType":"input_required","#,
                false,
            ),
            (
                r#"{"result":{"inputRequests":{"a":{"params":{"messages":["#,
                false,
            ),
            (r#"{"result":{"content":[],"requestState":"#, false),
            (r#"{"result":{"content":[],"task":{"taskId":"#, false),
        ] {
            for size in 1..=head.len() {
                let pieces = head.as_bytes().chunks(size).map(Bytes::from_static);
                let pieces: Vec<Bytes> = pieces.collect();
                assert_eq!(shows_complete(&pieces), complete, "{head} by {size}");
            }
        }
        let mut cut = "{\"content\":\"ü".as_bytes().to_vec();
        cut.pop();
        assert!(shows_complete(&[cut.into()]));
    }

    #[test]
    fn a_short_first_part_comes_with_the_next() {
        let long = |letter: &str| Bytes::from(letter.repeat(FIRST_BYTES_MIN));
        let short = Bytes::from_static(b"{");
        let lengthened = |parts: &[&Bytes]| {
            let mut parts = parts.iter().copied().cloned().collect();
            lengthen_first(&mut parts);
            parts
        };
        let joined = Bytes::from([&short[..], &long("a")].concat());
        assert_eq!(
            lengthened(&[&short, &long("a"), &long("b")]),
            [joined, long("b")]
        );
        assert_eq!(lengthened(&[&short]), [short]);
        let two = [long("a"), long("b")];
        assert_eq!(lengthened(&[&two[0], &two[1]]), two);
        assert!(lengthened(&[]).is_empty());
    }

    #[test]
    fn no_word_is_longer_than_what_is_looked_at_where_pieces_meet() {
        let wanting = WANTING.map(|(begin, end)| begin.len() + end.len());
        let complete = COMPLETE.map(str::len);
        let longest = wanting.into_iter().chain(complete).max();
        assert_eq!(longest, Some(WORD_BYTES_MAX));
        assert!(WANTING.iter().all(|(_, end)| end.starts_with(SHARED)));
    }
}
