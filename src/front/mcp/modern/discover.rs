//! `server/discover`: what the session offers to clients of this era.
//!
//! Spec: 2026-07-28 server/discover.

use http::StatusCode;
use serde_json::{json, value::RawValue};
use warp::reply::Response;

use crate::{
    mcp::{
        event::Outcome,
        message::{RequestId, write_error, write_result},
        meta,
        method::DISCOVER,
        object::{RawObject, quote, to_raw},
        request::Context,
    },
    session::Welcome,
};

use super::{
    super::{
        Caller, event_stream, following::follow, head::Meta, implementation, record::Record,
        refusal,
    },
    checks::supported,
};

/// Tells what the session offers.
pub(super) async fn discover(
    caller: Box<Caller>,
    id: RequestId,
    context: Context,
    meta: &Meta<'_>,
) -> Response {
    let mut record = Record::begin(DISCOVER, None, &caller.sender);
    // Nothing is asked of a backend for it alone.
    let _trace = follow(&caller, &mut record, &id, meta);
    match caller.session.discover(context).await {
        Ok(welcome) => {
            record.end_with("ok");
            let written = write_result(&id, offer(welcome).get().as_bytes());
            event_stream::one(caller.accepts, StatusCode::OK, written)
        }
        Err(failure) => {
            let error = refusal::modern_object(&failure);
            record.end(None, &Outcome::Failed(failure));
            let status = refusal::modern_status(&error);
            event_stream::one(caller.accepts, status, write_error(Some(&id), &error))
        }
    }
}

fn offer(welcome: Welcome) -> Box<RawValue> {
    let mut capabilities = RawObject::parse_or_empty(Some(&welcome.capabilities));
    // Tasks of the era before; those of this one stand among the extensions.
    capabilities.retain(|name| name != "tasks");
    let mut result = RawObject::default();
    result.set("resultType", quote("complete"));
    result.set("supportedVersions", to_raw(&json!(supported())));
    result.set("capabilities", capabilities.to_raw());
    if let Some(instructions) = welcome.instructions {
        result.set("instructions", quote(&instructions));
    }
    // Backends come and go; only asking again tells.
    result.set("ttlMs", to_raw(&json!(0)));
    result.set("cacheScope", quote("private"));
    let server = json!({ meta::SERVER_INFO: implementation() });
    result.set("_meta", to_raw(&server));
    result.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_pass_but_for_the_tasks_of_the_era_before() {
        let text =
            r#"{"extensions":{"io.modelcontextprotocol/tasks":{ }},"tasks":{"list":{}},"x":1.0}"#;
        let offer = offer(Welcome {
            instructions: Some("hi".to_owned()),
            capabilities: RawValue::from_string(text.to_owned()).unwrap(),
        });
        let capabilities =
            r#""capabilities":{"extensions":{"io.modelcontextprotocol/tasks":{ }},"x":1.0},"#;
        assert!(offer.get().contains(capabilities), "{}", offer.get());
        let offer: serde_json::Value = serde_json::from_str(offer.get()).unwrap();
        assert_eq!(offer["instructions"], "hi");
        assert_eq!(offer["supportedVersions"][0], "2026-07-28");
        assert_eq!(
            (&offer["ttlMs"], &offer["cacheScope"]),
            (&json!(0), &json!("private"))
        );
    }
}
