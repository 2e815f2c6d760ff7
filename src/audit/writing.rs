//! The thread that writes the audit log: in batches, to a file that never grows beyond its size.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::Receiver,
    },
    thread::{self, JoinHandle},
    time::SystemTime,
};

use serde::Serialize;

use super::{AuditTo, Entry, Order};
use crate::{files, limits::AUDIT_FILES_MAX};

/// The thread that writes, until it is told to end.
#[must_use = "what was handed over is written only if it is waited for"]
pub struct Writing(JoinHandle<()>);

impl Writing {
    pub(super) fn start(writer: Writer, orders: Receiver<Order>) -> io::Result<Self> {
        let thread = thread::Builder::new().name("audit".to_owned());
        Ok(Self(thread.spawn(move || writer.run(&orders))?))
    }

    pub(super) fn end(self) {
        // A thread that died has said so.
        let _died = self.0.join();
    }
}

/// A line, as it is written.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    caller: Option<&'a str>,
    session: &'a str,
    client: Option<String>,
    method: &'a str,
    provider: Option<&'a str>,
    tool: Option<&'a str>,
    outcome: &'a str,
    elapsed_ms: u64,
}

/// A line about lines that are missing.
#[derive(Serialize)]
struct Missing {
    time: String,
    lost: u64,
}

pub(super) struct Writer {
    to: AuditTo,
    out: BufWriter<Box<dyn Write + Send>>,
    size_bytes: u64,
    lost: Arc<AtomicU64>,
    /// Whether the last attempt to write failed, which is said once.
    fails: bool,
}

impl Writer {
    pub(super) fn open(to: AuditTo, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let (out, size_bytes) = open(&to)?;
        Ok(Self {
            to,
            out: BufWriter::new(out),
            size_bytes,
            lost,
            fails: false,
        })
    }

    fn run(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            let mut next = Some(order);
            while let Some(order) = next.take() {
                match order {
                    Order::Write(at, entry) => self.write(at, &entry),
                    Order::Reopen => self.reopen(),
                    Order::Close => return self.tell_missing(),
                }
                next = orders.try_recv().ok();
            }
            self.tell_missing();
        }
    }

    fn write(&mut self, at: SystemTime, entry: &Entry) {
        let line = Line {
            time: rfc3339(at),
            caller: entry.caller.as_deref(),
            session: &entry.session,
            client: entry.client.map(|address| address.to_string()),
            method: &entry.method,
            provider: entry.provider.as_ref().map(AsRef::as_ref),
            tool: entry.tool.as_deref(),
            outcome: entry.outcome,
            elapsed_ms: entry.elapsed_ms,
        };
        self.put(&line);
    }

    /// Says how many lines are missing, if any are, and sees that all is out.
    fn tell_missing(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(
                lines = lost,
                "the audit log lacks lines: its file is too slow for what is asked of the gateway"
            );
            let time = rfc3339(SystemTime::now());
            self.put(&Missing { time, lost });
        }
        let flushed = self.out.flush();
        self.note(flushed);
    }

    fn put(&mut self, line: &impl Serialize) {
        let mut text = match serde_json::to_vec(line) {
            Ok(text) => text,
            Err(error) => return self.note(Err(error.into())),
        };
        text.push(b'\n');
        let put = self.make_room(text.len() as u64);
        let put = put.and_then(|()| self.out.write_all(&text));
        if put.is_ok() {
            self.size_bytes += text.len() as u64;
        }
        self.note(put);
    }

    /// Has another file follow the one that would grow too large.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let AuditTo::File {
            path,
            size_bytes_max,
        } = &self.to
        else {
            return Ok(());
        };
        if self.size_bytes == 0 || self.size_bytes + bytes <= *size_bytes_max {
            return Ok(());
        }
        self.out.flush()?;
        for number in (1..AUDIT_FILES_MAX).rev() {
            let (older, newer) = (numbered(path, number), numbered(path, number - 1));
            if newer.exists() {
                fs::rename(newer, older)?;
            }
        }
        self.open_anew()
    }

    fn reopen(&mut self) {
        let reopened = self.out.flush().and_then(|()| self.open_anew());
        self.note(reopened);
    }

    fn open_anew(&mut self) -> io::Result<()> {
        let (out, size_bytes) = open(&self.to)?;
        self.out = BufWriter::new(out);
        self.size_bytes = size_bytes;
        Ok(())
    }

    fn note(&mut self, outcome: io::Result<()>) {
        match outcome {
            Ok(()) => self.fails = false,
            Err(error) if !self.fails => {
                self.fails = true;
                tracing::error!(%error, "the audit log cannot be written; its lines are lost until it can");
            }
            Err(_) => {}
        }
    }
}

fn open(to: &AuditTo) -> io::Result<(Box<dyn Write + Send>, u64)> {
    match to {
        AuditTo::Output => Ok((Box::new(io::stdout()), 0)),
        AuditTo::File { path, .. } => {
            let file: File = files::private().create(true).append(true).open(path)?;
            let size_bytes = file.metadata()?.len();
            Ok((Box::new(file), size_bytes))
        }
    }
}

/// The file that is so many files old; the present one is 0.
fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}
