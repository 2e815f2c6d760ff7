//! The end of a stream that is read: one connection's, from one event on.

use std::{fmt::Write as _, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use super::log::Log;

/// As many as a number of 64 bits has.
const POSITION_DIGITS_MAX: usize = 20;

/// Reads one stream, from one event on, until another reader takes it over or the stream ends.
pub struct Reader {
    log: Arc<Log>,
    number: u64,
    position: u64,
}

impl Reader {
    pub(super) fn new(log: Arc<Log>, number: u64, position: u64) -> Self {
        Self {
            log,
            number,
            position,
        }
    }

    /// The id of the event that was read last, or under which the whole stream can be taken up.
    #[must_use]
    pub fn id(&self) -> String {
        let name = self.log.name();
        let mut id = String::with_capacity(name.len() + 1 + POSITION_DIGITS_MAX);
        // To a text nothing fails to be written.
        let _written = write!(id, "{name}-{}", self.position);
        id
    }

    /// Waits for the next event and its id; `None` at the end. Losing interest loses nothing.
    pub async fn next(&mut self) -> Option<(String, Bytes)> {
        let (number, next) = (self.number, self.position + 1);
        let told = self.log.state.once(|state| {
            let is_there = state.at(next).is_some();
            let is_told = is_there || state.reader != number || state.ended.is_some();
            is_told.then(|| state.take(number, next))
        });
        let event = told.await?;
        self.position = next;
        Some((self.id(), event))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.log.state.try_change(|state| {
            // Whoever reads it now has not left.
            (state.reader == self.number).then(|| state.left = Some(Instant::now()))
        });
    }
}
