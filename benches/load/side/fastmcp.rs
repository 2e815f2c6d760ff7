//! FastMCP's proxy: a server of FastMCP with a proxy for each backend mounted into it.

use std::fs::{self, File};
use std::sync::Arc;

use super::install::Package;
use super::{LOG, Side, new_folder, with_log};
use crate::backends::{Backends, providers};
use crate::child::{Running, free_address};
use crate::endpoint::{Endpoint, Names};
use crate::fault::RunError;
use crate::options::Options;

const PACKAGE: Package = Package {
    name: "fastmcp",
    version: "4.2.3",
    program: "bin/python",
};

/// As its documentation puts a proxy together.
const SCRIPT: &str = include_str!("fastmcp.py");

pub(super) async fn set(options: &Options, backends: &Backends) -> Result<Side, RunError> {
    let program = PACKAGE.in_python().await?;
    let folder = new_folder()?;
    let authority = free_address().await?;
    let script = folder.path().join("proxy.py");
    fs::write(&script, SCRIPT)?;
    let log = File::create(folder.path().join(LOG))?;
    let providers = providers(options);
    let given = providers.iter().zip(backends.each());
    let given = given.map(|(name, address)| format!("{name}=http://{address}/mcp"));
    let set_up = |command: &mut tokio::process::Command| {
        command.arg(&script).arg(&authority).args(given);
        command.current_dir(folder.path());
        command.stdout(std::process::Stdio::null()).stderr(log);
    };
    let started = Running::start_at(authority.clone(), program, set_up).await;
    let running = started.map_err(|source| with_log(source, folder.path()))?;
    let name = |provider: &str, tool: &str| format!("{provider}_{tool}");
    let names = Arc::new(Names::merged(options, &providers, name));
    let endpoint = Endpoint::new(&authority, "/mcp", options.era, names);
    Ok(Side::of(vec![endpoint], running, folder))
}
