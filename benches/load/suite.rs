//! The suite: every scenario, what the gateway must reach in it, and whether it does.

mod demand;
mod holdings;
mod plot;
mod scenario;
mod table;

use std::fs;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use self::demand::{Demand, Verdict};
use self::scenario::Scenario;
use crate::contest;
use crate::fault::RunError;
use crate::report::{Origin, Report, complaints};
use crate::shipped;
use crate::side::{Beside, Kind};

#[derive(Debug, Clone, Args)]
pub(crate) struct SuiteOptions {
    /// Minutes instead of an hour: fewer and shorter rounds, fewer stored sessions.
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only the scenarios whose name has this text in it; several times for several.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Prints the scenarios, with the options that repeat each by itself, and ends.
    #[arg(long)]
    list: bool,
    /// Other gateways to measure beside, as far as they can do it; the first use installs each below `target/`.
    #[arg(long, value_enum, value_delimiter = ',')]
    beside: Vec<Beside>,
    /// A gateway binary, to compare two builds; left out, the release is built.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// Also writes all figures, round by round, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draws throughput and latency against connections and sessions, as SVG files.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
}

impl SuiteOptions {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()))
    }

    /// The sides that everybody is on.
    fn kinds(&self) -> Vec<Kind> {
        let beside = self.beside.iter().copied().map(Kind::Beside);
        let ours = [Kind::Direct, Kind::Nginx, Kind::Gateway];
        ours.into_iter().chain(beside).collect()
    }
}

/// One scenario and what came of it.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    scenario: Scenario,
    #[serde(flatten)]
    report: Report,
    verdicts: Vec<Verdict>,
}

/// Something that was measured of the gateway alone.
#[derive(Debug, Serialize)]
struct Holding {
    name: String,
    found: f64,
    unit: &'static str,
    verdict: Option<Verdict>,
}

/// Everything that `--json` writes.
#[derive(Debug, Serialize)]
struct Outcome {
    #[serde(flatten)]
    origin: Origin,
    quick: bool,
    rows: Vec<Row>,
    holdings: Vec<Holding>,
}

/// Whether every answer was right. What was not reached is told, and no failure.
pub(crate) async fn run(options: &SuiteOptions) -> Result<bool, RunError> {
    if options.list {
        table::list(&wanted(options)?, &holdings::NAMES);
        return Ok(true);
    }
    let mut options = options.clone();
    if options.gateway.is_none() {
        options.gateway = Some(shipped::build().await?);
    }
    let options = &options;
    let scenarios = wanted(options)?;
    let (mut rows, count) = (Vec::new(), scenarios.len());
    for (place, scenario) in scenarios.into_iter().enumerate() {
        tell(&format!("{} of {count}: {}", place + 1, scenario.name));
        rows.push(play(options, scenario).await?);
    }
    let holdings = holdings::measure(options).await?;
    let outcome = Outcome {
        origin: Origin::here(),
        quick: options.quick,
        rows,
        holdings,
    };
    table::print(&outcome);
    if let Some(path) = &options.json {
        fs::write(path, serde_json::to_vec_pretty(&outcome)?)?;
    }
    if let Some(folder) = &options.plots {
        plot::draw(folder, &outcome.rows)?;
    }
    Ok(outcome.rows.iter().all(|row| row.report.is_clean()))
}

fn wanted(options: &SuiteOptions) -> Result<Vec<Scenario>, RunError> {
    let scenarios = scenario::all(options)?.into_iter();
    Ok(scenarios.filter(|one| options.wants(&one.name)).collect())
}

async fn play(options: &SuiteOptions, scenario: Scenario) -> Result<Row, RunError> {
    let kinds = if scenario.is_growth() {
        vec![Kind::Gateway]
    } else {
        options.kinds()
    };
    let settings = scenario.settings();
    let findings = contest::hold(&settings, &kinds).await?;
    let report = Report::new(&settings, &findings)?;
    for side in &report.sides {
        for complaint in complaints(side) {
            tell(complaint.trim_start());
        }
    }
    let demands = scenario.demands.iter();
    let verdicts = demands.map(|demand| demand.judge(&report)).collect();
    Ok(Row {
        scenario,
        report,
        verdicts,
    })
}

/// Tells how the suite gets on, beside what it prints in the end.
#[expect(clippy::print_stderr, reason = "a long run shows that it is alive")]
fn tell(text: &str) {
    eprintln!("load: {text}");
}
