//! Streams taken up, given up, and let go of where they hold too much.

use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::limits::STREAM_BYTES_MAX;

fn message(number: usize) -> Bytes {
    format!("message {number}").into()
}

/// What a reader gets until the stream ends.
async fn rest(mut reader: Reader) -> Vec<(String, Bytes)> {
    let mut rest = Vec::new();
    while let Some(event) = reader.next().await {
        rest.push(event);
    }
    rest
}

#[tokio::test]
async fn a_stream_is_taken_up_behind_each_of_its_events() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
    let reader = writer.read();
    let mut ids = vec![reader.id()];
    for number in 1..=4 {
        writer.write(message(number)).await;
    }
    writer.close();
    let all = rest(reader).await;
    ids.extend(all.iter().map(|(id, _)| id.clone()));
    for behind in 0..4 {
        let reader = outbox.resume(mcp_session, &ids[behind]).unwrap();
        assert_eq!(rest(reader).await, all[behind..], "behind {behind}");
    }
    assert!(outbox.resume(mcp_session, &ids[4]).is_none(), "all is read");
}

#[tokio::test]
async fn an_id_opens_no_other_stream_and_no_other_mcp_session() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let first = outbox.open(mcp_session, Kind::Answer).unwrap();
    let second = outbox.open(mcp_session, Kind::Answer).unwrap();
    first.write(message(1)).await;
    second.write(message(2)).await;
    let (id, other) = (first.read().id(), second.read().id());
    assert_ne!(id, other);
    let mut resumed = outbox.resume(mcp_session, &id).unwrap();
    assert_eq!(resumed.next().await.unwrap().1, message(1));
    assert!(outbox.resume(Uuid::new_v4(), &id).is_none());
    let ahead = id.replace("-0", "-2");
    for none in [
        "",
        "-",
        "a-0",
        "a0",
        ahead.as_str(),
        "a-18446744073709551615",
    ] {
        assert!(outbox.resume(mcp_session, none).is_none(), "{none}");
    }
}

#[tokio::test]
async fn streams_have_a_bound_and_the_oldest_that_ended_makes_room() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let open = || outbox.open(mcp_session, Kind::Answer);
    let writers: Vec<_> = (0..STREAMS_PER_MCP_SESSION_MAX)
        .map(|_| open().unwrap())
        .collect();
    assert!(open().is_none(), "all of them are being written");
    assert!(outbox.open(Uuid::new_v4(), Kind::Answer).is_some());
    let ids: Vec<_> = writers.iter().map(|writer| writer.read().id()).collect();
    for (index, writer) in writers.iter().enumerate().skip(1) {
        writer.write(message(index)).await;
        writer.close();
    }
    assert!(open().is_some());
    assert!(outbox.resume(mcp_session, &ids[1]).is_none());
    for id in [&ids[0], &ids[2]] {
        assert!(outbox.resume(mcp_session, id).is_some());
    }
}

#[tokio::test]
async fn streams_that_ended_hold_no_more_than_their_bound() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let large = Bytes::from(vec![b'x'; ENDED_STREAMS_BYTES_MAX / 2 + 1]);
    let mut ids = Vec::new();
    let mut writers = Vec::new();
    for _ in 0..3 {
        let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
        ids.push(writer.read().id());
        writer.write(large.clone()).await;
        writer.close();
        writers.push(writer);
    }
    let held = |id| outbox.resume(mcp_session, id).is_some();
    assert_eq!(
        [held(&ids[0]), held(&ids[1]), held(&ids[2])],
        [false, false, true]
    );
}

/// Streams of as many clients, each with so much, which was read; all but the last one ended.
async fn crowd(outbox: &Outbox, bytes: usize) -> (Vec<(Uuid, String)>, Vec<(Writer, Reader)>) {
    let large = Bytes::from(vec![b'x'; bytes]);
    let (mut ids, mut open) = (Vec::new(), Vec::new());
    let count = OUTBOX_BYTES_MAX / bytes;
    for number in 0..=count {
        let mcp_session = Uuid::new_v4();
        let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
        let mut reader = writer.read();
        ids.push((mcp_session, reader.id()));
        writer.write(large.clone()).await;
        reader.next().await.unwrap();
        if number < count {
            writer.close();
        }
        open.push((writer, reader));
    }
    (ids, open)
}

#[tokio::test]
async fn the_streams_of_all_clients_of_a_session_hold_no_more_than_their_bound() {
    let outbox = Outbox::default();
    let bytes = OUTBOX_BYTES_MAX / 8;
    let (ids, mut open) = crowd(&outbox, bytes).await;
    let held = |at: usize| outbox.resume(ids[at].0, &ids[at].1).is_some();
    // What a stream holds that goes on makes way first, when it was read.
    assert!(!held(8) && (0..8).all(held));
    assert_eq!(outbox.held.load(Ordering::Relaxed), 8 * bytes);
    // Then what ended, the oldest first; what ended last stays.
    let (writer, mut reader) = open.pop().unwrap();
    let unread = Bytes::from(vec![b'x'; bytes + 1]);
    writer.write(unread.clone()).await;
    writer.close();
    assert!(!held(0) && !held(1) && (2..8).all(held));
    assert_eq!(reader.next().await.unwrap().1, unread);
    // All of it is free again at the end.
    drop((open, writer, reader));
    assert_eq!(outbox.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_an_mcp_session_held_is_free_with_its_end() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
    writer.write(message(1)).await;
    assert!(outbox.held.load(Ordering::Relaxed) > 0);
    outbox.forget(mcp_session);
    writer.write(message(2)).await;
    assert_eq!(outbox.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_stand_alone_stream_that_broke_off_ends_with_the_next() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let open = || outbox.open(mcp_session, Kind::Standalone).unwrap();
    let broken = open();
    let id = broken.read().id();
    let read = open();
    let reading = read.read();
    let _next = open();
    // At once: its client has come back without it.
    broken.left().await;
    assert!(outbox.resume(mcp_session, &id).is_none());
    assert!(outbox.resume(mcp_session, &reading.id()).is_some());
    assert_eq!(Kind::of(&id), Some(Kind::Standalone));
    assert_eq!(Kind::of("x"), None);
}

#[tokio::test]
async fn the_end_of_an_mcp_session_ends_its_streams_but_cuts_no_reader_short() {
    let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
    let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
    let reader = writer.read();
    let id = reader.id();
    outbox.forget(mcp_session);
    assert!(outbox.resume(mcp_session, &id).is_none());
    writer.write(message(1)).await;
    writer.keep();
    assert_eq!(rest(reader).await.len(), 1);
    assert!(outbox.is_empty());
}

/// What may happen to a stream.
#[derive(Debug, Clone)]
enum Act {
    Write(usize),
    Read,
    Leave,
    Resume(prop::sample::Index),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    // Some of them fill a stream alone, some by their number.
    let sizes = prop_oneof![
        Just(16),
        Just(16),
        Just(STREAM_BYTES_MAX / 3),
        Just(STREAM_BYTES_MAX + 1)
    ];
    let act = prop_oneof![
        4 => sizes.prop_map(Act::Write),
        4 => Just(Act::Read),
        1 => Just(Act::Leave),
        2 => any::<prop::sample::Index>().prop_map(Act::Resume),
    ];
    prop::collection::vec(act, 0..80)
}

proptest! {
    #[test]
    fn whoever_comes_back_reads_on_exactly_where_it_says(acts in acts()) {
        let (outbox, mcp_session) = (Outbox::default(), Uuid::new_v4());
        let writer = outbox.open(mcp_session, Kind::Answer).unwrap();
        let mut reader = Some(writer.read());
        let name = reader.as_ref().unwrap().id().replace("-0", "");
        let mut written: Vec<Bytes> = Vec::new();
        // Behind which event the next one is read.
        let mut at = 0;
        for act in acts {
            match act {
                Act::Write(bytes) => {
                    let mut text = format!("{:16}", written.len()).into_bytes();
                    text.resize(bytes, b'.');
                    let event = Bytes::from(text);
                    if writer.write(event.clone()).now_or_never().is_some() {
                        written.push(event);
                    }
                }
                Act::Read => {
                    let Some(reader) = &mut reader else { continue };
                    let next = reader.next().now_or_never().flatten();
                    prop_assert_eq!(next.as_ref().map(|it| &it.1), written.get(at));
                    if let Some((id, _)) = next {
                        at += 1;
                        prop_assert_eq!(id, format!("{name}-{at}"));
                    }
                }
                Act::Leave => drop(reader.take()),
                Act::Resume(behind) => {
                    let behind = behind.index(written.len() + 2);
                    let resumed = outbox.resume(mcp_session, &format!("{name}-{behind}"));
                    prop_assert!(resumed.is_none() || behind <= written.len());
                    // What was read last is held for who may have lost it.
                    prop_assert!(resumed.is_some() || behind != at);
                    if let Some(resumed) = resumed {
                        (reader, at) = (Some(resumed), behind);
                    }
                }
            }
        }
    }
}
