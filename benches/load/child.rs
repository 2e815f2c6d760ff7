//! A program that the harness starts and never leaves behind, and all that this program starts in turn.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::fault::RunError;
use crate::usage::Usage;

/// How long a program that announces its addresses may take until it listens.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long a program that was asked to end may take for it.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How often a program that announces nothing is tried.
const GLANCE: Duration = Duration::from_millis(20);

/// What a program prints before each address it listens on.
const ANNOUNCEMENT: &str = "listening on http://";

/// A running program, at the head of a process group of its own. Dropping it kills the whole group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// The group's number is that of its first process, also after this has ended.
    group: Option<u32>,
    /// Host and port of each listener, in the order announced.
    pub(crate) authorities: Vec<String>,
}

impl Running {
    /// Starts `program` and waits until it has announced `listeners` addresses on its standard output.
    pub(crate) async fn start(
        program: PathBuf,
        set_up: impl FnOnce(&mut Command),
        listeners: usize,
    ) -> Result<Self, RunError> {
        let mut running = Self::spawn(&program, |command| {
            // The fake backend ends with its input, so that not even a killed harness leaves it behind.
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            set_up(command);
        })?;
        let fault = |what: String| RunError::Start { program, what };
        let Some(stdout) = running.child.stdout.take() else {
            return Err(fault("has no output".to_owned()));
        };
        let mut lines = BufReader::new(stdout).lines();
        match timeout(START_LIMIT, announced(&mut lines, listeners)).await {
            Err(_) => Err(fault(late(START_LIMIT))),
            Ok(None) => Err(fault("ended before it listened".to_owned())),
            Ok(Some(authorities)) => {
                // A full pipe would hold the program up, a closed one could end it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                running.authorities = authorities;
                Ok(running)
            }
        }
    }

    /// Starts `program`, which announces nothing, and waits until it takes connections at `authority`.
    pub(crate) async fn start_at(
        authority: String,
        program: PathBuf,
        set_up: impl FnOnce(&mut Command),
    ) -> Result<Self, RunError> {
        let mut running = Self::spawn(&program, |command| {
            command.stdin(Stdio::null());
            set_up(command);
        })?;
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(&authority).await.is_err() {
            let what = if running.has_ended() {
                "ended before it listened".to_owned()
            } else if Instant::now() >= deadline {
                late(START_LIMIT)
            } else {
                sleep(GLANCE).await;
                continue;
            };
            return Err(RunError::Start { program, what });
        }
        running.authorities.push(authority);
        Ok(running)
    }

    /// What its whole group has used so far, where that is known.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of_group(self.group?)
    }

    /// Asks the program to end. One that does not is killed.
    ///
    /// # Errors
    /// `RunError::Stuck` if it had to be.
    pub(crate) async fn end(mut self) -> Result<(), RunError> {
        self.signal_all("-TERM");
        if let Ok(ended) = timeout(END_LIMIT, self.child.wait()).await {
            // What it started ends with it, as it does when this is dropped.
            return Ok(ended.map(drop)?);
        }
        self.kill().await?;
        Err(RunError::Stuck(END_LIMIT))
    }

    /// Kills the program, and waits for its end.
    pub(crate) async fn kill(mut self) -> Result<(), RunError> {
        self.signal_all("-KILL");
        self.group = None;
        Ok(self.child.kill().await?)
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    fn spawn(program: &Path, set_up: impl FnOnce(&mut Command)) -> Result<Self, RunError> {
        let mut command = Command::new(program);
        command.kill_on_drop(true).process_group(0);
        set_up(&mut command);
        let child = command.spawn().map_err(|source| RunError::Spawn {
            program: program.to_owned(),
            source,
        })?;
        Ok(Self {
            group: child.id(),
            child,
            authorities: Vec::new(),
        })
    }

    /// Sends a signal to the program and to what it has started.
    fn signal_all(&self, signal: &str) {
        if let Some(group) = self.group {
            let mut kill = std::process::Command::new("kill");
            kill.args([signal, "--", &format!("-{group}")]);
            // A group that has ended is gone, which is all that is wanted.
            let _ = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal_all("-KILL");
    }
}

/// An address that was free a moment ago, for a program that cannot choose and tell one itself.
pub(crate) async fn free_address() -> Result<String, RunError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(listener.local_addr()?.to_string())
}

fn late(limit: Duration) -> String {
    format!(
        "did not listen within {}",
        humantime::format_duration(limit)
    )
}

async fn announced(
    lines: &mut Lines<BufReader<ChildStdout>>,
    listeners: usize,
) -> Option<Vec<String>> {
    let mut authorities = Vec::new();
    while authorities.len() < listeners {
        let line = lines.next_line().await.ok()??;
        if let Some((_, address)) = line.split_once(ANNOUNCEMENT) {
            let is_end =
                |letter: char| !(letter.is_ascii_alphanumeric() || ".:[]-".contains(letter));
            authorities.extend(address.split(is_end).next().map(str::to_owned));
        }
    }
    Some(authorities)
}
