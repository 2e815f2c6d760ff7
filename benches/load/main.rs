//! Load harness: `cargo bench --bench load -- [options]`, see benches/README.md.

mod answer;
mod backend;
mod child;
mod client;
mod crew;
mod endpoint;
mod fault;
mod message;
mod options;
mod report;
mod rest;
mod stage;
mod tally;
mod text;
mod usage;
mod wire;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use crate::crew::Crew;
use crate::fault::RunError;
use crate::options::{CommandLine, Options, Program};
use crate::report::{DIRECT, Findings, GATEWAY, Report, Side};
use crate::stage::Stage;
use crate::tally::Stretch;
use crate::usage::Usage;

/// What starting, opening and clearing may take, and more for every thousand sessions.
const SET_UP_LIMIT: Duration = Duration::from_mins(2);
const SET_UP_LIMIT_PER_THOUSAND: Duration = Duration::from_secs(30);

/// Some answers were wrong, or missing.
const UNCLEAN: u8 = 1;
/// The run could not be carried through.
const BROKEN: u8 = 2;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    if !line.bench && std::env::args_os().len() == 1 {
        complain(&"nothing to test here; the load runs with cargo bench --bench load");
        return ExitCode::SUCCESS;
    }
    match &line.program {
        Some(Program::Backend(options)) => backend::run(options),
        None => match run(&line.options) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(UNCLEAN),
            Err(error) => {
                complain(&error);
                ExitCode::from(BROKEN)
            }
        },
    }
}

/// Whether the run was clean. However it ends, the programs it started end with it: dropping the run kills them.
#[tokio::main(flavor = "current_thread")]
async fn run(options: &Options) -> Result<bool, RunError> {
    let mut terminated = signal(SignalKind::terminate())?;
    let limit = limit(options);
    tokio::select! {
        clean = timeout(limit, measure(options)) => clean.map_err(|_| RunError::Overdue(limit))?,
        _ = tokio::signal::ctrl_c() => Err(RunError::Interrupted),
        _ = terminated.recv() => Err(RunError::Interrupted),
    }
}

async fn measure(options: &Options) -> Result<bool, RunError> {
    let mut stage = Stage::set(options).await?;
    let outcome = put_load(options, &stage).await;
    if let Some(log) = stage.last_words() {
        let source = outcome.err().unwrap_or(RunError::GatewayLost);
        return Err(RunError::Gateway {
            source: Box::new(source),
            log,
        });
    }
    let cleared = stage.clear().await;
    let report = Report::new(options, &outcome?)?;
    report::print(&report);
    if let Some(path) = &options.json {
        report.write(path)?;
    }
    cleared?;
    Ok(report.is_clean())
}

/// The rounds: direct, gateway, direct, gateway, … so that a machine that slows down slows both.
async fn put_load(options: &Options, stage: &Stage) -> Result<Findings, RunError> {
    let all = [(DIRECT, &stage.direct), (GATEWAY, &stage.gateway)];
    let (mut sides, mut endpoints) = (Vec::new(), Vec::new());
    for (name, there) in all.into_iter().filter(|(_, there)| !there.is_empty()) {
        sides.push(Side::new(name));
        endpoints.push(there.clone());
    }
    let crew = Crew::new(options, &endpoints)?;
    crew.open().await?;
    for _ in 0..options.rounds.get() {
        for (number, side) in sides.iter_mut().enumerate() {
            let from = Instant::now() + options.warmup;
            let until = from + options.stretch();
            let before = stage.gateway_usage();
            side.rounds
                .push(crew.load(number, Stretch { from, until }).await?);
            side.gateway_cpu += spent(before, stage.gateway_usage());
        }
    }
    let gateway = stage.gateway_usage();
    crew.close().await?;
    Ok(Findings {
        sides,
        gateway,
        creation: stage.creation,
    })
}

/// Processor time between two moments; none where it is not known.
fn spent(before: Option<Usage>, after: Option<Usage>) -> Duration {
    match (before, after) {
        (Some(before), Some(after)) => after.cpu.saturating_sub(before.cpu),
        _ => Duration::ZERO,
    }
}

/// The longest that a run with these options can take if everything is as slow as allowed.
fn limit(options: &Options) -> Duration {
    let rounds = u32::try_from(options.rounds.get()).unwrap_or(u32::MAX);
    let thousands = u32::try_from(options.sessions.get() / 1000).unwrap_or(u32::MAX);
    let side = options.warmup + options.stretch() + options.timeout;
    let load = side.saturating_mul(rounds).saturating_mul(2);
    let set_up = SET_UP_LIMIT_PER_THOUSAND.saturating_mul(thousands);
    SET_UP_LIMIT.saturating_add(set_up).saturating_add(load)
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(error: &dyn Display) {
    eprintln!("load: {error}");
}
