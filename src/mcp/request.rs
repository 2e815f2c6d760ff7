//! One request in the version-neutral language: each carries its own context.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::{
    method::asked_capability,
    object::{RawObject, read_object},
};

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

    /// Whether the client declared a capability.
    #[must_use]
    pub fn can(&self, capability: &str) -> bool {
        RawObject::parse_or_empty(self.capabilities.as_deref())
            .get(capability)
            .is_some()
    }

    /// Whether a server may ask the client this.
    #[must_use]
    pub fn can_be_asked(&self, method: &str) -> bool {
        asked_capability(method).is_none_or(|capability| self.can(capability))
    }
}

/// How a backend's question can reach the client during a request of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asking {
    /// Not at all.
    #[default]
    Never,
    /// As an [`Event::Asked`](super::event::Event::Asked), while the request is open.
    WhileOpen,
    /// In the result, which ends the request; the client answers by a further one.
    ByRetry,
}

/// A request on its way from a client to a backend.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Cow<'static, str>,
    /// What the request is about ([`subject_member`](super::method::subject_member)): a tool's or a
    /// prompt's name, a resource's URI, a task's id; public until the session has routed it.
    pub name: Option<String>,
    /// The parameters as the client wrote them; an adapter puts in `name` and the era's `_meta`.
    pub params: Option<Box<RawValue>>,
    /// How the client can be asked for input meanwhile.
    pub asking: Asking,
    /// Who asks.
    pub context: Context,
    /// `Mcp-Param-*` headers: what the client sent, until the tool's schema says what they must be.
    /// `None` for a client whose revision has none.
    pub param_headers: Option<Vec<(String, String)>>,
}

impl Request {
    /// A request that is about nothing in particular and lets nobody be asked.
    #[must_use]
    pub fn new(
        method: impl Into<Cow<'static, str>>,
        params: Option<Box<RawValue>>,
        context: Context,
    ) -> Self {
        Self {
            method: method.into(),
            name: None,
            params,
            asking: Asking::Never,
            context,
            param_headers: None,
        }
    }
}
