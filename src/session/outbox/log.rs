//! One stream's log: what was written, how far it was read, and since when nobody reads it.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use crate::limits::{STREAM_BYTES_MAX, STREAM_EVENTS_MAX, STREAM_HELD};

use super::{Kind, Outbox};

/// A stream and its name, which each of its events' ids begins with.
pub(super) struct Log {
    kind: Kind,
    name: String,
    state: watch::Sender<State>,
}

/// Positions count from 1; 0 is before the first event.
struct State {
    events: VecDeque<Bytes>,
    /// The position of the oldest event that is held, or will be.
    first: u64,
    /// The position of the last event that a reader took.
    taken: u64,
    /// What all events hold, and what those hold that no reader took.
    bytes: usize,
    untaken_bytes: usize,
    /// Tells the readers of one stream apart: only the last one reads.
    reader: u64,
    /// Since when nobody reads; `None` while someone does.
    left: Option<Instant>,
    ended: bool,
    /// Nobody can take the stream up any more.
    forgotten: bool,
}

impl Log {
    pub(super) fn new(kind: Kind) -> Self {
        let mut name = Uuid::new_v4().simple().to_string();
        name.insert(0, kind.mark());
        Self {
            kind,
            name,
            state: watch::Sender::new(State {
                events: VecDeque::new(),
                first: 1,
                taken: 0,
                bytes: 0,
                untaken_bytes: 0,
                reader: 0,
                left: Some(Instant::now()),
                ended: false,
                forgotten: false,
            }),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_read(&self) -> bool {
        self.state.borrow().left.is_none()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.borrow().ended
    }

    pub(super) fn bytes(&self) -> usize {
        self.state.borrow().bytes
    }

    pub(super) fn forget(&self) {
        self.state.send_modify(|state| state.forgotten = true);
    }

    /// Reads on behind a position, if all that came behind it is held and something may come.
    pub(super) fn read_behind(self: &Arc<Self>, position: u64) -> Option<Reader> {
        let mut reader = None;
        self.state.send_if_modified(|state| {
            let is_over = state.ended && position >= state.last();
            if position > state.last() || position + 1 < state.first || is_over {
                return false;
            }
            reader = Some(state.read_behind(position));
            true
        });
        Some(self.reader(reader?, position))
    }

    fn reader(self: &Arc<Self>, reader: u64, position: u64) -> Reader {
        Reader {
            log: Arc::clone(self),
            changes: self.state.subscribe(),
            reader,
            position,
        }
    }
}

impl State {
    /// The position of the last event that was written.
    fn last(&self) -> u64 {
        self.first - 1 + self.events.len() as u64
    }

    fn at(&self, position: u64) -> Option<&Bytes> {
        let index = position.checked_sub(self.first)?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// Gives the stream to a further reader; tells which one it is.
    fn read_behind(&mut self, position: u64) -> u64 {
        self.reader += 1;
        self.left = None;
        self.taken = position;
        let held_before = (self.first..=position).filter_map(|before| self.at(before));
        self.untaken_bytes = self.bytes - held_before.map(Bytes::len).sum::<usize>();
        self.reader
    }

    /// Whether an event may be written: what was taken makes room only while someone reads.
    fn has_room(&self, event: &Bytes) -> bool {
        let (count, bytes) = if self.left.is_none() {
            (self.last() - self.taken, self.untaken_bytes)
        } else {
            (self.events.len() as u64, self.bytes)
        };
        count == 0 || (count < STREAM_EVENTS_MAX && bytes + event.len() <= STREAM_BYTES_MAX)
    }

    fn write(&mut self, event: Bytes) {
        self.bytes += event.len();
        self.untaken_bytes += event.len();
        self.events.push_back(event);
        while self.first <= self.taken
            && (self.events.len() as u64 > STREAM_EVENTS_MAX || self.bytes > STREAM_BYTES_MAX)
        {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }

    /// When the stream is given up, as things stand: nobody reads it, and nobody took it up.
    fn given_up(&self) -> Option<Instant> {
        let left = self.left?;
        Some(if self.forgotten {
            left
        } else {
            left + STREAM_HELD
        })
    }
}

/// Writes one stream; dropped, the stream can be taken up no more.
pub struct Writer {
    log: Arc<Log>,
    outbox: Outbox,
    mcp_session: Uuid,
}

impl Writer {
    pub(super) const fn new(log: Arc<Log>, outbox: Outbox, mcp_session: Uuid) -> Self {
        Self {
            log,
            outbox,
            mcp_session,
        }
    }

    /// Reads the stream from its beginning on.
    #[must_use]
    pub fn read(&self) -> Reader {
        let mut reader = 0;
        self.log
            .state
            .send_modify(|state| reader = state.read_behind(0));
        self.log.reader(reader, 0)
    }

    /// Writes an event, once there is room for it.
    pub async fn write(&self, event: Bytes) {
        let mut changes = self.log.state.subscribe();
        loop {
            // Its sender lives as long as this.
            drop(changes.wait_for(|state| state.has_room(&event)).await);
            let mut written = false;
            self.log.state.send_if_modified(|state| {
                written = state.has_room(&event);
                if written {
                    state.write(event.clone());
                }
                written
            });
            if written {
                return;
            }
        }
    }

    /// Writes nothing any more.
    pub fn close(&self) {
        self.log.state.send_modify(|state| state.ended = true);
        self.outbox.ended(self.mcp_session);
    }

    /// Waits until nobody has read the stream for so long that nobody will.
    pub async fn left(&self) {
        let mut changes = self.log.state.subscribe();
        loop {
            let given_up = changes.borrow_and_update().given_up();
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
                _changed = changes.changed() => {}
            }
        }
    }

    /// Keeps a stream that ended for those who may have lost a part of it.
    pub async fn kept(self) {
        let hold = async {
            tokio::time::sleep(STREAM_HELD).await;
            self.left().await;
        };
        let mut changes = self.log.state.subscribe();
        tokio::select! {
            () = hold => {}
            // A reader holds what it reads itself.
            _forgotten = changes.wait_for(|state| state.forgotten) => {}
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.log.state.send_modify(|state| state.ended = true);
        self.outbox.remove(self.mcp_session, &self.log);
    }
}

/// Reads one stream, from one event on, until another reader takes it over or the stream ends.
pub struct Reader {
    log: Arc<Log>,
    changes: watch::Receiver<State>,
    reader: u64,
    position: u64,
}

impl Reader {
    /// The id of the event that was read last, or under which the whole stream can be taken up.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.log.name, self.position)
    }

    /// Waits for the next event and its id; `None` at the end. Losing interest loses nothing.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let (reader, next) = (self.reader, self.position + 1);
        let is_told =
            |state: &State| state.reader != reader || state.ended || state.at(next).is_some();
        drop(self.changes.wait_for(is_told).await.ok()?);
        let mut event = None;
        self.log.state.send_if_modified(|state| {
            event = state.at(next).filter(|_| state.reader == reader).cloned();
            if let Some(event) = &event {
                state.taken = next;
                state.untaken_bytes -= event.len();
            }
            event.is_some()
        });
        let event = event?;
        self.position = next;
        Some((self.id(), event))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.log.state.send_if_modified(|state| {
            let is_last = state.reader == self.reader;
            if is_last {
                state.left = Some(Instant::now());
            }
            is_last
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use super::*;

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
        writer.close();
        assert!(reader.next().await.is_some() && reader.next().await.is_none());
        drop(reader);
        let (outbox, mcp_session) = (writer.outbox.clone(), writer.mcp_session);
        let began = Instant::now();
        let id = format!("{}-0", log.name);
        let mut kept = Box::pin(writer.kept());
        assert!(poll!(&mut kept).is_pending());
        assert!(outbox.resume(mcp_session, &id).is_some());
        kept.await;
        assert!(began.elapsed() >= STREAM_HELD);
        assert!(outbox.resume(mcp_session, &id).is_none());
    }
}
