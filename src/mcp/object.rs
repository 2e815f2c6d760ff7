//! A JSON object whose members stay raw text, so that changing one leaves the others byte for byte.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::every;

/// The members of a JSON object in their order, each value unparsed.
///
/// Keys are unescaped for comparison and escaped again on output; values are never touched.
#[derive(Debug, Clone, Default)]
pub struct RawObject<'a> {
    members: Vec<(Cow<'a, str>, Cow<'a, RawValue>)>,
}

impl<'a> RawObject<'a> {
    /// Reads the top level of an object.
    ///
    /// # Errors
    ///
    /// When the text is not a JSON object.
    pub fn parse(text: &'a RawValue) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text.get())
    }

    /// Reads the object, or none where `text` is absent or no object.
    #[must_use]
    pub fn parse_or_empty(text: Option<&'a RawValue>) -> Self {
        Self::of_text(text.map(RawValue::get))
    }

    /// The same of a text that stands within another one.
    #[must_use]
    pub fn of_text(text: Option<&'a str>) -> Self {
        text.and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default()
    }

    /// The value of the first member of that name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.members
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_ref())
    }

    /// The value of the first member of that name, when it is a string.
    #[must_use]
    pub fn get_str(&self, key: &str) -> Option<String> {
        text(self.get(key)?.get()).map(Cow::into_owned)
    }

    /// The value of the first member of that name, for as long as the text that was read.
    #[must_use]
    pub fn read(&self, key: &str) -> Option<&'a RawValue> {
        let (_, value) = self.members.iter().find(|(name, _)| name == key)?;
        match value {
            Cow::Borrowed(value) => Some(value),
            Cow::Owned(_) => None,
        }
    }

    /// Replaces the value in place, or appends the member.
    pub fn set(&mut self, key: &'a str, value: Box<RawValue>) {
        self.put(key, Cow::Owned(value));
    }

    /// The same with a value that somebody else keeps.
    pub fn lend(&mut self, key: &'a str, value: &'a RawValue) {
        self.put(key, Cow::Borrowed(value));
    }

    fn put(&mut self, key: &'a str, value: Cow<'a, RawValue>) {
        match self.members.iter_mut().find(|(name, _)| name == key) {
            Some(member) => member.1 = value,
            None => self.members.push((Cow::Borrowed(key), value)),
        }
    }

    /// Keeps the members that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.members.retain(|(name, _)| keep(name));
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Writes the object.
    #[must_use]
    pub fn to_raw(&self) -> Box<RawValue> {
        let mut text = String::with_capacity(self.size_bytes());
        self.write(&mut text);
        raw(text)
    }

    /// As many bytes as it takes to write it, if no name needs an escape.
    pub(super) fn size_bytes(&self) -> usize {
        let members = self.members.iter();
        let sizes = members.map(|(name, value)| name.len() + value.get().len() + 4);
        if self.is_empty() {
            "{}".len()
        } else {
            // With the first one's comma, which is a brace.
            sizes.sum::<usize>() + 1
        }
    }

    /// Writes the object behind a text.
    pub(super) fn write(&self, text: &mut String) {
        self.write_with(text, None);
    }

    /// The same with another object as the value of a member, in its place or behind the others.
    pub(super) fn write_with(&self, text: &mut String, inner: Option<(&str, &RawObject<'_>)>) {
        let mut is_open = inner;
        let mut separator = '{';
        for (name, value) in &self.members {
            text.push(separator);
            separator = ',';
            push_quoted(text, name);
            text.push(':');
            match is_open.filter(|(inner, _)| inner == name) {
                Some((_, object)) => {
                    object.write(text);
                    is_open = None;
                }
                None => text.push_str(value.get()),
            }
        }
        if let Some((name, object)) = is_open {
            text.push(separator);
            separator = ',';
            push_quoted(text, name);
            text.push(':');
            object.write(text);
        }
        if separator == '{' {
            text.push('{');
        }
        text.push('}');
    }
}

/// Reads a JSON object into a type of known members.
///
/// serde's derived types also take a list of their members' values, which is no object.
///
/// # Errors
///
/// When the text is no object, or a member is of the wrong type.
pub fn read_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    if text.trim_ascii_start().starts_with('{') {
        return serde_json::from_str(text);
    }
    Err(serde::de::Error::custom("expected a JSON object"))
}

/// Reads a JSON string, which is copied only where something in it is escaped; `None` for any other value.
#[must_use]
pub fn text(json: &str) -> Option<Cow<'_, str>> {
    let Text(text) = serde_json::from_str(json).ok()?;
    Some(text)
}

/// A JSON string holding `text`.
#[must_use]
pub fn quote(text: &str) -> Box<RawValue> {
    let mut quoted = String::with_capacity(text.len() + 2);
    push_quoted(&mut quoted, text);
    raw(quoted)
}

/// Appends a JSON string holding `text`; nearly every name needs no escape.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    if every::all(text.as_bytes(), plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Writes a value that cannot fail to be JSON: maps with text keys, numbers, texts, lists.
#[must_use]
pub fn to_raw(value: &serde_json::Value) -> Box<RawValue> {
    raw(value.to_string())
}

/// Takes a text that is JSON by construction.
fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|error| {
        // Only a mistake in this file gets here; `null` keeps the message well-formed.
        debug_assert!(false, "wrote a text that is not JSON: {error}");
        Box::<RawValue>::default()
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = RawObject<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((Text(name), value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    members.push((name, Cow::Borrowed(value)));
                }
                Ok(RawObject { members })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A text, borrowed where it holds no escape: serde itself would copy one that may be absent.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;

        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(Borrowing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn changing_one_member_leaves_the_others_byte_for_byte() {
        let text =
            object(r#"{"z":1.0e+2,"name":"a.b","deep":{"k" : [1, 2.50]},"\u0061":"\u00e9"}"#);
        let mut members = RawObject::parse(&text).unwrap();
        members.set("name", quote("b"));
        members.set("more", to_raw(&serde_json::json!({"x": 1})));
        assert_eq!(
            members.to_raw().get(),
            r#"{"z":1.0e+2,"name":"b","deep":{"k" : [1, 2.50]},"a":"\u00e9","more":{"x":1}}"#
        );
        assert_eq!(members.size_bytes(), members.to_raw().get().len());
        let none = RawObject::default();
        assert_eq!(none.size_bytes(), none.to_raw().get().len());
    }

    #[test]
    fn every_text_reads_back_from_its_quotes() {
        for text in ["", "plain", "ünï", "\"", "\\", "a\nb\u{1}", "\u{7f}"] {
            let back: String = serde_json::from_str(quote(text).get()).unwrap();
            assert_eq!(back, text);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in ["[]", "1", "null", "\"x\""] {
            assert!(RawObject::parse(&object(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn members_can_be_dropped() {
        let text = object(r#"{"a":1,"b":2,"c":3}"#);
        let mut members = RawObject::parse(&text).unwrap();
        members.retain(|name| name != "b");
        assert_eq!(members.to_raw().get(), r#"{"a":1,"c":3}"#);
        assert_eq!(members.get_str("a"), None);
    }
}
