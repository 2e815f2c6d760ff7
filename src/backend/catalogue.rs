//! What a connection knows of its backend's tools, from the last list it saw.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher as _, RandomState},
    sync::LazyLock,
};

use crate::mcp::{
    mirror::{self, Mirror},
    request::Request,
    shelf::Item,
    tool::Hints,
};

/// The tools by their own names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Catalogue {
    tools: HashMap<String, Known>,
    /// Stands for the definitions, of which the rest is not kept.
    digest: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    hints: Hints,
    mirrors: Vec<Mirror>,
    /// Stands for its definition.
    digest: u64,
}

/// Digests by a key of this process: a backend must not be able to make two definitions with one digest.
static DIGESTS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl Catalogue {
    /// Takes from a list what calls need to know.
    pub(crate) fn of(tools: &[Item]) -> Self {
        let mut known = HashMap::with_capacity(tools.len());
        let mut digests = Vec::with_capacity(tools.len());
        for tool in tools {
            let hints = Hints::of(&tool.definition);
            let digest = DIGESTS.hash_one(tool.definition.get());
            digests.push(digest);
            match known.entry(tool.key.clone()) {
                Entry::Vacant(place) => {
                    place.insert(Known {
                        hints,
                        mirrors: mirror::read(&tool.definition).unwrap_or_default(),
                        digest,
                    });
                }
                // The first one counts; but what two definitions do not agree on is not declared.
                Entry::Occupied(mut first) => {
                    let first: &mut Known = first.get_mut();
                    first.hints = first.hints.and(hints);
                }
            }
        }
        Self {
            tools: known,
            digest: DIGESTS.hash_one(&digests),
        }
    }

    /// The tools, in order, that are there before and now under definitions that differ.
    pub(crate) fn changed_since<'a>(&'a self, before: &Self) -> Vec<&'a str> {
        let is_other = |(name, now): &(&String, &Known)| {
            let before = before.tools.get(*name);
            before.is_some_and(|before| before.digest != now.digest)
        };
        let changed = self.tools.iter().filter(is_other);
        let mut names: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Whether both lists are the same in every byte.
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// How many tools there are.
    pub(crate) fn len(&self) -> usize {
        self.tools.len()
    }

    /// Whether the tool that a request names says that it may run twice.
    pub(crate) fn is_repeatable(&self, request: &Request) -> bool {
        self.named(request)
            .is_some_and(|known| known.hints.repeatable())
    }

    /// Repeats a request's arguments in headers where its tool wants that. For a tool that is not
    /// known, what the client sent stays.
    ///
    /// # Errors
    ///
    /// The header in which the client said something else than in the arguments.
    pub(crate) fn mirror(&self, request: &mut Request) -> Result<(), String> {
        let Some(known) = self.named(request) else {
            return Ok(());
        };
        let headers = mirror::headers(&known.mirrors, request.params.as_deref());
        if let Some(sent) = &request.param_headers {
            mirror::agree(&known.mirrors, sent, &headers)?;
        }
        request.param_headers = Some(headers);
        Ok(())
    }

    fn named(&self, request: &Request) -> Option<&Known> {
        self.tools.get(request.name.as_deref()?)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::mcp::{
        request::Context,
        shelf::{Page, Shelf},
    };

    fn catalogue(tools: &str) -> Catalogue {
        let page = RawValue::from_string(format!(r#"{{"tools":[{tools}]}}"#)).unwrap();
        Catalogue::of(
            &Page::read(Shelf::Tools, page.get().as_bytes())
                .unwrap()
                .items,
        )
    }

    #[test]
    fn a_list_is_the_same_only_word_for_word() {
        let before = catalogue(r#"{"name":"a","description":"old","inputSchema":{}}"#);
        for other in [
            r#"{"name":"a","description":"new","inputSchema":{}}"#,
            r#"{"name":"a","description":"old","inputSchema":{},"annotations":{"readOnlyHint":true}}"#,
        ] {
            assert!(!before.shows_the_same(&catalogue(other)), "{other}");
        }
        let same = catalogue(r#"{"name":"a","description":"old","inputSchema":{}}"#);
        assert!(before.shows_the_same(&same));
    }

    #[test]
    fn a_tool_that_changed_is_named_and_one_that_came_or_went_is_not() {
        let before =
            catalogue(r#"{"name":"a","x":1},{"name":"b","x":1},{"name":"c"},{"name":"d"}"#);
        let now = catalogue(r#"{"name":"e"},{"name":"d"},{"name":"b","x":2},{"name":"a","x":1.0}"#);
        assert_eq!(now.changed_since(&before), ["a", "b"]);
        assert_eq!(now.changed_since(&now), [""; 0]);
    }

    #[test]
    fn a_tool_listed_twice_may_run_twice_only_if_both_say_so() {
        let safe = r#"{"name":"a","annotations":{"readOnlyHint":true}}"#;
        let other = r#"{"name":"a","annotations":{"idempotentHint":true}}"#;
        let plain = r#"{"name":"a"}"#;
        for (tools, repeatable) in [
            (format!("{safe},{plain}"), false),
            (format!("{plain},{safe}"), false),
            (format!("{safe},{other}"), true),
            (safe.to_owned(), true),
        ] {
            let request = Request {
                name: Some("a".into()),
                ..Request::new("tools/call", None, Context::default())
            };
            let is_repeatable = catalogue(&tools).is_repeatable(&request);
            assert_eq!(is_repeatable, repeatable, "{tools}");
        }
    }
}
