//! Verifies answers: the whole of each, and cheaply enough not to become what is measured.
//!
//! The first answer of a kind is parsed and checked. What it looked like around the id and the text is kept as a
//! `Pattern`; an answer that equals the pattern with its own id and text filled in is right for the same reasons. Any
//! other answer is parsed and checked again.

mod event_stream;
mod pattern;

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::pattern::Pattern;
use crate::endpoint::Names;
use crate::fault::{Fault, excerpt};
use crate::options::Era;
use crate::wire::Kind;

/// What the result of a request must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected<'a> {
    /// A tool's result with exactly one text, after so many notifications of its progress
    Text(&'a str, u32),
    /// These tools, on one page
    Tools(&'a Names),
    /// The result of `initialize`
    Initialized,
    /// The result of `server/discover`
    Discovered,
}

#[derive(Debug)]
pub(crate) struct Verifier {
    era: Era,
    pattern: Option<Pattern>,
}

impl Verifier {
    pub(crate) fn new(era: Era) -> Self {
        Self { era, pattern: None }
    }

    /// Checks the answer to request `id`.
    ///
    /// # Errors
    /// `Fault::Wrong`, or `Fault::Refused` if the answer is an error.
    pub(crate) fn verify(
        &mut self,
        kind: Kind,
        body: &[u8],
        id: u64,
        expected: Expected<'_>,
    ) -> Result<(), Fault> {
        let is_event_stream = match kind {
            Kind::Json => false,
            Kind::EventStream => true,
            Kind::Other => return Err(Fault::wrong("neither JSON nor events", body)),
        };
        let id = id.to_string();
        let (text, progress) = match expected {
            Expected::Text(text, progress) => (text, progress),
            Expected::Tools(_) | Expected::Initialized | Expected::Discovered => ("", 0),
        };
        if let Some(pattern) = &self.pattern
            && pattern.matches(is_event_stream, body, &id, text)
        {
            return Ok(());
        }
        let (message, reported) = if is_event_stream {
            event_stream::answer(body, &id)?
        } else {
            (Cow::Borrowed(body), 0)
        };
        if reported != progress {
            let reason = format!("{reported} notifications of progress, not {progress}");
            return Err(Fault::wrong(reason, body));
        }
        check(&message, &id, expected, self.era)?;
        self.pattern = Pattern::learn(is_event_stream, body, &id, text);
        Ok(())
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    #[serde(borrow)]
    result_type: Option<Cow<'a, str>>,
    is_error: Option<bool>,
    #[serde(borrow)]
    content: Option<Vec<Content<'a>>>,
    #[serde(borrow)]
    tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    next_cursor: Option<&'a RawValue>,
    #[serde(borrow)]
    protocol_version: Option<Cow<'a, str>>,
    supported_versions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

fn check(message: &[u8], id: &str, expected: Expected<'_>, era: Era) -> Result<(), Fault> {
    let wrong = |reason: String| Fault::wrong(reason, message);
    let unreadable =
        |error: serde_json::Error| Fault::wrong(format!("unreadable: {error}"), message);
    let envelope: Envelope<'_> = serde_json::from_slice(message).map_err(unreadable)?;
    let echoed = envelope.id.map(RawValue::get);
    if envelope.jsonrpc != "2.0" || echoed != Some(id) {
        return Err(wrong(format!("id {echoed:?} for request {id}")));
    }
    let result = match (envelope.result, envelope.error) {
        (Some(result), None) => result.get(),
        (None, Some(error)) => return Err(Fault::Refused(excerpt(error.get().as_bytes()))),
        _ => return Err(wrong("neither a result nor an error".to_owned())),
    };
    let outcome: Outcome<'_> = serde_json::from_str(result).map_err(unreadable)?;
    if era == Era::Modern && outcome.result_type.as_deref() != Some("complete") {
        return Err(wrong(format!("resultType {:?}", outcome.result_type)));
    }
    if outcome.is_error == Some(true) {
        return Err(Fault::Refused(excerpt(result.as_bytes())));
    }
    outcome.check(expected).map_err(wrong)
}

impl Outcome<'_> {
    fn check(&self, expected: Expected<'_>) -> Result<(), String> {
        match expected {
            Expected::Text(text, _) => self.check_text(text),
            Expected::Tools(names) => self.check_tools(names),
            Expected::Initialized => match self.protocol_version.as_deref() {
                Some(version) if version == Era::Legacy.revision() => Ok(()),
                other => Err(format!("protocolVersion {other:?}")),
            },
            Expected::Discovered => {
                let versions = self.supported_versions.as_deref().unwrap_or_default();
                if versions
                    .iter()
                    .any(|version| version == Era::Modern.revision())
                {
                    Ok(())
                } else {
                    Err(format!("supportedVersions {versions:?}"))
                }
            }
        }
    }

    fn check_text(&self, wanted: &str) -> Result<(), String> {
        match self.content.as_deref() {
            Some([only]) if only.kind == "text" => match only.text.as_deref() {
                Some(text) if text == wanted => Ok(()),
                Some(text) => Err(format!(
                    "text of {} bytes is not the one of {} bytes asked for ({})",
                    text.len(),
                    wanted.len(),
                    excerpt(wanted.as_bytes())
                )),
                None => Err("content without text".to_owned()),
            },
            _ => Err("content is not one text".to_owned()),
        }
    }

    fn check_tools(&self, names: &Names) -> Result<(), String> {
        let tools = self.tools.as_deref().unwrap_or_default();
        if names.is_exact {
            check_exact(tools, &names.listed)?;
        } else {
            let got: HashSet<&str> = tools.iter().map(|tool| &*tool.name).collect();
            let mut wanted = names.listed.iter();
            if let Some(name) = wanted.find(|name| !got.contains(name.as_str())) {
                return Err(format!("no tool {name}"));
            }
        }
        match self.next_cursor {
            Some(cursor) => Err(format!("the list goes on at {cursor}")),
            None => Ok(()),
        }
    }
}

fn check_exact(tools: &[Tool<'_>], wanted: &[String]) -> Result<(), String> {
    let differs = |(tool, name): (&Tool<'_>, &String)| tool.name != name.as_str();
    if let Some(place) = tools.iter().zip(wanted).position(differs) {
        let (got, name) = (&tools[place].name, &wanted[place]);
        return Err(format!("tool {place} is {got}, not {name}"));
    }
    if tools.len() != wanted.len() {
        let (got, wanted) = (tools.len(), wanted.len());
        return Err(format!("{got} tools, not {wanted}"));
    }
    Ok(())
}
