//! Finds the result in a JSON-RPC response that is still arriving, without parsing what is in it.
//!
//! A large result goes on to the client while the backend still writes it; the envelope around it
//! is read here, in whatever order its members come.

mod value;

use bytes::Bytes;

use value::{Reach, Value, is_white_space};

/// Reads a response byte by byte and hands out the bytes of its `result`, which is an object.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    place: Place,
    member: Member,
    /// The key or the value that is being read.
    value: Value,
    key: Vec<u8>,
    id: Vec<u8>,
    result_seen: bool,
}

/// Where in the envelope the next byte stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// Just behind the opening brace.
    KeyOrEnd,
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
    /// Takes the next bytes, of which most are passed over by the hundred; appends what of them belongs to the result.
    ///
    /// # Errors
    ///
    /// When they cannot belong to a response with one result.
    pub(super) fn feed(&mut self, chunk: &Bytes, result: &mut Vec<Bytes>) -> Result<(), NoResult> {
        let mut from = self.in_result().then_some(0);
        let mut at = 0;
        loop {
            at += self.plain(chunk.get(at..).unwrap_or_default());
            let Some(&byte) = chunk.get(at) else { break };
            self.step(byte)?;
            match (from, self.in_result()) {
                (None, true) => from = Some(at),
                (Some(start), false) => {
                    // The byte that closes the object is still its own.
                    result.push(chunk.slice(start..=at));
                    from = None;
                }
                _ => {}
            }
            at += 1;
        }
        if let Some(start) = from {
            result.push(chunk.slice(start..));
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

    /// How many of the next bytes change nothing.
    fn plain(&self, bytes: &[u8]) -> usize {
        if self.place == Place::Value && self.member != Member::Id {
            self.value.plain(bytes)
        } else {
            0
        }
    }

    fn in_result(&self) -> bool {
        self.place == Place::Value && self.member == Member::Result
    }

    fn step(&mut self, byte: u8) -> Result<(), NoResult> {
        let between_tokens = !matches!(self.place, Place::Key | Place::Value);
        if between_tokens && is_white_space(byte) {
            return Ok(());
        }
        match self.place {
            Place::Start if byte == b'{' => self.place = Place::KeyOrEnd,
            Place::KeyOrEnd if byte == b'}' => self.place = Place::End,
            Place::KeyOrEnd | Place::BeforeKey if byte == b'"' => {
                self.value = Value::default();
                self.key.clear();
                self.place = Place::Key;
                self.key_byte(byte)?;
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
        if self.key.len() == KEY_BYTES_MAX {
            return Err(NoResult);
        }
        self.key.push(byte);
        if self.value.step(byte)? == Reach::Here {
            self.member = match self.key.as_slice() {
                b"\"id\"" => Member::Id,
                b"\"result\"" => Member::Result,
                // Beside a result they make it no response; alone, none that goes on in parts.
                b"\"error\"" | b"\"method\"" => return Err(NoResult),
                _ => Member::Other,
            };
            self.place = Place::BeforeColon;
        }
        Ok(())
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), NoResult> {
        match self.member {
            Member::Result if byte != b'{' || self.result_seen => return Err(NoResult),
            Member::Result => self.result_seen = true,
            // Two ids name no request.
            Member::Id if !self.id.is_empty() => return Err(NoResult),
            Member::Id | Member::Other => {}
        }
        self.value = Value::default();
        self.place = Place::Value;
        self.value_byte(byte)
    }

    fn value_byte(&mut self, byte: u8) -> Result<(), NoResult> {
        let reach = self.value.step(byte)?;
        if self.member == Member::Id && reach != Reach::Before {
            if self.id.len() == ID_BYTES_MAX {
                return Err(NoResult);
            }
            self.id.push(byte);
        }
        if reach != Reach::Beyond {
            self.place = Place::AfterValue;
        }
        if reach == Reach::Before && !is_white_space(byte) {
            return self.after_value(byte);
        }
        Ok(())
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
            (r#"{"id":"7","result":{}}"#, "\"7\"", "{}"),
            (r#"{"result":{"n":12} ,"id":7}"#, "7", r#"{"n":12}"#),
            (
                r#"{"x":{"result":1},"result":{"error":[]},"id":7 }"#,
                "7",
                r#"{"error":[]}"#,
            ),
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
            r#"{"id":7,"result":}"#,
            r#"{"id":7,"result":null}"#,
            r#"{"id":7,"result":[]}"#,
            r#"{"id":7,"result":"{}"}"#,
            r#"{"id":7,"result":{]}"#,
            r#"{"id":7,"result":{"a":[}]}"#,
            r#"{"id":7,"result":{"a":1"b"}}"#,
            r#"{"id":7x,"result":{}}"#,
            r#"{"id":7"","result":{}}"#,
            r#"{"id":7,"id":8,"result":{}}"#,
            r#"{"id":7,"result":{},}"#,
            r#"{"id":7,"result":{},"error":{}}"#,
            r#"{"id":7,"method":"x","result":{}}"#,
            "{\"id\":7,\"result\":{\"a\":\"\r\"}}",
            "{\"id\":7,\"result\":{\"a\":\"\n\"}}",
            "{\"id\":7,\"result\":{\"a\n\":1}}",
            "{\"id\":7,\"a\r\":1,\"result\":{}}",
            "{\"id\":7,\u{c}\"result\":{}}",
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
