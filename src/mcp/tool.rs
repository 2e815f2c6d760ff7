//! Pages of a tool list, with each definition kept raw.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    mirror::{self, Mirror, MirrorError},
    object::read_object,
};

/// A tool as its backend defines it.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its own name.
    pub name: String,
    /// The whole definition, untouched.
    pub definition: Box<RawValue>,
    /// What it says of calling it twice.
    pub hints: Hints,
    /// Which of its arguments are repeated in headers.
    pub mirrors: Result<Vec<Mirror>, MirrorError>,
}

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
    /// Whether a call may be sent again after its bytes may have reached the backend.
    #[must_use]
    pub const fn repeatable(self) -> bool {
        self.read_only_hint || self.idempotent_hint
    }
}

/// One page of a `tools/list` result.
#[derive(Debug, Default)]
pub struct ToolPage {
    /// The tools, in the backend's order.
    pub tools: Vec<Tool>,
    /// How many more there were that are none: no objects, or without a name.
    pub skipped: usize,
    /// Where the next page starts, when there is one.
    pub next_cursor: Option<String>,
    /// How long the page stays fresh, in milliseconds; 0 where the backend does not say.
    pub ttl_ms: u64,
}

impl ToolPage {
    /// Reads a `tools/list` result of any revision. What is no tool hides no other.
    ///
    /// # Errors
    ///
    /// When `tools` is no list.
    pub fn read(result: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<'a> {
            #[serde(borrow)]
            tools: Vec<&'a RawValue>,
            #[serde(default)]
            next_cursor: Option<String>,
            #[serde(default)]
            ttl_ms: Option<u64>,
        }
        let text = std::str::from_utf8(result).map_err(serde::de::Error::custom)?;
        let page: Page<'_> = read_object(text)?;
        let tools: Vec<_> = page.tools.iter().copied().filter_map(read_tool).collect();
        Ok(Self {
            skipped: page.tools.len() - tools.len(),
            tools,
            next_cursor: page.next_cursor,
            ttl_ms: page.ttl_ms.unwrap_or(0),
        })
    }
}

/// `None` for what nobody could call.
fn read_tool(definition: &RawValue) -> Option<Tool> {
    #[derive(Deserialize)]
    struct Known {
        name: String,
        #[serde(default)]
        annotations: Option<serde_json::Value>,
    }
    let known: Known = read_object(definition.get()).ok()?;
    if known.name.is_empty() {
        return None;
    }
    // A backend whose annotations make no sense has declared nothing: the safe reading.
    let hints = known
        .annotations
        .and_then(|annotations| Hints::deserialize(annotations).ok())
        .unwrap_or_default();
    Some(Tool {
        name: known.name,
        definition: definition.to_owned(),
        hints,
        mirrors: mirror::read(definition),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_definitions_raw_and_knows_what_may_be_repeated() {
        let page = ToolPage::read(
            br#"{"tools":[{"name":"a","x": 1.0},
                {"name":"b","annotations":{"readOnlyHint":true}},
                {"name":"c","annotations":{"idempotentHint":true,"title":"C"}},
                {"name":"d","annotations":{"readOnlyHint":"yes"}}],
               "nextCursor":"2","ttlMs":5,"cacheScope":"public"}"#,
        )
        .unwrap();
        assert_eq!(page.tools[0].definition.get(), r#"{"name":"a","x": 1.0}"#);
        let repeatable: Vec<_> = page.tools.iter().map(|t| t.hints.repeatable()).collect();
        assert_eq!(repeatable, [false, true, true, false]);
        assert_eq!((page.next_cursor.as_deref(), page.ttl_ms), (Some("2"), 5));
    }

    #[test]
    fn a_list_without_tools_is_an_error() {
        for text in ["{}", "[]", r#"{"tools":{}}"#, r#"{"tools":[}"#] {
            assert!(ToolPage::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_tool_is_skipped_and_counted() {
        let page = ToolPage::read(
            br#"{"tools":[{},{"name":"a"},1,["x"],{"name":""},{"name":7},{"name":"b"}]}"#,
        )
        .unwrap();
        let names: Vec<_> = page.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!((names, page.skipped), (vec!["a", "b"], 5));
    }
}
