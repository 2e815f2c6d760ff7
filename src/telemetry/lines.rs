//! Takes log lines and writes them out, many in one piece.
//!
//! Every request writes a line, and each piece costs as much as sending an answer does. So whoever writes a line does not
//! write it out but leaves it for a thread, which takes what has gathered every few milliseconds. Warnings and errors go
//! out at once, and what was left before them: they may be the last words.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How much may gather: with more, whoever writes a line writes it out, and waits for a slow reader.
const GATHERED_BYTES_MAX: usize = 256 * 1024;
/// What is kept of the memory for the next lines.
const KEPT_BYTES_USUAL: usize = 16 * 1024;

/// The lines that have gathered, and where they go. Clones are the same.
pub(super) struct Lines<W>(Arc<Shared<W>>);

struct Shared<W> {
    gathered: Mutex<Gathered>,
    /// Something has gathered, or nothing more will.
    woken: Condvar,
    /// Locked before `gathered` is, so that lines stay in their order.
    out: Mutex<Out<W>>,
    /// How long lines gather.
    delay: Duration,
}

#[derive(Default)]
struct Gathered {
    bytes: Vec<u8>,
    is_over: bool,
}

struct Out<W> {
    writer: W,
    /// Memory for the next lines.
    spare: Vec<u8>,
}

/// One line, taken as soon as it is written.
pub(super) struct Line<'a, W: Write> {
    lines: &'a Lines<W>,
    is_urgent: bool,
}

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: Write + Send + 'static> Lines<W> {
    /// Lines for this writer, and a thread that writes them out after this delay; none where there is no delay.
    ///
    /// # Errors
    ///
    /// When the system has no thread to give.
    pub(super) fn to(writer: W, delay: Duration) -> io::Result<Self> {
        let lines = Self::untended(writer, delay);
        if delay.is_zero() {
            return Ok(lines);
        }
        let tended = lines.clone();
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || tended.tend())?;
        Ok(lines)
    }

    /// Writes out what gathers until nothing more will.
    fn tend(&self) {
        loop {
            let idle = |gathered: &mut Gathered| gathered.bytes.is_empty() && !gathered.is_over;
            let gathered = self.gathered();
            let woken = self.0.woken.wait_while(gathered, idle);
            let is_over = woken.unwrap_or_else(PoisonError::into_inner).is_over;
            if is_over {
                return;
            }
            thread::sleep(self.0.delay);
            self.write_out();
        }
    }
}

impl<W: Write> Lines<W> {
    /// Writes out what has gathered and has the thread end. What comes afterwards goes out at once.
    pub(super) fn end(&self) {
        self.gathered().is_over = true;
        self.0.woken.notify_all();
        self.write_out();
    }

    fn untended(writer: W, delay: Duration) -> Self {
        let spare = Vec::new();
        Self(Arc::new(Shared {
            gathered: Mutex::default(),
            woken: Condvar::new(),
            out: Mutex::new(Out { writer, spare }),
            delay,
        }))
    }

    fn write_out(&self) {
        let mut out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = mem::take(&mut out.spare);
        let mut bytes = mem::replace(&mut self.gathered().bytes, spare);
        // With its reader gone there is nobody left to tell.
        let _nobody_left = out.writer.write_all(&bytes);
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES_USUAL);
        out.spare = bytes;
    }

    fn take(&self, line: &[u8], is_urgent: bool) {
        let mut gathered = self.gathered();
        let is_first = gathered.bytes.is_empty();
        gathered.bytes.extend_from_slice(line);
        let is_full = gathered.bytes.len() > GATHERED_BYTES_MAX;
        // After the end nobody comes for it, nor where nothing is to gather.
        let is_now = is_urgent || is_full || gathered.is_over || self.0.delay.is_zero();
        drop(gathered);
        if is_now {
            self.write_out();
        } else if is_first {
            self.0.woken.notify_one();
        }
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        let gathered = self.0.gathered.lock();
        gathered.unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line {
            lines: self,
            is_urgent: true,
        }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a, W> {
        Line {
            lines: self,
            is_urgent: *event.level() <= Level::WARN,
        }
    }
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.take(line, self.is_urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use tracing::subscriber::with_default;

    use super::*;

    const DELAY: Duration = Duration::from_millis(5);

    /// Tells of each piece that is written.
    struct Pieces(Sender<String>);

    impl Write for Pieces {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.0.send(text).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn log_into(lines: &Lines<Pieces>, log: impl FnOnce()) {
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .with_writer(lines.clone());
        with_default(subscriber.finish(), log);
    }

    #[test]
    fn a_warning_goes_out_at_once_with_all_that_was_before_it() {
        let (written, pieces) = channel();
        let lines = Lines::untended(Pieces(written), DELAY);
        log_into(&lines, || {
            tracing::info!("one");
            tracing::info!("two");
        });
        assert!(pieces.try_recv().is_err(), "nobody tends these lines");
        log_into(&lines, || tracing::warn!("three"));
        let text = pieces.try_recv().unwrap();
        assert_eq!(text, " INFO one\n INFO two\n WARN three\n");
    }

    #[test]
    fn what_gathers_goes_out_by_itself_and_at_the_end() {
        let (written, pieces) = channel();
        let lines = Lines::to(Pieces(written), DELAY).unwrap();
        log_into(&lines, || tracing::info!("one"));
        assert_eq!(pieces.recv().unwrap(), " INFO one\n");
        log_into(&lines, || tracing::info!("two"));
        lines.end();
        assert_eq!(pieces.recv().unwrap(), " INFO two\n");
        log_into(&lines, || tracing::info!("three"));
        assert_eq!(pieces.try_recv().unwrap(), " INFO three\n");
        drop(lines);
        assert!(pieces.recv().is_err(), "its thread has ended");
    }

    #[test]
    fn without_a_delay_each_line_goes_out_at_once() {
        let (written, pieces) = channel();
        let lines = Lines::to(Pieces(written), Duration::ZERO).unwrap();
        for line in ["one", "two"] {
            log_into(&lines, || tracing::info!("{line}"));
            assert_eq!(pieces.try_recv().unwrap(), format!(" INFO {line}\n"));
        }
    }

    #[test]
    fn no_more_than_a_bound_gathers_and_nothing_is_lost() {
        let (written, pieces) = channel();
        let lines = Lines::untended(Pieces(written), DELAY);
        let filling = "x".repeat(1000);
        let numbers = 0..2 * GATHERED_BYTES_MAX / filling.len();
        log_into(&lines, || {
            for number in numbers.clone() {
                tracing::info!("{number} {filling}");
            }
        });
        lines.end();
        let pieces: Vec<String> = pieces.try_iter().collect();
        assert!(pieces.len() > 1);
        assert!(pieces.iter().all(|it| it.len() < GATHERED_BYTES_MAX + 2000));
        let text = pieces.concat();
        let found = text.lines().map(|it| it.split(' ').nth(2).unwrap());
        let expected = numbers.map(|it| it.to_string());
        assert!(found.eq(expected));
    }
}
