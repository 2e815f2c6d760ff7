//! Counts the instructions of one `tools/call` through the gateway: `cargo bench --bench instructions -- [options]`, see
//! benches/README.md.
//!
//! Instructions, unlike time, come out the same on a busy machine, so that a budget for them can be held in every run of the checks.

mod backend;
mod budget;
mod client;
mod counting;
mod http;
mod options;

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;

use budget::Verdict;
use counting::Counted;
use options::{Era, Options};

/// The run could not be carried through.
const BROKEN: u8 = 2;

/// What the run says when it could not be carried through.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{what}: {source}")]
    Io {
        what: String,
        #[source]
        source: io::Error,
    },
    #[error("{0}")]
    Wrong(String),
}

impl RunError {
    /// What could not be done, to be given the reason.
    fn doing(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if !options.bench && std::env::args_os().len() == 1 {
        complain(&"nothing to test here; it runs with cargo bench --bench instructions");
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::from(BROKEN)
        }
    }
}

/// Whether every budget was kept, where that was asked.
fn run(options: &Options) -> Result<bool, RunError> {
    let mut kept = true;
    let mut counts = Vec::new();
    for era in Era::ALL {
        let Counted { instructions } = counting::of_one_call(options, era)?;
        counts.push((era, instructions));
    }
    if options.write {
        budget::write(&counts)?;
    }
    for (era, instructions) in counts {
        let verdict = Verdict::of(era, instructions)?;
        say(&verdict)?;
        kept &= verdict.is_kept();
    }
    Ok(kept || !options.check)
}

fn say(line: &dyn Display) -> Result<(), RunError> {
    writeln!(io::stdout(), "{line}").map_err(RunError::doing("writing to standard output"))
}

#[expect(clippy::print_stderr, reason = "a program tells its user why it ends")]
fn complain(error: &dyn Display) {
    eprintln!("instructions: {error}");
}
