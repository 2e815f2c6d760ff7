//! The command line of the soak.

use std::{num::NonZeroUsize, time::Duration};

use clap::{Args, Parser, Subcommand};

/// Puts load on a gateway, breaks its backends, kills it again and again, and counts what was lost.
#[derive(Debug, Parser)]
#[command(
    name = "soak",
    bin_name = "cargo bench --bench soak --",
    max_term_width = 110
)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) program: Option<Program>,
    #[command(flatten)]
    pub(crate) options: Options,
    /// `cargo bench` puts it at the end of every command line; `cargo test` does not.
    #[arg(long, hide = true, global = true)]
    pub(crate) bench: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Program {
    /// Measures how soon a gateway with many stored sessions is ready after `kill -9`.
    Start(StartOptions),
    /// Measures what sessions cost that nobody uses: awake, and asleep.
    Idle(IdleOptions),
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long there is load; the reckoning comes on top.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "60s")]
    pub(crate) duration: Duration,
    /// Has chance throw as in an earlier run; left out, it throws anew, and the seed is told.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Clients, each with one request under way.
    #[arg(long, default_value = "24")]
    pub(crate) clients: NonZeroUsize,
    /// Sessions that there are at one time, more or less.
    #[arg(long, default_value = "200")]
    pub(crate) sessions: NonZeroUsize,
    /// Memory that the gateway may hold, in MiB.
    #[arg(long, default_value_t = 256)]
    pub(crate) memory: u64,
}

#[derive(Debug, Args)]
pub(crate) struct StartOptions {
    /// Stored sessions.
    #[arg(long, default_value = "10000")]
    pub(crate) sessions: NonZeroUsize,
    /// Starts; the median is told.
    #[arg(long, default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
    /// How long a start may take until it listens.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    pub(crate) within: Duration,
    /// First calls of other sessions, one after the other, behind each start.
    #[arg(long, default_value = "20")]
    pub(crate) calls: usize,
    /// How long such a call may take.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "50ms")]
    pub(crate) call_within: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct IdleOptions {
    /// Sessions, each with three backends.
    #[arg(long, default_value = "10000")]
    pub(crate) sessions: NonZeroUsize,
    /// Has the backends be of the legacy era, which keep MCP sessions and announce on streams.
    #[arg(long)]
    pub(crate) legacy: bool,
    /// Memory that the gateway may hold with all of them awake, in MiB.
    #[arg(long, default_value_t = 400)]
    pub(crate) memory: u64,
}
