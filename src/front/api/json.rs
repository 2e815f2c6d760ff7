//! JSON read strictly, with mistakes told by field and without repeating a value.
//!
//! Serde's own messages quote what they found (`invalid type: string "hf_.."`), silently take the
//! last of two equal keys, and know no path. A request that carries credentials deserves better.

use std::{collections::HashSet, fmt};

use http::StatusCode;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::front::problem::Problem;

/// The most characters of a client's own word that an answer repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// A JSON value; objects keep the order of their members, and every duplicate.
pub(super) enum Json {
    Null,
    Bool,
    Number,
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Whether a refusal may name an object's members. Where a credential is expected, one may have been
/// put in the place of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberNames {
    Shown,
    Hidden,
}

/// The members of one object, taken one by one.
pub(super) struct Fields {
    path: String,
    members: Vec<(String, Json)>,
}

impl Json {
    /// Reads a whole body.
    ///
    /// # Errors
    ///
    /// 400 with the place where it stops being JSON.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            // Where it stands is all that is taken from the error: its words are serde's.
            let (line, column) = (error.line(), error.column());
            let fault = if error.is_eof() {
                "ends too early".to_owned()
            } else {
                format!("is not JSON at line {line}, column {column}")
            };
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body {fault}; send one JSON object"),
            )
        })
    }

    /// Takes it as an object without duplicate members; `path` is empty for the body itself.
    ///
    /// # Errors
    ///
    /// 400 for anything else.
    pub(super) fn into_fields(
        self,
        path: &str,
        names: MemberNames,
        remedy: &str,
    ) -> Result<Fields, Problem> {
        let Self::Object(members) = self else {
            return Err(self.unexpected(path, "an object", remedy));
        };
        let mut seen = HashSet::new();
        if let Some((name, _)) = members.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            let (field, which) = match names {
                MemberNames::Shown => (joined(path, &shown(name)), format!(" \"{}\"", shown(name))),
                MemberNames::Hidden => (path.to_owned(), String::new()),
            };
            let detail = format!("{} has the member{which} twice; keep one", named(path));
            return Err(Problem::at(field, detail));
        }
        drop(seen);
        let path = path.to_owned();
        Ok(Fields { path, members })
    }

    /// Takes it as a list.
    ///
    /// # Errors
    ///
    /// 400 for anything else.
    pub(super) fn into_list(self, path: &str, remedy: &str) -> Result<Vec<Self>, Problem> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(other.unexpected(path, "a list", remedy)),
        }
    }

    /// Takes it as a string.
    ///
    /// # Errors
    ///
    /// 400 for anything else.
    pub(super) fn into_text(self, path: &str, remedy: &str) -> Result<String, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.unexpected(path, "a string", remedy)),
        }
    }

    fn unexpected(&self, path: &str, wanted: &str, remedy: &str) -> Problem {
        let found = match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        };
        let detail = format!("{} must be {wanted}, not {found}; {remedy}", named(path));
        if path.is_empty() {
            return Problem::new(StatusCode::BAD_REQUEST, detail);
        }
        Problem::at(path, detail)
    }
}

impl Fields {
    /// Takes a member out; one that is null counts as left out.
    pub(super) fn take(&mut self, name: &str) -> Option<Json> {
        match self.take_or_null(name)? {
            Json::Null => None,
            value => Some(value),
        }
    }

    /// Takes a member out, whatever it is.
    pub(super) fn take_or_null(&mut self, name: &str) -> Option<Json> {
        let index = self.members.iter().position(|(member, _)| member == name)?;
        Some(self.members.swap_remove(index).1)
    }

    /// The members that were not taken.
    pub(super) fn into_members(self) -> Vec<(String, Json)> {
        self.members
    }

    /// Refuses whatever was not taken.
    pub(super) fn finish(self, known: &str) -> Result<(), Problem> {
        match self.members.first() {
            None => Ok(()),
            Some((name, _)) => {
                let name = shown(name);
                let detail = format!("unknown field \"{name}\"; the fields here are {known}");
                Err(Problem::at(joined(&self.path, &name), detail))
            }
        }
    }
}

/// A client's own word, fit for an answer: escaped and cut.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push_str("..");
    }
    shown
}

fn joined(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn named(path: &str) -> &str {
    if path.is_empty() { "the body" } else { path }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use warp::Reply;

    use super::*;

    #[test]
    fn what_is_no_json_is_placed_but_not_quoted() {
        for body in [
            &b""[..],
            b"{",
            b"hf_secret",
            b"{\"a\": hf_secret}",
            b"{\"a\": 1} hf_secret",
            b"\xff",
            b"{\"a\": \"hf_secret\x01\"}",
            b"{\"a\": 1e999}",
            &[b'['; 1000],
        ] {
            let problem = Json::read(body).err().unwrap();
            assert!(!format!("{problem:?}").contains("hf_secret"), "{problem:?}");
            assert_eq!(problem.into_response().status(), 400);
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_even_if_equal() {
        let fields = |text: &str| {
            Json::read(text.as_bytes())
                .unwrap()
                .into_fields("", MemberNames::Shown, "")
        };
        assert!(fields(r#"{"a": 1, "b": 1}"#).is_ok());
        assert!(fields(r#"{"a": 1, "\u0061": 1}"#).is_err());
    }

    #[test]
    fn a_word_of_the_client_is_escaped_and_cut() {
        assert_eq!(shown("a\u{1b}[31m\n\"ä"), r#"a\u{1b}[31m\n\"ä"#);
        assert_eq!(shown(&"x".repeat(65)), format!("{}..", "x".repeat(64)));
        assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
    }
}
