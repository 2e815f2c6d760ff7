//! Where operations go: one MCP endpoint, and what its tools are called there.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use crate::options::{Era, Options};
use crate::text::{BLOB, ECHO, tool_names};

/// One MCP endpoint: a session of the gateway, or a backend itself.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// Host and port.
    pub(crate) authority: String,
    pub(crate) host: HeaderValue,
    pub(crate) uri: Uri,
    /// The era that the load speaks there.
    pub(crate) era: Era,
    pub(crate) names: Arc<Names>,
}

impl Endpoint {
    /// The endpoint at `path` of `authority`.
    ///
    /// # Errors
    /// If the two make no address.
    pub(crate) fn new(
        authority: &str,
        path: &str,
        era: Era,
        names: Arc<Names>,
    ) -> Result<Self, http::Error> {
        Ok(Self {
            authority: authority.to_owned(),
            host: HeaderValue::from_str(authority)?,
            uri: Uri::try_from(path)?,
            era,
            names,
        })
    }
}

/// The tools of an endpoint as its clients see them.
#[derive(Debug)]
pub(crate) struct Names {
    /// The tools that calls go round, one a backend.
    pub(crate) called: Vec<Called>,
    /// All tools in the order of the list.
    pub(crate) listed: Vec<String>,
}

/// A tool to call, and its name as a header.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) name: String,
    pub(crate) header: HeaderValue,
}

impl Names {
    /// Own names of a backend with `tools` tools.
    pub(crate) fn own(options: &Options, tools: u32) -> Result<Self, http::Error> {
        Ok(Self {
            called: vec![Called::new(called_tool(options).to_owned())?],
            listed: tool_names(tools).collect(),
        })
    }

    /// Public names of a session of these providers.
    pub(crate) fn public(options: &Options, providers: &[String]) -> Result<Self, http::Error> {
        let tool = called_tool(options);
        let called = |provider| Called::new(format!("{provider}.{tool}"));
        let listed =
            |provider| tool_names(options.tools).map(move |tool| format!("{provider}.{tool}"));
        Ok(Self {
            called: providers.iter().map(called).collect::<Result<_, _>>()?,
            listed: providers.iter().flat_map(listed).collect(),
        })
    }
}

impl Called {
    fn new(name: String) -> Result<Self, http::Error> {
        let header = HeaderValue::from_str(&name)?;
        Ok(Self { name, header })
    }
}

fn called_tool(options: &Options) -> &'static str {
    if options.payload.is_some() {
        BLOB
    } else {
        ECHO
    }
}
