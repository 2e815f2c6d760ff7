//! A text in a form in which a secret looks the same however it was written, and where each byte of it
//! came from.

use std::ops::Range;

use secrecy::zeroize::Zeroizing;

/// How often escapes are read within what escapes gave: a secret that looks escaped is escaped twice.
const ESCAPED_MAX: usize = 4;

/// A text's other form.
#[derive(Default)]
pub(super) struct Form {
    bytes: Zeroizing<Vec<u8>>,
    /// Where in the text each of those came from.
    spans: Vec<Range<usize>>,
    /// The text's length.
    length: usize,
}

/// Reads what stands for one byte at the beginning of a text; gives that and how long it is.
type Reader = fn(text: &[u8]) -> Option<(u8, usize)>;

impl Form {
    /// Without what URLs, JSON, HTML or a text of two bytes a character add. How many backslashes there
    /// were, an escape does not tell.
    pub(super) fn unescaped(text: &[u8]) -> Self {
        let mut form = Self::of(text, |byte| Some(byte).filter(|it| *it != 0));
        for _ in 0..ESCAPED_MAX {
            let before = form.bytes.len();
            form = form.read(escape);
            if form.bytes.len() == before {
                break;
            }
        }
        form.mapped(|byte| match byte {
            b'\\' => None,
            b'+' => Some(b' '),
            other => Some(other),
        })
    }

    /// In small digits, without what stands between two of them.
    pub(super) fn hex(text: &[u8]) -> Self {
        Self::of(text, |byte| match byte {
            b':' | b'-' | b' ' | 0 => None,
            other => Some(other.to_ascii_lowercase()),
        })
    }

    /// In one alphabet, in one line.
    pub(super) fn base64(text: &[u8]) -> Self {
        Self::of(text, |byte| match byte {
            b'\r' | b'\n' | 0 => None,
            other => Some(standard(other)),
        })
    }

    fn of(text: &[u8], map: impl Fn(u8) -> Option<u8>) -> Self {
        let mut form = Self::sized(text.len(), text.len());
        for (at, byte) in text.iter().enumerate() {
            form.add(map(*byte), at..at + 1);
        }
        form
    }

    fn mapped(&self, map: impl Fn(u8) -> Option<u8>) -> Self {
        let mut form = Self::sized(self.bytes.len(), self.length);
        for (byte, span) in self.bytes.iter().zip(&self.spans) {
            form.add(map(*byte), span.clone());
        }
        form
    }

    fn read(&self, reader: Reader) -> Self {
        let mut form = Self::sized(self.bytes.len(), self.length);
        let mut at = 0;
        while let Some(text) = self.bytes.get(at..).filter(|text| !text.is_empty()) {
            let as_it_is = (text.first().copied().unwrap_or_default(), 1);
            let (byte, length) = reader(text).unwrap_or(as_it_is);
            form.add(Some(byte), self.origin(at..at + length));
            at += length;
        }
        form
    }

    /// With its whole room from the beginning: growing, it would leave copies behind.
    fn sized(bytes: usize, length: usize) -> Self {
        Self {
            bytes: Zeroizing::new(Vec::with_capacity(bytes)),
            spans: Vec::with_capacity(bytes),
            length,
        }
    }

    fn add(&mut self, byte: Option<u8>, span: Range<usize>) {
        if let Some(byte) = byte {
            self.bytes.push(byte);
            self.spans.push(span);
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.bytes
    }

    /// Where in the text a part of the form came from.
    pub(super) fn origin(&self, part: Range<usize>) -> Range<usize> {
        let start = self
            .spans
            .get(part.start)
            .map_or(self.length, |it| it.start);
        let last = part
            .end
            .checked_sub(1)
            .and_then(|last| self.spans.get(last));
        start..last.map_or(start, |it| it.end)
    }

    /// The same with what was left out before it and, if it `ends_open`, behind it.
    pub(super) fn place(&self, part: Range<usize>, ends_open: bool) -> Range<usize> {
        let before = part.start.checked_sub(1).and_then(|it| self.spans.get(it));
        let behind = self.spans.get(part.end).map_or(self.length, |it| it.start);
        let end = self.origin(part).end;
        before.map_or(0, |it| it.end)..if ends_open { behind } else { end }
    }
}

fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match text.first()? {
        b'%' => Some((hex(text.get(1..3)?)?, 3)),
        b'\\' => Some(backslashes(text)),
        b'&' => entity(text),
        _ => None,
    }
}

/// `\u0041`, escaped any number of times; else one for all that stand together.
fn backslashes(text: &[u8]) -> (u8, usize) {
    let count = text.iter().take_while(|it| **it == b'\\').count();
    let rest = text.get(count..).unwrap_or_default();
    let digits = rest.strip_prefix(b"u00").and_then(|rest| rest.get(..2));
    digits
        .and_then(hex)
        .map_or((b'\\', count), |byte| (byte, count + 5))
}

/// `&#65;`, `&#x41;` or a name.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let text = text.get(1..)?;
    let length = text.iter().take(8).position(|it| *it == b';')?;
    let name = std::str::from_utf8(text.get(..length)?).ok()?;
    let byte = match name {
        "amp" => b'&',
        "lt" => b'<',
        "gt" => b'>',
        "quot" => b'"',
        "apos" => b'\'',
        _ => match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
            Some(digits) => u8::from_str_radix(digits, 16).ok()?,
            None => name.strip_prefix('#')?.parse().ok()?,
        },
    };
    Some((byte, length + 2))
}

fn hex(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether a character may stand in base64.
pub(super) fn is_code(character: u8) -> bool {
    standard(character).is_ascii_alphanumeric() || b"+/=".contains(&standard(character))
}

/// A character of base64 in the alphabet of the needles.
const fn standard(character: u8) -> u8 {
    match character {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}
