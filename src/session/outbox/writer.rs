//! The end of a stream that is written: waits for room, and knows when nobody will read any more.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::{Attendance, Outbox, log::Log, reader::Reader};

/// Writes one stream; dropped, the stream can be taken up no more.
pub struct Writer {
    log: Arc<Log>,
    outbox: Outbox,
    mcp_session: Uuid,
    is_kept: bool,
}

impl Writer {
    pub(super) const fn new(log: Arc<Log>, outbox: Outbox, mcp_session: Uuid) -> Self {
        Self {
            log,
            outbox,
            mcp_session,
            is_kept: false,
        }
    }

    /// Reads the stream from its beginning on.
    #[must_use]
    pub fn read(&self) -> Reader {
        let reader = self.log.state.change(|state| state.read_behind(0));
        self.log.reader(reader, 0)
    }

    /// Tells from now on whether somebody reads it.
    #[must_use]
    pub fn attendance(&self) -> Attendance {
        Attendance(Arc::clone(&self.log))
    }

    /// Writes an event, once there is room for it.
    pub async fn write(&self, event: Bytes) {
        let mut unwritten = Some(event);
        let written = self.log.state.once(|state| {
            let event = unwritten.take_if(|event| state.has_room(event))?;
            state.write(event);
            Some(())
        });
        written.await;
    }

    /// Writes nothing any more.
    pub(super) fn close(&self) {
        self.log.end();
        self.outbox.ended(self.mcp_session);
    }

    /// Waits until nobody has read the stream for so long that nobody will.
    pub async fn left(&self) {
        loop {
            let changed = self.log.state.changed();
            let given_up = self.log.given_up();
            if given_up.is_some_and(|at| at <= Instant::now()) {
                return;
            }
            let over = async {
                match given_up {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            // Someone may have come in the meantime.
            tokio::select! {
                () = over => {}
                () = changed => {}
            }
        }
    }

    /// Ends the stream, which is kept for those who may have lost a part of it.
    pub fn keep(mut self) {
        self.close();
        self.is_kept = true;
        self.outbox.keep();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.log.end();
        self.outbox.remove(self.mcp_session, &self.log);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use tokio::time::sleep;

    use super::{super::Kind, *};
    use crate::limits::{STREAM_BYTES_MAX, STREAM_EVENTS_MAX, STREAM_HELD};

    fn writer() -> Writer {
        let outbox = Outbox::default();
        outbox.open(Uuid::new_v4(), Kind::Answer).unwrap()
    }

    fn event(bytes: usize) -> Bytes {
        vec![b'x'; bytes].into()
    }

    #[tokio::test]
    async fn a_slow_reader_slows_the_writer_down_and_loses_nothing() {
        let writer = writer();
        let mut reader = writer.read();
        for _ in 0..STREAM_EVENTS_MAX {
            writer.write(event(1)).await;
        }
        assert!(writer.write(event(1)).now_or_never().is_none());
        for _ in 0..STREAM_EVENTS_MAX {
            reader.next().await.unwrap();
        }
        // The oldest make room now, one for each that comes.
        writer.write(event(1)).now_or_never().unwrap();
        reader.next().now_or_never().unwrap().unwrap();
        assert_eq!(writer.log.bytes() as u64, STREAM_EVENTS_MAX);
        assert!(writer.log.read_behind(0).is_none(), "the first is gone");
        assert!(writer.log.read_behind(1).is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_waits_on_another_thread_is_told_of_each_change() {
        let writer = writer();
        let mut reader = writer.read();
        let count = 10 * STREAM_EVENTS_MAX;
        let writing = tokio::spawn(async move {
            for number in 0..count {
                writer.write(number.to_string().into()).await;
            }
            writer.keep();
        });
        for number in 0..count {
            let (_, event) = reader.next().await.unwrap();
            assert_eq!(event, number.to_string());
        }
        assert!(reader.next().await.is_none());
        writing.await.unwrap();
    }

    #[tokio::test]
    async fn a_stream_that_nobody_reads_holds_what_was_read_last() {
        let writer = writer();
        let mut reader = writer.read();
        writer
            .write(event(STREAM_BYTES_MAX))
            .now_or_never()
            .unwrap();
        reader.next().now_or_never().unwrap().unwrap();
        drop(reader);
        assert!(writer.write(event(1)).now_or_never().is_none());
        let mut resumed = writer.log.read_behind(0).unwrap();
        assert!(writer.write(event(1)).now_or_never().is_none());
        resumed.next().now_or_never().unwrap().unwrap();
        writer.write(event(1)).now_or_never().unwrap();
        assert_eq!(writer.log.bytes(), 1);
    }

    #[tokio::test]
    async fn an_event_larger_than_the_bound_passes_alone() {
        let writer = writer();
        let mut reader = writer.read();
        let large = event(STREAM_BYTES_MAX + 1);
        writer.write(large.clone()).now_or_never().unwrap();
        assert!(writer.write(large.clone()).now_or_never().is_none());
        let (id, told) = reader.next().now_or_never().unwrap().unwrap();
        assert!(id.ends_with("-1") && told == large);
        writer.write(large).now_or_never().unwrap();
    }

    #[tokio::test]
    async fn the_next_reader_takes_the_stream_over() {
        let writer = writer();
        let mut old = writer.read();
        let mut waiting = Box::pin(old.next());
        assert!(poll!(&mut waiting).is_pending());
        let mut new = writer.log.read_behind(0).unwrap();
        writer.write(event(1)).await;
        assert_eq!(waiting.now_or_never().unwrap(), None);
        drop(old);
        assert!(writer.log.is_read(), "the end of the old one is not its");
        assert!(new.next().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_given_up_when_its_client_stays_away() {
        let writer = writer();
        let reader = writer.read();
        let mut left = Box::pin(writer.left());
        assert!(poll!(&mut left).is_pending());
        drop(reader);
        assert!(poll!(&mut left).is_pending());
        tokio::time::advance(STREAM_HELD / 2).await;
        let reader = writer.log.read_behind(0).unwrap();
        tokio::time::advance(STREAM_HELD).await;
        assert!(poll!(&mut left).is_pending());
        drop(reader);
        let began = Instant::now();
        left.await;
        assert_eq!(began.elapsed().as_secs(), STREAM_HELD.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_ended_is_kept_for_a_while() {
        let writer = writer();
        let log = Arc::clone(&writer.log);
        let mut reader = writer.read();
        writer.write(event(1)).await;
        let (outbox, mcp_session) = (writer.outbox.clone(), writer.mcp_session);
        writer.keep();
        assert!(reader.next().await.is_some() && reader.next().await.is_none());
        drop(reader);
        sleep(STREAM_HELD / 2).await;
        let id = format!("{}-0", log.name());
        let resumed = outbox.resume(mcp_session, &id).unwrap();
        sleep(STREAM_HELD * 2).await;
        assert!(!outbox.is_empty(), "somebody reads it");
        drop(resumed);
        sleep(STREAM_HELD / 2).await;
        assert!(!outbox.is_empty(), "its reader may come back");
        sleep(STREAM_HELD).await;
        assert!(outbox.is_empty());
        assert!(outbox.resume(mcp_session, &id).is_none());
    }
}
