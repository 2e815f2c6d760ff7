//! The bytes of a verified answer around the parts that differ from answer to answer.

/// An answer with two holes, one for its id and one for its text.
#[derive(Debug)]
pub(super) struct Pattern {
    is_event_stream: bool,
    is_id_first: bool,
    before: Vec<u8>,
    between: Vec<u8>,
    after: Vec<u8>,
}

impl Pattern {
    /// Learns from an answer that was verified in full. `None` if id or text cannot be told from what is around them.
    pub(super) fn learn(is_event_stream: bool, body: &[u8], id: &str, text: &str) -> Option<Self> {
        let key = br#""id":"#;
        let id_at = only_place(body, &[key, id.as_bytes()].concat())? + key.len();
        if body.get(id_at + id.len()).is_some_and(u8::is_ascii_digit) {
            return None;
        }
        let text_at = if text.is_empty() {
            body.len()
        } else {
            only_place(body, format!("\"{text}\"").as_bytes())? + 1
        };
        let is_id_first = id_at < text_at;
        let (first, second) = if is_id_first {
            (id_at..id_at + id.len(), text_at..text_at + text.len())
        } else {
            (text_at..text_at + text.len(), id_at..id_at + id.len())
        };
        Some(Self {
            is_event_stream,
            is_id_first,
            before: body[..first.start].to_vec(),
            between: body.get(first.end..second.start)?.to_vec(),
            after: body[second.end..].to_vec(),
        })
    }

    /// Whether `body` is this answer with `id` and `text` in its holes, and nothing else.
    pub(super) fn matches(&self, is_event_stream: bool, body: &[u8], id: &str, text: &str) -> bool {
        let (first, second) = if self.is_id_first {
            (id, text)
        } else {
            (text, id)
        };
        let parts = [
            &self.before[..],
            first.as_bytes(),
            &self.between,
            second.as_bytes(),
            &self.after,
        ];
        let rest = parts
            .into_iter()
            .try_fold(body, |rest, part| rest.strip_prefix(part));
        self.is_event_stream == is_event_stream && rest.is_some_and(<[u8]>::is_empty)
    }
}

/// Where `part` stands in `whole`, if it stands there exactly once.
fn only_place(whole: &[u8], part: &[u8]) -> Option<usize> {
    let mut places = whole
        .windows(part.len())
        .enumerate()
        .filter_map(|(place, window)| (window == part).then_some(place));
    let place = places.next()?;
    places.next().is_none().then_some(place)
}
