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
        method::{CANCELLED, ELICIT, is_by_url},
        object::{RawObject, quote, to_raw},
    },
    session::SessionRef,
};

/// Every client can hold a whole number of so many bits exactly.
const ID_BITS: u32 = 52;

/// What tells one visit to a page from another.
const ELICITATION_ID: &str = "elicitationId";

/// Puts a question to the client of that MCP session: writes the request that asks it.
pub(super) fn ask(session: &SessionRef, mcp_session: Uuid, question: Question) -> Bytes {
    let id = id_of(question.number);
    let named = named_visit(&question);
    let params = named.as_deref().or(question.params.as_deref());
    let message = write_request(&id, &question.method, params);
    // Before the message is out: its answer must find whom it is for.
    session.asked(mcp_session, id, question);
    message
}

/// The parameters that send a user to a page, with the id that this era demands of them. A backend
/// of the other one gives none, and will not speak of it again.
///
/// Spec: 2025-11-25 client/elicitation, "URL Mode Elicitation Requests".
fn named_visit(question: &Question) -> Option<Box<RawValue>> {
    let params = question.params.as_deref();
    if question.method != ELICIT || !is_by_url(params) {
        return None;
    }
    let mut params = RawObject::parse_or_empty(params);
    if params.get(ELICITATION_ID).is_some() {
        return None;
    }
    params.set(ELICITATION_ID, quote(&Uuid::new_v4().to_string()));
    Some(params.to_raw())
}

/// Tells the client that a question no longer wants an answer.
pub(super) fn withdraw(number: u64) -> Bytes {
    let params = to_raw(&json!({ "requestId": raw_id(number) }));
    write_notification(CANCELLED, Some(&params))
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
    fn a_visit_has_an_id_and_what_is_no_visit_stays_as_it_is() {
        let named = |method: &str, params: &str| {
            let params = RawValue::from_string(params.to_owned()).unwrap();
            named_visit(&Question::new(1, method.to_owned(), Some(params), |_| {}))
        };
        let visit = r#"{"mode":"url", "url":"https://a.example","message":"m"}"#;
        let visit = named(ELICIT, visit).unwrap();
        let start = r#"{"mode":"url","url":"https://a.example","message":"m","elicitationId":""#;
        assert!(visit.get().starts_with(start), "{visit}");
        for (method, params) in [
            (ELICIT, r#"{"mode":"url","elicitationId":"own"}"#),
            (ELICIT, r#"{"mode":"form","message":"m"}"#),
            (ELICIT, r#"{"message":"m"}"#),
            ("roots/list", r#"{"mode":"url"}"#),
        ] {
            assert!(named(method, params).is_none(), "{params}");
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
