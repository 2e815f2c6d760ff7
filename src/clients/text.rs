//! How entries are written: JSON whose members keep their order, words of a shell, links.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// What a query's value keeps as it is.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A part of an entry in JSON. Members stay in the order in which people read them.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// A text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A list.
    List(Vec<Part>),
    /// An object.
    Members(Vec<(String, Part)>),
}

impl Part {
    /// An object of members, of which those that are not there are left out.
    pub(super) fn members<'a>(members: impl IntoIterator<Item = (&'a str, Option<Part>)>) -> Self {
        let there = members.into_iter();
        let there = there.filter_map(|(name, part)| Some((name.to_owned(), part?)));
        Self::Members(there.collect())
    }

    /// An object of one member.
    pub(super) fn member(name: &str, part: Part) -> Self {
        Self::Members(vec![(name.to_owned(), part)])
    }

    /// A list of texts.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(texts.into_iter().map(Self::from).collect())
    }

    /// The JSON, for people.
    pub(super) fn pretty(&self) -> String {
        // Texts below texts can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The JSON, for programs.
    pub(super) fn compact(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::List(list) => list.serialize(serializer),
            Self::Members(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, part) in members {
                    map.serialize_entry(name, part)?;
                }
                map.end()
            }
        }
    }
}

/// A text as one word of a shell, which reads it as it is.
pub(super) fn word(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:@%+=".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text as TOML: what JSON makes of one is one there, too.
pub(super) fn toml_text(text: &str) -> String {
    Part::from(text).compact()
}

/// A value of a query.
pub(super) fn query(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// A value of a query whose text is Base64.
pub(super) fn query_base64(text: &str) -> String {
    query(&BASE64_STANDARD.encode(text))
}
