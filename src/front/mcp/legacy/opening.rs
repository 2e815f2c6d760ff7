//! `initialize`: who a client is, and what it is offered.
//!
//! Spec: 2025-11-25 basic/lifecycle, "Initialization".

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use serde_json::{json, value::RawValue};
use warp::reply::Response;

use crate::{
    mcp::{
        failure::Failure,
        header::SESSION_ID,
        message::{RequestId, write_result},
        meta::TASKS_EXTENSION,
        method::INITIALIZE,
        object::{RawObject, quote, to_raw},
        request::Context,
        version::Revision,
    },
    session::{Client, Welcome},
};

use super::{
    super::{
        Caller, description, event_stream, following::follow, head::Meta, implementation,
        legacy_revision, record::Record,
    },
    refuse,
};

/// Opens an MCP session.
pub(super) async fn initialize(
    caller: Box<Caller>,
    id: RequestId,
    params: Option<&RawValue>,
    meta: &Meta<'_>,
) -> Response {
    let mut record = Record::begin(INITIALIZE, None, &caller.sender);
    // Nothing is asked of a backend for it alone.
    let _trace = follow(&caller, &mut record, &id, meta);
    let client = match introduced(params) {
        Ok(client) => client,
        Err(failure) => {
            record.end_failed(&failure);
            return refuse(&caller, Some(&id), &failure);
        }
    };
    let revision = client.revision;
    match caller.session.open_mcp_session(client).await {
        Ok((mcp_session, welcome)) => {
            record.end_with("ok");
            let written = write_result(&id, greeting(revision, welcome).get().as_bytes());
            let mut response = event_stream::one(caller.accepts, StatusCode::OK, written);
            if let Ok(value) = HeaderValue::from_str(&mcp_session.to_string()) {
                response.headers_mut().insert(SESSION_ID, value);
            }
            response
        }
        Err(failure) => {
            record.end_failed(&failure);
            refuse(&caller, Some(&id), &failure)
        }
    }
}

/// Reads who the client says it is.
fn introduced(params: Option<&RawValue>) -> Result<Client, Failure> {
    let params = RawObject::parse_or_empty(params);
    let (Some(requested), Some(capabilities), Some(info)) = (
        params.get_str("protocolVersion"),
        params.get("capabilities"),
        params.get("clientInfo"),
    ) else {
        return Err(Failure::InvalidParams {
            reason: "initialize needs protocolVersion, capabilities and clientInfo".to_owned(),
        });
    };
    Ok(Client {
        // A version we do not speak this way is answered with one we do.
        revision: legacy_revision(&requested).unwrap_or(Revision::LATEST_LEGACY),
        context: Context {
            client_info: Some(description::info("clientInfo", info)?),
            capabilities: Some(of_this_era(description::capabilities(
                "capabilities",
                capabilities,
            )?)),
            log_level: None,
            trace: None,
        },
    })
}

/// What the gateway offers in this era.
fn greeting(revision: Revision, welcome: Welcome) -> Box<RawValue> {
    let mut result = RawObject::default();
    result.set("protocolVersion", quote(revision.as_str()));
    result.set("capabilities", capabilities(&welcome.capabilities));
    result.set("serverInfo", to_raw(&implementation()));
    if let Some(instructions) = welcome.instructions {
        result.set("instructions", quote(&instructions));
    }
    result.to_raw()
}

/// What a client can do, without what this era has not: a backend must not answer it with a task
/// that it cannot read.
fn of_this_era(capabilities: Arc<RawValue>) -> Arc<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(&capabilities));
    if remove_modern_tasks(&mut members) {
        members.to_raw().into()
    } else {
        capabilities
    }
}

/// Takes the extension out; tells whether it was there.
fn remove_modern_tasks(members: &mut RawObject<'_>) -> bool {
    let extensions = members.get("extensions").map(ToOwned::to_owned);
    let mut extensions = RawObject::parse_or_empty(extensions.as_deref());
    if extensions.get(TASKS_EXTENSION).is_none() {
        return false;
    }
    extensions.retain(|name| name != TASKS_EXTENSION);
    if extensions.is_empty() {
        members.retain(|name| name != "extensions");
    } else {
        members.set("extensions", extensions.to_raw());
    }
    true
}

/// What the session can do, without what this era has not, and with what the gateway itself does:
/// it takes `logging/setLevel`, and tells by log messages which backends it cannot reach.
fn capabilities(offered: &RawValue) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(offered));
    remove_modern_tasks(&mut members);
    if members.get("logging").is_none() {
        members.set("logging", to_raw(&json!({})));
    }
    members.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offered: &str) -> String {
        let offered = RawValue::from_string(offered.to_owned()).unwrap();
        capabilities(&offered).get().to_owned()
    }

    #[test]
    fn capabilities_pass_but_for_what_this_era_lacks() {
        assert_eq!(
            told(
                r#"{"x":{"a":1.0},"extensions":{"io.modelcontextprotocol/tasks":{},"com.x/y":{"b":[ ]}},"tasks":{},"tools":{"listChanged":true}}"#
            ),
            r#"{"x":{"a":1.0},"extensions":{"com.x/y":{"b":[ ]}},"tasks":{},"tools":{"listChanged":true},"logging":{}}"#
        );
        assert_eq!(
            told(r#"{"logging":{"a":1},"extensions":{"io.modelcontextprotocol/tasks":{}}}"#),
            r#"{"logging":{"a":1}}"#
        );
        assert_eq!(told(r#"{"tools":{}}"#), r#"{"tools":{},"logging":{}}"#);
    }
}
