//! Finds the result in a JSON-RPC response that is still arriving, without parsing what is in it.
//!
//! A large result goes on to the client while the backend still writes it; the envelope around it
//! is read here, in whatever order its members come.

use bytes::Bytes;

/// Reads a response byte by byte and hands out the bytes of its `result`.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    place: Place,
    member: Member,
    key: Vec<u8>,
    /// Open braces and brackets within the current value.
    depth: usize,
    in_string: bool,
    escaped: bool,
    id: Vec<u8>,
    result_seen: bool,
}

/// Where in the envelope the next byte stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    BeforeKey,
    Key,
    BeforeColon,
    BeforeValue,
    Value,
    AfterValue,
    End,
}

/// Whose value it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Member {
    Id,
    Result,
    #[default]
    Other,
}

/// The bytes are no response with a result.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoResult;

/// The longest key of an envelope that is looked at; those that matter are shorter.
const KEY_BYTES_MAX: usize = 256;
/// The longest id: the gateway's own are numbers.
const ID_BYTES_MAX: usize = 64;

impl Scanner {
    /// Takes the next bytes; appends what of them belongs to the result.
    ///
    /// # Errors
    ///
    /// When they cannot belong to a response with one result.
    pub(super) fn feed(&mut self, chunk: &Bytes, result: &mut Vec<Bytes>) -> Result<(), NoResult> {
        let mut from = self.in_result().then_some(0);
        for (at, &byte) in chunk.iter().enumerate() {
            let inside = self.in_result();
            self.step(byte)?;
            match (inside, self.in_result()) {
                (false, true) => from = Some(at),
                (true, false) => {
                    // A closing brace, bracket or quote is the value's; what ends a number is not.
                    let until = at + usize::from(self.place == Place::AfterValue && closes(byte));
                    result.push(chunk.slice(from.take().unwrap_or(0)..until));
                }
                _ => {}
            }
        }
        if let Some(from) = from {
            result.push(chunk.slice(from..));
        }
        Ok(())
    }

    /// The id of a response that is complete and had a result.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(super) fn end(&self) -> Result<&str, NoResult> {
        if self.place == Place::End && self.result_seen {
            return std::str::from_utf8(&self.id).map_err(|_| NoResult);
        }
        Err(NoResult)
    }

    fn in_result(&self) -> bool {
        self.place == Place::Value && self.member == Member::Result
    }

    fn step(&mut self, byte: u8) -> Result<(), NoResult> {
        let between_tokens = !matches!(self.place, Place::Key | Place::Value);
        if between_tokens && byte.is_ascii_whitespace() {
            return Ok(());
        }
        match self.place {
            Place::Start if byte == b'{' => self.place = Place::BeforeKey,
            Place::BeforeKey if byte == b'"' => {
                self.key.clear();
                self.place = Place::Key;
            }
            Place::Key => self.key_byte(byte)?,
            Place::BeforeColon if byte == b':' => self.place = Place::BeforeValue,
            Place::BeforeValue => self.begin_value(byte)?,
            Place::Value => self.value_byte(byte)?,
            Place::AfterValue => self.after_value(byte)?,
            _ => return Err(NoResult),
        }
        Ok(())
    }

    fn key_byte(&mut self, byte: u8) -> Result<(), NoResult> {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'\\' {
            self.escaped = true;
        } else if byte == b'"' {
            self.member = match self.key.as_slice() {
                b"id" => Member::Id,
                b"result" => Member::Result,
                _ => Member::Other,
            };
            self.place = Place::BeforeColon;
            return Ok(());
        }
        if self.key.len() == KEY_BYTES_MAX {
            return Err(NoResult);
        }
        self.key.push(byte);
        Ok(())
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), NoResult> {
        if self.member == Member::Result && std::mem::replace(&mut self.result_seen, true) {
            return Err(NoResult);
        }
        if self.member == Member::Id {
            self.id.clear();
        }
        self.place = Place::Value;
        self.depth = 0;
        self.value_byte(byte)
    }

    fn value_byte(&mut self, byte: u8) -> Result<(), NoResult> {
        if self.member == Member::Id && !(self.depth == 0 && ends_scalar(byte)) {
            if self.id.len() == ID_BYTES_MAX {
                return Err(NoResult);
            }
            self.id.push(byte);
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    self.close_at_top();
                }
                _ => {}
            }
            return Ok(());
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                self.close_at_top();
            }
            _ if self.depth == 0 && ends_scalar(byte) => {
                self.place = Place::AfterValue;
                if !byte.is_ascii_whitespace() {
                    return self.after_value(byte);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close_at_top(&mut self) {
        if self.depth == 0 {
            self.place = Place::AfterValue;
        }
    }

    fn after_value(&mut self, byte: u8) -> Result<(), NoResult> {
        self.place = match byte {
            b',' => Place::BeforeKey,
            b'}' => Place::End,
            _ => return Err(NoResult),
        };
        Ok(())
    }
}

const fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace()
}

const fn closes(byte: u8) -> bool {
    matches!(byte, b'}' | b']' | b'"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(pieces: &[&[u8]]) -> Result<(String, String), NoResult> {
        let mut scanner = Scanner::default();
        let mut result = Vec::new();
        for piece in pieces {
            scanner.feed(&Bytes::copy_from_slice(piece), &mut result)?;
        }
        let id = scanner.end()?.to_owned();
        Ok((id, String::from_utf8(result.concat()).unwrap()))
    }

    #[test]
    fn the_result_is_found_wherever_it_stands() {
        for (text, id, result) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"result":{"a":[1,"}"]}}"#,
                "7",
                r#"{"a":[1,"}"]}"#,
            ),
            (
                r#" { "result" : {"q":"\"]"} , "id" : 7 , "jsonrpc":"2.0" } "#,
                "7",
                r#"{"q":"\"]"}"#,
            ),
            (r#"{"id":"7","result":null}"#, "\"7\"", "null"),
            (r#"{"result":12 ,"id":7}"#, "7", "12"),
            (r#"{"result":"x","id":7}"#, "7", "\"x\""),
            (r#"{"x":{"result":1},"result":[],"id":7}"#, "7", "[]"),
        ] {
            assert_eq!(
                scan(&[text.as_bytes()]),
                Ok((id.into(), result.into())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_result_is_told() {
        for text in [
            "",
            "[]",
            r#"{"id":7,"error":{"code":1}}"#,
            r#"{"id":7,"result":{}"#,
            r#"{"id":7,"result":{}}}"#,
            r#"{"id":7,"result":{},"result":{}}"#,
            r#"{"id":7 "result":{}}"#,
        ] {
            assert_eq!(scan(&[text.as_bytes()]), Err(NoResult), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_split_reads_alike(cuts in proptest::collection::vec(0_usize..90, 0..6)) {
            let text = r#"{"jsonrpc":"2.0","result":{"a":["\\\"",{"b":"}{]["}],"c":1.50},"id": 1234 ,"x":"y"}"#;
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            let (id, result) = scan(&pieces).unwrap();
            prop_assert_eq!(id, "1234");
            prop_assert_eq!(result, r#"{"a":["\\\"",{"b":"}{]["}],"c":1.50}"#);
        }

        #[test]
        fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _any_answer = scan(&[&bytes]);
        }
    }
}
