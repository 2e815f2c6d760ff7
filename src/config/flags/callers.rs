//! Who may call the gateway, by what they prove it, and what each may hold.

use std::path::PathBuf;

use clap::Args;

/// The callers file where no flag and no variable names one.
pub(in crate::config) const CALLERS_FILE: &str = "callers.yaml";

#[derive(Debug, Args)]
#[command(next_help_heading = "Callers")]
pub(in crate::config) struct Callers {
    /// File that holds the hashed API keys of callers; read again when it changes
    /// [default: callers.yaml, if it is there]
    #[arg(long, global = true, env = "CALLERS_PATH", value_name = "PATH")]
    pub(in crate::config) callers: Option<PathBuf>,
}
