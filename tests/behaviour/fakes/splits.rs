//! The scripted client reads a stream alike, however it comes in pieces.

use proptest::prelude::*;

use crate::world::client::{SseCutter, SseEvent};

fn events(text: &[u8], ends: &[usize]) -> Vec<SseEvent> {
    let mut cutter = SseCutter::default();
    ends.iter()
        .flat_map(|end| cutter.cut(&text[..*end]))
        .collect()
}

fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "",
        "data: {}",
        "data:{\"a\":1}",
        "data: caf\u{e9} \u{1f600}",
        "data",
        "id: a-1",
        "id:",
        "retry: 20",
        "event: message",
        ": a comment",
    ])
}

proptest! {
    #[test]
    fn any_split_of_a_stream_is_read_alike(
        lines in prop::collection::vec((line(), prop::sample::select(vec!["\n", "\r\n"])), 0..40),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let text: String = lines.iter().flat_map(|(line, end)| [*line, *end]).collect();
        let text = text.as_bytes();
        let mut ends: Vec<usize> = places.iter().map(|it| it.index(text.len() + 1)).collect();
        ends.push(text.len());
        ends.sort_unstable();
        prop_assert_eq!(events(text, &ends), events(text, &[text.len()]));
    }
}

#[test]
fn an_event_is_what_stands_before_an_empty_line() {
    let text =
        b": hello\n\nid: 1\nretry: 5\ndata:\n\nid: 2\r\ndata: a\r\ndata: b\r\n\r\ndata: cut off";
    let told = events(text, &[text.len()]);
    let one = |id: &str, retry_ms, data: &str| SseEvent {
        id: Some(id.to_owned()),
        retry_ms,
        data: data.to_owned(),
    };
    assert_eq!(told, [one("1", Some(5), ""), one("2", None, "a\nb")]);
}
