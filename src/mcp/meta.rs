//! The keys of `_meta` that carry a modern request's context.
//!
//! Spec: 2026-07-28 basic, "_meta".

use std::{borrow::Cow, sync::Arc};

use serde_json::value::RawValue;

use super::{
    members::Members,
    object::{RawObject, quote},
    request::Context,
    version::Revision,
};

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

/// Whether a member is of a modern request's context.
#[must_use]
pub fn is_of_context(name: &str) -> bool {
    CONTEXT_KEYS.contains(&name)
}

/// Removes what only a modern server reads.
pub fn remove_context(meta: &mut RawObject<'_>) {
    meta.retain(|name| !is_of_context(name));
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

/// The same as members without the braces around them, in pieces: most requests of clients of the legacy era come to a modern
/// backend so, and are put together at once.
#[must_use]
pub fn pieces(context: &Context, revision: Revision) -> [&str; 8] {
    fn text(value: Option<&Arc<RawValue>>) -> Option<&str> {
        value.map(|value| value.get())
    }
    let info = text(context.client_info.as_ref());
    let level = text(context.log_level.as_ref());
    let when = |is_there: bool, piece: &'static str| if is_there { piece } else { "" };
    [
        r#""io.modelcontextprotocol/protocolVersion":""#,
        revision.as_str(),
        r#"","io.modelcontextprotocol/clientCapabilities":"#,
        text(context.capabilities.as_ref()).unwrap_or("{}"),
        when(info.is_some(), r#","io.modelcontextprotocol/clientInfo":"#),
        info.unwrap_or_default(),
        when(level.is_some(), r#","io.modelcontextprotocol/logLevel":"#),
        level.unwrap_or_default(),
    ]
}

/// Whether a request's `_meta` says just this context already, of a client that says who it is, and asks for no progress.
///
/// Each value must be as it would be written: who gets it anew gets it to the letter.
#[must_use]
pub fn says(meta: &str, context: &Context, revision: Revision) -> bool {
    let Context {
        client_info: Some(info),
        capabilities: Some(capabilities),
        log_level: level,
        trace: None,
    } = context
    else {
        return false;
    };
    let (mut info, mut capabilities) = (Some(info.get()), Some(capabilities.get()));
    let mut level = level.as_deref().map(RawValue::get);
    let mut version = Some(revision.as_str());
    for member in Members::of(meta) {
        let Some(name) = member.name() else {
            return false;
        };
        let is_said = match &*name {
            PROTOCOL_VERSION => version
                .take()
                .is_some_and(|it| unquoted(member.value) == Some(it)),
            CLIENT_CAPABILITIES => capabilities.take() == Some(member.value),
            CLIENT_INFO => info.take() == Some(member.value),
            LOG_LEVEL => level.take() == Some(member.value),
            name => name != PROGRESS_TOKEN,
        };
        if !is_said {
            return false;
        }
    }
    [version, capabilities, info, level] == [None; 4]
}

/// What stands between a string's quotes.
fn unquoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
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

    #[test]
    fn in_pieces_the_context_is_the_same() {
        let value = |text: &str| Some(quote_free(text).into());
        for context in [
            Context::default(),
            Context {
                client_info: value(r#"{"name":"n"}"#),
                ..Context::default()
            },
            Context {
                client_info: value(r#"{"name":"n"}"#),
                capabilities: value(r#"{"roots":{}}"#),
                log_level: value("\"info\""),
                trace: None,
            },
        ] {
            let mut meta = RawObject::default();
            set_context(&mut meta, &context, Revision::LATEST_MODERN);
            let inner = pieces(&context, Revision::LATEST_MODERN).concat();
            assert_eq!(format!("{{{inner}}}"), meta.to_raw().get());
        }
    }

    #[test]
    fn a_meta_says_a_context_only_to_the_letter() {
        const SAYS: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"a":{}},"io.modelcontextprotocol/clientInfo":{"name":"n"}"#;
        const LEVEL: &str = r#","io.modelcontextprotocol/logLevel":"info""#;
        let context = Context {
            client_info: Some(quote_free(r#"{"name":"n"}"#).into()),
            capabilities: Some(quote_free(r#"{"a":{}}"#).into()),
            ..Context::default()
        };
        let leveled = Context {
            log_level: Some(quote_free("\"info\"").into()),
            ..context.clone()
        };
        let is_said = |meta: &str, context: &Context| {
            says(&format!("{{{meta}}}"), context, Revision::LATEST_MODERN)
        };
        assert!(is_said(SAYS, &context));
        assert!(is_said(
            &format!(r#"{SAYS}, "x" : {{"progressToken":1}}"#),
            &context
        ));
        assert!(is_said(&format!("{SAYS}{LEVEL}"), &leveled));
        for (meta, context) in [
            (String::new(), &context),
            (SAYS.replace("-28", "-29"), &context),
            (SAYS.replace("{}", "{ }"), &context),
            (SAYS.replace("\"n\"", "\"m\""), &context),
            (SAYS.replace("clientInfo", "other"), &context),
            (format!(r#"{SAYS},"progressToken":1"#), &context),
            (format!(r#"{SAYS},"progress\u0054oken":1"#), &context),
            (format!(r#"{SAYS},"\ud800":1"#), &context),
            (format!("{SAYS},{SAYS}"), &context),
            (
                format!(r#"{SAYS},"io.modelcontextprotocol/protocolVersion":7"#),
                &context,
            ),
            (format!("{SAYS}{LEVEL}"), &context),
            (SAYS.to_owned(), &leveled),
            (
                SAYS.to_owned(),
                &Context {
                    client_info: None,
                    ..context.clone()
                },
            ),
            (
                SAYS.to_owned(),
                &Context {
                    capabilities: None,
                    ..context.clone()
                },
            ),
        ] {
            assert!(!is_said(&meta, context), "{meta}");
        }
    }
}
