//! The backends themselves: the same work without anything between.

use std::sync::Arc;

use super::Side;
use crate::backends::{Backends, all_tools};
use crate::endpoint::{Endpoint, Names};
use crate::options::{Mode, Options};

pub(super) fn set(options: &Options, backends: &Backends) -> Side {
    let names = names(options);
    let era = options.direct_era();
    let endpoint = |address: &String| Endpoint::new(address, "/mcp", era, Arc::clone(&names));
    let endpoints = addresses(options, backends).iter().map(endpoint);
    Side::at(endpoints.collect())
}

/// A list is asked of one backend that has all the tools of the merged list; anything else goes to the backends in turn.
pub(super) fn addresses<'a>(options: &Options, backends: &'a Backends) -> &'a [String] {
    match options.mode {
        Mode::ToolsList => backends.whole(),
        Mode::ToolsCall | Mode::Initialize => backends.each(),
    }
}

/// What the tools are called at these addresses.
pub(super) fn names(options: &Options) -> Arc<Names> {
    let tools = match options.mode {
        Mode::ToolsList => all_tools(options),
        Mode::ToolsCall | Mode::Initialize => options.tools,
    };
    Arc::new(Names::own(options, tools))
}
