//! The thread that writes the audit log: in batches, to a file that never grows beyond its size.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Instant, SystemTime},
};

use serde::Serialize;

use super::{ADMISSION, AuditTo, Entry, Order, refusals::Refusals};
use crate::{
    files,
    limits::{AUDIT_AGAIN_PARTS, AUDIT_FILES_MAX},
};

/// The thread that writes, until it is told to end.
#[must_use = "what was handed over is written only if it is waited for"]
pub struct Writing(JoinHandle<()>);

impl Writing {
    pub(super) fn start(
        writer: Writer,
        orders: Receiver<Order>,
        refusals: Arc<Refusals>,
    ) -> io::Result<Self> {
        let thread = thread::Builder::new().name("audit".to_owned());
        Ok(Self(thread.spawn(move || writer.run(&orders, &refusals))?))
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
    session: Option<&'a str>,
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

/// A line about requests that were not let in, beside those that have lines of their own.
#[derive(Serialize)]
struct Refused {
    time: String,
    method: &'static str,
    outcome: &'static str,
    left_out: u64,
}

pub(super) struct Writer {
    to: AuditTo,
    out: BufWriter<Box<dyn Write + Send>>,
    size_bytes: u64,
    /// Size at which another file is to follow: later than it should be, where none could.
    full_at_bytes: u64,
    /// Lines that were not written, for whatever reason.
    lost: Arc<AtomicU64>,
    /// Whether the last attempt to write failed, which is said once.
    fails: bool,
    /// Whether no file could follow the present one, which is said once.
    is_stuck: bool,
}

impl Writer {
    pub(super) fn open(to: AuditTo, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let (out, size_bytes) = open(&to)?;
        Ok(Self::over(to, out, size_bytes, lost))
    }

    pub(super) fn over(
        to: AuditTo,
        out: Box<dyn Write + Send>,
        size_bytes: u64,
        lost: Arc<AtomicU64>,
    ) -> Self {
        Self {
            full_at_bytes: to.size_bytes_max(),
            to,
            out: BufWriter::new(out),
            size_bytes,
            lost,
            fails: false,
            is_stuck: false,
        }
    }

    fn run(mut self, orders: &Receiver<Order>, refusals: &Refusals) {
        loop {
            let order = match refusals.look_in(Instant::now()) {
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => orders.recv_timeout(wait),
            };
            let mut next = match order {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            while let Some(order) = next.take() {
                match order {
                    Order::Write(at, entry) => self.write(at, &entry),
                    Order::Reopen => self.reopen(),
                    Order::Close => {
                        self.tell_refused(refusals.left_out_at_last());
                        return self.tell_missing();
                    }
                }
                next = orders.try_recv().ok();
            }
            self.tell_refused(refusals.left_out(Instant::now()));
            self.tell_missing();
        }
    }

    pub(super) fn write(&mut self, at: SystemTime, entry: &Entry) {
        let line = Line {
            time: rfc3339(at),
            caller: entry.caller.as_deref(),
            session: entry.session.as_deref(),
            client: entry.client.map(|address| address.to_string()),
            method: &entry.method,
            provider: entry.provider.as_ref().map(AsRef::as_ref),
            tool: entry.tool.as_deref(),
            outcome: entry.outcome,
            elapsed_ms: entry.elapsed_ms,
        };
        if !self.put(&line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says how many requests that were not let in have no line.
    fn tell_refused(&mut self, left_out: u64) {
        let line = Refused {
            time: rfc3339(SystemTime::now()),
            method: ADMISSION,
            outcome: "refused",
            left_out,
        };
        if left_out > 0 && !self.put(&line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says how many lines are missing, if any are, and sees that all is out.
    pub(super) fn tell_missing(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let time = rfc3339(SystemTime::now());
            if self.put(&Missing { time, lost }) {
                tracing::error!(
                    lines = lost,
                    "the audit log lacks lines: its file could not be written, or is too slow for what is asked of the gateway"
                );
            } else {
                // Once it can be written, it says so.
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        match self.out.flush() {
            Ok(()) => self.fails = false,
            Err(error) => self.complain(&error),
        }
    }

    /// Whether the line is with those that are being written.
    fn put(&mut self, line: &impl Serialize) -> bool {
        let put = serde_json::to_vec(line).map_err(io::Error::from);
        let put = put.and_then(|mut text| {
            text.push(b'\n');
            self.make_room(text.len() as u64);
            self.out.write_all(&text)?;
            Ok(text.len() as u64)
        });
        match put {
            Ok(bytes) => self.size_bytes += bytes,
            Err(error) => {
                self.complain(&error);
                return false;
            }
        }
        true
    }

    /// Has another file follow the one that would grow too large. Where none can, it goes on in the present one, and
    /// tries again a while later: too large a file is better than no line.
    fn make_room(&mut self, bytes: u64) {
        let AuditTo::File {
            path,
            size_bytes_max,
        } = &self.to
        else {
            return;
        };
        if self.size_bytes == 0 || self.size_bytes + bytes <= self.full_at_bytes {
            return;
        }
        let again_bytes = *size_bytes_max / AUDIT_AGAIN_PARTS;
        let followed = self.out.flush().and_then(|()| move_aside(path));
        match followed.and_then(|()| self.open_anew()) {
            Ok(()) => self.is_stuck = false,
            Err(error) => {
                self.full_at_bytes = self.size_bytes + bytes + again_bytes;
                if !self.is_stuck {
                    self.is_stuck = true;
                    tracing::error!(
                        %error,
                        "no other file can follow that of the audit log, which grows beyond --audit-log-size until one can"
                    );
                }
            }
        }
    }

    fn reopen(&mut self) {
        let reopened = self.out.flush().and_then(|()| self.open_anew());
        if let Err(error) = reopened {
            self.complain(&error);
        }
    }

    fn open_anew(&mut self) -> io::Result<()> {
        let (out, size_bytes) = open(&self.to)?;
        self.out = BufWriter::new(out);
        self.size_bytes = size_bytes;
        self.full_at_bytes = self.to.size_bytes_max();
        Ok(())
    }

    fn complain(&mut self, error: &io::Error) {
        if !self.fails {
            self.fails = true;
            tracing::error!(%error, "the audit log cannot be written; what does not fit in memory is lost until it can, and counted");
        }
    }
}

impl AuditTo {
    const fn size_bytes_max(&self) -> u64 {
        match self {
            Self::Output => u64::MAX,
            Self::File { size_bytes_max, .. } => *size_bytes_max,
        }
    }
}

/// Makes each file one older; the oldest goes.
fn move_aside(path: &Path) -> io::Result<()> {
    for number in (1..AUDIT_FILES_MAX).rev() {
        let (older, newer) = (numbered(path, number), numbered(path, number - 1));
        if newer.exists() {
            fs::rename(newer, older)?;
        }
    }
    Ok(())
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
