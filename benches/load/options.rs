//! The command line of the harness.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Serialize, Serializer};

use crate::backend::BackendOptions;
use crate::bare::BareOptions;
use crate::fault::RunError;
use crate::side::Beside;
use crate::suite::SuiteOptions;
use crate::text::MARK_BYTES;
use crate::train::TrainOptions;

/// Puts load on a Multi-MCP gateway and verifies every answer.
///
/// Without `--url` it starts a fake MCP backend and the gateway by itself, and compares the gateway with the same work
/// sent straight to the backend, through nginx where that is installed, and through other gateways where they are
/// asked for.
#[derive(Debug, Parser)]
#[command(
    name = "load",
    bin_name = "cargo bench --bench load --",
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
    /// Runs the fake MCP backend alone, to put a gateway of your own in front of it.
    Backend(BackendOptions),
    /// Runs the proxy of `--beside warp-reqwest,warp-hyper`.
    #[command(hide = true)]
    Bare(BareOptions),
    /// Runs every scenario, and says of each what it must reach and whether it does.
    Suite(SuiteOptions),
    /// Puts load of every kind on a gateway that counts what it runs; `benches/profile/make` builds one.
    Train(TrainOptions),
}

#[derive(Debug, Clone, Args, Serialize)]
pub(crate) struct Options {
    /// What one operation is.
    #[arg(long, value_enum, default_value_t = Mode::ToolsCall)]
    pub(crate) mode: Mode,
    /// TCP connections in all, each with one operation under way. They are spread over the sessions; with more
    /// sessions than connections, each connection goes round its share of the sessions.
    #[arg(long, default_value = "16")]
    pub(crate) connections: NonZeroUsize,
    /// Gateway sessions in all.
    #[arg(long, default_value = "1")]
    pub(crate) sessions: NonZeroUsize,
    /// Backends of every session; calls go round them.
    #[arg(long, default_value = "1")]
    pub(crate) backends: NonZeroUsize,
    /// Measured time of each side, shared out among the rounds.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s")]
    #[serde(serialize_with = "as_seconds")]
    pub(crate) duration: Duration,
    /// Unmeasured time before each side of each round.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "500ms")]
    #[serde(serialize_with = "as_seconds")]
    pub(crate) warmup: Duration,
    /// A round is the direct side, then the gateway's; ratios are medians over rounds.
    #[arg(long, default_value = "5")]
    pub(crate) rounds: NonZeroUsize,
    /// Size in bytes of the text that the tool returns; left out, the tool echoes 20 bytes.
    #[arg(long, value_name = "BYTES")]
    #[arg(value_parser = clap::value_parser!(u32).range(MARK_BYTES as i64..=64 << 20))]
    pub(crate) payload: Option<u32>,
    /// Era of MCP that the load speaks. In the modern one `--mode initialize` means `server/discover`.
    #[arg(long, value_enum, default_value_t = Era::Legacy)]
    pub(crate) era: Era,
    /// Tools of each backend.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=100_000), default_value_t = 10)]
    pub(crate) tools: u32,
    /// Eras that the fake backend speaks. If `--era` is not among them, the direct side speaks the other one.
    #[arg(long, value_enum, default_value_t = Spoken::Both)]
    pub(crate) backend_era: Spoken,
    /// How the fake backend answers requests.
    #[arg(long, value_enum, default_value_t = Framing::Json)]
    pub(crate) answers: Framing,
    /// Progress notifications that the fake backend sends before the result of a call; with `--answers sse` only.
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u32).range(..=1000))]
    pub(crate) progress: u32,
    /// How long the fake backend takes for a call.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    #[serde(serialize_with = "as_seconds")]
    pub(crate) delay: Duration,
    /// Longest wait for one operation; one that takes longer counts as failed.
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    #[serde(serialize_with = "as_seconds")]
    pub(crate) timeout: Duration,
    /// Threads that make the load; left out, one a core.
    #[arg(long)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// Other gateways to measure beside, as far as they can do it; the first use installs each below `target/`.
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with_all = ["url", "direct_only"])]
    pub(crate) beside: Vec<Beside>,
    /// Measure the backend alone.
    #[arg(long, conflicts_with_all = ["url", "gateway"])]
    pub(crate) direct_only: bool,
    /// A gateway binary, to compare two builds; left out, the release is built.
    #[arg(long, value_name = "PATH")]
    pub(crate) gateway: Option<PathBuf>,
    /// A gateway that runs already, such as `http://127.0.0.1:8000`; with a path, such as `http://127.0.0.1:8000/mcp`,
    /// the MCP endpoint of any gateway. Then there is no direct side.
    #[arg(long, requires = "servers", conflicts_with_all = ["gateway", "backends"])]
    pub(crate) url: Option<String>,
    /// Providers of the gateway at `--url`, all of them the fake backend: sessions are made with them and calls go
    /// round them.
    #[arg(long, requires = "url", value_delimiter = ',')]
    pub(crate) servers: Vec<String>,
    /// What stands between the name of a provider and that of a tool at `--url`.
    #[arg(long, value_name = "TEXT", requires = "url", default_value = ".")]
    pub(crate) separator: String,
    /// A session that exists at `--url` (several times for several), instead of making sessions.
    #[arg(long, value_name = "ID", requires = "url", conflicts_with = "sessions")]
    pub(crate) session: Vec<String>,
    /// Also writes all figures, round by round, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Options {
    /// The options that a command line of words without spaces stands for.
    pub(crate) fn of(line: &str) -> Result<Self, RunError> {
        let words = std::iter::once("load").chain(line.split_whitespace());
        let parsed = CommandLine::try_parse_from(words);
        let line = parsed.map_err(|error| RunError::Line(error.to_string()))?;
        Ok(line.options)
    }

    /// Measured time of one side in one round.
    pub(crate) fn stretch(&self) -> Duration {
        self.duration / u32::try_from(self.rounds.get()).unwrap_or(u32::MAX)
    }

    /// The era that the load speaks with the backends themselves: its own, unless they cannot speak it.
    pub(crate) fn direct_era(&self) -> Era {
        match (self.backend_era, self.era) {
            (Spoken::Both, era) => era,
            (Spoken::Legacy, _) => Era::Legacy,
            (Spoken::Modern, _) => Era::Modern,
        }
    }

    /// Threads that make the load: never more than there are connections.
    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads
            .unwrap_or_else(cores)
            .min(self.connections)
            .get()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// One `tools/call`
    ToolsCall,
    /// `initialize`, `notifications/initialized` and the DELETE that ends the MCP session
    Initialize,
    /// One `tools/list`
    ToolsList,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Era {
    /// 2025-11-25: handshake and `Mcp-Session-Id`
    Legacy,
    /// 2026-07-28: every request stands alone
    Modern,
}

impl Era {
    /// The revision of MCP that the harness speaks in this era.
    pub(crate) const fn revision(self) -> &'static str {
        match self {
            Era::Legacy => "2025-11-25",
            Era::Modern => "2026-07-28",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spoken {
    /// Either, as the request asks
    Both,
    /// 2025-11-25 only
    Legacy,
    /// 2026-07-28 only
    Modern,
}

impl Spoken {
    pub(crate) fn includes(self, era: Era) -> bool {
        match self {
            Spoken::Both => true,
            Spoken::Legacy => era == Era::Legacy,
            Spoken::Modern => era == Era::Modern,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Framing {
    /// One JSON body
    Json,
    /// One server-sent event
    Sse,
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
