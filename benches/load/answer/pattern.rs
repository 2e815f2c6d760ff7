//! The bytes of a verified answer around the parts that differ from answer to answer.

use std::ops::Range;

use memchr::memmem;

/// An answer with holes for its id, its text and its progress tokens.
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
}

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
            let filling = match hole {
                Hole::Id => id,
                Hole::Text => text,
            };
            rest.strip_prefix(&before[..])?
                .strip_prefix(filling.as_bytes())
        });
        self.is_event_stream == is_event_stream && rest == Some(&self.after[..])
    }
}

/// Where `part` stands in `whole` right after `before`.
fn places(whole: &[u8], before: &str, part: &str) -> Vec<Range<usize>> {
    let wanted = format!("{before}{part}");
    let found = memmem::find_iter(whole, &wanted);
    found
        .map(|place| place + before.len()..place + wanted.len())
        .collect()
}
