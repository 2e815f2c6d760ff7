//! One request in the version-neutral language: each carries its own context.

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::{
    method::{asked_capability, has_name_header, subject_member},
    object::{RawObject, read_object},
    trace::Trace,
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
    /// The trace that the request belongs to, if anybody follows it.
    pub trace: Option<Arc<Trace>>,
}

impl Context {
    /// The same for what outlasts the request: its trace is none of that.
    #[must_use]
    pub fn untraced(&self) -> Self {
        Self {
            trace: None,
            ..self.clone()
        }
    }

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
        let capabilities = RawObject::parse_or_empty(self.capabilities.as_deref());
        match capability.split_once('.') {
            Some((whole, part)) => RawObject::parse_or_empty(capabilities.get(whole))
                .get(part)
                .is_some(),
            None => capabilities.get(capability).is_some(),
        }
    }

    /// Whether a server may ask the client this.
    #[must_use]
    pub fn can_be_asked(&self, method: &str, params: Option<&RawValue>) -> bool {
        let capability = asked_capability(method, params);
        // Who declares no mode means forms.
        let only_by_url = || self.can("elicitation.url") && !self.can("elicitation.form");
        capability.is_none_or(|capability| self.can(capability))
            && !(capability == Some("elicitation") && only_by_url())
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
    pub method: SmolStr,
    /// What the request is about ([`subject_member`]): a tool's or a
    /// prompt's name, a resource's URI, a task's id; public until the session has routed it.
    pub name: Option<SmolStr>,
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
        method: impl Into<SmolStr>,
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

    /// What the `Mcp-Name` header repeats, for the methods that have one ([`has_name_header`]).
    #[must_use]
    pub fn repeated_name(&self) -> Option<Cow<'_, str>> {
        let method = self.method.as_ref();
        let member = subject_member(method).filter(|_| has_name_header(method))?;
        match &self.name {
            Some(name) => Some(Cow::Borrowed(name)),
            None => RawObject::parse_or_empty(self.params.as_deref())
                .get_str(member)
                .map(Cow::Owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_client_is_asked_in_the_ways_it_declared() {
        const FORM: (&str, &str) = ("elicitation/create", r#"{"mode":"form"}"#);
        const PLAIN: (&str, &str) = ("elicitation/create", "{}");
        const PAGE: (&str, &str) = ("elicitation/create", r#"{"mode":"url"}"#);
        const SAMPLE: (&str, &str) = ("sampling/createMessage", "{}");
        const TOOLS: (&str, &str) = ("sampling/createMessage", r#"{"tools":[]}"#);
        const OTHER: (&str, &str) = ("com.example/ask", "{}");
        let all = [FORM, PLAIN, PAGE, SAMPLE, TOOLS, OTHER];
        for (capabilities, expected) in [
            ("{}", &[OTHER][..]),
            (r#"{"elicitation":{}}"#, &[FORM, PLAIN, OTHER]),
            (r#"{"elicitation":{"form":{}}}"#, &[FORM, PLAIN, OTHER]),
            (r#"{"elicitation":{"url":{}}}"#, &[PAGE, OTHER]),
            (
                r#"{"elicitation":{"url":{},"form":{}}}"#,
                &[FORM, PLAIN, PAGE, OTHER],
            ),
            (r#"{"sampling":{"context":{}}}"#, &[SAMPLE, OTHER]),
            (r#"{"sampling":{"tools":{}}}"#, &[SAMPLE, TOOLS, OTHER]),
        ] {
            let context = Context {
                capabilities: Some(raw(capabilities).into()),
                ..Context::default()
            };
            for (method, params) in all {
                let can = context.can_be_asked(method, Some(&raw(params)));
                let expected = expected.contains(&(method, params));
                assert_eq!(can, expected, "{capabilities}: {method} {params}");
            }
        }
    }
}
