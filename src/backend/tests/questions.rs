//! What a legacy backend asks a client for during a call, and the way back of the answer.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    asking::{
        PATIENT, asked_tool, call, completed, end, entry, next, question, raw, send, soon, start,
        tool, turn_clock, until,
    },
    socket::{Port, Reply, Script, Served, Stream, shake_hands, stream},
};
use crate::{
    backend::{Backend, Call, LinkKey},
    channel::{Receiver, channel},
    limits::{BACKEND_REQUESTS_MAX, EVENTS_IN_FLIGHT},
    mcp::{
        event::{Answered, Event, Outcome},
        failure::Failure,
        request::Asking,
    },
};

/// A legacy server whose calls of tools are answered by a script.
fn server(calls: Script) -> (Served, Backend) {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("tools/call") => calls.next(),
        None | Some("notifications/cancelled") => Reply::Status(202),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    (served, backend)
}

/// The same with one call, its stream open.
fn asked(asking: Asking) -> (Served, Stream, Receiver<Event>) {
    let (events, reply) = stream();
    let (served, backend) = server(Script::of([reply]));
    let request = asked_tool("pay", &json!({ "elicitation": {} }), asking);
    let received = send(&backend, LinkKey::Default, request);
    (served, events, received)
}

fn asks(id: &Value, method: &str) -> Value {
    let params = json!({ "message": "how much?", "n": 1 });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The server's requests that were answered, by id, once there are so many.
async fn answers(server: &Served, count: usize) -> Vec<Value> {
    until(async || server.answers().len() >= count).await;
    server.answers()
}

#[tokio::test]
async fn a_question_reaches_the_client_and_its_answer_the_backend_under_the_backends_own_id() {
    for id in [json!(7), json!("7"), json!("a-\u{e9}")] {
        let (server, events, mut received) = asked(Asking::WhileOpen);
        events.say(&asks(&id, "elicitation/create"));
        let question = question(&mut received).await;
        assert_eq!(question.method, "elicitation/create");
        let params = question.params.as_deref().unwrap().get();
        assert_eq!(params, r#"{"message":"how much?","n":1}"#);
        question.answer(Answered::Result(raw(r#"{"action":"accept","n":1.0}"#)));
        let answer = &answers(&server, 1).await[0];
        assert_eq!(answer["id"], id);
        assert_eq!(answer["result"]["action"], "accept");
        events.answer(&json!({ "content": [] }));
        assert_eq!(completed(&mut received).await, r#"{"content":[]}"#);
    }
}

#[tokio::test]
async fn a_clients_error_is_the_answer_too() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!(1), "elicitation/create"));
    let refusal = raw(r#"{"code":-1,"message":"no"}"#);
    question(&mut received)
        .await
        .answer(Answered::Error(refusal));
    let answer = &answers(&server, 1).await[0];
    assert_eq!(answer["error"], json!({ "code": -1, "message": "no" }));
}

#[tokio::test]
async fn a_question_that_is_dropped_is_answered_with_an_error() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!("x"), "elicitation/create"));
    drop(question(&mut received).await);
    let answer = &answers(&server, 1).await[0];
    assert_eq!(
        (&answer["id"], &answer["error"]["code"]),
        (&json!("x"), &json!(-32603))
    );
}

#[tokio::test]
async fn several_questions_may_be_open_and_are_answered_in_any_order() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    for id in [1, 2] {
        events.say(&asks(&json!(id), "elicitation/create"));
    }
    let (first, second) = (question(&mut received).await, question(&mut received).await);
    assert_ne!(first.number, second.number);
    second.answer(Answered::Result(raw("{}")));
    assert_eq!(answers(&server, 1).await[0]["id"], 2);
    first.answer(Answered::Result(raw("{}")));
    assert_eq!(answers(&server, 2).await[1]["id"], 1);
}

#[tokio::test]
async fn what_the_client_cannot_be_asked_is_answered_with_an_error() {
    for (asking, method) in [
        (Asking::WhileOpen, "sampling/createMessage"),
        (Asking::WhileOpen, "roots/list"),
        (Asking::Never, "elicitation/create"),
        (Asking::ByRetry, "roots/list"),
        (Asking::ByRetry, "x/unknown"),
    ] {
        let (server, events, mut received) = asked(asking);
        events.say(&asks(&json!(1), method));
        let answer = &answers(&server, 1).await[0];
        assert_eq!(answer["error"]["code"], -32601, "{asking:?} {method}");
        events.answer(&json!({}));
        completed(&mut received).await;
    }
    let (_server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!(1), "x/unknown"));
    assert_eq!(question(&mut received).await.method, "x/unknown");
}

#[tokio::test]
async fn a_question_that_the_backend_takes_back_is_withdrawn_and_not_answered() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!("q"), "elicitation/create"));
    let question = question(&mut received).await;
    for id in ["other", "q"] {
        let params = json!({ "requestId": id });
        events.say(&json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params
        }));
    }
    let withdrawn = next(&mut received).await;
    assert!(matches!(withdrawn, Event::Withdrawn(number) if number == question.number));
    question.answer(Answered::Result(raw("{}")));
    events.say(&asks(&json!("last"), "roots/list"));
    let answers = answers(&server, 1).await;
    assert_eq!(answers[0]["id"], "last");
}

#[tokio::test]
async fn the_clients_time_to_answer_is_not_the_backends() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!(1), "elicitation/create"));
    let question = question(&mut received).await;
    turn_clock(PATIENT.call * 2).await;
    question.answer(Answered::Result(raw("{}")));
    answers(&server, 1).await;
    events.answer(&json!({}));
    assert_eq!(completed(&mut received).await, "{}");

    let (server, events, mut received) = asked(Asking::WhileOpen);
    events.say(&asks(&json!(1), "elicitation/create"));
    self::question(&mut received)
        .await
        .answer(Answered::Result(raw("{}")));
    answers(&server, 1).await;
    turn_clock(PATIENT.idle * 2).await;
    let outcome = end(&mut received).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::TimedOut { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_call_that_asked_is_not_sent_again() {
    let mut request = asked_tool("x", &json!({ "elicitation": {} }), Asking::WhileOpen);
    // Reading twice would change nothing; asking twice would.
    request.method = "prompts/get".into();
    let (events, reply) = stream();
    let prompts = Script::of([reply, Reply::Result("{}".into())]);
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("prompts/get") => prompts.next(),
        None => Reply::Status(202),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let mut received = send(&backend, LinkKey::Default, request);
    events.say(&asks(&json!(1), "elicitation/create"));
    question(&mut received)
        .await
        .answer(Answered::Result(raw("{}")));
    answers(&served, 1).await;
    drop(events);
    let outcome = end(&mut received).await;
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
        "{outcome:?}"
    );
    assert_eq!(served.heard("prompts/get"), 1);
}

#[tokio::test]
async fn a_ping_is_answered_whoever_calls() {
    let (server, events, mut received) = asked(Asking::Never);
    events.say(&json!({ "jsonrpc": "2.0", "id": "p", "method": "ping" }));
    let answer = &answers(&server, 1).await[0];
    assert_eq!(
        (&answer["id"], &answer["result"]),
        (&json!("p"), &json!({}))
    );
    events.answer(&json!({}));
    completed(&mut received).await;
}

#[tokio::test]
async fn a_flood_of_questions_fails_its_call() {
    let (server, events, mut received) = asked(Asking::WhileOpen);
    for id in 0..=BACKEND_REQUESTS_MAX {
        events.say(&asks(&json!(id), "elicitation/create"));
    }
    let mut questions = Vec::new();
    let outcome = loop {
        match next(&mut received).await {
            Event::Asked(question) => questions.push(question),
            Event::Withdrawn(_) => {}
            Event::Finished(finished) => break finished.outcome,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(questions.len(), BACKEND_REQUESTS_MAX);
    assert!(
        matches!(outcome, Outcome::Failed(Failure::Interrupted { .. })),
        "{outcome:?}"
    );
    until(async || server.heard("notifications/cancelled") == 1).await;
}

#[tokio::test]
async fn a_question_of_a_call_that_was_taken_back_is_not_answered() {
    let (stream, reply) = stream();
    let (server, backend) = server(Script::of([reply]));
    let request = asked_tool("pay", &json!({ "elicitation": {} }), Asking::WhileOpen);
    let (events, mut received) = channel(EVENTS_IN_FLIGHT);
    let cancel = Arc::new(CancellationToken::new());
    let call = Call::new(LinkKey::Default, request, events, cancel.clone());
    backend.send(call);
    for id in ["dropped", "answered"] {
        stream.say(&asks(&json!(id), "elicitation/create"));
    }
    let dropped = question(&mut received).await;
    let late = question(&mut received).await;
    cancel.cancel();
    drop(dropped);
    late.answer(Answered::Result(raw("{}")));
    assert!(matches!(end(&mut received).await, Outcome::Cancelled));
    until(async || server.heard("notifications/cancelled") == 1).await;
    assert_eq!(server.answers(), [json!(null); 0]);
}

#[tokio::test]
async fn answers_of_a_modern_retry_do_not_reach_a_legacy_backend() {
    let (served, backend) = server(Script::of([Reply::Result("{}".into())]));
    let mut request = tool("pay");
    let params =
        json!({ "name": "pay", "arguments": {}, "inputResponses": {}, "requestState": "s" });
    request.params = Some(raw(&params.to_string()));
    call(&backend, LinkKey::Default, request).await.result();
    let sent = soon(async { served.said("tools/call") }).await;
    assert_eq!(sent[0]["params"], json!({ "name": "pay", "arguments": {} }));
}

#[tokio::test]
async fn several_messages_at_once_are_taken_in_order_where_the_revision_has_that() {
    for (revision, together) in [("2025-03-26", true), ("2025-11-25", false)] {
        let port = Port::new();
        let (events, reply) = stream();
        let calls = Script::of([reply]);
        let served = port.serve(move |message| match message["method"].as_str() {
            Some("initialize") => Reply::Result(super::mocked::initialized(revision)),
            Some("tools/call") => calls.next(),
            None => Reply::Status(202),
            _ => shake_hands(message),
        });
        let backend = start(entry(&port.url(), &[]), None, Vec::new());
        let mut received = send(&backend, LinkKey::Default, tool("pay"));
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"n":1}}"#;
        let ping = r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#;
        let result = r#"{"jsonrpc":"2.0","id":$ID,"result":{}}"#;
        events.write(&format!("data: [{log},{ping},{result}]"));
        if !together {
            let outcome = end(&mut received).await;
            assert!(
                matches!(outcome, Outcome::Failed(Failure::Garbled { .. })),
                "{outcome:?}"
            );
            continue;
        }
        assert!(matches!(next(&mut received).await, Event::Notified(_)));
        assert_eq!(completed(&mut received).await, "{}");
        assert_eq!(answers(&served, 1).await[0]["id"], 5);
    }
}
