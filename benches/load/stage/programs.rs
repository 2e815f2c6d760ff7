//! How the fake backend and the gateway are started.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::ValueEnum;

use crate::child::Running;
use crate::fault::RunError;
use crate::options::Options;

/// How many lines of the gateway's log an error text shows.
const LOG_LINES: usize = 20;

const LOG: &str = "gateway.log";

/// Starts the fake backend: a process with one listener a backend, and a last one that has the tools of all.
pub(super) async fn start_backend(options: &Options) -> Result<Running, RunError> {
    let backends = options.backends.get();
    let mut tools = vec![options.tools.to_string(); backends];
    tools.push(all_tools(options).to_string());
    let listeners = tools.len();
    let program = std::env::current_exe()?;
    let set_up = |command: &mut tokio::process::Command| {
        command.args(["backend", "--attached", "--tools", &tools.join(",")]);
        command.args(["--era", &written(&options.backend_era)]);
        command.args(["--answers", &written(&options.answers)]);
    };
    Running::start(program, set_up, listeners).await
}

/// Starts the gateway as a user would, with everything it writes inside `folder`.
pub(super) async fn start_gateway<'a>(
    options: &Options,
    folder: &Path,
    providers: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<Running, RunError> {
    let mut registry = String::from("providers:\n");
    for (name, authority) in providers {
        // Writing to a string cannot fail.
        let _ = writeln!(registry, "  {name}:\n    url: http://{authority}/mcp");
        registry.push_str("    auth: { type: none }\n");
    }
    let registry_path = folder.join("registry.yaml");
    fs::write(&registry_path, registry)?;
    let log = File::create(folder.join(LOG))?;
    let database = format!("sqlite://{}?mode=rwc", folder.join("gateway.db").display());
    let set_up = |command: &mut tokio::process::Command| {
        command.args(["--host", "127.0.0.1", "--port", "0", "--log-level", "info"]);
        command.args(["--database-url", &database, "--registry"]);
        command.arg(registry_path).current_dir(folder);
        // A key or a log filter meant for another gateway has no place here.
        command
            .env_remove("GATEWAY_SECRET_KEY")
            .env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stderr(log);
    };
    let built = || PathBuf::from(env!("CARGO_BIN_EXE_mcp-gateway"));
    let program = options.gateway.clone().unwrap_or_else(built);
    let program = fs::canonicalize(&program).unwrap_or(program);
    let started = Running::start(program, set_up, 1).await;
    started.map_err(|source| RunError::Gateway {
        source: Box::new(source),
        log: end_of_log(folder),
    })
}

/// Tools of all backends together.
pub(super) fn all_tools(options: &Options) -> u32 {
    let backends = u32::try_from(options.backends.get()).unwrap_or(u32::MAX);
    options.tools.saturating_mul(backends)
}

/// The last lines that the gateway logged.
pub(super) fn end_of_log(folder: &Path) -> String {
    let log = fs::read(folder.join(LOG)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

/// A value as it stands on a command line.
fn written(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
