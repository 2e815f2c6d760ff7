//! The bytes of a verified answer around the parts that differ from answer to answer.

use std::ops::Range;

use memchr::memmem;

/// An answer with holes for its id, its text, its progress tokens and the time for which it is good.
#[derive(Debug)]
pub(super) struct Pattern {
    is_event_stream: bool,
    /// What stands before each hole, and which hole it is.
    parts: Vec<(Vec<u8>, Hole)>,
    after: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    Id,
    Text,
    /// Some number of milliseconds: what is left of a list's time differs from answer to answer.
    Time,
}

/// What stands before the time for which an answer is good. Spec: 2026-07-28 server/utilities/caching.
const TIME: &str = "\"ttlMs\":";

impl Pattern {
    /// Learns from an answer that was verified in full. `None` if id or text cannot be told from what is around them.
    pub(super) fn learn(is_event_stream: bool, body: &[u8], id: &str, text: &str) -> Option<Self> {
        let of_id = |key: &str| {
            let places = places(body, &format!("\"{key}\":"), id);
            let is_whole =
                |place: &Range<usize>| !body.get(place.end).is_some_and(u8::is_ascii_digit);
            places
                .into_iter()
                .filter(is_whole)
                .map(|place| (place, Hole::Id))
        };
        let mut holes: Vec<_> = of_id("id").collect();
        if holes.len() != 1 {
            return None;
        }
        holes.extend(of_id("progressToken"));
        if !text.is_empty() {
            let [only] = &places(body, "\"", &format!("{text}\""))[..] else {
                return None;
            };
            holes.push((only.start..only.end - 1, Hole::Text));
        }
        // Where it stands twice, nobody knows which is which: such answers are read anew each time.
        if let [only] = &places(body, TIME, "")[..] {
            let digits = digits(&body[only.start..])?;
            holes.push((only.start..only.start + digits, Hole::Time));
        }
        holes.sort_by_key(|(place, _)| place.start);
        let (mut parts, mut end) = (Vec::new(), 0);
        for (place, hole) in holes {
            parts.push((body.get(end..place.start)?.to_vec(), hole));
            end = place.end;
        }
        Some(Self {
            is_event_stream,
            parts,
            after: body[end..].to_vec(),
        })
    }

    /// Whether `body` is this answer with `id` and `text` in its holes, and nothing else.
    pub(super) fn matches(&self, is_event_stream: bool, body: &[u8], id: &str, text: &str) -> bool {
        let rest = self.parts.iter().try_fold(body, |rest, (before, hole)| {
            let rest = rest.strip_prefix(&before[..])?;
            match hole {
                Hole::Id => rest.strip_prefix(id.as_bytes()),
                Hole::Text => rest.strip_prefix(text.as_bytes()),
                Hole::Time => rest.get(digits(rest)?..),
            }
        });
        self.is_event_stream == is_event_stream && rest == Some(&self.after[..])
    }
}

/// The length of the whole number, as JSON has them, that a text begins with.
fn digits(text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_number = length == 1 || (length > 1 && text[0] != b'0');
    is_number.then_some(length)
}

/// Where `part` stands in `whole` right after `before`.
fn places(whole: &[u8], before: &str, part: &str) -> Vec<Range<usize>> {
    let wanted = format!("{before}{part}");
    let found = memmem::find_iter(whole, &wanted);
    found
        .map(|place| place + before.len()..place + wanted.len())
        .collect()
}
