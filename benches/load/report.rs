//! What a run found: figures of each side, and the ratios between them.

mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::fault::RunError;
use crate::options::Options;
use crate::stage::Creation;
use crate::tally::Tally;
use crate::usage::Usage;

pub(crate) use self::table::print;

/// Version of the JSON file's form.
const FORM: u32 = 2;

/// Names of the sides.
pub(crate) const DIRECT: &str = "direct";
pub(crate) const GATEWAY: &str = "gateway";

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
    /// Absent unless the gateway was started for the run, on Linux.
    gateway: Option<GatewayReport>,
    sessions_made_per_second: Option<f64>,
}

/// What the gateway's process held at the end of the load.
#[derive(Debug, Serialize)]
struct GatewayReport {
    resident_mib: f64,
    resident_most_mib: f64,
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
    /// Processor time of the gateway for each operation; zero where it is not known.
    gateway_cpu_us: f64,
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

/// A side and what it did.
#[derive(Debug)]
pub(crate) struct Side {
    name: &'static str,
    pub(crate) rounds: Vec<Tally>,
    /// What the gateway worked meanwhile.
    pub(crate) gateway_cpu: Duration,
}

impl Side {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rounds: Vec::new(),
            gateway_cpu: Duration::ZERO,
        }
    }
}

/// All that a run found.
#[derive(Debug)]
pub(crate) struct Findings {
    /// Direct and gateway, or one of them.
    pub(crate) sides: Vec<Side>,
    /// The gateway at the end of the load.
    pub(crate) gateway: Option<Usage>,
    pub(crate) creation: Option<Creation>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(options: &'a Options, findings: &Findings) -> Result<Self, RunError> {
        let stretch = options.stretch();
        let sides: Vec<_> = findings
            .sides
            .iter()
            .map(|side| SideReport::new(side, stretch))
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
            gateway: findings.gateway.map(GatewayReport::new),
            sessions_made_per_second: findings.creation.map(Creation::per_second),
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
    fn new(side: &Side, stretch: Duration) -> Result<Self, RunError> {
        let mut total = Tally::new()?;
        for round in &side.rounds {
            total.add(round);
        }
        let figures = |round: &Tally| Figures::new(per_second(round.done, stretch), &round.latency);
        let rounds: Vec<_> = side.rounds.iter().map(figures).collect();
        let throughput = Spread::of(rounds.iter().map(|round| round.operations_per_second));
        Ok(Self {
            name: side.name,
            whole: Figures::new(throughput.median, &total.latency),
            rounds,
            verified: total.verified,
            wrong: total.wrong,
            failed: total.failed,
            connections_lost: total.lost,
            gateway_cpu_us: microseconds_each(side.gateway_cpu, total.operations()),
            error_samples: total.samples,
        })
    }
}

impl GatewayReport {
    fn new(usage: Usage) -> Self {
        Self {
            resident_mib: mebibytes(usage.resident_bytes),
            resident_most_mib: mebibytes(usage.resident_most_bytes),
        }
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

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 operations")]
fn microseconds_each(time: Duration, operations: u64) -> f64 {
    time.as_secs_f64() * 1e6 / operations.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "no program has 2^53 bytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}
