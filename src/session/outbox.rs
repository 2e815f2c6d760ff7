//! What was said to clients on streams that they may take up again where they broke off.
//!
//! A stream is written by a task of its own and read by at most one connection at a time. What was
//! written stays for a while, so that the next connection gets what the last one may have lost.

mod log;
mod reader;
mod writer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use crate::limits::{ENDED_STREAMS_BYTES_MAX, STREAMS_PER_MCP_SESSION_MAX};

use log::Log;

pub use reader::Reader;
pub use writer::Writer;

/// The streams of one session. A clone is another handle of the same.
#[derive(Clone, Default)]
pub struct Outbox {
    streams: Arc<Mutex<Streams>>,
}

/// By MCP session, the oldest first.
type Streams = HashMap<Uuid, Vec<Arc<Log>>>;

/// What a stream is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The answer to one request.
    Answer,
    /// What a client is told without having asked.
    Standalone,
}

impl Kind {
    /// What the stream was for in which an event had this id.
    #[must_use]
    pub fn of(event: &str) -> Option<Self> {
        [Self::Answer, Self::Standalone]
            .into_iter()
            .find(|kind| event.starts_with(kind.mark()))
    }

    /// What ids of such a stream begin with.
    const fn mark(self) -> char {
        match self {
            Self::Answer => 'a',
            Self::Standalone => 's',
        }
    }
}

/// Tells whether somebody reads a stream now. Nobody may for a while, and come back.
#[derive(Clone)]
pub struct Attendance(Arc<Log>);

impl Attendance {
    /// Whether somebody does.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.0.is_read()
    }
}

impl Outbox {
    /// Opens a stream; `None` when the MCP session has all that it may have.
    ///
    /// Whoever opens a stand-alone stream takes up none that broke off: those end.
    #[must_use]
    pub fn open(&self, mcp_session: Uuid, kind: Kind) -> Option<Writer> {
        let mut streams = self.lock();
        let own = streams.entry(mcp_session).or_default();
        if kind == Kind::Standalone {
            forget_where(own, |log| log.kind() == kind && !log.is_read());
        }
        if own.len() >= STREAMS_PER_MCP_SESSION_MAX {
            let oldest = own.iter().position(|log| log.has_ended())?;
            own.remove(oldest).forget();
        }
        let log = Arc::new(Log::new(kind));
        own.push(Arc::clone(&log));
        Some(Writer::new(log, self.clone(), mcp_session))
    }

    /// Takes a stream up behind the event of that id; whoever read it before reads no more.
    ///
    /// `None` when there is no such stream of this MCP session any more, nothing will come behind
    /// that event, or some of what came is no longer held.
    #[must_use]
    pub fn resume(&self, mcp_session: Uuid, event: &str) -> Option<Reader> {
        let (stream, position) = event.rsplit_once('-')?;
        let position = position.parse().ok()?;
        let log = {
            let streams = self.lock();
            let own = streams.get(&mcp_session)?;
            Arc::clone(own.iter().find(|log| log.name() == stream)?)
        };
        log.read_behind(position)
    }

    /// Lets go of an MCP session's streams: it has ended. Whoever reads one now reads it to its end.
    pub fn forget(&self, mcp_session: Uuid) {
        for log in self.lock().remove(&mcp_session).unwrap_or_default() {
            log.forget();
        }
    }

    /// Whether no client has anything to come back for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().values().all(Vec::is_empty)
    }

    /// Takes note that a stream ended, and lets go of older ones that hold too much.
    fn ended(&self, mcp_session: Uuid) {
        let mut streams = self.lock();
        let Some(own) = streams.get_mut(&mcp_session) else {
            return;
        };
        let mut held_bytes = 0_usize;
        // The last one that ended stays, whatever it holds: nobody may have read it yet.
        let mut is_last = true;
        for index in (0..own.len()).rev() {
            if !own[index].has_ended() {
                continue;
            }
            held_bytes += own[index].bytes();
            if held_bytes > ENDED_STREAMS_BYTES_MAX && !is_last {
                own.remove(index).forget();
            }
            is_last = false;
        }
    }

    fn remove(&self, mcp_session: Uuid, log: &Arc<Log>) {
        let mut streams = self.lock();
        if let Some(own) = streams.get_mut(&mcp_session) {
            own.retain(|held| !Arc::ptr_eq(held, log));
            if own.is_empty() {
                streams.remove(&mcp_session);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_where(own: &mut Vec<Arc<Log>>, is_over: impl Fn(&Log) -> bool) {
    own.retain(|log| {
        let is_over = is_over(log);
        if is_over {
            log.forget();
        }
        !is_over
    });
}

#[cfg(test)]
mod tests {
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
        writer.close();
        assert_eq!(rest(reader).await.len(), 1);
        writer.kept().await;
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
}
