//! The ways to write a secret: as it is, percent-encoded, escaped, in hex, in base64.
//!
//! For each of them a text is brought into a form of its own, in which a substring search finds the
//! secret: every step reads the text once, whatever a backend puts into it.

mod form;

use std::ops::Range;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use memchr::memmem::Finder;
use secrecy::zeroize::Zeroizing;

use form::{Form, is_code};

/// Characters of a secret from which on its encodings are looked for: those of less may be words.
const ENCODED_LENGTH_MIN: usize = 6;
/// Characters of it without escapes from which on it is looked for so: backslashes of its own are left out there, too, and
/// of a secret of many of them this is less than of others.
const PLAIN_LENGTH_MIN: usize = 4;
/// Characters of a secret's beginning that tell it, if they are half of it.
const PREFIX_LENGTH_MIN: usize = 16;

/// A secret in each form that texts are brought into.
pub(super) struct Spelled<'a> {
    secret: &'a [u8],
    /// Without escapes.
    plain: Zeroizing<Vec<u8>>,
    hex: Zeroizing<Vec<u8>>,
    /// What its base64 holds wherever it stands in what was encoded.
    base64: Vec<Zeroizing<String>>,
}

impl<'a> Spelled<'a> {
    pub(super) fn of(secret: &'a str) -> Self {
        let secret = secret.as_bytes();
        let is_encoded = secret.len() >= ENCODED_LENGTH_MIN;
        let encoded = if is_encoded { secret } else { &[] };
        let digits = encoded.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
        let mut hex = Zeroizing::new(Vec::with_capacity(2 * encoded.len()));
        hex.extend(digits.map(|digit| digit as u8));
        let base64 = (0..3).map(|before| inner_base64(secret, before));
        Self {
            secret,
            plain: Form::unescaped(encoded).into_bytes(),
            hex,
            base64: base64.filter(|_| is_encoded).collect(),
        }
    }

    /// Where a text holds it.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let text = text.as_bytes();
        let mut found = beginnings(self.secret, text, enough(self.secret));
        if self.plain.len() >= PLAIN_LENGTH_MIN {
            let form = Form::unescaped(text);
            let places = beginnings(&self.plain, form.bytes(), enough(&self.plain));
            let ends_open = self.secret.ends_with(b"\\");
            found.extend(places.into_iter().map(|it| form.place(it, ends_open)));
        }
        if !self.hex.is_empty() {
            let form = Form::hex(text);
            let places = beginnings(&self.hex, form.bytes(), 2 * enough(self.secret));
            found.extend(places.into_iter().map(|it| form.origin(it)));
        }
        if !self.base64.is_empty() {
            let form = Form::base64(text);
            for needle in &self.base64 {
                find_base64(needle.as_bytes(), &form, text, &mut found);
            }
        }
        found.into_iter().map(|range| whole(text, range)).collect()
    }
}

/// How much of a secret's beginning tells it.
fn enough(secret: &[u8]) -> usize {
    (secret.len() / 2).max(PREFIX_LENGTH_MIN).min(secret.len())
}

/// Where a text holds a secret, or its beginning: so much of it at least, and as much as it goes on.
fn beginnings(secret: &[u8], text: &[u8], enough: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if text.len() < enough {
        return found;
    }
    let (beginning, rest) = secret.split_at(enough);
    let finder = Finder::new(beginning);
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|text| finder.find(text)) {
        let (start, end) = (from + at, from + at + enough);
        let following = text.get(end..).unwrap_or_default().iter().zip(rest);
        let more = following.take_while(|(it, wanted)| it == wanted).count();
        found.push(start..end + more);
        from = end + more;
    }
    found
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
fn find_base64(needle: &[u8], form: &Form, text: &[u8], found: &mut Vec<Range<usize>>) {
    let mut covered = 0;
    for place in beginnings(needle, form.bytes(), needle.len()) {
        let Range { start, end } = form.origin(place);
        // What lies before the last one's end is found, and not walked over again.
        if end <= covered {
            continue;
        }
        // The characters around it tell of its ends.
        let before = text.get(covered..start).unwrap_or_default();
        let before = before.iter().rev().take_while(|it| is_code(**it)).count();
        let after = text.get(end..).unwrap_or_default();
        let after = after.iter().take_while(|it| is_code(**it)).count();
        covered = end + after;
        found.push(start - before..covered);
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
            vec![6..27; 2]
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
    fn a_secret_of_many_backslashes_is_found_escaped() {
        let text = r#""a0\\\\ A\\!""#;
        let found = Spelled::of(r"a0\\ A\!").find(text);
        assert_eq!(found, vec![1..text.len() - 1]);
    }

    #[test]
    fn a_short_secret_is_looked_for_as_it_is() {
        assert_eq!(Spelled::of("abcd").find("xabcd"), vec![1..5]);
        let encoded = "61626364 YWJjZA";
        assert!(Spelled::of("abcd").find(encoded).is_empty());
    }

    /// A text of a mebibyte.
    fn filled_with(part: &str) -> String {
        part.repeat((1 << 20) / part.len())
    }

    /// What is quadratic in any of these does not end while somebody waits.
    #[test]
    fn a_text_that_looks_like_a_secret_everywhere_is_read_in_linear_time() {
        let same = "a".repeat(4000) + "b";
        let near = "a".repeat(1999) + "c";
        let escapes = "\\".repeat(2000) + "secret";
        for secret in [&same, &escapes] {
            let parts = [
                "\\", "\0", "\0\\", "\\u", "%25", "\n", "00:", "a", "YWFh", &near,
            ];
            let spelled = Spelled::of(secret);
            for part in parts.map(filled_with) {
                assert!(!spelled.find(&(part + " " + secret)).is_empty());
            }
        }
    }

    #[test]
    fn base64_of_a_secret_that_is_repeated_is_found_once_and_whole() {
        let secret = "secret-of-mine";
        for around in ["", "a", "ab"] {
            let code = filled_with(&STANDARD.encode(format!("{around}{secret}{around}")));
            let found = Spelled::of(secret).find(&code);
            assert_eq!(found, vec![0..code.len()]);
        }
    }

    #[test]
    fn a_secret_is_found_behind_any_filling() {
        let secret = "\\secret-of-mine\\";
        for part in ["\\", "\0", "%5c", "YWFh", "s"] {
            let text = filled_with(part) + secret;
            let found = Spelled::of(secret).find(&text);
            assert!(found.iter().any(|it| it.end == text.len()), "{part}");
        }
    }
}
