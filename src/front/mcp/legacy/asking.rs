//! Requests of backends to clients, under ids of the gateway's own.
//!
//! Spec: 2025-11-25 basic, "Requests": an id is never used twice within an MCP session.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{json, value::RawValue};
use uuid::Uuid;

use crate::{
    mcp::{
        event::Question,
        message::{RequestId, write_notification, write_request},
        method::{CANCELLED, ELICIT},
        object::{RawObject, quote, to_raw},
    },
    session::SessionRef,
};

/// What tells one visit to a page from another.
const ELICITATION_ID: &str = "elicitationId";

/// Every client can hold a whole number of so many bits exactly.
const ID_BITS: u32 = 52;

/// Puts a question to the client of that MCP session: writes the request that asks it.
pub(super) fn ask(session: &SessionRef, mcp_session: Uuid, question: Question) -> Bytes {
    let id = id_of(question.number);
    let identified = identified(&question);
    let params = identified.as_deref().or(question.params.as_deref());
    let message = write_request(&id, &question.method, params);
    // Before the message is out: its answer must find whom it is for.
    session.asked(mcp_session, id, question);
    message
}

/// Tells the client that a question no longer wants an answer.
pub(super) fn withdraw(number: u64) -> Bytes {
    let params = to_raw(&json!({ "requestId": raw_id(number) }));
    write_notification(CANCELLED, Some(&params))
}

/// The parameters with what this era demands and the modern one has not: each visit to a page has an
/// id of its own. `None` where nothing is missing.
///
/// Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests".
fn identified(question: &Question) -> Option<Box<RawValue>> {
    if question.method != ELICIT {
        return None;
    }
    let mut params = RawObject::parse_or_empty(question.params.as_deref());
    if params.get_str("mode").as_deref() != Some("url") || params.get(ELICITATION_ID).is_some() {
        return None;
    }
    params.set(ELICITATION_ID, quote(&Uuid::new_v4().to_string()));
    Some(params.to_raw())
}

/// The id under which a question is put to a client: one for each number, and none that tells how
/// many questions other clients were asked, or that a process before this one may have used.
fn id_of(number: u64) -> RequestId {
    RequestId::from_number(raw_id(number))
}

fn raw_id(number: u64) -> u64 {
    static KEY: OnceLock<u64> = OnceLock::new();
    // An odd factor maps no two numbers to one.
    let key = KEY.get_or_init(|| Uuid::new_v4().as_u64_pair().0 | 1);
    number.wrapping_mul(*key) & ((1 << ID_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_questions_have_one_id() {
        let ids: HashSet<u64> = (1..=100_000).map(raw_id).collect();
        assert_eq!(ids.len(), 100_000);
        assert!(ids.iter().all(|id| *id < 1 << ID_BITS));
    }

    #[test]
    fn a_visit_to_a_page_gets_an_id_where_it_has_none() {
        let identified = |method: &str, params: &str| {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            let question = Question::new(1, method.to_owned(), Some(params), |_| {});
            identified(&question).map(|params| params.get().to_owned())
        };
        let visit = r#"{"mode":"url","url":"https://a.example/","message":"m"}"#;
        let told = identified(ELICIT, visit).unwrap();
        assert!(told.starts_with(
            r#"{"mode":"url","url":"https://a.example/","message":"m","elicitationId":""#
        ));
        assert_ne!(identified(ELICIT, visit).unwrap(), told);
        let own = r#"{"mode":"url","elicitationId":"e"}"#;
        for (method, params) in [(ELICIT, own), (ELICIT, "{}"), ("x/y", visit)] {
            assert_eq!(identified(method, params), None, "{method} {params}");
        }
    }

    #[test]
    fn a_question_is_taken_back_under_its_id() {
        let message: serde_json::Value = serde_json::from_slice(&withdraw(7)).unwrap();
        assert_eq!(message["method"], "notifications/cancelled");
        let id = message["params"]["requestId"].to_string();
        assert_eq!(id, id_of(7).as_json());
    }
}
