//! `initialize`: who a client is, and what it is offered.
//!
//! Spec: 2025-11-25 basic/lifecycle, "Initialization".

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
    super::{Caller, description, event_stream, implementation, legacy_revision, record::Record},
    refuse,
};

/// Opens an MCP session.
pub(super) async fn initialize(
    caller: Caller,
    id: RequestId,
    params: Option<&RawValue>,
) -> Response {
    let record = Record::begin(INITIALIZE, None, &caller.session_short);
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
            capabilities: Some(description::capabilities("capabilities", capabilities)?),
            log_level: None,
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

/// What the session can do, without what this era has not, and with what the gateway itself does:
/// it takes `logging/setLevel`, and tells by log messages which backends it cannot reach.
fn capabilities(offered: &RawValue) -> Box<RawValue> {
    let mut members = RawObject::parse_or_empty(Some(offered));
    let mut extensions = RawObject::parse_or_empty(members.get("extensions"));
    extensions.retain(|name| name != TASKS_EXTENSION);
    let extensions = (!extensions.is_empty()).then(|| extensions.to_raw());
    match extensions {
        Some(extensions) => members.set("extensions", extensions),
        None => members.retain(|name| name != "extensions"),
    }
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
