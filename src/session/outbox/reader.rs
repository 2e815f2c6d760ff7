//! The end of a stream that is read: one connection's, from one event on.

use std::sync::Arc;

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use super::log::{Log, State};

/// Reads one stream, from one event on, until another reader takes it over or the stream ends.
pub struct Reader {
    log: Arc<Log>,
    changes: watch::Receiver<State>,
    number: u64,
    position: u64,
}

impl Reader {
    pub(super) fn new(log: Arc<Log>, number: u64, position: u64) -> Self {
        Self {
            changes: log.state.subscribe(),
            log,
            number,
            position,
        }
    }

    /// The id of the event that was read last, or under which the whole stream can be taken up.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}-{}", self.log.name(), self.position)
    }

    /// Waits for the next event and its id; `None` at the end. Losing interest loses nothing.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let (number, next) = (self.number, self.position + 1);
        let is_told = |state: &State| {
            state.reader != number || state.ended.is_some() || state.at(next).is_some()
        };
        drop(self.changes.wait_for(is_told).await.ok()?);
        let mut event = None;
        self.log.state.send_if_modified(|state| {
            event = state.take(number, next);
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
            let is_last = state.reader == self.number;
            if is_last {
                state.left = Some(Instant::now());
            }
            is_last
        });
    }
}
