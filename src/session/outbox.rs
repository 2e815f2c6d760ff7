//! What was said to clients on streams that they may take up again where they broke off.
//!
//! A stream is written by a task of its own and read by at most one connection at a time. What was
//! written stays for a while, so that the next connection gets what the last one may have lost.

mod keeping;
mod log;
mod reader;
mod watched;
mod writer;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use uuid::Uuid;

use crate::limits::{ENDED_STREAMS_BYTES_MAX, OUTBOX_BYTES_MAX, STREAMS_PER_MCP_SESSION_MAX};

use log::Log;

pub use reader::Reader;
pub use writer::Writer;

/// What all streams of a session may hold is no less than what those of one MCP session may that ended.
const _: () = assert!(ENDED_STREAMS_BYTES_MAX <= OUTBOX_BYTES_MAX);

/// The streams of one session. A clone is another handle of the same.
#[derive(Clone, Default)]
pub struct Outbox {
    streams: Arc<Mutex<Streams>>,
    names: Arc<Names>,
    /// Whether somebody sees to those that ended.
    is_tended: Arc<AtomicBool>,
    /// The bytes that all of them hold.
    held: Arc<AtomicUsize>,
}

/// By MCP session, the oldest first.
type Streams = HashMap<Uuid, Vec<Arc<Log>>>;

/// Names of streams: no stream of this outbox, or of one before a restart, has the name of another. Made of one random
/// part, because the system takes its time to give one.
struct Names {
    outbox: Uuid,
    given: AtomicU64,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            outbox: Uuid::new_v4(),
            given: AtomicU64::new(0),
        }
    }
}

impl Names {
    fn next(&self, kind: Kind) -> String {
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        format!("{}{}.{number}", kind.mark(), self.outbox.simple())
    }
}

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
        let log = Arc::new(Log::new(
            kind,
            self.names.next(kind),
            Arc::clone(&self.held),
        ));
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
        // Nearly always all of them hold less than those of one may: nobody looks at each.
        if self.held.load(Ordering::Relaxed) <= ENDED_STREAMS_BYTES_MAX {
            return;
        }
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
        self.make_room(&mut streams);
    }

    /// Lets go of what ended first where the session's streams hold too much together; of what ended last
    /// its client may have read nothing.
    fn make_room(&self, streams: &mut Streams) {
        let held = || self.held.load(Ordering::Relaxed);
        if held() <= OUTBOX_BYTES_MAX {
            return;
        }
        let all = streams.values().flatten().cloned();
        let mut ended: Vec<Arc<Log>> = all.filter(|log| log.has_ended()).collect();
        ended.sort_by_key(|log| log.ended_at());
        ended.pop();
        for log in ended {
            if held() <= OUTBOX_BYTES_MAX {
                return;
            }
            for own in streams.values_mut() {
                own.retain(|it| !Arc::ptr_eq(it, &log));
            }
            log.forget();
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
mod tests;
