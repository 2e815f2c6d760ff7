//! What a modern request must have: its context, and headers that mirror it.
//!
//! Spec: 2026-07-28 basic/transports/streamable-http, "Request Metadata", "Server Validation".

use http::HeaderName;
use serde_json::{json, value::RawValue};
use smol_str::SmolStr;

use crate::mcp::{
    error::{HEADER_MISMATCH, UNSUPPORTED_VERSION, error_object, error_object_with},
    failure::Failure,
    header::{self, decode_value},
    level::Level,
    meta,
    method::has_name_header,
    object::RawObject,
    request::Context,
    version::{Era, Revision},
};

use super::{
    super::{Caller, Head, description, head::Meta, refusal::modern_object},
    lately::{self, Said},
};

/// Checks a request in the order that tells a client most: its context, then the headers that
/// every request has.
pub(super) fn context(
    caller: &Caller,
    method: &str,
    head: &Head<'_>,
) -> Result<Context, Box<RawValue>> {
    let said = said(&head.meta)?;
    mirrored(caller, &header::PROTOCOL_VERSION, &said.version)?;
    speaks(&said.version)?;
    mirrored(caller, &header::METHOD, method)?;
    Ok(said.context)
}

/// What a request says of its client.
fn said(meta: &Meta<'_>) -> Result<Said, Box<RawValue>> {
    if let Some(said) = meta.text().and_then(lately::find) {
        return Ok(said);
    }
    let members = meta.members();
    let version = members
        .get_str(meta::PROTOCOL_VERSION)
        .ok_or_else(|| modern_object(&missing(meta::PROTOCOL_VERSION)))?;
    let context = read_context(members).map_err(|failure| modern_object(&failure))?;
    let said = Said {
        version: version.into(),
        context,
    };
    if let Some(text) = meta.text()
        && members.iter().all(|(name, _)| meta::is_of_context(name))
    {
        lately::note(text, &said);
    }
    Ok(said)
}

/// Gives what a request is about, once the header that mirrors it is right.
pub(super) fn subject(
    caller: &Caller,
    method: &str,
    head: &Head<'_>,
) -> Result<Option<SmolStr>, Box<RawValue>> {
    let subject = head
        .subject(method)
        .map_err(|failure| modern_object(&failure))?;
    if has_name_header(method) {
        mirrored(
            caller,
            &header::NAME,
            subject.as_deref().unwrap_or_default(),
        )?;
    }
    Ok(subject)
}

/// Demands a revision of this era.
pub(super) fn speaks(version: &str) -> Result<(), Box<RawValue>> {
    let is_modern =
        |revision: &Revision| revision.era() == Era::Modern && revision.as_str() == version;
    if Revision::ALL.iter().any(is_modern) {
        return Ok(());
    }
    Err(error_object_with(
        UNSUPPORTED_VERSION,
        "unsupported protocol version",
        &json!({ "supported": supported(), "requested": version }),
    ))
}

/// Every revision, the newest first: the endpoint serves them all.
pub(super) fn supported() -> Vec<&'static str> {
    Revision::ALL
        .iter()
        .rev()
        .map(|revision| revision.as_str())
        .collect()
}

/// Reads who the client says it is.
fn read_context(members: &RawObject<'_>) -> Result<Context, Failure> {
    let capabilities = members
        .get(meta::CLIENT_CAPABILITIES)
        .ok_or_else(|| missing(meta::CLIENT_CAPABILITIES))?;
    let info = members.get(meta::CLIENT_INFO);
    let level = members.get(meta::LOG_LEVEL);
    // Spec: 2026-07-28 server/utilities/logging, "Error Handling".
    if level.is_some_and(|level| Level::read(level).is_none()) {
        return Err(Failure::InvalidParams {
            reason: format!("{} is no log level", meta::LOG_LEVEL),
        });
    }
    Ok(Context {
        client_info: info
            .map(|info| description::info(meta::CLIENT_INFO, info))
            .transpose()?,
        capabilities: Some(description::capabilities(
            meta::CLIENT_CAPABILITIES,
            capabilities,
        )?),
        log_level: level.map(|raw| raw.to_owned().into()),
        trace: None,
    })
}

fn missing(key: &str) -> Failure {
    Failure::InvalidParams {
        reason: format!("_meta needs {key}"),
    }
}

/// Demands that a header says what the body says.
fn mirrored(caller: &Caller, name: &HeaderName, expected: &str) -> Result<(), Box<RawValue>> {
    let mismatch = |what: &str| error_object(HEADER_MISMATCH, &format!("header mismatch: {what}"));
    let mut values = caller.headers().get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(mismatch(&format!("{name} must be there, once")));
    };
    let value = value.to_str().ok().and_then(decode_value);
    if value.as_deref() == Some(expected) {
        return Ok(());
    }
    Err(mismatch(&format!("{name} does not say what the body says")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(meta: &str) -> Result<Context, Failure> {
        let raw = RawValue::from_string(meta.to_owned()).unwrap();
        read_context(&RawObject::parse(&raw).unwrap())
    }

    #[test]
    fn a_log_level_is_one_of_those_there_are() {
        let with = |level: &str| {
            let key = meta::LOG_LEVEL;
            let capabilities = meta::CLIENT_CAPABILITIES;
            read(&format!(r#"{{"{capabilities}":{{}},"{key}":{level}}}"#))
        };
        assert!(with("\"warning\"").unwrap().log_level.is_some());
        for level in ["\"loud\"", "3", "null"] {
            assert!(with(level).is_err(), "{level}");
        }
    }

    #[test]
    fn only_the_revisions_of_this_era_are_spoken() {
        assert!(speaks("2026-07-28").is_ok());
        for version in ["2025-11-25", "2027-01-01", ""] {
            let error = speaks(version).unwrap_err();
            assert!(error.get().contains("-32022"), "{version}");
        }
    }
}
