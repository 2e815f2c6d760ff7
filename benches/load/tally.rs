//! What one side did during one stretch of time.

use std::time::Duration;

use hdrhistogram::{CreationError, Histogram};
use tokio::time::Instant;

use crate::fault::Fault;

/// How many error texts are kept.
const SAMPLES: usize = 5;

/// Three significant digits: 0.1 % of a latency.
const PRECISION: u8 = 3;

/// A latency above this counts as this.
const LONGEST: Duration = Duration::from_mins(10);

/// A stretch of load: warm-up, then measured time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// From here on it is measured.
    pub(crate) from: Instant,
    /// Operations begin before this.
    pub(crate) until: Instant,
}

#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// Right answers that came in measured time.
    pub(crate) done: u64,
    /// From the beginning of measured time to the last right answer.
    pub(crate) lasted: Duration,
    /// Latencies in nanoseconds of right answers since measured time began, those under way at its end included.
    pub(crate) latency: Histogram<u64>,
    /// Right answers, those of the warm-up included.
    pub(crate) verified: u64,
    /// Answers that were not the ones asked for, warm-up included.
    pub(crate) wrong: u64,
    /// Operations without an answer, or with an error, warm-up included.
    pub(crate) failed: u64,
    /// Connections that the server closed between two operations.
    pub(crate) lost: u64,
    /// The first few errors.
    pub(crate) samples: Vec<String>,
}

impl Tally {
    pub(crate) fn new() -> Result<Self, CreationError> {
        Ok(Self {
            done: 0,
            lasted: Duration::ZERO,
            latency: Histogram::new_with_max(nanoseconds(LONGEST), PRECISION)?,
            verified: 0,
            wrong: 0,
            failed: 0,
            lost: 0,
            samples: Vec::new(),
        })
    }

    /// Counts an operation that began at `begun` and ends now.
    pub(crate) fn record(&mut self, stretch: Stretch, begun: Instant, outcome: &Result<(), Fault>) {
        let now = Instant::now();
        match outcome {
            Ok(()) => {
                self.verified += 1;
                self.done += u64::from(now >= stretch.from && now < stretch.until);
                if now >= stretch.from {
                    self.latency.saturating_record(nanoseconds(now - begun));
                    self.lasted = self.lasted.max(now - stretch.from);
                }
            }
            Err(fault) => {
                if fault.is_wrong_answer() {
                    self.wrong += 1;
                } else {
                    self.failed += 1;
                }
                if self.samples.len() < SAMPLES {
                    self.samples.push(fault.to_string());
                }
            }
        }
    }

    /// Operations that ended, warm-up included.
    pub(crate) fn operations(&self) -> u64 {
        self.verified + self.wrong + self.failed
    }

    pub(crate) fn add(&mut self, other: &Tally) {
        self.done += other.done;
        self.lasted = self.lasted.max(other.lasted);
        // Cannot fail: both have the same bounds.
        let _ = self.latency.add(&other.latency);
        self.verified += other.verified;
        self.wrong += other.wrong;
        self.failed += other.failed;
        self.lost += other.lost;
        let room = SAMPLES.saturating_sub(self.samples.len());
        self.samples
            .extend(other.samples.iter().take(room).cloned());
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
