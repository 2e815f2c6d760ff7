//! What a backend wants of a client before it can answer, said in a result; and the request that goes
//! on with what the client gave.
//!
//! Spec: 2026-07-28 basic/patterns/mrtr.

use std::{collections::BTreeSet, fmt::Write as _};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{sync::oneshot, time::timeout};

use crate::{
    limits::REQUEST_STATE_TTL,
    mcp::{
        event::{Answered, Event, Question, Rejection},
        method::asked_capability,
        object::{RawObject, quote, read_object},
        request::Request,
    },
};

use super::{asking::next_number, caller::Caller, error::BackendError};

/// What every result of this kind holds, and hardly any other.
const KIND: &str = "input_required";

/// What a client adds to a request that goes on, and only then.
const RESPONSES: &str = "inputResponses";
const STATE: &str = "requestState";

/// What a backend wants before it goes on.
pub(super) struct Wish {
    requests: Vec<(String, Wanted)>,
    /// To be sent back to the letter.
    state: Option<Box<RawValue>>,
}

/// One request in a result.
#[derive(Deserialize)]
struct Wanted {
    method: String,
    #[serde(default)]
    params: Option<Box<RawValue>>,
}

/// What a client gave, by the backend's keys.
pub(super) struct Given {
    responses: Vec<(String, Box<RawValue>)>,
    state: Option<Box<RawValue>>,
}

/// Why a wish is not fulfilled.
pub(super) enum Unfulfilled {
    /// The client answered with an error.
    Refused(Rejection),
    /// The client gave no answer.
    Unanswered,
}

impl Wish {
    /// Reads what a result wants; `None` for a result that wants nothing.
    ///
    /// # Errors
    ///
    /// When it wants something that is no request.
    pub(super) fn read(result: &[u8]) -> Result<Option<Self>, BackendError> {
        let text = std::str::from_utf8(result).unwrap_or_default();
        // Nearly every result ends here, unparsed.
        if !text.contains(KIND) {
            return Ok(None);
        }
        let garbled = |_| BackendError::Garbled {
            what: "a wish for input that is not one",
        };
        let members: RawObject<'_> = read_object(text).map_err(garbled)?;
        if members.get_str("resultType").as_deref() != Some(KIND) {
            return Ok(None);
        }
        let wanted = RawObject::parse_or_empty(members.get("inputRequests"));
        let requests = wanted.iter().map(|(key, request)| {
            let request = read_object(request.get()).map_err(garbled)?;
            Ok((key.to_owned(), request))
        });
        Ok(Some(Self {
            requests: requests.collect::<Result<_, BackendError>>()?,
            state: members.get(STATE).map(ToOwned::to_owned),
        }))
    }

    /// What of it the client cannot give, by the capability it would have to declare.
    pub(super) fn beyond(&self, caller: &Caller) -> Option<&'static str> {
        self.missing(|method, params| caller.takes(method, params))
    }

    /// What of it the client did not declare that it can give; it gets the wish as it is otherwise.
    pub(super) fn undeclared(&self, caller: &Caller) -> Option<&'static str> {
        self.missing(|method, params| caller.can_be_asked(method, params))
    }

    fn missing(&self, can: impl Fn(&str, Option<&RawValue>) -> bool) -> Option<&'static str> {
        let mut requests = self.requests.iter().map(|(_, wanted)| wanted);
        let wanted = requests.find(|it| !can(&it.method, it.params.as_deref()))?;
        let capability = asked_capability(&wanted.method, wanted.params.as_deref());
        Some(capability.unwrap_or("experimental"))
    }

    /// Asks the client for all of it at once.
    ///
    /// # Errors
    ///
    /// When the client does not give all of it; what it is still asked then is withdrawn.
    pub(super) async fn fulfil(self, caller: &Caller) -> Result<Given, Unfulfilled> {
        let count = self.requests.len();
        let mut open = BTreeSet::new();
        let mut answers = FuturesUnordered::new();
        for (place, (key, wanted)) in self.requests.into_iter().enumerate() {
            let (answer, answered) = oneshot::channel();
            let number = next_number();
            let wait = caller.waiting().begin();
            let question = Question::new(number, wanted.method, wanted.params, move |answered| {
                drop(wait);
                // Without its call nobody wants the answer.
                let _gone = answer.send(answered);
            });
            caller.send(Event::Asked(question)).await;
            open.insert(number);
            answers.push(async move {
                let answered = timeout(REQUEST_STATE_TTL, answered).await;
                (place, key, number, answered.ok().and_then(Result::ok))
            });
        }
        let mut responses = Vec::with_capacity(count);
        while let Some((place, key, number, answered)) = answers.next().await {
            let unfulfilled = match answered {
                Some(Answered::Result(result)) => {
                    open.remove(&number);
                    responses.push((place, (key, result)));
                    continue;
                }
                Some(Answered::Error(error)) => {
                    open.remove(&number);
                    Unfulfilled::Refused(Rejection {
                        error,
                        typed: false,
                    })
                }
                None => Unfulfilled::Unanswered,
            };
            for number in open {
                caller.send(Event::Withdrawn(number)).await;
            }
            return Err(unfulfilled);
        }
        responses.sort_by_key(|(place, _)| *place);
        Ok(Given {
            responses: responses.into_iter().map(|(_, given)| given).collect(),
            state: self.state,
        })
    }
}

impl Given {
    /// The request that goes on with it; `first` is the one that the client made.
    pub(super) fn add_to(self, first: &Request) -> Request {
        let params = first.params.as_deref();
        let mut members = RawObject::parse_or_empty(params);
        members.retain(|name| name != RESPONSES && name != STATE);
        if !self.responses.is_empty() {
            members.set(RESPONSES, object(&self.responses));
        }
        if let Some(state) = self.state {
            members.set(STATE, state);
        }
        let params = Some(members.to_raw());
        Request {
            params,
            ..first.clone()
        }
    }
}

/// Removes what only a request holds that goes on: a backend that keeps a call open while it asks
/// knows nothing of it.
pub(super) fn remove(params: &mut RawObject<'_>) {
    params.retain(|name| !is_of_retry(name));
}

/// Whether only a request has this parameter that goes on.
pub(super) fn is_of_retry(name: &str) -> bool {
    name == RESPONSES || name == STATE
}

fn object(members: &[(String, Box<RawValue>)]) -> Box<RawValue> {
    let mut text = String::from("{");
    for (index, (key, value)) in members.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // Writing to a text never fails.
        let _written = write!(text, "{comma}{}:{}", quote(key).get(), value.get());
    }
    text.push('}');
    RawValue::from_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::request::Context;

    #[test]
    fn only_a_result_that_says_so_wants_something() {
        for (result, wants) in [
            (
                r#"{"resultType":"input_required","requestState":"x"}"#,
                Some(0),
            ),
            (
                r#"{"inputRequests":{"b":{"method":"roots/list"},"a":{"method":"roots/list"}},"resultType":"input_required"}"#,
                Some(2),
            ),
            (r#"{"resultType":"complete","x":"input_required"}"#, None),
            (r#"{"content":[{"text":"input_required"}]}"#, None),
            (r#"{"resultType":"task","taskId":"input_required"}"#, None),
        ] {
            let wish = Wish::read(result.as_bytes()).unwrap();
            assert_eq!(wish.map(|wish| wish.requests.len()), wants, "{result}");
        }
        let no_request = br#"{"resultType":"input_required","inputRequests":{"a":[]}}"#;
        assert!(Wish::read(no_request).is_err());
    }

    #[test]
    fn a_request_goes_on_with_what_was_given_and_nothing_of_before() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let first = r#"{"name":"x","arguments":{"n":1.0},"inputResponses":{"old":{}},"requestState":"old"}"#;
        let first = Request::new("tools/call", Some(raw(first)), Context::default());
        let given = Given {
            responses: vec![("b\"".into(), raw("{}")), ("a".into(), raw(r#"{"n":2.0}"#))],
            state: Some(raw(r#""{\"s\":1}""#)),
        };
        assert_eq!(
            given.add_to(&first).params.unwrap().get(),
            r#"{"name":"x","arguments":{"n":1.0},"inputResponses":{"b\"":{},"a":{"n":2.0}},"requestState":"{\"s\":1}"}"#
        );
        let nothing = Given {
            responses: Vec::new(),
            state: None,
        };
        assert_eq!(
            nothing.add_to(&first).params.unwrap().get(),
            r#"{"name":"x","arguments":{"n":1.0}}"#
        );
    }
}
