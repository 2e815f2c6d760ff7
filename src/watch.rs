//! Files that are read again when they change, such as keys and certificates.
//!
//! They are looked at now and then instead of being subscribed to: what mounts secrets swaps a symbolic
//! link somewhere above them, of which no notification about the file itself tells.

use std::{
    fs::{self, Metadata},
    io,
    path::PathBuf,
    time::SystemTime,
};

use tokio::{
    task::{AbortHandle, spawn, spawn_blocking},
    time::{MissedTickBehavior, interval},
};

use crate::limits::WATCH_INTERVAL;

/// Watches files until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the watching"]
pub struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Watch {
    /// Calls `changed` each time one of the files is another than before, or is gone, or came; and at
    /// `SIGHUP`, in case it is not. It may take its time: a file may lie on a machine that does not answer.
    ///
    /// # Errors
    ///
    /// When the system gives no signal handler.
    ///
    /// # Panics
    ///
    /// Outside a runtime.
    pub fn over(files: Vec<PathBuf>, changed: impl FnMut() + Send + 'static) -> io::Result<Self> {
        let mut hang_up = HangUp::new()?;
        // Now, not when the task first runs: what happens from here on is told.
        let known = look(&files);
        let mut watched = Watched {
            files,
            known,
            changed,
        };
        let task = spawn(async move {
            let mut ticks = interval(WATCH_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let told = tokio::select! {
                    _ = ticks.tick() => false,
                    () = hang_up.heard() => true,
                };
                // On a thread that may be held up: this one has other things to do.
                let looking = spawn_blocking(move || {
                    watched.look_again(told);
                    watched
                });
                watched = match looking.await {
                    Ok(watched) => watched,
                    Err(error) => {
                        return tracing::error!(%error, "a file is not watched any more");
                    }
                };
            }
        });
        Ok(Self(task.abort_handle()))
    }
}

/// Files, and what is done when they change.
struct Watched<F> {
    files: Vec<PathBuf>,
    known: Vec<Option<Version>>,
    changed: F,
}

impl<F: FnMut()> Watched<F> {
    /// Calls if they changed, or somebody said so.
    fn look_again(&mut self, told: bool) {
        let now = look(&self.files);
        if told || now != self.known {
            self.known = now;
            (self.changed)();
        }
    }
}

/// What tells one version of a file from the next; `None` for one that is not there.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    modified: Option<SystemTime>,
    size_bytes: u64,
    file: u64,
}

fn look(files: &[PathBuf]) -> Vec<Option<Version>> {
    let version = |file| fs::metadata(file).ok().as_ref().map(Version::of);
    files.iter().map(version).collect()
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            // A system without it has the other two.
            modified: metadata.modified().ok(),
            size_bytes: metadata.len(),
            file: file_number(metadata),
        }
    }
}

#[cfg(unix)]
fn file_number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
const fn file_number(_metadata: &Metadata) -> u64 {
    0
}

/// The signal by which operators ask a program to read its files again.
#[cfg(unix)]
struct HangUp(tokio::signal::unix::Signal);

#[cfg(unix)]
impl HangUp {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self)
    }

    async fn heard(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(not(unix))]
struct HangUp;

#[cfg(not(unix))]
impl HangUp {
    #[expect(clippy::unnecessary_wraps, reason = "other systems may refuse")]
    const fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn heard(&mut self) {
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_file_that_comes_changes_or_goes_is_told() {
        let folder = tempdir().unwrap();
        let path = folder.path().join("keys.yaml");
        let (sender, mut told) = mpsc::unbounded_channel();
        let _watch = Watch::over(vec![path.clone()], move || {
            sender.send(()).unwrap();
        })
        .unwrap();
        fs::write(&path, "a").unwrap();
        told.recv().await.unwrap();
        fs::write(&path, "ab").unwrap();
        told.recv().await.unwrap();
        fs::remove_file(&path).unwrap();
        told.recv().await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_watch_tells_nothing_more() {
        let (sender, mut told) = mpsc::unbounded_channel::<()>();
        let watch = Watch::over(vec![PathBuf::from("nowhere")], move || {
            sender.send(()).unwrap();
        })
        .unwrap();
        drop(watch);
        assert_eq!(told.recv().await, None);
    }
}
