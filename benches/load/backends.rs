//! The fake backends of a run: one process with a listener a backend, and a last one that has the tools of all.

use clap::ValueEnum;
use humantime::format_duration;

use crate::child::Running;
use crate::fault::RunError;
use crate::options::Options;
use crate::usage::Usage;

#[derive(Debug)]
pub(crate) struct Backends {
    running: Running,
}

impl Backends {
    pub(crate) async fn start(options: &Options) -> Result<Self, RunError> {
        let backends = options.backends.get();
        let mut tools = vec![options.tools.to_string(); backends];
        tools.push(all_tools(options).to_string());
        let listeners = tools.len();
        let program = std::env::current_exe()?;
        let set_up = |command: &mut tokio::process::Command| {
            command.args(["backend", "--attached", "--tools", &tools.join(",")]);
            command.args(["--era", &written(&options.backend_era)]);
            command.args(["--answers", &written(&options.answers)]);
            command.args(["--progress", &options.progress.to_string()]);
            command.args(["--delay", &format_duration(options.delay).to_string()]);
        };
        let running = Running::start(program, set_up, listeners).await?;
        Ok(Self { running })
    }

    /// Host and port of each.
    pub(crate) fn each(&self) -> &[String] {
        let all = &self.running.authorities;
        &all[..all.len().saturating_sub(1)]
    }

    /// Host and port of the one that has the tools of all.
    pub(crate) fn whole(&self) -> &[String] {
        let all = &self.running.authorities;
        &all[all.len().saturating_sub(1)..]
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        self.running.usage()
    }

    pub(crate) async fn stop(self) -> Result<(), RunError> {
        self.running.kill().await
    }
}

/// Tools of all backends together.
pub(crate) fn all_tools(options: &Options) -> u32 {
    let backends = u32::try_from(options.backends.get()).unwrap_or(u32::MAX);
    options.tools.saturating_mul(backends)
}

/// Names under which gateways know the backends.
pub(crate) fn providers(options: &Options) -> Vec<String> {
    let count = options.backends.get();
    (0..count).map(|number| format!("fake{number}")).collect()
}

/// A value as it stands on a command line.
fn written(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
