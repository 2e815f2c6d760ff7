//! What a backend is asked to announce, where it wants to be told.
//!
//! Spec: 2026-07-28 basic/patterns/subscriptions, "Notification Filter"; SEP-2663, "Task Status
//! Notifications".

use std::collections::BTreeSet;

use serde_json::{Map, Value, value::RawValue};

use crate::mcp::kind::ListKind;

const URIS: &str = "resourceSubscriptions";
const TASKS: &str = "taskIds";

/// What of a backend's announcements is wanted, or honoured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Changes of these lists.
    pub(crate) kinds: Vec<ListKind>,
    /// Updates of these resources.
    pub(crate) uris: BTreeSet<String>,
    /// Changes of these tasks.
    pub(crate) tasks: BTreeSet<String>,
}

impl Filter {
    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.uris.is_empty() && self.tasks.is_empty()
    }

    /// What of it is in the other one, too.
    pub(crate) fn within(self, other: &Self) -> Self {
        let kinds = self.kinds.into_iter();
        Self {
            kinds: kinds.filter(|kind| other.kinds.contains(kind)).collect(),
            uris: &self.uris & &other.uris,
            tasks: &self.tasks & &other.tasks,
        }
    }

    /// Writes it.
    pub(crate) fn to_json(&self) -> Value {
        let kinds = self
            .kinds
            .iter()
            .map(|kind| (kind.filter_member().to_owned(), true.into()));
        let mut members: Map<String, Value> = kinds.collect();
        for (name, wanted) in [(URIS, &self.uris), (TASKS, &self.tasks)] {
            if !wanted.is_empty() {
                members.insert(name.to_owned(), wanted.iter().cloned().collect());
            }
        }
        members.into()
    }

    /// Reads it from the parameters of an acknowledgement; what makes no sense is not honoured.
    pub(crate) fn honoured(params: Option<&RawValue>) -> Self {
        let params: Value = params
            .and_then(|params| serde_json::from_str(params.get()).ok())
            .unwrap_or_default();
        let members = &params["notifications"];
        let texts = |name: &str| {
            let texts = members[name].as_array().into_iter().flatten();
            texts
                .filter_map(|text| text.as_str().map(ToOwned::to_owned))
                .collect()
        };
        Self {
            kinds: ListKind::ALL
                .into_iter()
                .filter(|kind| members[kind.filter_member()] == true)
                .collect(),
            uris: texts(URIS),
            tasks: texts(TASKS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::object::to_raw;

    #[test]
    fn an_acknowledgement_says_what_will_be_heard() {
        for (params, kinds) in [
            (
                r#"{"notifications":{"toolsListChanged":true}}"#,
                vec![ListKind::Tools],
            ),
            (
                r#"{"notifications":{"toolsListChanged":false,"promptsListChanged":true}}"#,
                vec![ListKind::Prompts],
            ),
            (r#"{"notifications":{"x":1}}"#, vec![]),
            ("{}", vec![]),
        ] {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            assert_eq!(
                Filter::honoured(Some(&params)).kinds,
                kinds,
                "{}",
                params.get()
            );
        }
        assert!(Filter::honoured(None).is_empty());
    }

    #[test]
    fn of_what_is_honoured_counts_what_was_asked_for() {
        let params = r#"{"notifications":{"toolsListChanged":true,"promptsListChanged":true,"resourceSubscriptions":["a","b"],"taskIds":["t","u"]}}"#;
        let params = RawValue::from_string(params.to_owned()).unwrap();
        let asked = Filter {
            kinds: vec![ListKind::Prompts, ListKind::Resources],
            uris: ["b", "c"].map(ToOwned::to_owned).into(),
            tasks: ["u".to_owned()].into(),
        };
        let counts = Filter {
            kinds: vec![ListKind::Prompts],
            uris: ["b".to_owned()].into(),
            tasks: ["u".to_owned()].into(),
        };
        assert_eq!(Filter::honoured(Some(&params)).within(&asked), counts);
    }

    #[test]
    fn a_filter_reads_back_as_it_was_written() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        for filter in [
            Filter::default(),
            Filter {
                kinds: vec![ListKind::Tools, ListKind::Resources],
                uris: texts(&["a:b", "c:\u{e9}"]),
                tasks: texts(&["t"]),
            },
        ] {
            let params = to_raw(&serde_json::json!({ "notifications": filter.to_json() }));
            assert_eq!(Filter::honoured(Some(&params)), filter);
        }
    }
}
