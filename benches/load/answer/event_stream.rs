//! Reads the answer out of a whole `text/event-stream` body.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::fault::Fault;

/// The one response among the events, and how many notifications told the progress of request `id`, one more each time
/// and before the response. Other notifications beside it are fine, an event without text is too.
pub(super) fn answer<'a>(body: &'a [u8], id: &str) -> Result<(Cow<'a, [u8]>, u32), Fault> {
    let (mut found, mut reported) = (None, 0);
    for message in messages(body) {
        let event: Event<'_> = serde_json::from_slice(&message)
            .map_err(|error| Fault::wrong(format!("unreadable event: {error}"), &message))?;
        if event.method == Some(PROGRESS) {
            let is_next = found.is_none() && event.is_step(reported + 1, id);
            if !is_next {
                return Err(Fault::wrong("progress of something else", &message));
            }
            reported += 1;
        }
        if event.method.is_some() {
            continue;
        }
        if found.replace(message).is_some() {
            return Err(Fault::wrong("two responses on one stream", body));
        }
    }
    let found = found.ok_or_else(|| Fault::wrong("stream ended without a response", body))?;
    Ok((found, reported))
}

const PROGRESS: &str = "notifications/progress";

#[derive(Deserialize)]
struct Event<'a> {
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
}

impl Event<'_> {
    /// Whether it tells that request `id` has come to `step`.
    fn is_step(&self, step: u32, id: &str) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Progress<'a> {
            #[serde(borrow)]
            progress_token: &'a RawValue,
            progress: f64,
        }
        let params = self.params.map_or("null", RawValue::get);
        let progress = serde_json::from_str::<Progress<'_>>(params);
        progress.is_ok_and(|told| {
            let is_there = (told.progress - f64::from(step)).abs() < f64::EPSILON;
            is_there && told.progress_token.get() == id
        })
    }
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
