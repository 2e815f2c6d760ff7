//! Reads the answer out of a whole `text/event-stream` body.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::fault::Fault;

/// The one response among the events. Notifications beside it are fine, an event without text is too.
pub(super) fn answer(body: &[u8]) -> Result<Cow<'_, [u8]>, Fault> {
    let mut found = None;
    for message in messages(body) {
        let kind: Kind = serde_json::from_slice(&message)
            .map_err(|error| Fault::wrong(format!("unreadable event: {error}"), &message))?;
        if kind.method.is_some() {
            continue;
        }
        if found.replace(message).is_some() {
            return Err(Fault::wrong("two responses on one stream", body));
        }
    }
    found.ok_or_else(|| Fault::wrong("stream ended without a response", body))
}

#[derive(Deserialize)]
struct Kind {
    method: Option<IgnoredAny>,
}

/// The texts of all events. An event counts only once the blank line after it has come.
fn messages(body: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut messages = Vec::new();
    let mut text: Option<Cow<'_, [u8]>> = None;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else {
            break;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            messages.extend(text.take().filter(|text| !text.is_empty()));
        } else if let Some(value) = line.strip_prefix(b"data:") {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            text = Some(match text {
                None => Cow::Borrowed(value),
                Some(before) => Cow::Owned([&before[..], value].join(&b'\n')),
            });
        }
    }
    messages
}
