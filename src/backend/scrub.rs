//! Keeps the credentials that a backend was given out of the words of its errors and log messages, however
//! it writes them there, and those short.
//!
//! What a backend puts into a result is its own, and passes as it is.

mod spelled;

use std::borrow::Cow;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::value::RawValue;

use crate::{
    limits::{ERROR_BYTES_MAX, ERROR_CHARS_MAX, LOG_BYTES_MAX, LOG_CHARS_MAX, LOG_NAME_BYTES_MAX},
    mcp::{
        error::code_of,
        object::{RawObject, quote, to_raw},
    },
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
        // A number that a credential is by chance must not make it no error any more.
        let code = code_of(&error);
        let scrubbed = self.json(error);
        if code.is_none() || code == code_of(&scrubbed) {
            return scrubbed;
        }
        let mut members = RawObject::parse_or_empty(Some(&scrubbed));
        members.set("code", to_raw(&code.into()));
        members.to_raw()
    }

    /// A log message's parameters as they may travel on: short, and without a credential.
    pub(crate) fn log(&self, params: &RawValue) -> Box<RawValue> {
        let params = if params.get().len() > LOG_BYTES_MAX {
            cut_log(params)
        } else {
            params.to_owned()
        };
        self.json(params)
    }

    /// A JSON text without a credential in any of its strings.
    fn json(&self, json: Box<RawValue>) -> Box<RawValue> {
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
        members.set("message", quote(beginning(&message, ERROR_CHARS_MAX)));
    }
    members.to_raw()
}

/// What is left of a log message that is too large: who says it, how urgent it is, the beginning of its
/// text, and that there was more.
fn cut_log(params: &RawValue) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(params));
    let text = members.get_str("data").unwrap_or_default();
    let text = beginning(&text, LOG_CHARS_MAX);
    let length = params.get().len();
    let words = format!("{text}... [the gateway left out the rest of {length} bytes]");
    let is_short = |it: &RawValue| it.get().len() <= LOG_NAME_BYTES_MAX;
    let names =
        ["level", "logger"].map(|name| members.get(name).is_some_and(is_short).then_some(name));
    members.retain(|name| names.contains(&Some(name)));
    members.set("data", quote(&words));
    members.to_raw()
}

fn beginning(text: &str, chars: usize) -> &str {
    let end = text.char_indices().nth(chars);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
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
    fn a_code_stays_a_number_whatever_the_credentials_are() {
        let scrubber = Scrubber::new(["-32602".into(), "32602".into()]);
        let error = r#"{"code":-32602,"message":"bad -32602","data":{"code":-32602}}"#;
        let error = RawValue::from_string(error.to_owned()).unwrap();
        assert_eq!(
            scrubber.error(error).get(),
            r#"{"code":-32602,"message":"bad [REDACTED]","data":{"code":"[REDACTED]"}}"#
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

    #[test]
    fn a_log_message_that_is_too_large_is_cut_and_stays_one() {
        let scrubber = Scrubber::new(["k2-other-key".into()]);
        let log = |params: &str| {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            let log = scrubber.log(&params);
            assert!(log.get().len() <= LOG_BYTES_MAX, "{}", log.get().len());
            serde_json::from_str::<serde_json::Value>(log.get()).unwrap()
        };
        let words = "x".repeat(64 * LOG_BYTES_MAX);
        let said = log(&format!(
            r#"{{"level":"info","logger":"own","_meta":{{}},"data":"k2-other-key {words}"}}"#
        ));
        assert_eq!(said["level"], "info");
        assert_eq!(said["logger"], "own");
        assert_eq!(said.as_object().unwrap().len(), 3);
        let text = said["data"].as_str().unwrap();
        assert!(text.starts_with("[REDACTED] xx"), "{}", &text[..60]);
        assert!(text.ends_with("bytes]"), "{}", &text[text.len() - 60..]);
        let said = log(&format!(
            r#"{{"level":"info","logger":"{words}","data":[1]}}"#
        ));
        assert_eq!(said["level"], "info");
        assert!(said.get("logger").is_none());
        let said = log(r#"{"level":"info","data":{"key":"k2-other-key"}}"#);
        assert_eq!(said["data"]["key"], "[REDACTED]");
    }
}
