//! What a run found: figures of each side, and the ratios between them.

mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::fault::RunError;
use crate::options::Options;
use crate::tally::Tally;

pub(crate) use self::table::print;

/// Version of the JSON file's form.
const FORM: u32 = 1;

/// Everything that `--json` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    form: u32,
    /// `false` in a debug build, whose figures say nothing about the product.
    release: bool,
    cores: usize,
    options: &'a Options,
    sides: Vec<SideReport>,
    /// Absent with one side only.
    gateway_to_direct: Option<Ratios>,
}

/// One side over all rounds.
#[derive(Debug, Serialize)]
struct SideReport {
    name: &'static str,
    /// Median throughput; percentiles over the operations of all rounds.
    whole: Figures,
    rounds: Vec<Figures>,
    verified: u64,
    wrong: u64,
    failed: u64,
    connections_lost: u64,
    error_samples: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Figures {
    operations_per_second: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p99_9_ms: f64,
    max_ms: f64,
}

/// Gateway divided by direct, round by round.
#[derive(Debug, Serialize)]
struct Ratios {
    throughput: Spread,
    p50: Spread,
    p99: Spread,
}

#[derive(Debug, Serialize)]
struct Spread {
    median: f64,
    least: f64,
    greatest: f64,
}

/// The name of a side and what it did, round by round.
pub(crate) type Side = (&'static str, Vec<Tally>);

impl<'a> Report<'a> {
    /// `sides` are direct and gateway, or one of them.
    pub(crate) fn new(options: &'a Options, sides: &[Side]) -> Result<Self, RunError> {
        let stretch = options.stretch();
        let sides: Vec<_> = sides
            .iter()
            .map(|(name, rounds)| SideReport::new(name, rounds, stretch))
            .collect::<Result<_, _>>()?;
        let gateway_to_direct = match &sides[..] {
            [direct, gateway] => Some(Ratios::new(&direct.rounds, &gateway.rounds)),
            _ => None,
        };
        Ok(Self {
            form: FORM,
            release: !cfg!(debug_assertions),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            options,
            sides,
            gateway_to_direct,
        })
    }

    /// Whether every operation of every side got the right answer, and there was at least one.
    pub(crate) fn is_clean(&self) -> bool {
        let clean = |side: &SideReport| side.wrong + side.failed == 0 && side.verified > 0;
        self.sides.iter().all(clean)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), RunError> {
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

impl SideReport {
    fn new(name: &'static str, rounds: &[Tally], stretch: Duration) -> Result<Self, RunError> {
        let mut total = Tally::new()?;
        for round in rounds {
            total.add(round);
        }
        let figures = |round: &Tally| Figures::new(per_second(round.done, stretch), &round.latency);
        let rounds: Vec<_> = rounds.iter().map(figures).collect();
        let throughput = Spread::of(rounds.iter().map(|round| round.operations_per_second));
        Ok(Self {
            name,
            whole: Figures::new(throughput.median, &total.latency),
            rounds,
            verified: total.verified,
            wrong: total.wrong,
            failed: total.failed,
            connections_lost: total.lost,
            error_samples: total.samples,
        })
    }
}

impl Figures {
    fn new(operations_per_second: f64, latency: &Histogram<u64>) -> Self {
        let at = |quantile| milliseconds(latency.value_at_quantile(quantile));
        Self {
            operations_per_second,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p99_9_ms: at(0.999),
            max_ms: milliseconds(latency.max()),
        }
    }
}

impl Ratios {
    fn new(direct: &[Figures], gateway: &[Figures]) -> Self {
        let spread = |figure: fn(&Figures) -> f64| {
            let pairs = direct.iter().zip(gateway);
            // A round in which one side did nothing has no ratio.
            let ratios = pairs.map(|(direct, gateway)| figure(gateway) / figure(direct));
            Spread::of(ratios.filter(|ratio| ratio.is_finite()))
        };
        Self {
            throughput: spread(|figures| figures.operations_per_second),
            p50: spread(|figures| figures.p50_ms),
            p99: spread(|figures| figures.p99_ms),
        }
    }
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match &values[..] {
            [] => 0.0,
            values if values.len() % 2 == 1 => values[middle],
            values => f64::midpoint(values[middle - 1], values[middle]),
        };
        Self {
            median,
            least: values.first().copied().unwrap_or_default(),
            greatest: values.last().copied().unwrap_or_default(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 operations")]
fn per_second(operations: u64, time: Duration) -> f64 {
    operations as f64 / time.as_secs_f64()
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}
