//! What a modern backend wants of a client, said in a result.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    asking::{asked_tool, completed, end, entry, next, question, raw, send, start, until},
    mocked::DISCOVERED,
    socket::{Port, Reply, Script, Served},
};
use crate::{
    backend::{Backend, Call, LinkKey, Translation},
    channel::{Receiver, channel},
    limits::{EVENTS_IN_FLIGHT, INPUT_ROUNDS_MAX, STREAMED_ABOVE_BYTES},
    mcp::{
        event::{Answered, Event, Notification, Outcome},
        failure::Failure,
        request::{Asking, Request},
    },
};

/// A modern server whose calls of tools are answered by a script.
fn server(calls: Script) -> (Served, Backend) {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("server/discover") => Reply::Result(DISCOVERED.to_owned()),
        Some("tools/list") => Reply::Status(501),
        _ => calls.next(),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    (served, backend)
}

fn wish(members: &Value) -> Reply {
    let mut result = json!({ "resultType": "input_required" });
    result
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    Reply::Result(result.to_string())
}

const DONE: &str = r#"{"resultType":"complete","content":[]}"#;

fn done() -> Reply {
    Reply::Result(DONE.to_owned())
}

fn two_requests() -> Value {
    json!({
        "zip": { "method": "elicitation/create", "params": { "message": "zip?" } },
        "area": { "method": "roots/list" }
    })
}

fn able() -> Value {
    json!({ "elicitation": {}, "roots": {} })
}

#[tokio::test]
async fn a_wish_is_asked_of_the_client_and_the_call_goes_on_with_the_answers() {
    let state = r#"{"s": "\u00e9"}"#;
    let wished = wish(&json!({ "inputRequests": two_requests(), "requestState": state }));
    let further = wish(&json!({ "inputRequests": { "b": { "method": "roots/list" } } }));
    let (served, backend) = server(Script::of([wished, further, done()]));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    let (first, second) = (question(&mut received).await, question(&mut received).await);
    let mut questions = [first, second];
    questions.sort_by_key(|question| question.method.clone());
    let [zip, area] = questions;
    assert_eq!(
        zip.params.as_deref().unwrap().get(),
        r#"{"message":"zip?"}"#
    );
    area.answer(Answered::Result(raw(r#"{"roots":[]}"#)));
    zip.answer(Answered::Result(raw(r#"{"action":"accept"}"#)));
    question(&mut received)
        .await
        .answer(Answered::Result(raw("{}")));
    assert_eq!(completed(&mut received).await, DONE);

    let sent = served.said("tools/call");
    assert_eq!(sent.len(), 3);
    assert_ne!(sent[0]["id"], sent[1]["id"]);
    assert_eq!(
        sent[1]["params"]["inputResponses"],
        json!({ "zip": { "action": "accept" }, "area": { "roots": [] } })
    );
    assert_eq!(sent[1]["params"]["requestState"], state);
    assert_eq!(sent[1]["params"]["_meta"], sent[0]["params"]["_meta"]);
    assert_eq!(sent[2]["params"]["inputResponses"], json!({ "b": {} }));
    assert_eq!(sent[2]["params"].get("requestState"), None);
}

#[tokio::test]
async fn a_wish_for_nothing_but_another_try_is_fulfilled_at_once() {
    let wished = wish(&json!({ "requestState": "s" }));
    let (served, backend) = server(Script::of([wished, done()]));
    let request = asked_tool("pay", &json!({}), Asking::Never);
    let mut received = send(&backend, LinkKey::Default, request);
    assert_eq!(completed(&mut received).await, DONE);
    let again = &served.said("tools/call")[1]["params"];
    assert_eq!(again["requestState"], "s");
    assert_eq!(again.get("inputResponses"), None);
}

#[tokio::test]
async fn a_wish_beyond_the_client_fails_its_call() {
    for (asking, capabilities, capability) in [
        (Asking::WhileOpen, json!({ "roots": {} }), "elicitation"),
        (Asking::Never, json!({ "elicitation": {} }), "elicitation"),
    ] {
        let requests = json!({ "zip": { "method": "elicitation/create" } });
        let wished = wish(&json!({ "inputRequests": requests }));
        let (_served, backend) = server(Script::of([wished]));
        let request = asked_tool("pay", &capabilities, asking);
        let mut received = send(&backend, LinkKey::Default, request);
        match end(&mut received).await {
            Outcome::Failed(Failure::Incapable {
                capability: needed, ..
            }) => {
                assert_eq!(needed, capability);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_asks_again_by_itself_gets_the_wish_as_it_is() {
    let wished = r#"{"resultType":"input_required","requestState":"s", "inputRequests":{"a":{"method":"roots/list"}}}"#;
    let (_served, backend) = server(Script::of([Reply::Result(wished.to_owned())]));
    let request = asked_tool("pay", &able(), Asking::ByRetry);
    let mut received = send(&backend, LinkKey::Default, request);
    assert_eq!(completed(&mut received).await, wished);
}

#[tokio::test]
async fn a_clients_error_ends_the_call_and_withdraws_the_other_questions() {
    let wished = wish(&json!({ "inputRequests": two_requests() }));
    let (served, backend) = server(Script::of([wished]));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    let (first, second) = (question(&mut received).await, question(&mut received).await);
    let error = r#"{"code":-1,"message":"no"}"#;
    first.answer(Answered::Error(raw(error)));
    let mut withdrawn = Vec::new();
    let outcome = loop {
        match next(&mut received).await {
            Event::Withdrawn(number) => withdrawn.push(number),
            Event::Finished(finished) => break finished.outcome,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(withdrawn, [second.number]);
    assert!(
        matches!(&outcome, Outcome::Rejected(own) if own.error.get() == error && !own.typed),
        "{outcome:?}"
    );
    assert_eq!(served.heard("tools/call"), 1);
}

#[tokio::test]
async fn a_wish_that_gets_no_answer_fails_its_call() {
    let wished = wish(&json!({ "inputRequests": two_requests() }));
    let (_served, backend) = server(Script::of([wished]));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    drop(question(&mut received).await);
    let outcome = loop {
        match next(&mut received).await {
            Event::Finished(finished) => break finished.outcome,
            other => drop(other),
        }
    };
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn wishes_without_an_end_fail_their_call() {
    let wishes = (0..=INPUT_ROUNDS_MAX).map(|_| wish(&json!({ "requestState": "s" })));
    let (served, backend) = server(Script::of(wishes));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    let outcome = end(&mut received).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Garbled { .. })),
        "{outcome:?}"
    );
    assert_eq!(served.heard("tools/call"), INPUT_ROUNDS_MAX);
}

#[tokio::test]
async fn a_backend_that_wants_headers_after_it_asked_is_not_called_again() {
    let mismatch = r#"{"code":-32020,"message":"header mismatch"}"#;
    let refused = Reply::Refused(400, mismatch);
    let calls = [wish(&json!({ "requestState": "s" })), refused, done()];
    let (served, backend) = server(Script::of(calls));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    let outcome = end(&mut received).await;
    assert!(matches!(outcome, Outcome::Rejected(_)), "{outcome:?}");
    assert_eq!(served.heard("tools/call"), 2);
}

#[tokio::test]
async fn a_large_wish_is_read_whole_and_a_large_end_goes_on_in_parts() {
    let text = "x".repeat(4 * STREAMED_ABOVE_BYTES);
    let requests =
        json!({ "zip": { "method": "elicitation/create", "params": { "message": text } } });
    let wished = wish(&json!({ "inputRequests": requests }));
    let large = format!(r#"{{"resultType":"complete","content":["{text}"]}}"#);
    let (_served, backend) = server(Script::of([wished, Reply::Result(large.clone())]));
    let request = asked_tool("pay", &able(), Asking::WhileOpen);
    let mut received = send(&backend, LinkKey::Default, request);
    question(&mut received)
        .await
        .answer(Answered::Result(raw("{}")));
    let mut parts = Vec::new();
    loop {
        match next(&mut received).await {
            Event::Part(part) => parts.push(part.json),
            Event::Finished(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(parts.len() > 1 && parts.concat() == large.as_bytes());
}

/// Writes `public` for `own`, and refuses what says `secret`.
struct Renaming;

impl Translation for Renaming {
    fn result(&self, request: &Request, json: Bytes) -> Result<Bytes, Failure> {
        let text = String::from_utf8(json.to_vec()).unwrap();
        if text.contains("secret") {
            let method = request.method.to_string();
            return Err(Failure::UnknownMethod { method });
        }
        Ok(text.replace("own", "public").into())
    }

    fn notification(&self, mut notification: Notification) -> Notification {
        let params = notification.params.as_deref().unwrap().get();
        notification.params = Some(raw(&params.replace("own", "public")));
        notification
    }
}

fn translated(backend: &Backend) -> Receiver<Event> {
    let (events, received) = channel(EVENTS_IN_FLIGHT);
    let request = asked_tool("pay", &able(), Asking::ByRetry);
    let cancel = Arc::new(tokio_util::sync::CancellationToken::new());
    let mut call = Call::new(LinkKey::Default, request, events, cancel);
    call.translation = Some(Arc::new(Renaming));
    backend.send(call);
    received
}

#[tokio::test]
async fn what_comes_back_is_translated_as_the_session_wants_it() {
    let task = r#"{"resultType":"task","taskId":"own"}"#;
    let large = format!(
        r#"{{"taskId":"own","x":"{}"}}"#,
        "x".repeat(2 * STREAMED_ABOVE_BYTES)
    );
    let (events, reply) = super::socket::stream();
    let calls = [
        Reply::Result(task.to_owned()),
        Reply::Result(large.clone()),
        Reply::Result(r#"{"x":"secret"}"#.to_owned()),
        reply,
    ];
    let (served, backend) = server(Script::of(calls));
    for result in [task, &large] {
        let public = result.replace("own", "public");
        assert!(completed(&mut translated(&backend)).await == public);
    }
    let outcome = end(&mut translated(&backend)).await;
    assert!(
        matches!(&outcome, Outcome::Failed(Failure::UnknownMethod { method }) if method == "tools/call"),
        "{outcome:?}"
    );
    let mut received = translated(&backend);
    until(async || served.heard("tools/call") == 4).await;
    events.say(&json!({ "jsonrpc": "2.0", "method": "x/told", "params": { "id": "own" } }));
    match next(&mut received).await {
        Event::Notified(told) => assert_eq!(told.params.unwrap().get(), r#"{"id":"public"}"#),
        other => panic!("{other:?}"),
    }
}
