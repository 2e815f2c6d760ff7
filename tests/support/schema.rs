//! The protocol's own schemas: says whether a message is one that its revision knows.
//!
//! The schemas lie in `tests/schema/`, one file a revision, as they were published;
//! `tasks-2026-07-28.json` is ours, because the tasks extension has none.

mod messages;

use std::sync::OnceLock;

use jsonschema::ValidatorMap;
use serde_json::Value;

pub use self::messages::{Sender, error_response, notification, request, result};

/// One revision: its schema's text, and the pointer to its definitions.
struct Revision {
    name: &'static str,
    text: &'static str,
    /// Definitions of our own that may refer to those of `text`.
    more: Option<&'static str>,
    definitions: &'static str,
    compiled: OnceLock<ValidatorMap>,
}

macro_rules! revision {
    ($name:literal, $definitions:literal, $more:expr) => {
        Revision {
            name: $name,
            text: include_str!(concat!("../schema/", $name, ".json")),
            more: $more,
            definitions: $definitions,
            compiled: OnceLock::new(),
        }
    };
}

static REVISIONS: [Revision; 5] = [
    revision!("2024-11-05", "definitions", None),
    revision!("2025-03-26", "definitions", None),
    revision!("2025-06-18", "definitions", None),
    revision!("2025-11-25", "$defs", None),
    revision!(
        "2026-07-28",
        "$defs",
        Some(include_str!("../schema/tasks-2026-07-28.json"))
    ),
];

impl Revision {
    fn named(name: &str) -> &'static Self {
        let revision = REVISIONS.iter().find(|revision| revision.name == name);
        revision.unwrap_or_else(|| panic!("there is no schema of revision {name}"))
    }

    /// Compiles all definitions when the first of them is asked for.
    fn compiled(&self) -> &ValidatorMap {
        self.compiled
            .get_or_init(|| jsonschema::validator_map_for(&self.schema()).unwrap())
    }

    fn schema(&self) -> Value {
        let mut schema: Value = serde_json::from_str(self.text).unwrap();
        if let Some(more) = self.more {
            let mut more: Value = serde_json::from_str(more).unwrap();
            let definitions = schema[self.definitions].as_object_mut().unwrap();
            definitions.append(more[self.definitions].as_object_mut().unwrap());
        }
        schema
    }

    /// Holds a value against a definition.
    fn check(&self, definition: &str, value: &Value) -> Result<(), String> {
        let pointer = format!("#/{}/{definition}", self.definitions);
        let Some(validator) = self.compiled().get(&pointer) else {
            panic!("{} defines no {definition}", self.name);
        };
        let errors: Vec<String> = validator
            .iter_errors(value)
            .map(|error| {
                format!(
                    "{} at \"{}\"",
                    shortened(&error.to_string()),
                    error.instance_path()
                )
            })
            .collect();
        if errors.is_empty() {
            return Ok(());
        }
        let what = format!("is no {definition} of {}: {}", self.name, errors.join("; "));
        Err(what)
    }
}

/// An error may quote a whole message, which is shown elsewhere.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 300;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
