//! Where operations go: one MCP endpoint, and what its tools are called there.

use std::sync::Arc;

use crate::options::{Era, Options};
use crate::text::{BLOB, ECHO, tool_names};

/// One MCP endpoint: a session of the gateway, or a backend itself.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Host and port.
    pub(crate) authority: String,
    pub(crate) path: String,
    /// The era that the load speaks there.
    pub(crate) era: Era,
    pub(crate) names: Arc<Names>,
}

impl Endpoint {
    /// The endpoint at `path` of `authority`.
    pub(crate) fn new(authority: &str, path: &str, era: Era, names: Arc<Names>) -> Self {
        Self {
            authority: authority.to_owned(),
            path: path.to_owned(),
            era,
            names,
        }
    }
}

/// The tools of an endpoint as its clients see them.
#[derive(Debug)]
pub(crate) struct Names {
    /// The tools that calls go round, one a backend.
    pub(crate) called: Vec<String>,
    /// All tools.
    pub(crate) listed: Vec<String>,
    /// Whether the list is just this, in this order. Other gateways list in any, and add tools of their own.
    pub(crate) is_exact: bool,
}

impl Names {
    /// Own names of a backend with `tools` tools.
    pub(crate) fn own(options: &Options, tools: u32) -> Self {
        Self {
            called: vec![called_tool(options).to_owned()],
            listed: tool_names(tools).collect(),
            is_exact: true,
        }
    }

    /// Public names of a session of these providers.
    pub(crate) fn public(options: &Options, providers: &[String]) -> Self {
        let separator = options.separator.as_str();
        let name = |provider: &str, tool: &str| format!("{provider}{separator}{tool}");
        Self {
            is_exact: true,
            ..Self::merged(options, providers, name)
        }
    }

    /// What another gateway makes of the names of these providers and their tools.
    pub(crate) fn merged(
        options: &Options,
        providers: &[String],
        name: impl Fn(&str, &str) -> String,
    ) -> Self {
        let tool = called_tool(options);
        let (mut called, mut listed) = (Vec::new(), Vec::new());
        for provider in providers {
            called.push(name(provider, tool));
            listed.extend(tool_names(options.tools).map(|tool| name(provider, &tool)));
        }
        Self {
            called,
            listed,
            is_exact: false,
        }
    }
}

fn called_tool(options: &Options) -> &'static str {
    if options.payload.is_some() {
        BLOB
    } else {
        ECHO
    }
}
