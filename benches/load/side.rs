//! Sides: what the load is put on, all of them in front of the same fake backends. One file a side.

mod bare;
mod contextforge;
mod direct;
mod fastmcp;
mod gateway;
mod install;
mod mcp_proxy;
mod nginx;
mod remote;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;
use tempfile::TempDir;

pub(crate) use self::gateway::Installation;
use crate::backends::Backends;
use crate::bare::Behind;
use crate::child::Running;
use crate::endpoint::Endpoint;
use crate::fault::RunError;
use crate::options::Options;
use crate::rest;
use crate::usage::Usage;

/// How many lines of a program's log an error text shows.
const LOG_LINES: usize = 20;

/// Where a side's programs log, in their folder.
const LOG: &str = "log";

/// What kind of side it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The backends themselves.
    Direct,
    /// nginx, which knows no MCP.
    Nginx,
    /// The gateway of this repository.
    Gateway,
    /// A gateway that runs already, at `--url`.
    Remote,
    /// Another gateway.
    Beside(Beside),
}

/// Other gateways, and what ours stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Beside {
    /// The crate mcp-proxy
    McpProxy,
    /// FastMCP's proxy, the Python package fastmcp
    Fastmcp,
    /// The Python package mcp-contextforge-gateway
    Contextforge,
    /// A bare proxy of warp and reqwest
    WarpReqwest,
    /// A bare proxy of warp and the client that reqwest stands on
    WarpHyper,
}

impl Kind {
    /// The sides of a run with these options, in the order they are measured.
    pub(crate) fn of_run(options: &Options) -> Vec<Self> {
        if options.url.is_some() {
            return vec![Kind::Remote];
        }
        if options.direct_only {
            return vec![Kind::Direct];
        }
        let beside = options.beside.iter().copied().map(Kind::Beside);
        let ours = [Kind::Direct, Kind::Nginx, Kind::Gateway];
        ours.into_iter().chain(beside).collect()
    }

    /// Whether a run without this side says nothing.
    pub(crate) fn is_needed(self) -> bool {
        matches!(self, Kind::Direct | Kind::Gateway | Kind::Remote)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Kind::Direct => "direct",
            Kind::Nginx => "nginx",
            Kind::Gateway | Kind::Remote => "gateway",
            Kind::Beside(Beside::McpProxy) => "mcp-proxy",
            Kind::Beside(Beside::Fastmcp) => "fastmcp",
            Kind::Beside(Beside::Contextforge) => "contextforge",
            Kind::Beside(Beside::WarpReqwest) => "warp-reqwest",
            Kind::Beside(Beside::WarpHyper) => "warp-hyper",
        })
    }
}

/// A side that is ready for load.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) endpoints: Vec<Endpoint>,
    /// How long making the sessions took; none if none were made.
    pub(crate) creation: Option<Creation>,
    running: Option<Running>,
    /// Whether the program is asked to end, and not killed.
    ends_when_asked: bool,
    made: Option<Made>,
    // After the program that writes into it: fields are dropped in this order.
    folder: Option<TempDir>,
}

/// Sessions that were made for the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creation {
    pub(crate) sessions: usize,
    pub(crate) took: Duration,
}

impl Creation {
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^53 sessions")]
    pub(crate) fn per_second(self) -> f64 {
        self.sessions as f64 / self.took.as_secs_f64()
    }
}

/// Sessions to delete at a gateway that lives on.
#[derive(Debug)]
struct Made {
    authority: String,
    ids: Vec<String>,
}

impl Side {
    /// Brings a side up.
    ///
    /// # Errors
    /// `RunError::Absent` if its program is not on this machine.
    pub(crate) async fn set(
        kind: Kind,
        options: &Options,
        backends: &Backends,
    ) -> Result<Self, RunError> {
        match kind {
            Kind::Direct => Ok(direct::set(options, backends)),
            Kind::Nginx => nginx::set(options, backends).await,
            Kind::Gateway => gateway::set(options, backends).await,
            Kind::Remote => remote::set(options).await,
            Kind::Beside(Beside::McpProxy) => mcp_proxy::set(options, backends).await,
            Kind::Beside(Beside::Fastmcp) => fastmcp::set(options, backends).await,
            Kind::Beside(Beside::Contextforge) => contextforge::set(options, backends).await,
            Kind::Beside(Beside::WarpReqwest) => {
                bare::set(Behind::Reqwest, options, backends).await
            }
            Kind::Beside(Beside::WarpHyper) => bare::set(Behind::Hyper, options, backends).await,
        }
    }

    /// A side without programs and sessions of its own.
    fn at(endpoints: Vec<Endpoint>) -> Self {
        Self {
            endpoints,
            creation: None,
            running: None,
            ends_when_asked: false,
            made: None,
            folder: None,
        }
    }

    /// A side whose program runs, and writes into `folder`.
    fn of(endpoints: Vec<Endpoint>, running: Running, folder: TempDir) -> Self {
        Self {
            running: Some(running),
            folder: Some(folder),
            ..Self::at(endpoints)
        }
    }

    /// What its programs have used so far, if they were started for this run.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.running.as_ref()?.usage()
    }

    /// The end of its program's log, if the program has ended by itself.
    pub(crate) fn last_words(&mut self) -> Option<String> {
        let has_ended = self.running.as_mut().is_some_and(Running::has_ended);
        let folder = self.folder.as_ref().filter(|_| has_ended)?;
        Some(end_of_log(folder.path()))
    }

    /// Deletes the sessions made at a running gateway, or ends the program.
    pub(crate) async fn clear(self) -> Result<(), RunError> {
        if let Some(made) = self.made {
            rest::delete_sessions(&made.authority, &made.ids).await?;
        }
        match self.running {
            Some(running) if self.ends_when_asked => running.end().await?,
            Some(running) => running.kill().await?,
            None => {}
        }
        if let Some(folder) = self.folder {
            folder.close()?;
        }
        Ok(())
    }
}

/// A folder for all that a side's program writes.
fn new_folder() -> Result<TempDir, RunError> {
    Ok(tempfile::Builder::new().prefix("load-").tempdir()?)
}

/// The failure of a program, with the end of what it logged.
fn with_log(source: RunError, folder: &Path) -> RunError {
    RunError::Logged {
        source: Box::new(source),
        log: end_of_log(folder),
    }
}

/// The last lines that a side's program logged.
fn end_of_log(folder: &Path) -> String {
    let log = fs::read(folder.join(LOG)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}
