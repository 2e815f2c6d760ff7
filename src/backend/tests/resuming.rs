//! Streams that end before their answer, and are gone on with.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    asking::{completed, end, entry, next, send, start, tool, until},
    mocked::initialized,
    socket::{Port, Reply, Script, Served, shake_hands, stream},
};
use crate::{
    backend::{Backend, LinkKey},
    limits::RESUMPTIONS_MAX,
    mcp::{
        event::{Event, Outcome},
        failure::Failure,
    },
};

/// A legacy server that opens MCP sessions, with a script for calls of tools and one for streams.
fn server(revision: &'static str, calls: Script, streams: Script) -> (Served, Backend) {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => Reply::Result(initialized(revision)),
        Some("tools/call") => calls.next(),
        Some("GET") => streams.next(),
        None => Reply::Status(202),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    (served, backend)
}

fn log(n: u32) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "n": n } })
}

/// The id of the only call that came.
async fn call_id(server: &Served) -> Value {
    until(async || server.heard("tools/call") == 1).await;
    server.said("tools/call")[0]["id"].clone()
}

#[tokio::test]
async fn a_stream_that_ends_early_is_gone_on_with_after_its_last_event() {
    // Even where the revision agreed upon says nothing of that: an id is enough.
    for revision in ["2025-11-25", "2025-03-26"] {
        let (first, call) = stream();
        let (second, resumed) = stream();
        let (third, again) = stream();
        let streams = Script::of([resumed, again]);
        let (served, backend) = server(revision, Script::of([call]), streams);
        let mut received = send(&backend, LinkKey::Default, tool("pay"));
        let id = call_id(&served).await;
        first.write("id: e1\nretry: 300\ndata: ");
        first.write(&format!("id: e2\ndata: {}", log(1)));
        assert!(matches!(next(&mut received).await, Event::Notified(_)));
        let ended = Instant::now();
        drop(first);
        until(async || served.heard("GET") == 1).await;
        // The pause that the server asked for, of its own clock as of ours.
        assert!(ended.elapsed().as_millis() >= 300);
        second.write(&format!("data: {}", log(2)));
        assert!(matches!(next(&mut received).await, Event::Notified(_)));
        drop(second);
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [] } });
        third.say(&answer);
        assert_eq!(completed(&mut received).await, r#"{"content":[]}"#);
        let resumed = served.said("GET");
        for get in &resumed {
            assert_eq!(get["headers"]["last-event-id"], "e2");
            assert_eq!(get["headers"]["accept"], "text/event-stream");
        }
        assert_eq!((resumed.len(), served.heard("tools/call")), (2, 1));
    }
}

#[tokio::test]
async fn a_stream_without_ids_is_not_gone_on_with() {
    let (events, call) = stream();
    let (served, backend) = server("2025-11-25", Script::of([call]), Script::default());
    let mut received = send(&backend, LinkKey::Default, tool("pay"));
    call_id(&served).await;
    events.say(&log(1));
    next(&mut received).await;
    drop(events);
    let outcome = end(&mut received).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
        "{outcome:?}"
    );
    assert_eq!(served.heard("GET"), 0);
}

#[tokio::test]
async fn going_on_in_vain_has_an_end_and_sends_nothing_again() {
    for refusal in [|| Reply::Status(503), || stream().1] {
        let (events, call) = stream();
        let streams = Script::of((0..2 * RESUMPTIONS_MAX).map(|_| refusal()));
        let (served, backend) = server("2025-11-25", Script::of([call]), streams);
        let mut received = send(&backend, LinkKey::Default, tool("pay"));
        call_id(&served).await;
        events.write("id: e1\nretry: 1\ndata: ");
        drop(events);
        let outcome = end(&mut received).await;
        assert!(
            matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
            "{outcome:?}"
        );
        assert_eq!(served.heard("GET"), RESUMPTIONS_MAX as usize);
        assert_eq!(served.heard("tools/call"), 1);
    }
}

#[tokio::test]
async fn a_backend_that_cannot_go_on_is_asked_once() {
    let (events, call) = stream();
    let (served, backend) = server("2025-11-25", Script::of([call]), Script::default());
    let mut received = send(&backend, LinkKey::Default, tool("pay"));
    call_id(&served).await;
    events.write("id: e1\nretry: 1\ndata: ");
    drop(events);
    let outcome = end(&mut received).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
        "{outcome:?}"
    );
    assert_eq!(served.heard("GET"), 1);
}
