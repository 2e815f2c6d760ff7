//! What a contest found: figures of each side, and the ratios between them.

mod figures;
mod table;

use std::fs;
use std::path::Path;

use serde::Serialize;

pub(crate) use self::figures::{Figures, Ratios, Spread, mebibytes};
pub(crate) use self::table::{complaints, print};
use crate::contest::{Findings, Setting};
use crate::fault::RunError;
use crate::options::Options;
use crate::side::{Creation, Kind};
use crate::tally::Tally;

/// Version of the JSON file's form.
pub(crate) const FORM: u32 = 3;

/// The machine and the build that figures come from.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    form: u32,
    /// `false` in a debug build, whose figures say nothing about the product.
    pub(crate) release: bool,
    cores: usize,
}

/// Everything that `--json` writes.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What the sides did. Sides name their setting by its place here.
    settings: Vec<Options>,
    pub(crate) sides: Vec<SideReport>,
    comparisons: Vec<Comparison>,
}

/// One side over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct SideReport {
    pub(crate) name: String,
    #[serde(skip)]
    pub(crate) kind: Kind,
    pub(crate) setting: usize,
    /// Median throughput and processor time; percentiles over the operations of all rounds.
    pub(crate) whole: Figures,
    rounds: Vec<Figures>,
    pub(crate) verified: u64,
    pub(crate) wrong: u64,
    pub(crate) failed: u64,
    pub(crate) connections_lost: u64,
    /// What its programs held at the end of the load, and at most; absent if it has none.
    pub(crate) resident_mib: Option<f64>,
    pub(crate) resident_most_mib: Option<f64>,
    pub(crate) sessions: Option<usize>,
    pub(crate) sessions_made_per_second: Option<f64>,
    /// Why it did not take part, or not to the end.
    pub(crate) failure: Option<String>,
    pub(crate) error_samples: Vec<String>,
}

/// A side beside another one.
#[derive(Debug, Serialize)]
struct Comparison {
    side: String,
    to: String,
    #[serde(flatten)]
    ratios: Ratios,
}

impl Origin {
    pub(crate) fn here() -> Self {
        Self {
            form: FORM,
            release: !cfg!(debug_assertions),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl Report {
    pub(crate) fn new(settings: &[Setting], findings: &[Findings]) -> Result<Self, RunError> {
        let sides: Vec<_> = findings
            .iter()
            .map(|one| SideReport::new(one, settings))
            .collect::<Result<_, _>>()?;
        let mut comparisons = Vec::new();
        for (place, side) in sides.iter().enumerate() {
            // Sides that come after direct or nginx are held against these; one of a later setting against itself
            // under the first.
            let bases = sides[..place].iter().filter(|base| {
                let is_base = matches!(base.kind, Kind::Direct | Kind::Nginx);
                let is_same = base.setting == 0 && base.kind == side.kind;
                (is_base && base.setting == side.setting) || is_same
            });
            comparisons.extend(bases.filter_map(|base| {
                Some(Comparison {
                    side: side.name.clone(),
                    to: base.name.clone(),
                    ratios: Ratios::new(&base.rounds, &side.rounds)?,
                })
            }));
        }
        Ok(Self {
            settings: settings
                .iter()
                .map(|setting| setting.options.clone())
                .collect(),
            sides,
            comparisons,
        })
    }

    /// How one side compares with another, both by name.
    pub(crate) fn ratios(&self, side: &str, to: &str) -> Option<&Ratios> {
        let mut comparisons = self.comparisons.iter();
        let is_wanted = |one: &&Comparison| one.side == side && one.to == to;
        Some(&comparisons.find(is_wanted)?.ratios)
    }

    /// Whether every operation got the right answer, and every side that must be there did at least one.
    pub(crate) fn is_clean(&self) -> bool {
        let clean =
            |side: &SideReport| !side.kind.is_needed() || (side.errors() == 0 && side.verified > 0);
        self.sides.iter().all(clean)
    }

    /// Writes this and where it comes from.
    pub(crate) fn write(&self, path: &Path) -> Result<(), RunError> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            origin: Origin,
            #[serde(flatten)]
            report: &'a Report,
        }
        let whole = Whole {
            origin: Origin::here(),
            report: self,
        };
        Ok(fs::write(path, serde_json::to_vec_pretty(&whole)?)?)
    }
}

impl SideReport {
    fn new(findings: &Findings, settings: &[Setting]) -> Result<Self, RunError> {
        let setting = &settings[findings.setting];
        let mut total = Tally::new()?;
        for round in &findings.rounds {
            total.add(&round.tally);
        }
        let stretch = settings[0].options.stretch();
        let rounds: Vec<_> = findings
            .rounds
            .iter()
            .map(|round| Figures::of(round, stretch))
            .collect();
        let rates = rounds.iter().map(|round| round.operations_per_second);
        let rate = Spread::of(rates.collect()).map_or(0.0, |spread| spread.median);
        let cpu = figures::Cpu::median(&rounds);
        let name = match settings.len() {
            1 => findings.kind.to_string(),
            _ => format!("{}, {}", findings.kind, setting.label),
        };
        let usage = findings.usage;
        Ok(Self {
            name,
            kind: findings.kind,
            setting: findings.setting,
            whole: Figures::new(rate, &total.latency, cpu),
            rounds,
            verified: total.verified,
            wrong: total.wrong,
            failed: total.failed,
            connections_lost: total.lost,
            resident_mib: usage.map(|usage| mebibytes(usage.resident_bytes)),
            resident_most_mib: usage.map(|usage| mebibytes(usage.resident_most_bytes)),
            sessions: findings.creation.map(|creation| creation.sessions),
            sessions_made_per_second: findings.creation.map(Creation::per_second),
            failure: findings.failure.as_ref().map(ToString::to_string),
            error_samples: total.samples,
        })
    }

    #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 sessions")]
    pub(crate) fn sessions_made(&self) -> Option<f64> {
        Some(self.sessions? as f64)
    }

    pub(crate) fn errors(&self) -> u64 {
        self.wrong + self.failed
    }
}
