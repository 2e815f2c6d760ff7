//! What a server says of itself when it is met: `initialize` and `server/discover` results.

use std::{ops::Deref, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::limits::INSTRUCTIONS_CHARS_MAX;

use super::{
    kind::ListKind,
    object::{RawObject, read_object},
};

/// What a backend offers, the same for both eras. A clone is another handle of the same.
#[derive(Debug, Clone)]
pub struct Discovery(Arc<Offer>);

/// That itself.
#[derive(Debug)]
pub struct Offer {
    /// The whole result, for the record.
    pub result: Box<RawValue>,
    /// How to use the server, for the model: [`INSTRUCTIONS_CHARS_MAX`] characters at most.
    pub instructions: Option<String>,
    /// What it can do: its `capabilities` object, untouched.
    pub capabilities: Box<RawValue>,
    /// The names of its capabilities.
    offered: Vec<Box<str>>,
}

impl Discovery {
    /// Reads the result of `initialize` or `server/discover`.
    ///
    /// # Errors
    ///
    /// When the result has no `capabilities` object.
    pub fn read(result: &RawValue) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Known<'a> {
            #[serde(borrow)]
            capabilities: &'a RawValue,
            #[serde(default)]
            instructions: Option<String>,
        }
        let known: Known<'_> = read_object(result.get())?;
        let capabilities = RawObject::parse(known.capabilities)?;
        Ok(Self(Arc::new(Offer {
            offered: capabilities.iter().map(|(name, _)| name.into()).collect(),
            result: result.to_owned(),
            instructions: known
                .instructions
                .filter(|text| !text.trim().is_empty())
                .map(cut),
            capabilities: known.capabilities.to_owned(),
        })))
    }

    /// The same, held by somebody else already.
    #[must_use]
    pub const fn of(offer: Arc<Offer>) -> Self {
        Self(offer)
    }

    /// That itself, to be held by others, too.
    #[must_use]
    pub fn into_offer(self) -> Arc<Offer> {
        self.0
    }
}

impl Deref for Discovery {
    type Target = Offer;

    fn deref(&self) -> &Offer {
        &self.0
    }
}

impl PartialEq for Offer {
    fn eq(&self, other: &Self) -> bool {
        // All else was read from it.
        self.result.get() == other.result.get()
    }
}

impl Offer {
    /// Whether it has a capability.
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        self.offered.iter().any(|name| **name == *capability)
    }

    /// Whether it announces when its lists of that kind are others.
    #[must_use]
    pub fn announces(&self, kind: ListKind) -> bool {
        self.says(kind.capability(), "listChanged")
    }

    /// Whether it announces when a resource is another, to whoever asked for that.
    #[must_use]
    pub fn announces_updates(&self) -> bool {
        self.says("resources", "subscribe")
    }

    fn says(&self, capability: &str, member: &str) -> bool {
        let capabilities = RawObject::parse_or_empty(Some(&self.capabilities));
        RawObject::parse_or_empty(capabilities.get(capability))
            .get(member)
            .is_some_and(|said| said.get() == "true")
    }
}

fn cut(mut instructions: String) -> String {
    if let Some((end, _)) = instructions.char_indices().nth(INSTRUCTIONS_CHARS_MAX) {
        instructions.truncate(end);
    }
    instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_cut_between_characters() {
        for (chars, kept) in [
            (INSTRUCTIONS_CHARS_MAX, INSTRUCTIONS_CHARS_MAX),
            (INSTRUCTIONS_CHARS_MAX + 1, INSTRUCTIONS_CHARS_MAX),
        ] {
            let text = format!(
                r#"{{"capabilities":{{}},"instructions":"{}"}}"#,
                "ä".repeat(chars)
            );
            let raw = RawValue::from_string(text).unwrap();
            let discovery = Discovery::read(&raw).unwrap();
            assert_eq!(discovery.instructions, Some("ä".repeat(kept)));
        }
    }

    #[test]
    fn results_of_both_eras_read_alike() {
        for text in [
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x","version":"1"},"instructions":"hi"}"#,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"hi"}"#,
        ] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let discovery = Discovery::read(&raw).unwrap();
            assert_eq!(discovery.instructions.as_deref(), Some("hi"));
            assert_eq!(discovery.result.get(), text);
        }
        let raw = RawValue::from_string("{}".to_owned()).unwrap();
        assert!(Discovery::read(&raw).is_err());
    }

    #[test]
    fn a_server_that_announces_its_tools_says_so() {
        for (tools, announces) in [
            ("{\"listChanged\":true}", true),
            ("{ \"x\":1, \"listChanged\" : true }", true),
            ("{\"listChanged\":false}", false),
            ("{\"listChanged\":\"true\"}", false),
            ("{}", false),
            ("[]", false),
        ] {
            let text = format!(r#"{{"capabilities":{{"tools":{tools}}}}}"#);
            let raw = RawValue::from_string(text).unwrap();
            let discovery = Discovery::read(&raw).unwrap();
            assert_eq!(discovery.announces(ListKind::Tools), announces, "{tools}");
        }
    }
}
