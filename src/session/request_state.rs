//! `requestState`: what clients carry from a request that wants input to the one that brings it.
//!
//! Sealed, and bound to the session, the method and the parameters: it goes on with nothing else.
//! Spec: 2026-07-28 basic/patterns/mrtr, "Server Requirements (Basic Workflow)".

use std::{collections::BTreeMap, fmt::Write as _};

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    limits::REQUEST_STATE_TTL,
    mcp::{
        failure::Failure,
        name::BackendName,
        object::{RawObject, quote},
        request::Request,
    },
    store::Sealer,
};

use super::clock::now_ms;

/// The member that carries it, in results and in requests.
pub(super) const REQUEST_STATE: &str = "requestState";
/// The member that carries the client's answers.
pub(super) const INPUT_RESPONSES: &str = "inputResponses";

/// What differs between a request and the one that goes on with it.
const CHANGING: [&str; 3] = ["_meta", INPUT_RESPONSES, REQUEST_STATE];

/// Seals and opens the states of one session.
pub(super) struct RequestStates {
    session: Uuid,
    sealer: Sealer,
}

/// What a request carries.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// No state.
    Nothing,
    /// That of a backend.
    Passed { backend: BackendName, state: String },
    /// That of an exchange that waits here.
    Parked(Uuid),
}

#[derive(Serialize, Deserialize)]
struct Content {
    until_ms: i64,
    #[serde(flatten)]
    of: Of,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Of {
    Parked(Uuid),
    Backend(String, String),
}

impl RequestStates {
    pub(super) const fn new(session: Uuid, sealer: Sealer) -> Self {
        Self { session, sealer }
    }

    /// Seals the state of an exchange that waits in the session.
    pub(super) fn seal_parked(&self, request: &Request, id: Uuid) -> Result<String, Failure> {
        self.seal(request, Of::Parked(id))
    }

    /// Seals a backend's own state.
    pub(super) fn seal_passed(
        &self,
        request: &Request,
        backend: &BackendName,
        state: &str,
    ) -> Result<String, Failure> {
        self.seal(request, Of::Backend(backend.to_string(), state.to_owned()))
    }

    /// Opens the state that a request carries.
    pub(super) fn open(&self, request: &Request) -> Result<Opened, Failure> {
        let params = RawObject::parse_or_empty(request.params.as_deref());
        if params.get(REQUEST_STATE).is_none() {
            return Ok(Opened::Nothing);
        }
        params
            .get_str(REQUEST_STATE)
            .and_then(|sealed| self.content(request, &sealed))
            .ok_or(Failure::UnknownState)
    }

    fn content(&self, request: &Request, sealed: &str) -> Option<Opened> {
        let text = self.sealer.open(&self.purpose(request), sealed)?;
        let content: Content = serde_json::from_str(text.expose_secret()).ok()?;
        if content.until_ms < now_ms() {
            return None;
        }
        Some(match content.of {
            Of::Parked(id) => Opened::Parked(id),
            Of::Backend(backend, state) => Opened::Passed {
                backend: backend.parse().ok()?,
                state,
            },
        })
    }

    fn seal(&self, request: &Request, of: Of) -> Result<String, Failure> {
        let ttl_ms = i64::try_from(REQUEST_STATE_TTL.as_millis()).unwrap_or(i64::MAX);
        let content = Content {
            until_ms: now_ms().saturating_add(ttl_ms),
            of,
        };
        let text = serde_json::to_string(&content).map_err(|_| Failure::Lost)?;
        self.sealer
            .seal(&self.purpose(request), &text)
            .map_err(|error| {
                tracing::error!(%error, "could not seal a request's state");
                Failure::Lost
            })
    }

    fn purpose(&self, request: &Request) -> String {
        let mut purpose = format!("request_state|{}|{}|", self.session, request.method);
        for byte in digest(request.params.as_deref()) {
            // Writing to a text cannot fail.
            let _ = write!(purpose, "{byte:02x}");
        }
        purpose
    }
}

/// Stands for the parameters that stay the same, however a client orders their members.
fn digest(params: Option<&RawValue>) -> impl IntoIterator<Item = u8> + use<> {
    let params = RawObject::parse_or_empty(params);
    let members: BTreeMap<&str, Value> = params
        .iter()
        .filter(|(name, _)| !CHANGING.contains(name))
        .map(|(name, value)| (name, serde_json::from_str(value.get()).unwrap_or_default()))
        .collect();
    let mut digest = Sha256::new();
    for (name, value) in members {
        digest.update(quote(name).get());
        feed(&mut digest, &value);
        digest.update(",");
    }
    digest.finalize()
}

/// Feeds a value whose objects' members come in the order of their names. As deep as a body may be.
fn feed(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().collect();
            digest.update("{");
            for (name, value) in sorted {
                digest.update(quote(name).get());
                feed(digest, value);
                digest.update(",");
            }
            digest.update("}");
        }
        Value::Array(values) => {
            digest.update("[");
            for value in values {
                feed(digest, value);
                digest.update(",");
            }
            digest.update("]");
        }
        other => digest.update(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{mcp::request::Context, store::SealingKey};

    fn states(session: u128) -> RequestStates {
        let key = SealingKey::parse(&"00".repeat(32).into()).unwrap();
        RequestStates::new(Uuid::from_u128(session), Sealer::of(key))
    }

    fn request(method: &'static str, params: &str) -> Request {
        let params = RawValue::from_string(params.to_owned()).unwrap();
        Request::new(method, Some(params), Context::default())
    }

    /// The request that goes on with the state.
    fn retry(of: &Request, state: &str) -> Request {
        let mut params = RawObject::parse_or_empty(of.params.as_deref());
        params.set(
            INPUT_RESPONSES,
            RawValue::from_string("{}".to_owned()).unwrap(),
        );
        params.set(REQUEST_STATE, quote(state));
        Request::new(of.method.clone(), Some(params.to_raw()), Context::default())
    }

    #[test]
    fn a_state_opens_for_the_same_request_only() {
        let docs = "docs".parse().unwrap();
        let asked = request(
            "tools/call",
            r#"{"name":"docs.x","arguments":{"a":1,"b":[2]}}"#,
        );
        let state = states(1).seal_passed(&asked, &docs, "mine").unwrap();
        let opened = Opened::Passed {
            backend: docs,
            state: "mine".to_owned(),
        };
        let again = r#"{"_meta":{"x":1},"arguments":{"b":[2], "a":1},"name":"docs.x"}"#;
        for same in [&asked, &request("tools/call", again)] {
            assert_eq!(states(1).open(&retry(same, &state)).unwrap(), opened);
        }
        for (session, method, params) in [
            (
                2,
                "tools/call",
                r#"{"name":"docs.x","arguments":{"a":1,"b":[2]}}"#,
            ),
            (
                1,
                "prompts/get",
                r#"{"name":"docs.x","arguments":{"a":1,"b":[2]}}"#,
            ),
            (
                1,
                "tools/call",
                r#"{"name":"web.x","arguments":{"a":1,"b":[2]}}"#,
            ),
            (
                1,
                "tools/call",
                r#"{"name":"docs.x","arguments":{"a":2,"b":[2]}}"#,
            ),
            (
                1,
                "tools/call",
                r#"{"name":"docs.x","arguments":{"b":1,"a":[2]}}"#,
            ),
            (1, "tools/call", r#"{"name":"docs.x"}"#),
        ] {
            let other = retry(&request(method, params), &state);
            assert_eq!(states(session).open(&other), Err(Failure::UnknownState));
        }
    }

    #[test]
    fn a_state_that_was_changed_does_not_open() {
        let asked = request("tools/call", r#"{"name":"docs.x"}"#);
        let id = Uuid::from_u128(9);
        let state = states(1).seal_parked(&asked, id).unwrap();
        assert_eq!(
            states(1).open(&retry(&asked, &state)),
            Ok(Opened::Parked(id))
        );
        for changed in [
            format!("{state}-TAMPERED"),
            state[1..].to_owned(),
            String::new(),
        ] {
            let opened = states(1).open(&retry(&asked, &changed));
            assert_eq!(opened, Err(Failure::UnknownState), "{changed}");
        }
        assert_eq!(states(1).open(&asked), Ok(Opened::Nothing));
    }

    #[test]
    fn a_state_that_is_no_text_does_not_open() {
        for state in ["null", "1", "{}"] {
            let params = format!(r#"{{"name":"docs.x","requestState":{state}}}"#);
            let opened = states(1).open(&request("tools/call", &params));
            assert_eq!(opened, Err(Failure::UnknownState), "{state}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_backend_keeps_comes_back_to_the_letter(state in any::<String>()) {
            let docs: BackendName = "docs".parse().unwrap();
            let asked = request("resources/read", r#"{"uri":"x:1"}"#);
            let sealed = states(1).seal_passed(&asked, &docs, &state).unwrap();
            let opened = states(1).open(&retry(&asked, &sealed)).unwrap();
            prop_assert_eq!(opened, Opened::Passed { backend: docs, state });
        }
    }
}
