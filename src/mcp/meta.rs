//! The keys of `_meta` that carry a modern request's context.
//!
//! Spec: 2026-07-28 basic, "_meta".

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
pub fn set_context(meta: &mut RawObject<'_>, context: &Context, revision: Revision) {
    let empty = || quote_free("{}");
    meta.set(PROTOCOL_VERSION, quote(revision.as_str()));
    meta.set(
        CLIENT_CAPABILITIES,
        context
            .capabilities
            .as_ref()
            .map_or_else(empty, |raw| quote_free(raw.get())),
    );
    if let Some(info) = &context.client_info {
        meta.set(CLIENT_INFO, quote_free(info.get()));
    }
    if let Some(level) = &context.log_level {
        meta.set(LOG_LEVEL, quote_free(level.get()));
    }
}

fn quote_free(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_goes_in_and_out_without_touching_the_rest() {
        let text = quote_free(r#"{"traceparent":"00-1","n":1.0}"#);
        let mut meta = RawObject::parse(&text).unwrap();
        set_context(&mut meta, &Context::default(), Revision::LATEST_MODERN);
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
