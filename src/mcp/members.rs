//! The members of an object that was read before: where each stands, found without reading it once more.
//!
//! A reader of JSON checks every byte. Of text that passed one, only what opens and closes has to be looked at, which costs
//! a fraction.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

/// The members of an object, in order.
///
/// Of text that is no JSON, or no object, it gives something or nothing, and ends.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    at: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name as it is written, quotes included.
    pub quoted: &'a str,
    /// Its value.
    pub value: &'a str,
    /// Where in the object its value begins.
    pub at: usize,
}

impl<'a> Member<'a> {
    /// Where in the object its value is.
    #[must_use]
    pub const fn place(&self) -> Range<usize> {
        self.at..self.at + self.value.len()
    }

    /// Its name; `None` where that is no text: a reader that passes over an object looks at no escape in it.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'a, str>> {
        if self.quoted.contains('\\') {
            return serde_json::from_str(self.quoted).map(Cow::Owned).ok();
        }
        Some(Cow::Borrowed(self.quoted.trim_matches('"')))
    }
}

impl<'a> Members<'a> {
    /// Begins with an object's text.
    #[must_use]
    pub const fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes on to the first byte that is none of these, and no white space.
    fn pass(&mut self, bytes: &[u8]) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let passed = |byte: &u8| byte.is_ascii_whitespace() || bytes.contains(byte);
        self.at += rest.iter().take_while(|byte| passed(byte)).count();
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        self.pass(b"{,");
        let begin = self.at;
        let text = self.text.as_bytes();
        if text.get(begin) != Some(&b'"') {
            return None;
        }
        self.at = behind_string(text, begin)?;
        let quoted = self.text.get(begin..self.at)?;
        self.pass(b":");
        let at = self.at;
        self.at = behind_value(text, at)?;
        let value = self.text.get(at..self.at)?;
        Some(Member { quoted, value, at })
    }
}

/// Where the string ends that begins there.
fn behind_string(text: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin + 1;
    loop {
        at += memchr2(b'"', b'\\', text.get(at..)?)?;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // With a backslash goes the byte that it is about.
        at += 2;
    }
}

/// Where the value ends that begins there.
fn behind_value(text: &[u8], begin: usize) -> Option<usize> {
    let mut at = begin;
    let mut depth = 0_usize;
    loop {
        match text.get(at)? {
            b'"' => at = behind_string(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            byte if depth == 0 && (matches!(byte, b',' | b'}') || byte.is_ascii_whitespace()) => {
                return Some(at);
            }
            _ => {
                at += 1;
                continue;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, value::RawValue};

    use super::*;
    use crate::mcp::object::RawObject;

    fn found(text: &str) -> Vec<(Cow<'_, str>, &str)> {
        let members = Members::of(text).map(|member| {
            assert_eq!(&text[member.at..][..member.value.len()], member.value);
            (member.name().unwrap(), member.value)
        });
        members.collect()
    }

    #[test]
    fn each_member_is_found_with_its_value() {
        let text = r#" { "a" : 1.5e3 , "b\"":"}\\","c":[{"d":"]"},[]],"":null,"e":{"f":{}} } "#;
        assert_eq!(
            found(text),
            [
                ("a".into(), "1.5e3"),
                ("b\"".into(), r#""}\\""#),
                ("c".into(), r#"[{"d":"]"},[]]"#),
                ("".into(), "null"),
                ("e".into(), r#"{"f":{}}"#),
            ]
        );
        let odd = Members::of(r#"{"\ud800":1,"a":2}"#).map(|member| member.name());
        assert_eq!(odd.collect::<Vec<_>>(), [None, Some("a".into())]);
        for none in ["{}", " { } ", "", "[]", "1", "null", "\"x\""] {
            assert_eq!(found(none), [], "{none}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_reader_of_json_finds_the_same(
            value in prop::collection::hash_map("[a-z\"\\\\]{0,3}", json(), 0..5),
            is_spread in any::<bool>(),
        ) {
            let value: Value = value.into_iter().collect();
            let text = if is_spread {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let raw = RawValue::from_string(text).unwrap();
            let read = RawObject::parse(&raw).unwrap();
            let read: Vec<_> = read.iter().map(|(name, value)| (Cow::from(name), value.get())).collect();
            prop_assert_eq!(found(raw.get()), read);
        }

        #[test]
        fn whatever_it_is_given_it_ends(text in any::<String>(), noise in "[{}\\[\\]\":, \\\\a]{0,20}") {
            prop_assert!(Members::of(&text).count() <= text.len());
            prop_assert!(Members::of(&noise).count() <= noise.len());
        }
    }
}
