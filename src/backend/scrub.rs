//! Keeps the credentials that a backend was given out of the words of its errors, however it writes them
//! there, and errors short.
//!
//! What a backend puts into a result is its own, and passes as it is.

mod spelled;

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;

use crate::{
    limits::{ERROR_BYTES_MAX, ERROR_CHARS_MAX},
    mcp::object::{RawObject, quote},
};

use spelled::Spelled;

/// What stands in a credential's place.
const REDACTED: &str = "[REDACTED]";
/// Objects and lists within each other that are looked into; what lies deeper goes as a whole.
const DEPTH_MAX: usize = 32;
/// Characters of a secret below which it is none: what is left out of a text must not be every word.
const SECRET_LENGTH_MIN: usize = 4;

/// The secrets of one connection.
#[derive(Default)]
pub(crate) struct Scrubber(Vec<SecretString>);

impl Scrubber {
    /// Keeps these out.
    pub(crate) fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let secrets = secrets.into_iter();
        let is_one = |secret: &SecretString| secret.expose_secret().len() >= SECRET_LENGTH_MIN;
        Self(secrets.filter(is_one).collect())
    }

    /// An error object as it may travel on: short, and without a credential. Nearly every one is
    /// untouched.
    pub(crate) fn error(&self, error: Box<RawValue>) -> Box<RawValue> {
        let error = if error.get().len() > ERROR_BYTES_MAX {
            cut(&error)
        } else {
            error
        };
        self.json(error)
    }

    /// A JSON text without a credential in any of its strings.
    pub(crate) fn json(&self, json: Box<RawValue>) -> Box<RawValue> {
        if self.0.is_empty() {
            return json;
        }
        let secrets: Vec<Spelled<'_>> = self
            .0
            .iter()
            .map(|secret| Spelled::of(secret.expose_secret()))
            .collect();
        scrubbed(&secrets, &json, DEPTH_MAX).unwrap_or(json)
    }
}

/// What is left of an error that is too large: its code, and the beginning of its message.
fn cut(error: &RawValue) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(error));
    members.retain(|name| name == "code" || name == "message");
    if let Some(message) = members.get_str("message") {
        let end = message.char_indices().nth(ERROR_CHARS_MAX);
        let kept = end.map_or(message.len(), |(end, _)| end);
        members.set("message", quote(&message[..kept]));
    }
    members.to_raw()
}

/// The same JSON without the secrets; `None` if it holds none.
fn scrubbed(secrets: &[Spelled<'_>], json: &RawValue, depth: usize) -> Option<Box<RawValue>> {
    let text = json.get();
    match text.as_bytes().first()? {
        b'"' => {
            let text: Cow<'_, str> = serde_json::from_str(text).ok()?;
            without(secrets, &text).map(|text| quote(&text))
        }
        b'{' | b'[' if depth == 0 => without(secrets, text).map(|_| quote(REDACTED)),
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let parts = items.into_iter().map(|item| (None, item));
            rewritten(secrets, parts, ("[", "]"), depth - 1)
        }
        b'{' => {
            let members = RawObject::parse_or_empty(Some(json));
            let parts = members.iter().map(|(name, value)| (Some(name), value));
            rewritten(secrets, parts, ("{", "}"), depth - 1)
        }
        // A number may be a secret's digits.
        _ => without(secrets, text).map(|_| quote(REDACTED)),
    }
}

fn rewritten<'a>(
    secrets: &[Spelled<'_>],
    parts: impl Iterator<Item = (Option<&'a str>, &'a RawValue)>,
    (open, close): (&str, &str),
    depth: usize,
) -> Option<Box<RawValue>> {
    let mut is_changed = false;
    let mut text = String::from(open);
    for (index, (name, value)) in parts.enumerate() {
        if index > 0 {
            text.push(',');
        }
        if let Some(name) = name {
            let other = without(secrets, name);
            is_changed |= other.is_some();
            text.push_str(quote(other.as_deref().unwrap_or(name)).get());
            text.push(':');
        }
        let other = scrubbed(secrets, value, depth);
        is_changed |= other.is_some();
        text.push_str(other.as_deref().unwrap_or(value).get());
    }
    text.push_str(close);
    is_changed.then(|| RawValue::from_string(text).unwrap_or_default())
}

/// A text without the secrets; `None` if it holds none.
fn without(secrets: &[Spelled<'_>], text: &str) -> Option<String> {
    let mut ranges: Vec<_> = secrets
        .iter()
        .flat_map(|secret| secret.find(text))
        .collect();
    if ranges.is_empty() {
        return None;
    }
    ranges.sort_by_key(|range| range.start);
    let mut rest = 0;
    let mut scrubbed = String::with_capacity(text.len());
    for range in ranges {
        if range.start >= rest {
            scrubbed.push_str(text.get(rest..range.start).unwrap_or_default());
            scrubbed.push_str(REDACTED);
        }
        rest = rest.max(range.end);
    }
    scrubbed.push_str(text.get(rest..).unwrap_or_default());
    Some(scrubbed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = r#"hf_S3c+r/t"9\k!x"#;

    fn error(json: &str) -> String {
        let scrubber = Scrubber::new([SECRET.into(), "k2-other-key".into(), "no".into()]);
        let error = RawValue::from_string(json.to_owned()).unwrap();
        scrubber.error(error).get().to_owned()
    }

    #[test]
    fn an_error_without_a_credential_passes_byte_for_byte() {
        for json in [
            r#"{"code":-32000,"message":"no such \u0074hing, now","data":{"n":1.0,"b":[1e2, null]}}"#,
            r#"{ "code" : 1, "message":"hf_ S3c" }"#,
            "[]",
        ] {
            assert_eq!(error(json), json);
        }
    }

    #[test]
    fn a_credential_is_taken_out_wherever_it_stands() {
        let quoted = quote(SECRET);
        let inner = quoted.get().trim_matches('"');
        let json = format!(
            r#"{{"code":-32000,"message":"bad Bearer {inner} and {inner}.","data":{{"h":[{{"k2-other-key":{quoted}}}],"n":1.0}}}}"#
        );
        assert_eq!(
            error(&json),
            r#"{"code":-32000,"message":"bad Bearer [REDACTED] and [REDACTED].","data":{"h":[{"[REDACTED]":"[REDACTED]"}],"n":1.0}}"#
        );
    }

    #[test]
    fn what_lies_too_deep_goes_as_a_whole() {
        let deep = format!("{}\"k2-other-key\"{}", "[".repeat(40), "]".repeat(40));
        let scrubbed = error(&format!(r#"{{"data":{deep}}}"#));
        assert!(!scrubbed.contains("k2-other"), "{scrubbed}");
        assert!(scrubbed.contains(REDACTED), "{scrubbed}");
        let harmless = deep.replace("k2", "k1");
        assert!(error(&harmless).contains("k1-other-key"));
    }

    #[test]
    fn an_error_that_is_too_large_is_cut() {
        let words = "ü".repeat(ERROR_BYTES_MAX);
        let json = format!(r#"{{"data":[1],"message":"k2-other-key {words}","code":-5}}"#);
        let cut = error(&json);
        let value: serde_json::Value = serde_json::from_str(&cut).unwrap();
        assert_eq!(value["code"], -5);
        assert!(value.get("data").is_none());
        let message = value["message"].as_str().unwrap();
        assert!(message.starts_with("[REDACTED] üü"), "{}", &cut[..60]);
        assert!(message.chars().count() <= ERROR_CHARS_MAX);
    }
}
