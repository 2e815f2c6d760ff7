//! The packages that the gateway stands on, as a proxy that does nothing else.

use std::sync::Arc;

use super::{Side, direct, new_folder};
use crate::backends::Backends;
use crate::bare::Behind;
use crate::child::Running;
use crate::endpoint::Endpoint;
use crate::fault::RunError;
use crate::options::{Framing, Mode, Options};

pub(super) async fn set(
    behind: Behind,
    options: &Options,
    backends: &Backends,
) -> Result<Side, RunError> {
    if options.answers == Framing::Sse || options.mode == Mode::Initialize {
        let what = "the bare packages pass on POST and whole answers only";
        return Err(RunError::Absent(what.to_owned()));
    }
    let addresses = direct::addresses(options, backends);
    let program = std::env::current_exe()?;
    let set_up = |command: &mut tokio::process::Command| {
        command.args(["bare", "--behind"]);
        command.arg(match behind {
            Behind::Reqwest => "reqwest",
            Behind::Hyper => "hyper",
        });
        command.arg("--to").arg(addresses.join(","));
    };
    let running = Running::start(program, set_up, 1).await?;
    let names = direct::names(options);
    let era = options.direct_era();
    let endpoint = |place| {
        let path = format!("/{place}/mcp");
        Endpoint::new(&running.authorities[0], &path, era, Arc::clone(&names))
    };
    let endpoints = (0..addresses.len()).map(endpoint).collect();
    Ok(Side::of(endpoints, running, new_folder()?))
}
