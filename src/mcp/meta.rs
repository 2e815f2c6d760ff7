//! The keys of `_meta` that carry a modern request's context.
//!
//! Spec: 2026-07-28 basic, "_meta".

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{RawObject, quote};
use super::{request::Context, version::Revision};

/// The revision the request speaks; required.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// The client's `Implementation`.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// The client's capabilities; required.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// The least severe log message wanted.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
/// The server's `Implementation`, in a result's `_meta`.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
/// The request that opened the stream on which a notification comes.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The extension of modern tasks, as it stands among the extensions of either side's capabilities.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// Names the progress notifications of a request, in both eras.
pub const PROGRESS_TOKEN: &str = "progressToken";

const CONTEXT_KEYS: [&str; 4] = [
    PROTOCOL_VERSION,
    CLIENT_INFO,
    CLIENT_CAPABILITIES,
    LOG_LEVEL,
];

/// Removes what only a modern server reads.
pub fn remove_context(meta: &mut RawObject<'_>) {
    meta.retain(|name| !CONTEXT_KEYS.contains(&name));
}

/// Puts the context in, in place of what may have been there.
pub fn set_context<'a>(meta: &mut RawObject<'a>, context: &'a Context, revision: Revision) {
    meta.set(PROTOCOL_VERSION, quote(revision.as_str()));
    match &context.capabilities {
        Some(capabilities) => meta.lend(CLIENT_CAPABILITIES, capabilities),
        None => meta.set(CLIENT_CAPABILITIES, quote_free("{}")),
    }
    if let Some(info) = &context.client_info {
        meta.lend(CLIENT_INFO, info);
    }
    if let Some(level) = &context.log_level {
        meta.lend(LOG_LEVEL, level);
    }
}

/// A notification's parameters without the name of the subscription they came by.
#[must_use]
pub fn without_subscription(params: &RawValue) -> Cow<'_, RawValue> {
    let mut members = RawObject::parse_or_empty(Some(params));
    let Some(meta) = members.get("_meta").map(ToOwned::to_owned) else {
        return Cow::Borrowed(params);
    };
    let mut keys = RawObject::parse_or_empty(Some(&meta));
    if keys.get(SUBSCRIPTION_ID).is_none() {
        return Cow::Borrowed(params);
    }
    keys.retain(|name| name != SUBSCRIPTION_ID);
    if keys.is_empty() {
        members.retain(|name| name != "_meta");
    } else {
        members.set("_meta", keys.to_raw());
    }
    Cow::Owned(members.to_raw())
}

fn quote_free(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_subscription_goes_and_nothing_else() {
        for (params, left) in [
            (
                r#"{"uri":"a:b","_meta":{"io.modelcontextprotocol/subscriptionId":7}}"#,
                r#"{"uri":"a:b"}"#,
            ),
            (
                r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":7,"n":1.0},"x":1}"#,
                r#"{"_meta":{"n":1.0},"x":1}"#,
            ),
            (r#"{"_meta": {"n":1.0}}"#, r#"{"_meta": {"n":1.0}}"#),
            (r#"{"uri": "a:b"}"#, r#"{"uri": "a:b"}"#),
        ] {
            assert_eq!(without_subscription(&quote_free(params)).get(), left);
        }
    }

    #[test]
    fn the_context_goes_in_and_out_without_touching_the_rest() {
        let context = Context::default();
        let text = quote_free(r#"{"traceparent":"00-1","n":1.0}"#);
        let mut meta = RawObject::parse(&text).unwrap();
        set_context(&mut meta, &context, Revision::LATEST_MODERN);
        let with = meta.to_raw();
        assert_eq!(
            with.get(),
            r#"{"traceparent":"00-1","n":1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
        );
        let mut meta = RawObject::parse(&with).unwrap();
        remove_context(&mut meta);
        assert_eq!(meta.to_raw().get(), text.get());
    }
}
