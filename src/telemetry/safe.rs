//! Makes what others wrote harmless in a line of the log.

use std::{
    cell::Cell,
    fmt::{self, Write as _},
    io,
    time::SystemTime,
};

use tracing::{
    Metadata,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{FormatFields, MakeWriter, format::Writer, time::FormatTime},
};

use crate::every;

/// The time of day in front of a line, to the microsecond.
pub(super) struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(
            writer,
            "{}",
            humantime::format_rfc3339_micros(SystemTime::now())
        )
    }
}

/// Writes the fields of a text line with nothing in them that acts on a terminal.
///
/// The formatter that comes with the crate escapes some of a message and nothing of a field that
/// was recorded by its `Display`. And every request writes a line: what needs no care gets none.
pub(super) struct Fields;

/// What is kept of the memory of a thread's last line.
const KEPT_BYTES_MAX: usize = 4 * 1024;

thread_local! {
    /// Memory for the next line of this thread. Its pieces are put together here and handed on at once: the formatter's
    /// own writer passes each of them through three hands.
    static SPARE: Cell<String> = const { Cell::new(String::new()) };
}

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = Line {
            // Taken, so that whatever logs while it is written has one of its own.
            text: SPARE.take(),
            is_coloured: writer.has_ansi_escapes(),
            outcome: Ok(()),
        };
        fields.record(&mut line);
        let Line {
            mut text, outcome, ..
        } = line;
        let written = outcome.and_then(|()| writer.write_str(&text));
        if text.capacity() <= KEPT_BYTES_MAX {
            text.clear();
            SPARE.set(text);
        }
        written
    }
}

/// The fields of one line.
struct Line {
    text: String,
    is_coloured: bool,
    outcome: fmt::Result,
}

impl Line {
    /// Begins with a field; gives where its value goes.
    fn begin(&mut self, field: &Field) -> &mut String {
        let text = &mut self.text;
        if !text.is_empty() {
            text.push(' ');
        }
        if field.name() != "message" {
            if self.is_coloured {
                text.push_str("\x1b[2m");
            }
            text.push_str(field.name());
            text.push('=');
            if self.is_coloured {
                text.push_str("\x1b[0m");
            }
        }
        text
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        // What `Debug` escapes of a text is not plain.
        if !is_plain(value) || value.contains(['"', '\\']) {
            return self.record_debug(field, &value);
        }
        let text = self.begin(field);
        text.push('"');
        text.push_str(value);
        text.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let mut digits = itoa::Buffer::new();
        self.begin(field).push_str(digits.format(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.outcome.is_ok() {
            self.outcome = write!(Escaping(self.begin(field)), "{value:?}");
        }
    }
}

/// Passes text on, each dangerous character as an escape sequence that can be read.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if is_plain(text) {
            return self.0.write_str(text);
        }
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|(_, c)| is_dangerous(*c)) {
            let (safe, from) = rest.split_at(at);
            self.0.write_str(safe)?;
            write!(self.0, "{}", character.escape_default())?;
            rest = from.get(character.len_utf8()..).unwrap_or_default();
        }
        self.0.write_str(rest)
    }
}

/// Whether there is nothing in a text but what ASCII can print, which is so of nearly all.
fn is_plain(text: &str) -> bool {
    every::all(text.as_bytes(), |byte| matches!(byte, b' '..=b'~'))
}

/// Whether a character moves the cursor, ends the line, or turns the direction of text.
pub(super) fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Writes lines of JSON, or makes what writes them; escapes what a terminal acts on and JSON lets pass.
///
/// JSON itself escapes the characters below U+0020, so any that reach here end a line.
pub(super) struct Json<W>(pub(super) W);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Json<M> {
    type Writer = Json<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Json(self.0.make_writer())
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        Json(self.0.make_writer_for(event))
    }
}

impl<W: io::Write> io::Write for Json<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let is_suspect = |c: char| !c.is_ascii_control() && is_dangerous(c) || c == '\x7f';
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains(is_suspect) => {
                let mut escaped = String::with_capacity(text.len() + 16);
                for character in text.chars() {
                    if is_suspect(character) {
                        // Writing to a string cannot fail.
                        let _ = write!(escaped, "\\u{:04x}", u32::from(character));
                    } else {
                        escaped.push(character);
                    }
                }
                self.0.write_all(escaped.as_bytes())?;
            }
            _ => self.0.write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
