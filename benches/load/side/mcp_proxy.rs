//! The crate mcp-proxy: a gateway on tower, one endpoint for all of its backends.

use std::fmt::Write as _;
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
    name: "mcp-proxy",
    version: "0.6.0",
    program: "bin/mcp-proxy",
};

pub(super) async fn set(options: &Options, backends: &Backends) -> Result<Side, RunError> {
    let program = PACKAGE.built().await?;
    let folder = new_folder()?;
    let authority = free_address().await?;
    let (host, port) = authority.split_once(':').unwrap_or_default();
    let mut settings = format!(
        "[proxy]\nname = \"load\"\nseparator = \".\"\n\n[proxy.listen]\nhost = \"{host}\"\nport = {port}\n"
    );
    let providers = providers(options);
    for (name, address) in providers.iter().zip(backends.each()) {
        // Writing to a string cannot fail.
        let _ = write!(
            settings,
            "\n[[backends]]\nname = \"{name}\"\ntransport = \"http\"\nurl = \"http://{address}/mcp\"\n"
        );
    }
    let path = folder.path().join("proxy.toml");
    fs::write(&path, settings)?;
    let log = File::create(folder.path().join(LOG))?;
    let set_up = |command: &mut tokio::process::Command| {
        command
            .arg("--config")
            .arg(&path)
            .current_dir(folder.path());
        command.env_remove("RUST_LOG");
        command.stdout(std::process::Stdio::null()).stderr(log);
    };
    let started = Running::start_at(authority.clone(), program, set_up).await;
    let running = started.map_err(|source| with_log(source, folder.path()))?;
    let name = |provider: &str, tool: &str| format!("{provider}.{tool}");
    let names = Arc::new(Names::merged(options, &providers, name));
    let endpoint = Endpoint::new(&authority, "/", options.era, names);
    Ok(Side::of(vec![endpoint], running, folder))
}
