//! Pages that the user has to visit before a request can be served: 2025-11-25 tells of them by an
//! error, this era by a result.
//!
//! Spec: 2025-11-25 client/elicitation, "URL Elicitation Required Error"; 2026-07-28
//! client/elicitation, "URL Mode Elicitation Requests".

use bytes::Bytes;
use serde_json::{json, value::RawValue};

use crate::mcp::{
    error::{MISSING_CAPABILITY, code_of, with_code},
    method::ELICIT,
    object::{RawObject, to_raw},
};

use super::super::input_required;

/// What 2025-11-25 calls it; this era has no such code.
const URL_ELICITATION_REQUIRED: i64 = -32042;

/// Whether the client can send its user to a page.
fn can_open_urls(capabilities: Option<&RawValue>) -> bool {
    let capabilities = RawObject::parse_or_empty(capabilities);
    let modes = RawObject::parse_or_empty(capabilities.get("elicitation"));
    modes.get("url").is_some()
}

/// What a client is told in place of such an error, if it is one: a result that asks for the visits,
/// or what the client would have to declare to be asked for them.
///
/// The client needs no state to go on: it sends its request once more.
pub(super) fn told(
    error: &RawValue,
    capabilities: Option<&RawValue>,
) -> Option<Result<Bytes, Box<RawValue>>> {
    if code_of(error) != Some(URL_ELICITATION_REQUIRED) {
        return None;
    }
    let mut members = RawObject::parse_or_empty(Some(error));
    let content = members.get("data").map(ToOwned::to_owned)?;
    let mut content = RawObject::parse(&content).ok()?;
    let visits: Vec<&RawValue> = serde_json::from_str(content.get("elicitations")?.get()).ok()?;
    if visits.is_empty() || !visits.iter().all(|visit| visit.get().starts_with('{')) {
        return None;
    }
    if can_open_urls(capabilities) {
        return Some(Ok(asked(&visits)));
    }
    let required = json!({ "elicitation": { "url": {} } });
    content.set("requiredCapabilities", to_raw(&required));
    let content = content.to_raw();
    members.set("data", content);
    Some(Err(with_code(&members.to_raw(), MISSING_CAPABILITY)))
}

fn asked(visits: &[&RawValue]) -> Bytes {
    let keys: Vec<String> = visits.iter().map(|_| input_required::key()).collect();
    let mut requests = RawObject::default();
    for (key, visit) in keys.iter().zip(visits) {
        requests.set(key, input_required::request(ELICIT, Some(visit)));
    }
    let result = input_required::result(&requests.to_raw(), None);
    result.get().to_owned().into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const VISITS: &str = r#"[{"mode":"url","url":"https://a.example/1","message":"m","elicitationId":"e"},{"mode":"url","url":"https://a.example/2","message":"n","elicitationId":"f"}]"#;

    /// Capabilities of a client that opens pages.
    const OPENS: &str = r#"{"elicitation":{"form":{},"url":{}}}"#;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn error() -> Box<RawValue> {
        raw(&format!(
            r#"{{"code":-32042,"message":"visit","data":{{"elicitations":{VISITS},"more":1.0}}}}"#
        ))
    }

    #[test]
    fn each_visit_is_asked_for_by_a_key_of_its_own_and_without_a_state() {
        let result = told(&error(), Some(&raw(OPENS))).unwrap().unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        assert_eq!(result["resultType"], "input_required");
        assert_eq!(result.get("requestState"), None);
        let asked = result["inputRequests"].as_object().unwrap();
        let params: Vec<_> = asked.values().map(|request| &request["params"]).collect();
        let visits: Vec<Value> = serde_json::from_str(VISITS).unwrap();
        assert!(params.len() == 2 && visits.iter().all(|visit| params.contains(&visit)));
        assert!(asked.values().all(|request| request["method"] == ELICIT));
    }

    #[test]
    fn a_client_that_opens_no_pages_is_told_what_it_takes() {
        let refusal = told(&error(), None).unwrap().unwrap_err();
        let refusal: Value = serde_json::from_str(refusal.get()).unwrap();
        assert_eq!(
            (&refusal["code"], &refusal["message"]),
            (&json!(-32021), &json!("visit"))
        );
        let required = &refusal["data"]["requiredCapabilities"];
        assert_eq!(*required, json!({"elicitation": {"url": {}}}));
        assert_eq!(refusal["data"]["elicitations"][1]["elicitationId"], "f");
    }

    #[test]
    fn other_errors_are_not_touched() {
        for text in [
            r#"{"code":-32602,"message":"m","data":{"elicitations":[{}]}}"#,
            r#"{"code":-32042,"message":"m"}"#,
            r#"{"code":-32042,"message":"m","data":{"elicitations":[]}}"#,
            r#"{"code":-32042,"message":"m","data":{"elicitations":[1]}}"#,
        ] {
            assert!(told(&raw(text), Some(&raw(OPENS))).is_none(), "{text}");
        }
    }

    #[test]
    fn a_client_declares_that_it_opens_pages() {
        for (capabilities, expected) in [
            (OPENS, true),
            (r#"{"elicitation":{}}"#, false),
            ("{}", false),
        ] {
            let declared = raw(capabilities);
            assert_eq!(can_open_urls(Some(&declared)), expected, "{capabilities}");
        }
    }
}
