//! The command line.

use std::{fmt, num::NonZeroU64, path::PathBuf};

use clap::Parser;

/// Counts the instructions that the gateway spends on one `tools/call`, with valgrind's callgrind.
#[derive(Debug, Parser)]
#[command(
    name = "instructions",
    bin_name = "cargo bench --bench instructions --",
    max_term_width = 110
)]
pub(crate) struct Options {
    /// Fail if a call costs more than its budget in budget.json, and 5 % on top.
    #[arg(long)]
    pub(crate) check: bool,
    /// Write what was counted down as the new budget.
    #[arg(long, conflicts_with = "check")]
    pub(crate) write: bool,
    /// Calls that are counted.
    #[arg(long, default_value = "1000")]
    pub(crate) calls: NonZeroU64,
    /// Another gateway than the one that cargo built for this run.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// Keep callgrind's files here: one of a gateway that did little, and one of the same that did the calls, too.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) profile: Option<PathBuf>,
    /// `cargo bench` puts it at the end of every command line; `cargo test` does not.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

/// What client and backend speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(crate) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Self::Legacy => "2025-11-25",
            Self::Modern => "2026-07-28",
        }
    }
}

impl fmt::Display for Era {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        })
    }
}
