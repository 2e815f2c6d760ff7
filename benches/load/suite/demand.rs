//! What the gateway must reach, and whether it does.

use serde::Serialize;

use crate::report::{Ratios, Report, SideReport};
use crate::side::Kind;

/// Something to reach in a scenario.
#[derive(Debug, Clone, Copy)]
pub(super) enum Demand {
    /// Throughput, at least so many times that of another side.
    Throughput(Kind, f64),
    /// Processor time of an operation, at most so many times that of another side.
    Cpu(Kind, f64),
    /// Milliseconds that the median latency may be above that of another side.
    P50Added(Kind, f64),
    /// The same of the 99th percentile.
    P99Added(Kind, f64),
    /// Processor time of an operation under each setting: how far it may be from that of the first, as a share.
    CpuFlat(f64),
    /// Most memory under the last setting: how far above the first, as a share.
    MemoryFlat(f64),
    /// KiB that each session more may hold; settings have one session, and many.
    SessionKib(f64),
    /// MiB that the gateway may hold under the last setting.
    MemoryMib(f64),
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Verdict {
    pub(super) demand: String,
    /// Absent where a side is missing.
    pub(super) found: Option<f64>,
    pub(super) is_met: Option<bool>,
}

impl Verdict {
    pub(super) fn at_most(demand: String, found: Option<f64>, limit: f64) -> Self {
        Self {
            demand,
            found,
            is_met: found.map(|found| found <= limit),
        }
    }

    pub(super) fn at_least(demand: String, found: Option<f64>, limit: f64) -> Self {
        Self {
            demand,
            found,
            is_met: found.map(|found| found >= limit),
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.is_met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "not measured",
        }
    }
}

impl Demand {
    pub(super) fn judge(&self, report: &Report) -> Verdict {
        match *self {
            Demand::Throughput(to, limit) => {
                let found = ratio(report, to, |ratios| Some(ratios.throughput.median));
                Verdict::at_least(format!("throughput ≥ {limit} × {to}"), found, limit)
            }
            Demand::Cpu(to, limit) => {
                let found = ratio(report, to, |ratios| Some(ratios.cpu?.median));
                Verdict::at_most(format!("CPU ≤ {limit} × {to}"), found, limit)
            }
            Demand::P50Added(to, limit) => {
                let found = ratio(report, to, |ratios| Some(ratios.p50_added_ms.median));
                Verdict::at_most(format!("p50 ≤ {to} + {limit} ms"), found, limit)
            }
            Demand::P99Added(to, limit) => {
                let found = ratio(report, to, |ratios| Some(ratios.p99_added_ms.median));
                Verdict::at_most(format!("p99 ≤ {to} + {limit} ms"), found, limit)
            }
            Demand::CpuFlat(limit) => {
                let demand = format!("CPU within ± {:.0} %", limit * 100.0);
                Verdict::at_most(demand, farthest(report), limit)
            }
            Demand::MemoryFlat(limit) => {
                let found = growth(report, |side| side.resident_most_mib);
                let found = found.map(|(first, last)| last / first - 1.0);
                let demand = format!("most memory grows by ≤ {:.0} %", limit * 100.0);
                Verdict::at_most(demand, found, limit)
            }
            Demand::SessionKib(limit) => {
                let memory = growth(report, |side| side.resident_mib);
                let sessions = growth(report, SideReport::sessions_made);
                let found = memory.zip(sessions);
                let found = found
                    .map(|((first, last), (one, many))| (last - first) * 1024.0 / (many - one));
                Verdict::at_most(format!("a session ≤ {limit} KiB"), found, limit)
            }
            Demand::MemoryMib(limit) => {
                let found = growth(report, |side| side.resident_mib);
                let found = found.map(|(_, last)| last);
                Verdict::at_most(format!("in all ≤ {limit} MiB"), found, limit)
            }
        }
    }
}

fn ratio(report: &Report, to: Kind, part: fn(&Ratios) -> Option<f64>) -> Option<f64> {
    let ours = Kind::Gateway.to_string();
    part(report.ratios(&ours, &to.to_string())?)
}

/// A figure under the first and under the last setting.
fn growth(report: &Report, figure: fn(&SideReport) -> Option<f64>) -> Option<(f64, f64)> {
    Some((
        figure(report.sides.first()?)?,
        figure(report.sides.last()?)?,
    ))
}

/// How far the processor time under any setting is from that under the first, as a share.
fn farthest(report: &Report) -> Option<f64> {
    let (first, others) = report.sides.split_first()?;
    let shares = others.iter().map(|side| {
        let ratios = report.ratios(&side.name, &first.name)?;
        Some((ratios.cpu?.median - 1.0).abs())
    });
    shares.reduce(|one, other| Some(one?.max(other?)))?
}
