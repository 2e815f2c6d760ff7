//! The gateway as it ships. Cargo builds one for each benchmark, too, but with the features that tests ask of shared
//! dependencies, a clock that can be turned among them, and so without the profile (benches/profile), which does not fit that.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::fault::RunError;

/// Builds it as on a fresh machine; cargo says how it gets on.
///
/// In a folder of its own: cargo does not build anew what was built before without the profile, and puts what it builds beside
/// a benchmark where a release is.
pub(crate) async fn build() -> Result<PathBuf, RunError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !is_of_this_compiler(root).await? {
        crate::complain(&"the profile is of another compiler: this release is built without it");
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--bin", "mcp-gateway"]);
    build.arg("--target-dir").arg(root.join("target/shipped"));
    build.arg("--message-format=json-render-diagnostics");
    build.current_dir(root).env_remove("RUSTC_WRAPPER");
    build.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = build.kill_on_drop(true).output().await?;
    let program = executable(&output.stdout).filter(|_| output.status.success());
    program.ok_or(RunError::Build(output.status))
}

/// Whether the profile fits the compiler, which another version, or one of another machine, it does not.
async fn is_of_this_compiler(root: &Path) -> Result<bool, RunError> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let told = Command::new(compiler).arg("-vV").output().await?;
    let fitting = fs::read(root.join("benches/profile/compiler")).unwrap_or_default();
    Ok(told.stdout == fitting)
}

/// The program among the artifacts that cargo tells, one JSON object a line.
fn executable(told: &[u8]) -> Option<PathBuf> {
    let lines = told.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let mut programs = messages.filter_map(|message| {
        let program = message.get("executable")?.as_str()?;
        Some(PathBuf::from(program))
    });
    programs.next_back()
}
