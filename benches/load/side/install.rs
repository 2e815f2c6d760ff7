//! Installs other gateways, each into a folder of its own below `target/`, once.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::fault::RunError;

/// Versions are pinned: a comparison names what it compares with.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Its program, below the folder.
    pub(super) program: &'static str,
}

impl Package {
    /// The program of a crate; builds it on first use.
    pub(super) async fn built(&self) -> Result<PathBuf, RunError> {
        let (folder, program) = self.places();
        if !program.is_file() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let mut install = Command::new(cargo);
            install.args(["install", self.name, "--version", self.version, "--locked"]);
            install.arg("--root").arg(&folder);
            run(install).await?;
        }
        Ok(program)
    }

    /// The program of a Python package; puts it into a virtual environment on first use.
    pub(super) async fn in_python(&self) -> Result<PathBuf, RunError> {
        let (folder, program) = self.places();
        if !program.is_file() {
            let mut create = Command::new("python3");
            create.args(["-m", "venv"]).arg(&folder);
            run(create).await?;
            let mut install = Command::new(folder.join("bin/pip"));
            let wanted = format!("{}=={}", self.name, self.version);
            install.args(["install", "--quiet", &wanted]);
            run(install).await?;
        }
        Ok(program)
    }

    fn places(&self) -> (PathBuf, PathBuf) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("target/beside")
            .join(format!("{}-{}", self.name, self.version));
        let program = folder.join(self.program);
        (folder, program)
    }
}

async fn run(mut command: Command) -> Result<(), RunError> {
    let shown = format!("{:?}", command.as_std());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = output
        .await
        .map_err(|error| RunError::Install(format!("{shown}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().take(5).collect::<Vec<_>>();
    let last: Vec<_> = last.into_iter().rev().collect();
    Err(RunError::Install(format!(
        "{shown}: {}\n{}",
        output.status,
        last.join("\n")
    )))
}
