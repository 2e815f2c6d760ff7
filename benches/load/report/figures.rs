//! Figures of one side, and how those of two sides compare.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::contest::{Round, Spent};

/// Fewer operations than this in measured time make no rate.
const FEW: u64 = 100;

/// Throughput and latencies of one round, or of all.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) operations_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p99_9_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) cpu: Cpu,
}

/// Processor time for each operation in µs, kernel included; absent where it is not known.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cpu {
    /// Of all programs of the side.
    #[serde(rename = "side_us")]
    pub(crate) side: Option<f64>,
    /// Of the fake backend.
    #[serde(rename = "backend_us")]
    pub(crate) backend: Option<f64>,
    /// Of the load itself.
    #[serde(rename = "load_us")]
    pub(crate) load: Option<f64>,
}

/// A side divided by another, round by round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ratios {
    pub(crate) throughput: Spread,
    pub(crate) p50: Spread,
    pub(crate) p99: Spread,
    /// Absent where a side has no program of its own.
    pub(crate) cpu: Option<Spread>,
    pub(crate) p50_added_ms: Spread,
    pub(crate) p99_added_ms: Spread,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Figures {
    /// The figures of one round that took `stretch`.
    pub(super) fn of(round: &Round, stretch: Duration) -> Self {
        let tally = &round.tally;
        // Where hardly an operation ends in time, those that end later tell more.
        let rate = if tally.done < FEW {
            per_second(tally.latency.len(), tally.lasted.max(stretch))
        } else {
            per_second(tally.done, stretch)
        };
        let cpu = Cpu::of(&round.spent, tally.operations());
        Self::new(rate, &tally.latency, cpu)
    }

    pub(super) fn new(operations_per_second: f64, latency: &Histogram<u64>, cpu: Cpu) -> Self {
        let at = |quantile| milliseconds(latency.value_at_quantile(quantile));
        Self {
            operations_per_second,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: milliseconds(latency.max()),
            cpu,
        }
    }
}

impl Cpu {
    fn of(spent: &Spent, operations: u64) -> Self {
        let each = |time: Option<Duration>| Some(microseconds_each(time?, operations));
        Self {
            side: each(spent.side),
            backend: each(spent.backend),
            load: each(spent.load),
        }
    }

    /// The median of each over all rounds.
    pub(super) fn median(rounds: &[Figures]) -> Self {
        let median = |part: fn(&Cpu) -> Option<f64>| {
            let known: Vec<_> = rounds.iter().filter_map(|round| part(&round.cpu)).collect();
            Some(Spread::of(known)?.median)
        };
        Self {
            side: median(|cpu| cpu.side),
            backend: median(|cpu| cpu.backend),
            load: median(|cpu| cpu.load),
        }
    }
}

impl Ratios {
    /// None if there is no round in which both did something.
    pub(super) fn new(base: &[Figures], side: &[Figures]) -> Option<Self> {
        let spread = |compare: &dyn Fn(&Figures, &Figures) -> Option<f64>| {
            let pairs = base.iter().zip(side);
            let values = pairs.filter_map(|(base, side)| compare(base, side));
            Spread::of(values.filter(|value| value.is_finite()).collect())
        };
        let quotient =
            |figure: fn(&Figures) -> f64| spread(&|base, side| Some(figure(side) / figure(base)));
        let difference =
            |figure: fn(&Figures) -> f64| spread(&|base, side| Some(figure(side) - figure(base)));
        Some(Self {
            throughput: quotient(|figures| figures.operations_per_second)?,
            p50: quotient(|figures| figures.p50_ms)?,
            p99: quotient(|figures| figures.p99_ms)?,
            cpu: spread(&|base, side| Some(side.cpu.side? / base.cpu.side?)),
            p50_added_ms: difference(|figures| figures.p50_ms)?,
            p99_added_ms: difference(|figures| figures.p99_ms)?,
        })
    }
}

impl Spread {
    /// None without values.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        Some(Self {
            median: if values.len() % 2 == 1 {
                *values.get(middle)?
            } else {
                f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?)
            },
            least: *values.first()?,
            greatest: *values.last()?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 operations")]
fn per_second(operations: u64, time: Duration) -> f64 {
    operations as f64 / time.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 operations")]
fn microseconds_each(time: Duration, operations: u64) -> f64 {
    time.as_secs_f64() * 1e6 / operations.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "no program has 2^53 bytes")]
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}
