//! Makes what others wrote harmless in a line of the log.

use std::{
    fmt::{self, Write as _},
    io,
};

use tracing_subscriber::{
    field::MakeExt as _,
    fmt::{FormatFields, format, format::Writer},
};

/// Writes the fields of a text line with nothing in them that acts on a terminal.
///
/// The formatter that comes with the crate escapes some of a message and nothing of a field that
/// was recorded by its `Display`.
pub(super) fn fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    format::debug_fn(|writer: &mut Writer<'_>, field, value| {
        if field.name() != "message" {
            let (dim, plain) = if writer.has_ansi_escapes() {
                ("\x1b[2m", "\x1b[0m")
            } else {
                ("", "")
            };
            write!(writer, "{dim}{}={plain}", field.name())?;
        }
        write!(Escaping(writer), "{value:?}")
    })
    .delimited(" ")
}

/// Passes text on, each dangerous character as an escape sequence that can be read.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
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

/// Whether a character moves the cursor, ends the line, or turns the direction of text.
pub(super) fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Writes lines of JSON; escapes what a terminal acts on and JSON lets pass.
///
/// JSON itself escapes the characters below U+0020, so any that reach here end a line.
pub(super) struct Json<W>(pub(super) W);

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
