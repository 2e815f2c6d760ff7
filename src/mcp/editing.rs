//! Edits the members of an object while its text arrives, so that nobody holds the whole of it.
//!
//! What it is given is JSON already: whoever received it has checked that.

use bytes::Bytes;
use memchr::memchr2;

/// What to change.
#[derive(Debug, Default)]
pub struct Edit {
    /// Members to leave out; those with a text, only if their value is that text.
    pub leave_out: &'static [(&'static str, Option<&'static str>)],
    /// Members to put in at the end where there are none, each with its JSON.
    pub complete: Vec<(&'static str, String)>,
}

/// An object on its way.
#[derive(Debug, Default)]
pub struct Editing {
    edit: Edit,
    place: Place,
    text: Text,
    /// Open brackets within a member's value.
    depth: usize,
    /// A member of which nothing is passed on yet.
    held: Vec<u8>,
    /// Bytes of its name, quotes included.
    name_bytes: usize,
    /// Whether a member was passed on.
    has_members: bool,
}

/// Where the next byte stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    BeforeName,
    Name,
    /// In a member that may be left out.
    Held,
    /// In a member that is passed on, or behind it.
    Member,
    End,
}

/// Whether the next byte stands in a text.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Within,
    Escaped,
}

/// The longest member that is held back: all that are left out are shorter.
const HELD_BYTES_MAX: usize = 256;

impl Editing {
    /// Begins with an object of which nothing has arrived.
    #[must_use]
    pub fn new(edit: Edit) -> Self {
        Self {
            edit,
            ..Self::default()
        }
    }

    /// Takes the next bytes, and gives what of the edited object can be passed on.
    pub fn feed(&mut self, chunk: &Bytes) -> Vec<Bytes> {
        let mut passed = Vec::new();
        let mut at = 0;
        while at < chunk.len() {
            if self.place == Place::Member {
                let end = at + self.reach(&chunk[at..]);
                passed.push(chunk.slice(at..end));
                at = end;
            }
            if let Some(byte) = chunk.get(at) {
                self.step(*byte, &mut passed);
                at += 1;
            }
        }
        passed
    }

    /// How many bytes belong to the member that is passed on.
    fn reach(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.text == Text::Within {
                // Nothing else in a text means anything.
                let Some(next) = memchr2(b'"', b'\\', &bytes[at..]) else {
                    return bytes.len();
                };
                at += next;
                self.ends_member(bytes[at]);
            } else if self.ends_member(*byte) {
                return at;
            }
            at += 1;
        }
        at
    }

    /// Takes a byte that is not passed on as it is.
    fn step(&mut self, byte: u8, passed: &mut Vec<Bytes>) {
        match self.place {
            Place::Start if byte == b'{' => {
                passed.push(Bytes::from_static(b"{"));
                self.place = Place::BeforeName;
            }
            Place::BeforeName if byte == b'"' => {
                self.held = vec![byte];
                self.text = Text::Within;
                self.place = Place::Name;
            }
            Place::Member if byte == b',' => self.place = Place::BeforeName,
            Place::BeforeName | Place::Member if byte == b'}' => self.close(passed),
            Place::Name => {
                self.held.push(byte);
                self.ends_member(byte);
                if self.text == Text::Outside {
                    self.named(passed);
                } else if self.held.len() > HELD_BYTES_MAX {
                    self.pass(passed);
                }
            }
            Place::Held => self.hold(byte, passed),
            // White space, and commas between members.
            Place::Start | Place::BeforeName | Place::Member | Place::End => {}
        }
    }

    /// The name of a member is there.
    fn named(&mut self, passed: &mut Vec<Bytes>) {
        self.name_bytes = self.held.len();
        let is_it = |name: &str, held: &[u8]| {
            let quoted = held
                .strip_prefix(b"\"")
                .and_then(|it| it.strip_suffix(b"\""));
            quoted == Some(name.as_bytes())
        };
        let held = &self.held;
        self.edit.complete.retain(|(name, _)| !is_it(name, held));
        if self
            .edit
            .leave_out
            .iter()
            .any(|(name, _)| is_it(name, held))
        {
            self.place = Place::Held;
        } else {
            self.pass(passed);
        }
    }

    fn hold(&mut self, byte: u8, passed: &mut Vec<Bytes>) {
        if self.ends_member(byte) {
            if self.is_left_out() {
                self.held.clear();
            } else {
                self.pass(passed);
            }
            self.place = Place::Member;
            return self.step(byte, passed);
        }
        self.held.push(byte);
        if self.held.len() > HELD_BYTES_MAX {
            self.pass(passed);
        }
    }

    fn is_left_out(&self) -> bool {
        let (name, value) = self.held.split_at(self.name_bytes);
        let value = value.trim_ascii_start().strip_prefix(b":");
        let value = value.unwrap_or_default().trim_ascii();
        let quoted = |text: &str, json: &[u8]| json == format!("\"{text}\"").as_bytes();
        self.edit.leave_out.iter().any(|(left_out, only)| {
            quoted(left_out, name) && only.is_none_or(|only| quoted(only, value))
        })
    }

    /// Passes the member on that was held back.
    fn pass(&mut self, passed: &mut Vec<Bytes>) {
        if self.has_members {
            passed.push(Bytes::from_static(b","));
        }
        self.has_members = true;
        passed.push(std::mem::take(&mut self.held).into());
        self.place = Place::Member;
    }

    fn close(&mut self, passed: &mut Vec<Bytes>) {
        for (name, json) in std::mem::take(&mut self.edit.complete) {
            self.held = format!("\"{name}\":{json}").into();
            self.pass(passed);
        }
        passed.push(Bytes::from_static(b"}"));
        self.place = Place::End;
    }

    /// Follows texts and brackets; tells whether the byte stands behind a member.
    fn ends_member(&mut self, byte: u8) -> bool {
        self.text = match (self.text, byte) {
            (Text::Within, b'"') => Text::Outside,
            (Text::Within, b'\\') => Text::Escaped,
            (Text::Within | Text::Escaped, _) | (Text::Outside, b'"') => Text::Within,
            (Text::Outside, b'{' | b'[') => {
                self.depth += 1;
                Text::Outside
            }
            (Text::Outside, b',' | b'}') if self.depth == 0 => return true,
            (Text::Outside, b'}' | b']') => {
                self.depth = self.depth.saturating_sub(1);
                Text::Outside
            }
            (Text::Outside, _) => Text::Outside,
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    const LEAVE_OUT: &[(&str, Option<&str>)] = &[("kind", Some("done")), ("ttl", None)];

    fn edited(pieces: &[&[u8]], complete: &[(&'static str, &str)]) -> String {
        let complete = complete
            .iter()
            .map(|(name, json)| (*name, (*json).to_owned()));
        let mut editing = Editing::new(Edit {
            leave_out: LEAVE_OUT,
            complete: complete.collect(),
        });
        let mut passed = Vec::new();
        for piece in pieces {
            passed.extend(editing.feed(&Bytes::copy_from_slice(piece)));
        }
        String::from_utf8(passed.concat()).unwrap()
    }

    #[test]
    fn members_are_left_out_and_the_others_keep_every_byte() {
        for (text, expected) in [
            ("{}", "{}"),
            (" { } ", "{}"),
            (r#"{"kind":"done"}"#, "{}"),
            (r#"{"kind":"done","a":1.0}"#, r#"{"a":1.0}"#),
            (
                r#"{"a" : [ 1 , {"ttl":2} ],"ttl":5}"#,
                r#"{"a" : [ 1 , {"ttl":2} ]}"#,
            ),
            (r#"{"a":1, "kind" : "done" , "b":2}"#, r#"{"a":1,"b":2}"#),
            (r#"{"kind":"task","a":1}"#, r#"{"kind":"task","a":1}"#),
            (
                r#"{"kind":["done"],"ttl":{"a":[",}"]},"kinds":"done"}"#,
                r#"{"kind":["done"],"kinds":"done"}"#,
            ),
            (
                r#"{"a":"\"},\\","ttl":null,"b\"":"{["}"#,
                r#"{"a":"\"},\\","b\"":"{["}"#,
            ),
        ] {
            assert_eq!(edited(&[text.as_bytes()], &[]), expected, "{text}");
        }
    }

    #[test]
    fn members_that_are_missing_are_put_in() {
        let complete = [("kind", r#""done""#), ("x", "0")];
        for (text, expected) in [
            ("{}", r#"{"kind":"done","x":0}"#),
            (r#"{"a":{"x":1}}"#, r#"{"a":{"x":1},"kind":"done","x":0}"#),
            (r#"{"x":1,"kind":"task"}"#, r#"{"x":1,"kind":"task"}"#),
        ] {
            assert_eq!(edited(&[text.as_bytes()], &complete), expected, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_to_be_left_out_is_not() {
        let long = format!(r#"{{"ttl":"{0}","{0}":1}}"#, "x".repeat(2 * HELD_BYTES_MAX));
        assert_eq!(edited(&[long.as_bytes()], &[]), long);
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("kind".to_owned()),
            Just("ttl".to_owned()),
            "[a-z\\\\\"{},:]{0,4}",
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(json!("done")),
            Just(json!(null)),
            any::<i32>().prop_map(|it| json!(it)),
            "[a-z\\\\\"{}\\[\\],: ]{0,6}".prop_map(|it| json!(it)),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(|it| json!(it)),
                proptest::collection::vec((name(), inner), 0..3)
                    .prop_map(|it| Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn however_it_arrives_it_is_edited_alike(
            members in proptest::collection::vec((name(), value()), 0..5),
            cuts in proptest::collection::vec(0_usize..400, 0..6),
            is_pretty: bool,
        ) {
            let object: Map<String, Value> = members.into_iter().collect();
            let text = if is_pretty {
                serde_json::to_string_pretty(&object)
            } else {
                serde_json::to_string(&object)
            };
            let text = text.unwrap();
            let mut expected = object;
            expected.retain(|name, value| name != "ttl" && (name != "kind" || value != "done"));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
            let got: Map<String, Value> = serde_json::from_str(&edited(&pieces, &[])).unwrap();
            prop_assert_eq!(got, expected);
        }
    }
}
