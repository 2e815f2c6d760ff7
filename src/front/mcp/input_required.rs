//! Results that ask the client for something in place of an answer.
//!
//! Spec: 2026-07-28 basic/patterns/mrtr, "`InputRequiredResult`".

use serde_json::{json, value::RawValue};
use uuid::Uuid;

use crate::{
    limits::QUESTIONS_BYTES_MAX,
    mcp::{
        event::Question,
        object::{RawObject, quote, to_raw},
    },
};

/// What kind of result it is.
pub(super) const INPUT_REQUIRED: &str = "input_required";

/// A key for a question. None comes twice, so that no late answer meets another question.
pub(super) fn key() -> String {
    let mut key = Uuid::new_v4().simple().to_string();
    key.truncate(16);
    key.insert_str(0, "input-");
    key
}

/// Whether a further question may be put besides these; one may be of any size alone.
pub(super) fn has_room(questions: &[(String, Question)], further: &Question) -> bool {
    let bytes: usize = questions.iter().map(|(_, it)| it.bytes()).sum();
    questions.is_empty() || bytes + further.bytes() <= QUESTIONS_BYTES_MAX
}

/// Writes what is asked, by key.
pub(super) fn requests(questions: &[(String, Question)]) -> Box<RawValue> {
    let mut requests = RawObject::default();
    for (key, question) in questions {
        let request = request(&question.method, question.params.as_deref());
        requests.set(key, request);
    }
    requests.to_raw()
}

/// Writes one thing that is asked.
pub(super) fn request(method: &str, params: Option<&RawValue>) -> Box<RawValue> {
    let mut request = RawObject::default();
    request.set("method", quote(method));
    if let Some(params) = params {
        request.set("params", params.to_owned());
    }
    request.to_raw()
}

/// Writes the result; without a state, the client sends none.
pub(super) fn result(requests: &RawValue, state: Option<&str>) -> Box<RawValue> {
    let mut result = RawObject::default();
    result.set("resultType", to_raw(&json!(INPUT_REQUIRED)));
    result.set("inputRequests", requests.to_owned());
    if let Some(state) = state {
        result.set("requestState", quote(state));
    }
    result.to_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_have_room_together_and_a_large_one_alone() {
        let question = |bytes: usize| {
            let params = quote(&"x".repeat(bytes - 2));
            Question::new(1, String::new(), Some(params), |_| {})
        };
        let half = QUESTIONS_BYTES_MAX / 2;
        for (before, further, has_it) in [
            (vec![], QUESTIONS_BYTES_MAX + 1, true),
            (vec![half], half, true),
            (vec![half], half + 1, false),
            (vec![QUESTIONS_BYTES_MAX + 1], 2, false),
        ] {
            let before: Vec<_> = before.into_iter().map(|it| (key(), question(it))).collect();
            assert_eq!(has_room(&before, &question(further)), has_it, "{further}");
        }
    }

    #[test]
    fn what_is_asked_keeps_its_order_and_its_bytes() {
        let asked = |key: &str, method: &str, params: Option<&str>| {
            let params = params.map(|text| RawValue::from_string(text.to_owned()).unwrap());
            let question = Question::new(1, method.to_owned(), params, |_| {});
            (key.to_owned(), question)
        };
        let questions = [
            asked("b", "elicitation/create", Some(r#"{"z":1.0, "a":[ ]}"#)),
            asked("a", "roots/list", None),
        ];
        let requests = requests(&questions);
        assert_eq!(
            result(&requests, Some("s")).get(),
            r#"{"resultType":"input_required","inputRequests":{"b":{"method":"elicitation/create","params":{"z":1.0, "a":[ ]}},"a":{"method":"roots/list"}},"requestState":"s"}"#
        );
        assert!(!result(&requests, None).get().contains("requestState"));
        assert_ne!(key(), key());
    }
}
