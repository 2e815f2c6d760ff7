//! The ways to write a secret: as it is, percent-encoded, escaped, in hex, in base64.

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use secrecy::zeroize::Zeroizing;

/// Characters of a secret from which on its encodings are looked for: those of less may be words.
const ENCODED_LENGTH_MIN: usize = 6;
/// Characters of a secret's beginning that tell it, if they are half of it.
const PREFIX_LENGTH_MIN: usize = 16;

/// A secret, and what its base64 holds wherever it stands in what was encoded.
pub(super) struct Spelled<'a> {
    secret: &'a [u8],
    /// The same with one backslash for several: how many there are, an escape does not tell.
    plain: Zeroizing<Vec<u8>>,
    base64: Vec<Zeroizing<String>>,
}

/// Reads one byte of a secret at the beginning of a text; gives how long that is.
type Reader = fn(text: &[u8], byte: u8) -> Option<usize>;

impl<'a> Spelled<'a> {
    pub(super) fn of(secret: &'a str) -> Self {
        let secret = secret.as_bytes();
        let base64 = match secret.len() {
            ENCODED_LENGTH_MIN.. => (0..3).map(|before| inner_base64(secret, before)).collect(),
            _ => Vec::new(),
        };
        let mut plain = Zeroizing::new(secret.to_vec());
        plain.dedup_by(|a, b| (*a, *b) == (b'\\', b'\\'));
        Self {
            secret,
            plain,
            base64,
        }
    }

    /// Where a text holds it.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let text = text.as_bytes();
        let mut found = Vec::new();
        find_by(as_it_is, self.secret, text, &mut found);
        if self.secret.len() >= ENCODED_LENGTH_MIN {
            find_by(escaped, &self.plain, text, &mut found);
            find_by(escaped_twice, &self.plain, text, &mut found);
            find_by(in_hex, self.secret, text, &mut found);
        }
        for needle in &self.base64 {
            find_base64(needle.as_bytes(), text, &mut found);
        }
        found.into_iter().map(|range| whole(text, range)).collect()
    }
}

fn find_by(reader: Reader, secret: &[u8], text: &[u8], found: &mut Vec<Range<usize>>) {
    let enough = (secret.len() / 2).max(PREFIX_LENGTH_MIN).min(secret.len());
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let (mut end, mut count) = (0, 0);
        for byte in secret {
            let Some(length) = reader(rest.get(end..).unwrap_or_default(), *byte) else {
                break;
            };
            end += length;
            count += 1;
        }
        if count >= enough {
            found.push(start..start + end);
            start += end;
        } else {
            start += 1;
        }
    }
}

/// To the letter.
fn as_it_is(text: &[u8], byte: u8) -> Option<usize> {
    (text.first() == Some(&byte)).then_some(1)
}

/// As URLs, JSON, HTML or a text of two bytes a character have it.
fn escaped(text: &[u8], byte: u8) -> Option<usize> {
    escaped_by(b"%", text, byte)
}

/// The same, once more as URLs have it.
fn escaped_twice(text: &[u8], byte: u8) -> Option<usize> {
    escaped_by(b"%25", text, byte)
}

fn escaped_by(percent: &[u8], text: &[u8], byte: u8) -> Option<usize> {
    if byte == b'\\' {
        return backslashes(percent, text);
    }
    let before = filling(text);
    let text = text.get(before..)?;
    let length = hex_after(percent, text, byte)
        .or_else(|| unicode(text, byte))
        .or_else(|| entity(text, byte))
        .or_else(|| as_it_is(text, byte))
        .or_else(|| (byte == b' ').then(|| as_it_is(text, b'+')).flatten())?;
    Some(before + length)
}

/// What may stand before any character: escapes, and the other half of characters of two bytes.
fn filling(text: &[u8]) -> usize {
    let is_filling = |it: &&u8| matches!(it, 0 | b'\\');
    text.iter().take_while(is_filling).count()
}

/// All that stand together: how many of them the secret has, an escape does not tell.
fn backslashes(percent: &[u8], text: &[u8]) -> Option<usize> {
    let mut length = 0;
    while let Some(rest) = text.get(length..) {
        let before = filling(rest);
        let after = rest.get(before..).unwrap_or_default();
        let more = unicode(after, b'\\').filter(|_| before > 0);
        let more = more.or_else(|| hex_after(percent, after, b'\\'));
        let step = before + more.or_else(|| entity(after, b'\\')).unwrap_or_default();
        if step == 0 {
            break;
        }
        length += step;
    }
    (length > 0).then_some(length)
}

/// `%41`, say.
fn hex_after(percent: &[u8], text: &[u8], byte: u8) -> Option<usize> {
    let digits = text.strip_prefix(percent)?.get(..2)?;
    (hex(digits)? == u32::from(byte)).then_some(percent.len() + 2)
}

/// `u0041`: what comes before is filling.
fn unicode(text: &[u8], byte: u8) -> Option<usize> {
    let digits = text.strip_prefix(b"u")?.get(..4)?;
    (hex(digits)? == u32::from(byte)).then_some(5)
}

/// `&#65;`, `&#x41;` or a name.
fn entity(text: &[u8], byte: u8) -> Option<usize> {
    let text = text.strip_prefix(b"&")?;
    let length = text.iter().take(8).position(|it| *it == b';')?;
    let name = std::str::from_utf8(&text[..length]).ok()?;
    let value = match name {
        "amp" => u32::from(b'&'),
        "lt" => u32::from(b'<'),
        "gt" => u32::from(b'>'),
        "quot" => u32::from(b'"'),
        "apos" => u32::from(b'\''),
        _ => match name.strip_prefix("#x").or(name.strip_prefix("#X")) {
            Some(digits) => hex(digits.as_bytes())?,
            None => name.strip_prefix('#')?.parse().ok()?,
        },
    };
    (value == u32::from(byte)).then_some(length + 2)
}

/// Two digits, whatever stands between two bytes.
fn in_hex(text: &[u8], byte: u8) -> Option<usize> {
    let is_between = |it: &u8| matches!(it, b':' | b'-' | b' ' | 0);
    let before = usize::from(text.first().is_some_and(is_between));
    let digits = text.get(before..before + 2)?;
    (hex(digits)? == u32::from(byte)).then_some(before + 2)
}

fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The characters of a base64 text that a secret alone decides about, with so many bytes before it.
fn inner_base64(secret: &[u8], before: usize) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(vec![0; before]);
    bytes.extend_from_slice(secret);
    let text = Zeroizing::new(STANDARD_NO_PAD.encode(&*bytes));
    let (first, end) = ((8 * before).div_ceil(6), 8 * bytes.len() / 6);
    Zeroizing::new(text.get(first..end).unwrap_or_default().to_owned())
}

/// Finds base64 of either alphabet, broken into lines or not.
fn find_base64(needle: &[u8], text: &[u8], found: &mut Vec<Range<usize>>) {
    let is_break = |it: &u8| matches!(it, b'\r' | b'\n' | 0);
    for start in 0..text.len() {
        let mut at = start;
        let matches = needle.iter().all(|wanted| {
            if at > start {
                at += text[at..].iter().take_while(|it| is_break(it)).count();
            }
            let fits = text.get(at).is_some_and(|it| standard(*it) == *wanted);
            at += usize::from(fits);
            fits
        });
        if matches {
            let is_code = |it: &u8| standard(*it).is_ascii_alphanumeric() || b"+/=-_".contains(it);
            // The characters around it tell of its ends.
            let before = text[..start]
                .iter()
                .rev()
                .take_while(|it| is_code(it))
                .count();
            let after = text[at..].iter().take_while(|it| is_code(it)).count();
            found.push(start - before..at + after);
        }
    }
}

/// A character of base64 in the alphabet of the needles.
const fn standard(character: u8) -> u8 {
    match character {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

/// A range that begins and ends between two characters.
fn whole(text: &[u8], range: Range<usize>) -> Range<usize> {
    let is_inner = |at: usize| text.get(at).is_some_and(|it| it & 0xc0 == 0x80);
    let (mut start, mut end) = (range.start, range.end);
    while start > 0 && is_inner(start) {
        start -= 1;
    }
    while is_inner(end) {
        end += 1;
    }
    start..end
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
    use proptest::prelude::*;

    use super::*;

    /// Every way to write a text that a server in use has, each around it what may stand there.
    fn spellings(secret: &str) -> Vec<String> {
        let bytes = secret.as_bytes();
        let json = |text: &str| serde_json::to_string(text).unwrap();
        let percent = percent_encode(bytes, NON_ALPHANUMERIC).to_string();
        let all = |pattern: fn(&u8) -> String| bytes.iter().map(pattern).collect::<String>();
        let mut spellings = vec![
            secret.to_owned(),
            format!("Bearer {secret}"),
            json(secret),
            json(&json(secret)),
            json(secret).replace('/', "\\/"),
            percent_encode(percent.as_bytes(), NON_ALPHANUMERIC).to_string(),
            percent,
            all(|byte| format!("%{byte:02x}")),
            all(|byte| format!("\\u{byte:04x}")),
            all(|byte| format!("\\\\u{byte:04X}")),
            all(|byte| format!("&#{byte};")),
            all(|byte| format!("&#x{byte:x};")),
            all(|byte| format!("{byte:02x}")),
            all(|byte| format!("{byte:02X}:")),
            all(|byte| format!("{}\0", char::from(*byte))),
            secret.replace(' ', "+"),
            secret.replace('&', "&amp;").replace('"', "&quot;"),
        ];
        for around in ["", "a", "ab", "user:", "Bearer "] {
            for engine in [&STANDARD, &URL_SAFE, &URL_SAFE_NO_PAD] {
                spellings.push(engine.encode(format!("{around}{secret}")));
                spellings.push(engine.encode(format!("{around}{secret}{around}")));
            }
        }
        spellings
    }

    fn is_found_whole(secret: &str, text: &str, around: &str) -> bool {
        let found = Spelled::of(secret).find(text);
        let inner = around.len()..text.len() - around.len();
        let covered = |at: usize| found.iter().any(|range| range.contains(&at));
        let bytes = text.as_bytes();
        // A quote, or what belongs to the next byte, may be left.
        let may_stay = |at: usize| b"\"\\:\0Bearr ".contains(&bytes[at]);
        inner.clone().all(|at| covered(at) || may_stay(at)) && inner.into_iter().any(covered)
    }

    proptest! {
        #[test]
        fn a_secret_is_found_however_it_is_written(secret in "[!-~]([ -~]{6,38})[!-~]") {
            for spelling in spellings(&secret) {
                let text = format!("ü({spelling})ü");
                prop_assert!(is_found_whole(&secret, &text, "ü("), "{secret} in {text}");
            }
        }

        #[test]
        fn nothing_is_found_where_nothing_is(text in "[a-m ]{0,80}") {
            prop_assert!(Spelled::of("nopqrstuvwxyz").find(&text).is_empty());
        }
    }

    #[test]
    fn the_beginning_of_a_long_secret_tells_it() {
        let secret = "github_pat_11ABCDEFG0abcdefghij";
        let found = |text: &str| Spelled::of(secret).find(text);
        assert_eq!(
            found("token github_pat_11ABCDEFG0... is bad"),
            vec![6..27; 3]
        );
        assert!(found("a token starts with github_pat_11").is_empty());
    }

    #[test]
    fn base64_in_lines_is_found() {
        let secret = "0123456789".repeat(8);
        let text = STANDARD.encode(&secret);
        let text = format!("{}\r\n{}", &text[..76], &text[76..]);
        let found = Spelled::of(&secret).find(&text);
        assert!(found.contains(&(0..text.len())), "{found:?}");
    }

    #[test]
    fn a_short_secret_is_looked_for_as_it_is() {
        assert_eq!(Spelled::of("abcd").find("xabcd"), vec![1..5]);
        let encoded = "61626364 YWJjZA";
        assert!(Spelled::of("abcd").find(encoded).is_empty());
    }
}
