//! The audit log: who had what carried out, one JSON object a line. Never what was in it.
//!
//! Whoever answers a request only hands its line over; a thread of its own writes it.

mod writing;

use std::{
    io,
    net::IpAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    time::SystemTime,
};

use smol_str::SmolStr;

use crate::{limits::AUDIT_QUEUE_MAX, mcp::name::BackendName};

pub use writing::Writing;

use writing::Writer;

/// Where the audit log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTo {
    /// Standard output.
    Output,
    /// A file, which is followed by another one at this size.
    File {
        /// Where it lies; older ones lie beside it, with numbers.
        path: PathBuf,
        /// Bytes of it at most.
        size_bytes_max: u64,
    },
}

/// What one request was: no more than whom it concerns, and how it ended.
#[derive(Debug)]
pub struct Entry {
    /// Who asked, where callers are authenticated.
    pub caller: Option<Arc<str>>,
    /// The part of the session's id that may be shown, if it is about one.
    pub session: Option<SmolStr>,
    /// Where the request came from.
    pub client: Option<IpAddr>,
    /// What was asked.
    pub method: SmolStr,
    /// The backend that answered, if one did.
    pub provider: Option<BackendName>,
    /// The tool that was called, by its public name.
    pub tool: Option<SmolStr>,
    /// How it ended, in the words of the log.
    pub outcome: &'static str,
    /// From the request to its answer's end.
    pub elapsed_ms: u64,
}

/// What the writer is told.
enum Order {
    /// When the request had ended, and what it was.
    Write(SystemTime, Box<Entry>),
    Reopen,
    Close,
}

/// A handle to the audit log; without one that was opened, nothing is written.
#[derive(Clone, Default)]
pub struct AuditLog(Option<Arc<Queue>>);

struct Queue {
    orders: SyncSender<Order>,
    /// Lines for which there was no room.
    lost: Arc<AtomicU64>,
}

impl AuditLog {
    /// Opens the log, and begins to write.
    ///
    /// # Errors
    ///
    /// When the file cannot be written to, or there is no thread.
    pub fn open(to: AuditTo) -> io::Result<(Self, Writing)> {
        let (orders, received) = sync_channel(AUDIT_QUEUE_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::open(to, Arc::clone(&lost))?;
        let writing = Writing::start(writer, received)?;
        Ok((Self(Some(Arc::new(Queue { orders, lost }))), writing))
    }

    /// Whether anything is written.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.0.is_some()
    }

    /// Hands a line over. It is waited for by nobody: where the disk does not keep up, lines are counted instead of
    /// written, and the log says how many.
    pub fn write(&self, entry: Entry) {
        let Some(queue) = &self.0 else {
            return;
        };
        match queue
            .orders
            .try_send(Order::Write(SystemTime::now(), Box::new(entry)))
        {
            // Closed only when the gateway has stopped.
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                queue.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Has the file opened anew, once what was handed over is written: it may have been moved away.
    pub fn reopen(&self) {
        if let Some(queue) = &self.0
            && let Err(TrySendError::Full(_)) = queue.orders.try_send(Order::Reopen)
        {
            tracing::warn!("the audit log is too busy to be opened anew; ask for it again");
        }
    }

    /// Writes what was handed over, then ends. It waits for that: call it where waiting holds up nobody.
    pub fn close(self, writing: Writing) {
        if let Some(queue) = &self.0 {
            // A writer that died has said so.
            let _died = queue.orders.send(Order::Close);
        }
        writing.end();
    }
}

#[cfg(test)]
mod tests;
