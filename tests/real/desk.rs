//! A person's machine: a home, programs in the path, and no way out to the network.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::process::Process;

/// Only ends a test that hangs.
const DEADLINE: Duration = Duration::from_mins(5);
/// Nobody answers there.
const NO_WAY_OUT: &str = "http://127.0.0.1:9";

/// A home with programs.
pub(crate) struct Desk {
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Desk {
    /// A desk with the gateway's own program.
    pub(crate) fn new() -> Self {
        let desk = Self {
            home: TempDir::new().unwrap(),
            variables: Vec::new(),
        };
        fs::create_dir(desk.bin()).unwrap();
        let program = env!("CARGO_BIN_EXE_mcp-gateway");
        desk.install("mcp-gateway", &format!("exec '{program}' \"$@\""));
        desk
    }

    /// What the desk's environment has from now on.
    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.unset(variable);
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// What it has no longer.
    pub(crate) fn unset(&mut self, variable: &str) {
        self.variables.retain(|(name, _)| name != variable);
    }

    /// Puts a program into the path, which is this line of a shell.
    pub(crate) fn install(&self, program: &str, line: &str) {
        let path = self.bin().join(program);
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Writes a file in the home.
    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.home.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file in the home.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.home.path().join(file)).unwrap()
    }

    /// Runs a line in the home, as a shell does: what it printed, if it went well.
    pub(crate) async fn run(&self, line: &str) -> Printed {
        let mut command = self.command("sh");
        command.args(["-euc", &format!("exec </dev/null\n{line}")]);
        let mut process = Process::start_at(line, command, self.home());
        let went_well = process.ended(DEADLINE).await;
        let printed = Printed {
            out: process.stdout(),
            err: process.stderr(),
        };
        assert!(went_well, "{line}: {}{}", printed.out, printed.err);
        printed
    }

    /// A program of the path, in this environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let before = env::var_os("PATH").unwrap_or_default();
        let path = [self.bin()].into_iter().chain(env::split_paths(&before));
        command
            .env_clear()
            .env("PATH", env::join_paths(path).unwrap())
            .env("HTTP_PROXY", NO_WAY_OUT)
            .env("HTTPS_PROXY", NO_WAY_OUT)
            .envs(self.variables.iter().cloned());
        // By which a run of all tests finds what is left of it.
        if let Some(mark) = env::var_os("CI_RUN") {
            command.env("CI_RUN", mark);
        }
        command
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    fn bin(&self) -> PathBuf {
        self.home().join("bin")
    }
}
