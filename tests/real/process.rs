//! A started program: its own process group and home, its output kept, all of it gone with the value.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command as StdCommand, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

/// A program that runs until this value is dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    folder: TempDir,
}

impl Process {
    /// Starts `command` with its stdout in a file.
    pub(crate) fn start(name: &str, command: StdCommand) -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().to_owned();
        Self::start_in(name, command, &home, folder)
    }

    /// The same in a home that others share.
    pub(crate) fn start_at(name: &str, command: StdCommand, home: &Path) -> Self {
        Self::start_in(name, command, home, TempDir::new().unwrap())
    }

    fn start_in(name: &str, command: StdCommand, home: &Path, folder: TempDir) -> Self {
        let stdout = File::create(folder.path().join("stdout")).unwrap();
        Self::spawn(name, command, home, folder, stdout.into())
    }

    /// Starts `command` with pipes to its stdin and stdout.
    pub(crate) fn converse(name: &str, command: StdCommand) -> (Self, ChildStdin, ChildStdout) {
        let folder = TempDir::new().unwrap();
        let home = folder.path().to_owned();
        Self::converse_in(name, command, &home, folder)
    }

    /// The same in a home that others share.
    pub(crate) fn converse_at(
        name: &str,
        command: StdCommand,
        home: &Path,
    ) -> (Self, ChildStdin, ChildStdout) {
        Self::converse_in(name, command, home, TempDir::new().unwrap())
    }

    fn converse_in(
        name: &str,
        command: StdCommand,
        home: &Path,
        folder: TempDir,
    ) -> (Self, ChildStdin, ChildStdout) {
        let mut process = Self::spawn(name, command, home, folder, Stdio::piped());
        let (stdin, stdout) = (
            process.child.stdin.take().unwrap(),
            process.child.stdout.take().unwrap(),
        );
        (process, stdin, stdout)
    }

    fn spawn(name: &str, command: StdCommand, home: &Path, folder: TempDir, stdout: Stdio) -> Self {
        let stderr = File::create(folder.path().join("stderr")).unwrap();
        let child = Command::from(command)
            // A proxy for the outside world must not see traffic between tests.
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1")
            .env("HOME", home)
            .current_dir(home)
            // Programs on a leash end when this pipe does, also when the test is killed.
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name: name.to_owned(),
            child,
            folder,
        }
    }

    /// Whether the program ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until the program ends by itself: whether it says that all went well.
    pub(crate) async fn ended(&mut self, deadline: Duration) -> bool {
        let ended = time::timeout(deadline, self.child.wait()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{} still runs after {deadline:?}", self.name));
        ended.unwrap().success()
    }

    /// Ends the program the hard way (`kill -9`) and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.kill_group();
        self.child.wait().await.unwrap();
    }

    /// Its home and working folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the program wrote to stdout, if that goes to a file.
    pub(crate) fn stdout(&self) -> String {
        read(self.folder.path(), "stdout")
    }

    /// What the program wrote to stderr.
    pub(crate) fn stderr(&self) -> String {
        read(self.folder.path(), "stderr")
    }

    /// The program may have started others, which share its group.
    fn kill_group(&self) {
        if let Some(leader) = self.child.id() {
            StdCommand::new("kill")
                .args(["-KILL", "--", &format!("-{leader}")])
                .status()
                .unwrap();
        }
    }
}

impl Drop for Process {
    #[expect(clippy::print_stderr, reason = "shown with the failed test")]
    fn drop(&mut self) {
        self.kill_group();
        if thread::panicking() {
            let (name, said, logged) = (&self.name, self.stdout(), self.stderr());
            eprintln!("--- stdout of {name}\n{said}\n--- stderr of {name}\n{logged}");
        }
    }
}

fn read(folder: &Path, file: &str) -> String {
    fs::read(folder.join(file))
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
