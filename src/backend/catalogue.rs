//! What a connection knows of its backend's tools, from the last list it saw.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::mcp::{
    mirror::{self, Mirror},
    request::Request,
    shelf::Item,
    tool::Hints,
};

/// The tools by their own names.
#[derive(Debug)]
pub(crate) struct Catalogue {
    tools: HashMap<String, Known>,
    /// Stands for the definitions, of which the rest is not kept.
    digest: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    hints: Hints,
    mirrors: Vec<Mirror>,
}

impl Catalogue {
    /// Takes from a list what calls need to know.
    pub(crate) fn of(tools: &[Item]) -> Self {
        let known = |tool: &Item| Known {
            hints: Hints::of(&tool.definition),
            mirrors: mirror::read(&tool.definition).unwrap_or_default(),
        };
        let mut digest = DefaultHasher::new();
        for tool in tools {
            tool.definition.get().hash(&mut digest);
        }
        Self {
            tools: tools
                .iter()
                .map(|tool| (tool.key.clone(), known(tool)))
                .collect(),
            digest: digest.finish(),
        }
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
    use crate::mcp::shelf::{Page, Shelf};

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
}
