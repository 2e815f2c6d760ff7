//! A program that the harness starts and never leaves behind.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::fault::RunError;
use crate::usage::Usage;

/// How long a program may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What a program prints before each address it listens on.
const ANNOUNCEMENT: &str = "listening on http://";

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
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
        let mut command = Command::new(&program);
        // The fake backend ends with its input, so that not even a killed harness leaves it behind.
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.kill_on_drop(true);
        set_up(&mut command);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|source| RunError::Spawn {
            program: program.clone(),
            source,
        })?;
        let fault = |what: String| RunError::Start { program, what };
        let Some(stdout) = child.stdout.take() else {
            return Err(fault("has no output".to_owned()));
        };
        let mut lines = BufReader::new(stdout).lines();
        match timeout(START_LIMIT, announced(&mut lines, listeners)).await {
            Err(_) => Err(fault(format!(
                "did not listen within {}",
                humantime::format_duration(START_LIMIT)
            ))),
            Ok(None) => Err(fault("ended before it listened".to_owned())),
            Ok(Some(authorities)) => {
                // A full pipe would hold the program up, a closed one could end it.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok(Self { child, authorities })
            }
        }
    }

    /// What it has used so far, where that is known.
    pub(crate) fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id()?)
    }

    /// Kills the program and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<(), RunError> {
        Ok(self.child.kill().await?)
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
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
