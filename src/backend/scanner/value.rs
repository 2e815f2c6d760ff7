//! Checks that bytes are one JSON value while they arrive, and tells where it ends.
//!
//! Knows nothing of what the value means; keeps nothing of it but its open brackets.
//!
//! Spec: RFC 8259, sections 2 to 7.

use memchr::memchr2;

use crate::limits::ANSWER_DEPTH_MAX;

use super::NoResult;

/// Bytes that are looked at together.
const PIECE_BYTES: usize = 256;

/// A value that is being read.
#[derive(Debug, Default)]
pub(super) struct Value {
    expects: Expects,
    token: Token,
    open: Vec<Bracket>,
}

/// How far the value reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Beyond this byte.
    Beyond,
    /// Up to this byte.
    Here,
    /// It had ended before this byte.
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Brace,
    Square,
}

/// What may stand next, between two tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expects {
    #[default]
    Value,
    /// Just behind an opening square bracket.
    ValueOrEnd,
    Key,
    /// Just behind an opening brace.
    KeyOrEnd,
    Colon,
    CommaOrEnd,
}

/// What the next byte stands in.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Token {
    #[default]
    None,
    Text(Escape),
    /// What is missing of `true`, `false` or `null`.
    Word(&'static [u8]),
    Number(Digits),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    No,
    Begun,
    /// So many hexadecimal digits are missing.
    Hex(u8),
}

/// The last part of a number that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Value {
    /// Takes the next byte, from the value's first on.
    ///
    /// # Errors
    ///
    /// When no value goes on like this.
    pub(super) fn step(&mut self, byte: u8) -> Result<Reach, NoResult> {
        match self.token {
            Token::None => self.between(byte),
            Token::Text(escape) => self.text(escape, byte),
            Token::Word(missing) => match missing.split_first() {
                Some((&next, [])) if next == byte => Ok(self.complete()),
                Some((&next, rest)) if next == byte => Ok(self.within(Token::Word(rest))),
                _ => Err(NoResult),
            },
            Token::Number(digits) => self.number(digits, byte),
        }
    }

    /// How many of the next bytes stand in a text and leave it as it is. There may be more.
    pub(super) fn plain(&self, bytes: &[u8]) -> usize {
        if self.token != Token::Text(Escape::No) {
            return 0;
        }
        let end = memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
        let mut plain = 0;
        // Whole pieces are looked at without a branch for each byte.
        for piece in bytes[..end].chunks(PIECE_BYTES) {
            let controls = piece.iter().map(|byte| u8::from(*byte < 0x20));
            if controls.fold(0, |any, is_one| any | is_one) != 0 {
                break;
            }
            plain += piece.len();
        }
        plain
    }

    fn between(&mut self, byte: u8) -> Result<Reach, NoResult> {
        if is_white_space(byte) {
            return Ok(Reach::Beyond);
        }
        match (self.expects, byte) {
            (Expects::ValueOrEnd, b']')
            | (Expects::KeyOrEnd, b'}')
            | (Expects::CommaOrEnd, b']' | b'}') => self.close(byte),
            (Expects::Value | Expects::ValueOrEnd, _) => self.begin(byte),
            (Expects::Key | Expects::KeyOrEnd, b'"') => {
                // What `complete` makes of it is what stands behind a key.
                self.expects = Expects::Key;
                Ok(self.within(Token::Text(Escape::No)))
            }
            (Expects::Colon, b':') => Ok(self.then(Expects::Value)),
            (Expects::CommaOrEnd, b',') => Ok(self.then(match self.open.last() {
                Some(Bracket::Brace) => Expects::Key,
                _ => Expects::Value,
            })),
            _ => Err(NoResult),
        }
    }

    fn begin(&mut self, byte: u8) -> Result<Reach, NoResult> {
        self.expects = Expects::Value;
        let token = match byte {
            b'{' => return self.descend(Bracket::Brace, Expects::KeyOrEnd),
            b'[' => return self.descend(Bracket::Square, Expects::ValueOrEnd),
            b'"' => Token::Text(Escape::No),
            b't' => Token::Word(b"rue"),
            b'f' => Token::Word(b"alse"),
            b'n' => Token::Word(b"ull"),
            b'-' => Token::Number(Digits::Minus),
            b'0' => Token::Number(Digits::Zero),
            b'1'..=b'9' => Token::Number(Digits::Whole),
            _ => return Err(NoResult),
        };
        Ok(self.within(token))
    }

    fn descend(&mut self, bracket: Bracket, expects: Expects) -> Result<Reach, NoResult> {
        if self.open.len() == ANSWER_DEPTH_MAX {
            return Err(NoResult);
        }
        self.open.push(bracket);
        Ok(self.then(expects))
    }

    fn close(&mut self, byte: u8) -> Result<Reach, NoResult> {
        let closes = match byte {
            b'}' => Bracket::Brace,
            _ => Bracket::Square,
        };
        if self.open.pop() != Some(closes) {
            return Err(NoResult);
        }
        self.expects = Expects::Value;
        Ok(self.complete())
    }

    fn text(&mut self, escape: Escape, byte: u8) -> Result<Reach, NoResult> {
        let escape = match (escape, byte) {
            // A line break in here would be one in the event that carries it.
            (_, 0..0x20) => return Err(NoResult),
            (Escape::No, b'"') => return Ok(self.complete()),
            (Escape::No, b'\\') => Escape::Begun,
            (Escape::Begun, b'u') => Escape::Hex(4),
            (Escape::Begun, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
            | (Escape::No, _) => Escape::No,
            (Escape::Hex(missing), _) if byte.is_ascii_hexdigit() => match missing {
                ..=1 => Escape::No,
                more => Escape::Hex(more - 1),
            },
            _ => return Err(NoResult),
        };
        Ok(self.within(Token::Text(escape)))
    }

    fn number(&mut self, digits: Digits, byte: u8) -> Result<Reach, NoResult> {
        let digits = match (digits, byte) {
            (Digits::Minus, b'0') => Digits::Zero,
            (Digits::Minus, b'1'..=b'9') | (Digits::Whole, b'0'..=b'9') => Digits::Whole,
            (Digits::Zero | Digits::Whole, b'.') => Digits::Point,
            (Digits::Point | Digits::Fraction, b'0'..=b'9') => Digits::Fraction,
            (Digits::Zero | Digits::Whole | Digits::Fraction, b'e' | b'E') => Digits::E,
            (Digits::E, b'+' | b'-') => Digits::Sign,
            (Digits::E | Digits::Sign | Digits::Exponent, b'0'..=b'9') => Digits::Exponent,
            (Digits::Zero | Digits::Whole | Digits::Fraction | Digits::Exponent, _) => {
                return self.end_number(byte);
            }
            _ => return Err(NoResult),
        };
        Ok(self.within(Token::Number(digits)))
    }

    /// A number ends before a byte that is not its own any more.
    fn end_number(&mut self, byte: u8) -> Result<Reach, NoResult> {
        if !is_white_space(byte) && !matches!(byte, b',' | b'}' | b']') {
            return Err(NoResult);
        }
        match self.complete() {
            Reach::Here => Ok(Reach::Before),
            _ => self.between(byte),
        }
    }

    /// Ends a token or a bracket.
    fn complete(&mut self) -> Reach {
        self.token = Token::None;
        if self.expects == Expects::Key {
            return self.then(Expects::Colon);
        }
        if self.open.is_empty() {
            return Reach::Here;
        }
        self.then(Expects::CommaOrEnd)
    }

    const fn within(&mut self, token: Token) -> Reach {
        self.token = token;
        Reach::Beyond
    }

    const fn then(&mut self, expects: Expects) -> Reach {
        self.expects = expects;
        Reach::Beyond
    }
}

/// Whether a byte may stand between tokens.
pub(super) const fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether this is one value with nothing but white space behind it.
    fn is_value(text: &[u8]) -> bool {
        let mut value = Value::default();
        let mut bytes = text.iter().chain(b" ");
        let ended = bytes
            .by_ref()
            .map(|byte| (*byte, value.step(*byte)))
            .find(|(_, reach)| *reach != Ok(Reach::Beyond));
        let is_ended = match ended {
            Some((_, Ok(Reach::Here))) => true,
            // The byte that showed it stands behind the value.
            Some((byte, Ok(_))) => is_white_space(byte),
            Some((_, Err(_))) | None => false,
        };
        is_ended && bytes.all(|byte| is_white_space(*byte))
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_value(nested(ANSWER_DEPTH_MAX).as_bytes()));
        assert!(!is_value(nested(ANSWER_DEPTH_MAX + 1).as_bytes()));
    }

    fn agrees(text: &str) {
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        assert_eq!(is_value(text.as_bytes()), is_json, "{text:?}");
    }

    #[test]
    fn what_is_json_is_what_others_take_for_it() {
        for text in [
            "{}",
            "[]",
            "{]",
            "[}",
            "[1}",
            "{\"a\":1]",
            "[,]",
            "[1,]",
            "{\"a\":1,}",
            "{,}",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}",
            "[1 2]",
            "[1\"a\"]",
            "1a",
            "1\"",
            "\"a\"b",
            "nul",
            "nulll",
            "true",
            "truefalse",
            "-",
            "-1",
            "01",
            "-0",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e5",
            "1E+05",
            "1e+",
            "--1",
            "\"\\u00e9\"",
            "\"\\u00g9\"",
            "\"\\u00e\"",
            "\"\\x\"",
            "\"\\\"",
            "\"\r\"",
            "\"\n\"",
            "\"\u{1f}\"",
            "\"\u{7f}\"",
            "\u{c}1",
            "[[],{}]",
            "[1]]",
            "]",
            "{\"a\":[1,{\"b\":null}]}",
            "{\"a\":\r\n1}",
            "",
        ] {
            agrees(text);
        }
    }

    proptest! {
        #[test]
        fn any_text_of_json_tokens_is_judged_alike(text in r#"([\[\]{},:"1e.\-\\u \r]|null|"a"){0,12}"#) {
            agrees(&text);
        }
    }
}
