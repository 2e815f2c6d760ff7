//! What a request may bring about, by the era and the client it came from.

use serde_json::{Value, json};

use super::script::MODERN;

/// The levels of `notifications/message`, least urgent first.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// A log level; the more urgent one is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(usize);

impl Level {
    pub(super) const INFO: Self = Self(1);

    pub(super) fn named(name: &str) -> Option<Self> {
        LEVELS.iter().position(|it| *it == name).map(Self)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..LEVELS.len()).map(Self)
    }

    pub(super) fn name(self) -> &'static str {
        LEVELS[self.0]
    }
}

/// The era, the revision and the client of one request.
#[derive(Debug, Clone)]
pub(super) struct Manners {
    pub(super) revision: String,
    /// What the client declared; `null` if nobody knows.
    pub(super) client: Value,
    /// The log level that a modern request asks for.
    pub(super) log_level: Option<Level>,
    /// Asks whatever it likes.
    pub(super) asks_anyway: bool,
    /// The `Authorization` that the request came with.
    pub(super) credential: Option<String>,
}

impl Manners {
    pub(super) fn is_modern(&self) -> bool {
        self.revision == MODERN
    }

    /// The capability that is missing for a question; `None` if it may be asked.
    pub(super) fn missing_for(&self, method: &str, params: &str) -> Option<Value> {
        if self.asks_anyway {
            return None;
        }
        let by_url = params.contains(r#""mode":"url""#);
        let client = &self.client;
        let (can, since, missing) = match method {
            "elicitation/create" if by_url => (
                client["elicitation"]["url"].is_object(),
                "2025-11-25",
                json!({"elicitation": {"url": {}}}),
            ),
            // Without a mode a client means forms.
            "elicitation/create" => (
                client["elicitation"]
                    .as_object()
                    .is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url")),
                "2025-06-18",
                json!({"elicitation": {}}),
            ),
            "sampling/createMessage" => (
                client["sampling"].is_object(),
                "2024-11-05",
                json!({"sampling": {}}),
            ),
            "roots/list" => (
                client["roots"].is_object(),
                "2024-11-05",
                json!({"roots": {}}),
            ),
            other => panic!("nobody can be asked {other}"),
        };
        (!can || self.revision.as_str() < since).then_some(missing)
    }

    /// Says whether the client knows the tasks extension of the modern era.
    pub(super) fn knows_tasks(&self) -> bool {
        self.client["extensions"][super::tasks::EXTENSION].is_object()
    }
}
