//! Answers as the legacy era has them.

use bytes::Bytes;
use http::StatusCode;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    mcp::{
        editing::Edit,
        error::{
            INTERNAL_ERROR, INVALID_PARAMS, RESOURCE_NOT_FOUND, code_of, error_object, with_code,
        },
        event::{Notification, Question, Rejection, ResultBody},
        failure::Failure,
        members::Members,
        message::{RequestId, write_result, write_result_of},
        method::RESOURCES_READ,
        object::{self, RawObject},
        version::Revision,
    },
    session::{
        SessionRef,
        outbox::{Kind, Writer},
    },
};

use super::{
    super::{
        encode::{Encode, Parts, Put},
        input_required::INPUT_REQUIRED,
        refusal,
    },
    asking,
};

/// Writes the answer to one request.
pub(super) struct Legacy {
    session: SessionRef,
    mcp_session: Option<Uuid>,
    reads_resource: bool,
}

impl Legacy {
    pub(super) fn new(session: SessionRef, mcp_session: Option<Uuid>, method: &str) -> Self {
        Self {
            session,
            mcp_session,
            reads_resource: method == RESOURCES_READ,
        }
    }
}

/// What only results of the modern era carry. A kind that an extension defines is for whoever declared that.
const MODERN_MEMBERS: [(&str, Option<&str>); 3] = [
    ("resultType", Some("complete")),
    ("ttlMs", None),
    ("cacheScope", None),
];

impl Encode for Legacy {
    fn notification(&self, notification: Notification) -> Option<Notification> {
        Some(notification)
    }

    fn result(&self, id: &RequestId, body: ResultBody) -> Result<Bytes, Box<RawValue>> {
        untyped(id, &body)
    }

    /// What only the modern era has may stand anywhere in a result.
    fn parts(&self, first: &ResultBody) -> Parts {
        if !first.typed {
            return Parts::AsTheyAre(first.json.clone());
        }
        Parts::Edited(Edit {
            leave_out: &MODERN_MEMBERS,
            ..Edit::default()
        })
    }

    fn rejection(&self, rejection: Rejection) -> Result<Bytes, Box<RawValue>> {
        let error = rejection.error;
        Err(
            if self.reads_resource && rejection.typed && tells_of_no_resource(&error) {
                with_code(&error, RESOURCE_NOT_FOUND)
            } else {
                error
            },
        )
    }

    fn failure(&self, failure: &Failure) -> Box<RawValue> {
        refusal::legacy_object(failure)
    }

    fn status(&self, _: &RawValue, failure: Option<&Failure>) -> StatusCode {
        failure.map_or(StatusCode::OK, refusal::legacy_status)
    }

    fn ask(&self, question: Question) -> Put {
        match self.mcp_session {
            Some(mcp_session) => Put::Now(asking::ask(&self.session, mcp_session, question)),
            None => Put::Never,
        }
    }

    fn withdraw(&self, number: u64) -> Option<Bytes> {
        let mcp_session = self.mcp_session?;
        self.session.withdrawn(mcp_session, number);
        Some(asking::withdraw(number))
    }

    async fn log(&self) -> Option<Writer> {
        let mcp_session = self.mcp_session?;
        if !has_ids(&self.session, mcp_session).await {
            return None;
        }
        self.session.outbox().open(mcp_session, Kind::Answer)
    }
}

/// Whether streams of that MCP session have ids: clients of earlier revisions choke on an event
/// without a message.
pub(super) async fn has_ids(session: &SessionRef, mcp_session: Uuid) -> bool {
    let revision = session.knows(mcp_session).await;
    revision == Ok(Some(Revision::V2025_11_25))
}

/// Writes a response without what only modern clients read. Its result is JSON already: whoever received it has checked that.
fn untyped(id: &RequestId, body: &ResultBody) -> Result<Bytes, Box<RawValue>> {
    const TYPE: &str = MODERN_MEMBERS[0].0;
    if !body.typed {
        return Ok(write_result(id, &body.json));
    }
    let result = str::from_utf8(&body.json).unwrap_or_default();
    if !result.starts_with('{') {
        let garbled = "the backend's result is no object";
        return Err(error_object(INTERNAL_ERROR, garbled));
    }
    let mut members = Members::of(result);
    let kind = members.find(|member| member.name().as_deref() == Some(TYPE));
    match kind.and_then(|kind| object::text(kind.value)).as_deref() {
        None | Some("complete") => {}
        Some(INPUT_REQUIRED) => {
            return Err(error_object(
                INTERNAL_ERROR,
                "the backend asks for input, which the gateway could not ask of this client",
            ));
        }
        // Only an extension defines others, and backends answer so to clients that declared it.
        Some(_) => return Ok(write_result(id, &body.json)),
    }
    Ok(write_result_of(id, result.len(), |message| {
        let mut separator = "{";
        for member in Members::of(result) {
            let name = member.name().unwrap_or_default();
            if MODERN_MEMBERS.iter().all(|(left_out, _)| *left_out != name) {
                for part in [separator, member.quoted, ":", member.value] {
                    message.extend_from_slice(part.as_bytes());
                }
                separator = ",";
            }
        }
        message.extend_from_slice(if separator == "{" { b"{}" } else { b"}" });
    }))
}

/// Whether a modern error says that there is no such resource; its code says less than the code of
/// this era does.
///
/// Spec: 2026-07-28 server/resources, "Error Handling".
fn tells_of_no_resource(error: &RawValue) -> bool {
    let members = RawObject::parse_or_empty(Some(error));
    let names_it = || {
        RawObject::parse_or_empty(members.get("data"))
            .get("uri")
            .is_some()
    };
    let says_so = || {
        let message = members.get_str("message").unwrap_or_default();
        message.to_ascii_lowercase().contains("not found")
    };
    code_of(error) == Some(INVALID_PARAMS) && (names_it() || says_so())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(json: &'static str, typed: bool) -> Result<String, Box<RawValue>> {
        let body = ResultBody {
            json: json.into(),
            typed,
            freshness: None,
        };
        let written = untyped(&RequestId::from_number(7), &body)?;
        let written = str::from_utf8(&written).unwrap();
        let result = written.strip_prefix(r#"{"jsonrpc":"2.0","id":7,"result":"#);
        Ok(result.unwrap().strip_suffix('}').unwrap().to_owned())
    }

    #[test]
    fn what_only_modern_clients_read_is_taken_out() {
        let modern =
            r#"{"resultType":"complete","content":[],"n":1.0,"ttlMs":1,"cacheScope":"private"}"#;
        assert_eq!(result(modern, true).unwrap(), r#"{"content":[],"n":1.0}"#);
        for (nothing_else, left) in [
            ("{}", "{}"),
            (r#"{"ttlMs":1}"#, "{}"),
            (r#"{ "a" : 1 }"#, r#"{"a":1}"#),
        ] {
            assert_eq!(result(nothing_else, true).unwrap(), left);
        }
        // What is no text is no name of ours.
        let strange = r#"{"\ud800":1,"resultType":"complete"}"#;
        assert_eq!(result(strange, true).unwrap(), r#"{"\ud800":1}"#);
        assert!(result("[]", true).is_err());
        let legacy = r#"{ "content" : [] }"#;
        assert_eq!(result(legacy, false).unwrap(), legacy);
        assert!(result(r#"{"resultType":"input_required"}"#, true).is_err());
    }

    #[test]
    fn a_kind_that_an_extension_defines_passes_untouched() {
        let task = r#"{ "resultType":"task", "taskId":"it.1","ttlMs":5 }"#;
        assert_eq!(result(task, true).unwrap(), task);
    }

    #[test]
    fn a_resource_that_is_not_found_is_told_from_other_mistakes() {
        for (error, expected) in [
            (
                r#"{"code":-32602,"message":"x","data":{"uri":"a:1"}}"#,
                true,
            ),
            (r#"{"code":-32602,"message":"Resource not found"}"#, true),
            (r#"{"code":-32602,"message":"uri is no string"}"#, false),
            (r#"{"code":-32603,"message":"Resource not found"}"#, false),
            (r#"{"code":-32602}"#, false),
        ] {
            let raw = RawValue::from_string(error.to_owned()).unwrap();
            assert_eq!(tells_of_no_resource(&raw), expected, "{error}");
        }
    }
}
