//! What a tool's definition says of calling it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::{RawObject, read_object};

/// The annotations that decide about retries.
///
/// Spec: 2025-11-25 schema, `ToolAnnotations`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hints {
    read_only_hint: bool,
    idempotent_hint: bool,
}

impl Hints {
    /// Reads a definition's hints. Annotations that make no sense declare nothing: the safe reading.
    #[must_use]
    pub fn of(definition: &RawValue) -> Self {
        RawObject::parse_or_empty(Some(definition))
            .get("annotations")
            .and_then(|annotations| read_object(annotations.get()).ok())
            .unwrap_or_default()
    }

    /// What both declare, as far as repeating goes.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        if other.repeatable() { self } else { other }
    }

    /// Whether a call may be sent again after its bytes may have reached the backend.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        self.read_only_hint || self.idempotent_hint
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_declared_hint_makes_a_tool_repeatable() {
        for (definition, repeatable) in [
            (r#"{"name":"a"}"#, false),
            (r#"{"name":"b","annotations":{"readOnlyHint":true}}"#, true),
            (
                r#"{"name":"c","annotations":{"idempotentHint":true,"title":"C"}}"#,
                true,
            ),
            (
                r#"{"name":"d","annotations":{"readOnlyHint":"yes"}}"#,
                false,
            ),
            (r#"{"name":"e","annotations":[true,true]}"#, false),
        ] {
            let raw = RawValue::from_string(definition.to_owned()).unwrap();
            assert_eq!(Hints::of(&raw).repeatable(), repeatable, "{definition}");
        }
    }
}
