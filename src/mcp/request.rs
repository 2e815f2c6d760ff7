//! One request in the version-neutral language: each carries its own context.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::object::read_object;

/// Who asks and what it can do, as the modern era says it with every request.
///
/// For a legacy client it is what its `initialize` said. Values are the client's own JSON.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// `Implementation` of the client.
    pub client_info: Option<Arc<RawValue>>,
    /// `ClientCapabilities`; `None` means none.
    pub capabilities: Option<Arc<RawValue>>,
    /// The least severe log message the client wants; `None` when it did not say.
    pub log_level: Option<Arc<RawValue>>,
}

impl Context {
    /// The client's name, as it reports itself.
    #[must_use]
    pub fn client_name(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Implementation {
            name: String,
        }
        let info = self.client_info.as_ref()?;
        read_object::<Implementation>(info.get())
            .ok()
            .map(|info| info.name)
    }
}

/// A request on its way from a client to a backend.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Cow<'static, str>,
    /// What the request names: a tool's name, public until the session has routed it.
    pub name: Option<String>,
    /// The parameters as the client wrote them; an adapter puts in `name` and the era's `_meta`.
    pub params: Option<Box<RawValue>>,
    /// Who asks.
    pub context: Context,
    /// `Mcp-Param-*` headers: what the client sent, until the tool's schema says what they must be.
    pub param_headers: Vec<(String, String)>,
}
