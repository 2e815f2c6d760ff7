//! What the tests share that are about questions: who can be asked what, and how a client answers to
//! the letter.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "what does not come ends its test, loudly"
)]

use serde_json::{Value, json};

use crate::world::{
    Client, Pairing,
    client::{Answer, Exchange, Message},
};

/// What a client answers that does whatever it is asked.
pub(crate) fn obliging(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" if params["mode"] == "url" => json!({"action": "accept"}),
        "elicitation/create" => {
            let field = params["requestedSchema"]["required"][0].as_str().unwrap();
            json!({"action": "accept", "content": {field: "Ada"}})
        }
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home/ada", "name": "home"}]}),
        other => unreachable!("asked {other}"),
    }
}

/// What answers a question that must not be asked.
pub(crate) fn nothing(method: &str, _: &Value) -> Value {
    panic!("was asked {method}")
}

/// The revision since which both sides of a pairing must speak for a question to have a meaning.
pub(crate) fn both_speak_since(pairing: Pairing, revision: &str) -> bool {
    pairing.client >= revision && pairing.backend >= revision
}

/// Sends a request and answers what is asked meanwhile by these raw results, in the order in which it
/// is asked. Gives the answer and the raw requests.
pub(crate) async fn answering_to_the_letter(
    client: &Client,
    pairing: Pairing,
    request: (&str, &str),
    answers: &[&str],
) -> (Answer, Vec<String>) {
    let (method, params) = request;
    let mut answers = answers.iter();
    let mut asked = Vec::new();
    let mut next = |question: &str| {
        asked.push(question.to_owned());
        *answers.next().expect("another answer")
    };
    if pairing.has_modern_client() {
        let mut answer = client.request_raw(method, params).await;
        while let Some(question) = wish(&answer) {
            let responses = question.requests.iter().map(|(key, request)| {
                let response = next(request);
                format!("{}:{response}", Value::from(key.as_str()))
            });
            let responses: Vec<String> = responses.collect();
            let params = with_responses(params, &responses.join(","), &question.state);
            answer = client.request_raw(method, &params).await;
        }
        return (answer, asked);
    }
    let mut exchange = client.open(method, params).await;
    let mut events = Vec::new();
    let response = loop {
        let message = exchange.next().await.expect("a response");
        if message.is_response() {
            break message;
        }
        match message.id() {
            Some(_) => assert_eq!(respond(client, &message, next(message.raw())).await, 202),
            None => events.push(message),
        }
    };
    let answer = exchange.finish().await;
    let answer = Answer {
        response: Some(response),
        events,
        ..answer
    };
    (answer, asked)
}

/// Answers a legacy request of the server by a raw result; gives the HTTP status.
pub(crate) async fn respond(client: &Client, request: &Message, result: &str) -> u16 {
    let id = request.id().unwrap();
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    client.post_text(&body, &[]).await.status
}

/// What a modern answer wants first.
pub(crate) struct Wish {
    /// Raw requests by key, in order.
    pub(crate) requests: Vec<(String, String)>,
    /// The `requestState`, raw; empty for none.
    pub(crate) state: String,
}

/// What an answer wants, if it wants something.
pub(crate) fn wish(answer: &Answer) -> Option<Wish> {
    let response = answer.response.as_ref()?.json();
    let result = response.get("result")?;
    if result["resultType"] != "input_required" {
        return None;
    }
    let raw: RawWish = serde_json::from_str(&answer.result_raw()).unwrap();
    let requests = raw.requests.into_iter().flatten();
    Some(Wish {
        requests: requests
            .map(|(key, request)| (key, request.get().to_owned()))
            .collect(),
        state: raw.state.map(|it| it.get().to_owned()).unwrap_or_default(),
    })
}

#[derive(serde::Deserialize)]
struct RawWish {
    #[serde(rename = "inputRequests")]
    requests: Option<std::collections::BTreeMap<String, Box<serde_json::value::RawValue>>>,
    #[serde(rename = "requestState")]
    state: Option<Box<serde_json::value::RawValue>>,
}

/// The params of a request that goes on: the members of `inputResponses`, and the raw state.
pub(crate) fn with_responses(params: &str, responses: &str, state: &str) -> String {
    let first = params.strip_suffix('}').expect("an object");
    let state = match state {
        "" => String::new(),
        state => format!(r#","requestState":{state}"#),
    };
    format!(r#"{first},"inputResponses":{{{responses}}}{state}}}"#)
}

/// A tool's call that asks, open at the question: as a legacy client sees it.
pub(crate) async fn open_at_question(client: &Client, params: &str) -> (Exchange, Message) {
    let mut exchange = client.open("tools/call", params).await;
    let question = exchange.next().await.expect("a question");
    assert!(question.id().is_some(), "{question:?}");
    (exchange, question)
}

/// The same for a modern client.
pub(crate) async fn wish_of(client: &Client, params: &str) -> Wish {
    let answer = client.request_raw("tools/call", params).await;
    wish(&answer).unwrap_or_else(|| panic!("asked nothing: {answer:?}"))
}
