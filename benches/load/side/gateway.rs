//! The gateway of this repository, as a user would start it: SQLite on disk, logging as it comes.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::time::Instant;

use super::{Creation, LOG, Side, new_folder, with_log};
use crate::backends::{Backends, providers};
use crate::child::Running;
use crate::endpoint::{Endpoint, Names};
use crate::fault::RunError;
use crate::options::{Era, Options};
use crate::rest::{self, Session};

/// A folder with a registry and a database, on which the gateway can be started again and again.
#[derive(Debug)]
pub(crate) struct Installation {
    program: PathBuf,
    folder: TempDir,
}

impl Installation {
    /// Registers the fake backends.
    pub(crate) fn new(options: &Options, backends: &Backends) -> Result<Self, RunError> {
        let folder = new_folder()?;
        let mut registry = String::from("providers:\n");
        for (name, authority) in providers(options).iter().zip(backends.each()) {
            // Writing to a string cannot fail.
            let _ = writeln!(registry, "  {name}:\n    url: http://{authority}/mcp");
            registry.push_str("    auth: { type: none }\n");
        }
        fs::write(folder.path().join("registry.yaml"), registry)?;
        let program = options.gateway.clone().ok_or(RunError::Unbuilt)?;
        let program = fs::canonicalize(&program).unwrap_or(program);
        Ok(Self { program, folder })
    }

    /// Starts the gateway, as it comes but for these variables.
    pub(crate) async fn start(&self, variables: &[(&str, &str)]) -> Result<Running, RunError> {
        let folder = self.folder.path();
        let log = File::create(folder.join(LOG))?;
        let set_up = |command: &mut tokio::process::Command| {
            command.args(["--host", "127.0.0.1", "--port", "0"]);
            command.args(["--database-url", "sqlite://gateway.db?mode=rwc"]);
            command.args(["--registry", "registry.yaml"]);
            command.current_dir(folder);
            // A key or a log filter meant for another gateway has no place here.
            command
                .env_remove("GATEWAY_SECRET_KEY")
                .env_remove("LOG_LEVEL")
                .env_remove("RUST_LOG");
            command.envs(variables.iter().copied());
            command.stdin(Stdio::null()).stderr(log);
        };
        let started = Running::start(self.program.clone(), set_up, 1).await;
        started.map_err(|source| with_log(source, folder))
    }
}

pub(super) async fn set(options: &Options, backends: &Backends) -> Result<Side, RunError> {
    let installation = Installation::new(options, backends)?;
    let running = installation.start(&[]).await?;
    let authority = running.authorities.concat();
    let providers = providers(options);
    let (sessions, creation) = create(options, &authority, &providers).await?;
    let names = Names::public(options, &providers);
    let endpoints = endpoints(&authority, &mcp_endpoints(sessions), options.era, names);
    Ok(Side {
        creation: Some(creation),
        // One that counts what it runs writes that down as it ends.
        ends_when_asked: true,
        ..Side::of(endpoints, running, installation.folder)
    })
}

/// Makes the sessions of the run, and takes the time.
pub(super) async fn create(
    options: &Options,
    authority: &str,
    providers: &[String],
) -> Result<(Vec<Session>, Creation), RunError> {
    let (count, begun) = (options.sessions.get(), Instant::now());
    let sessions = rest::create_sessions(authority, providers, count).await?;
    let creation = Creation {
        sessions: count,
        took: begun.elapsed(),
    };
    Ok((sessions, creation))
}

pub(super) fn endpoints(
    authority: &str,
    paths: &[String],
    era: Era,
    names: Names,
) -> Vec<Endpoint> {
    let names = Arc::new(names);
    let endpoint = |path: &String| Endpoint::new(authority, path, era, Arc::clone(&names));
    paths.iter().map(endpoint).collect()
}

pub(super) fn mcp_endpoints(sessions: Vec<Session>) -> Vec<String> {
    let path = |session: Session| session.mcp_endpoint;
    sessions.into_iter().map(path).collect()
}
