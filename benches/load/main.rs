//! Load harness: `cargo bench --bench load -- [options]`, see benches/README.md.

mod answer;
mod backend;
mod backends;
mod bare;
mod child;
mod client;
mod contest;
mod crew;
mod endpoint;
mod fault;
mod http1;
mod message;
mod options;
mod report;
mod rest;
mod shipped;
mod side;
mod suite;
mod tally;
mod text;
mod train;
mod usage;
mod wire;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::contest::Setting;
use crate::fault::RunError;
use crate::options::{CommandLine, Options, Program};
use crate::report::Report;
use crate::side::Kind;

/// What starting, opening and clearing may take, and more for every thousand sessions and every gateway, which may have to
/// be built first.
const SET_UP_LIMIT: Duration = Duration::from_mins(2);
const SET_UP_LIMIT_PER_THOUSAND: Duration = Duration::from_secs(30);
const BUILDING_LIMIT: Duration = Duration::from_mins(30);

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
    let outcome = match &line.program {
        Some(Program::Backend(options)) => return backend::run(options),
        Some(Program::Bare(options)) => return bare::run(options),
        Some(Program::Suite(options)) => run(suite::run(options), None),
        Some(Program::Train(options)) => run(train::run(options), None),
        None => run(measure(&line.options), Some(limit(&line.options))),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(UNCLEAN),
        Err(error) => {
            complain(&error);
            ExitCode::from(BROKEN)
        }
    }
}

/// Whether the run was clean. However it ends, the programs it started end with it: dropping the run kills them.
#[tokio::main(flavor = "current_thread")]
async fn run(
    work: impl Future<Output = Result<bool, RunError>>,
    limit: Option<Duration>,
) -> Result<bool, RunError> {
    let mut terminated = signal(SignalKind::terminate())?;
    let work = async {
        match limit {
            Some(limit) => timeout(limit, work)
                .await
                .map_err(|_| RunError::Overdue(limit))?,
            None => work.await,
        }
    };
    tokio::select! {
        clean = work => clean,
        _ = tokio::signal::ctrl_c() => Err(RunError::Interrupted),
        _ = terminated.recv() => Err(RunError::Interrupted),
    }
}

/// One contest, as the options say.
async fn measure(options: &Options) -> Result<bool, RunError> {
    let kinds = Kind::of_run(options);
    let mut options = options.clone();
    if is_to_build(&options) {
        options.gateway = Some(shipped::build().await?);
    }
    let json = options.json.clone();
    let setting = Setting {
        label: String::new(),
        options,
    };
    let settings = [setting];
    let findings = contest::hold_whole(&settings, &kinds).await?;
    let report = Report::new(&settings, &findings)?;
    report::print(&report);
    if let Some(path) = &json {
        report.write(path)?;
    }
    Ok(report.is_clean())
}

/// Whether the gateway has to be built for a run with these options.
fn is_to_build(options: &Options) -> bool {
    options.gateway.is_none() && Kind::of_run(options).contains(&Kind::Gateway)
}

/// The longest that a run with these options can take if everything is as slow as allowed.
fn limit(options: &Options) -> Duration {
    let rounds = u32::try_from(options.rounds.get()).unwrap_or(u32::MAX);
    let thousands = u32::try_from(options.sessions.get() / 1000).unwrap_or(u32::MAX);
    let sides = u32::try_from(Kind::of_run(options).len()).unwrap_or(u32::MAX);
    let to_build = options.beside.len() + usize::from(is_to_build(options));
    let to_build = u32::try_from(to_build).unwrap_or(u32::MAX);
    let side = options.warmup + options.stretch() + options.timeout;
    let load = side.saturating_mul(rounds).saturating_mul(sides);
    let set_up = SET_UP_LIMIT_PER_THOUSAND.saturating_mul(thousands);
    let building = BUILDING_LIMIT.saturating_mul(to_build);
    let started = SET_UP_LIMIT.saturating_add(set_up);
    started.saturating_add(load).saturating_add(building)
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(error: &dyn Display) {
    eprintln!("load: {error}");
}
