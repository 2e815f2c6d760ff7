//! One stream's log: what was written, how far it was read, and since when nobody reads it.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use tokio::time::Instant;

use crate::limits::{OUTBOX_BYTES_MAX, STREAM_BYTES_MAX, STREAM_EVENTS_MAX, STREAM_HELD};

use super::{Kind, reader::Reader, watched::Watched};

/// A stream and its name, which each of its events' ids begins with.
pub(super) struct Log {
    kind: Kind,
    name: String,
    pub(super) state: Watched<State>,
}

/// Positions count from 1; 0 is before the first event.
pub(super) struct State {
    events: VecDeque<Bytes>,
    /// The position of the oldest event that is held, or will be.
    first: u64,
    /// The position of the last event that a reader took.
    pub(super) taken: u64,
    /// What all events hold, and what those hold that no reader took.
    bytes: usize,
    untaken_bytes: usize,
    /// Tells the readers of one stream apart: only the last one reads.
    pub(super) reader: u64,
    /// Since when nobody reads; `None` while someone does.
    pub(super) left: Option<Instant>,
    /// Since when nothing is written any more.
    pub(super) ended: Option<Instant>,
    /// Nobody can take the stream up any more.
    pub(super) forgotten: bool,
    held: Share,
}

/// What one stream holds of what all of a session hold.
struct Share {
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Log {
    /// An empty one of this name; what it holds is counted in `held`, too.
    pub(super) fn new(kind: Kind, name: String, held: Arc<AtomicUsize>) -> Self {
        Self {
            kind,
            name,
            state: Watched::new(State {
                events: VecDeque::new(),
                first: 1,
                taken: 0,
                bytes: 0,
                untaken_bytes: 0,
                reader: 0,
                left: Some(Instant::now()),
                ended: None,
                forgotten: false,
                held: Share { all: held, own: 0 },
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
        self.state.look(|state| state.left.is_none())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    pub(super) fn ended_at(&self) -> Option<Instant> {
        self.state.look(|state| state.ended)
    }

    /// When it is given up, as things stand: nobody reads it, and nobody took it up.
    pub(super) fn given_up(&self) -> Option<Instant> {
        self.state.look(State::given_up)
    }

    pub(super) fn end(&self) {
        self.state.change(|state| {
            state.ended.get_or_insert_with(Instant::now);
        });
    }

    pub(super) fn bytes(&self) -> usize {
        self.state.look(|state| state.bytes)
    }

    pub(super) fn forget(&self) {
        self.state.change(|state| {
            state.forgotten = true;
            // Whoever reads it still is slowed down like any other reader.
            state.held.take(state.bytes);
        });
    }

    /// Reads on behind a position, if all that came behind it is held and something may come.
    pub(super) fn read_behind(self: &Arc<Self>, position: u64) -> Option<Reader> {
        let reader = self.state.try_change(|state| {
            let is_over = state.ended.is_some() && position >= state.last();
            if position > state.last() || position + 1 < state.first || is_over {
                return None;
            }
            Some(state.read_behind(position))
        });
        Some(self.reader(reader?, position))
    }

    pub(super) fn reader(self: &Arc<Self>, reader: u64, position: u64) -> Reader {
        Reader::new(Arc::clone(self), reader, position)
    }
}

impl State {
    /// The position of the last event that was written.
    fn last(&self) -> u64 {
        self.first - 1 + self.events.len() as u64
    }

    pub(super) fn at(&self, position: u64) -> Option<&Bytes> {
        let index = position.checked_sub(self.first)?;
        self.events.get(usize::try_from(index).ok()?)
    }

    /// Gives the stream to a further reader; tells which one it is.
    pub(super) fn read_behind(&mut self, position: u64) -> u64 {
        self.reader += 1;
        self.left = None;
        self.taken = position;
        let held_before = (self.first..=position).filter_map(|before| self.at(before));
        self.untaken_bytes = self.bytes - held_before.map(Bytes::len).sum::<usize>();
        self.reader
    }

    /// Whether an event may be written: what was taken makes room only while someone reads.
    pub(super) fn has_room(&self, event: &Bytes) -> bool {
        let (count, bytes) = if self.left.is_none() {
            (self.last() - self.taken, self.untaken_bytes)
        } else {
            (self.events.len() as u64, self.bytes)
        };
        count == 0 || (count < STREAM_EVENTS_MAX && bytes + event.len() <= STREAM_BYTES_MAX)
    }

    pub(super) fn write(&mut self, event: Bytes) {
        self.bytes += event.len();
        self.untaken_bytes += event.len();
        if !self.forgotten {
            self.held.add(event.len());
        }
        self.events.push_back(event);
        while self.is_full() || self.held.is_crowded() {
            if !self.let_go_of_oldest() {
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() as u64 > STREAM_EVENTS_MAX || self.bytes > STREAM_BYTES_MAX
    }

    /// Holds the oldest event no longer, if it was taken; tells whether it was.
    fn let_go_of_oldest(&mut self) -> bool {
        if self.first > self.taken {
            return false;
        }
        let Some(oldest) = self.events.pop_front() else {
            return false;
        };
        self.bytes -= oldest.len();
        self.held.take(oldest.len());
        self.first += 1;
        true
    }

    /// Gives the event at a position to a reader, if it is there and that reader the last.
    pub(super) fn take(&mut self, reader: u64, position: u64) -> Option<Bytes> {
        let event = self.at(position).filter(|_| self.reader == reader)?.clone();
        self.taken = position;
        self.untaken_bytes -= event.len();
        while self.held.is_crowded() && self.let_go_of_oldest() {}
        Some(event)
    }

    /// When the stream is given up, as things stand: nobody reads it, and nobody took it up.
    pub(super) fn given_up(&self) -> Option<Instant> {
        let left = self.left?;
        Some(if self.forgotten {
            left
        } else {
            left + STREAM_HELD
        })
    }
}

impl Share {
    fn add(&mut self, bytes: usize) {
        self.own += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes so much of it away, as far as it is there.
    fn take(&mut self, bytes: usize) {
        let bytes = bytes.min(self.own);
        self.own -= bytes;
        self.all.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn is_crowded(&self) -> bool {
        self.all.load(Ordering::Relaxed) > OUTBOX_BYTES_MAX
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.take(self.own);
    }
}
