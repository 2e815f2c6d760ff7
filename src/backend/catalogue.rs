//! What a connection knows of its backend's tools, from the last list it saw.

use std::collections::HashMap;

use crate::mcp::{
    mirror::{self, Mirror},
    request::Request,
    tool::{Hints, Tool},
};

/// The tools by their own names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalogue {
    tools: HashMap<String, Known>,
}

#[derive(Debug, PartialEq, Eq)]
struct Known {
    hints: Hints,
    mirrors: Vec<Mirror>,
}

impl Catalogue {
    /// Takes from a list what calls need to know.
    pub(crate) fn of(tools: &[Tool]) -> Self {
        let known = |tool: &Tool| Known {
            hints: tool.hints,
            mirrors: tool.mirrors.clone().unwrap_or_default(),
        };
        Self {
            tools: tools
                .iter()
                .map(|tool| (tool.name.clone(), known(tool)))
                .collect(),
        }
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
    pub(crate) fn mirror(&self, request: &mut Request) {
        if let Some(known) = self.named(request) {
            request.param_headers = mirror::headers(&known.mirrors, request.params.as_deref());
        }
    }

    fn named(&self, request: &Request) -> Option<&Known> {
        self.tools.get(request.name.as_deref()?)
    }
}
