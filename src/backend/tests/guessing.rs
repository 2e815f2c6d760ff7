//! What a legacy backend says on no call's stream while several calls are on their way.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    asking::{
        PATIENT, asked_tool, completed, end, entry, next, question, raw, send, start, turn_clock,
        until,
    },
    socket::{Port, Reply, Script, Served, Stream, shake_hands, stream},
};
use crate::{
    backend::{Backend, Call, LinkKey},
    channel::channel,
    limits::EVENTS_IN_FLIGHT,
    mcp::{
        event::{Answered, Event, Notification, Outcome},
        request::{Asking, Request},
    },
};

/// A legacy server with a stream for what is about no call, and one for each of two calls.
struct World {
    served: Served,
    backend: Backend,
    aside: Stream,
    calls: [Stream; 2],
}

impl World {
    fn new() -> Self {
        let port = Port::new();
        let (aside, listening) = stream();
        let (first, first_call) = stream();
        let (second, second_call) = stream();
        let streams = Script::of([listening]);
        let calls = Script::of([first_call, second_call]);
        let served = port.serve(move |message| match message["method"].as_str() {
            Some("tools/call") => calls.next(),
            Some("GET") => streams.next(),
            None | Some("notifications/cancelled") => Reply::Status(202),
            _ => shake_hands(message),
        });
        Self {
            served,
            backend: start(entry(&port.url(), &[]), None, Vec::new()),
            aside,
            calls: [first, second],
        }
    }

    /// Waits until so many calls have come.
    async fn called(&self, count: usize) {
        until(async || self.served.heard("tools/call") == count).await;
    }

    /// What was answered, once that is so much.
    async fn answers(&self, count: usize) -> Vec<Value> {
        until(async || self.served.answers().len() >= count).await;
        self.served.answers()
    }
}

fn asks(id: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": {} })
}

fn log() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} })
}

fn pay(asking: Asking) -> Request {
    asked_tool("pay", &json!({ "elicitation": {} }), asking)
}

#[tokio::test]
async fn clients_that_share_a_link_hear_nothing_that_may_be_about_each_others_calls() {
    let world = World::new();
    let link = LinkKey::of(None, &pay(Asking::ByRetry).context);
    let mut first = send(&world.backend, link, pay(Asking::ByRetry));
    world.called(1).await;
    let mut second = send(&world.backend, link, pay(Asking::ByRetry));
    world.called(2).await;
    world.aside.say(&log());
    world.aside.say(&asks("whose"));
    let answers = world.answers(1).await;
    assert_eq!(answers[0]["id"], "whose");
    assert_eq!(answers[0]["error"]["code"], -32601);
    world.calls[1].answer(&json!({}));
    assert_eq!(completed(&mut second).await, "{}");
    // Now there is no doubt.
    world.aside.say(&log());
    assert!(matches!(next(&mut first).await, Event::Notified(_)));
    world.aside.say(&asks("its"));
    let asked = question(&mut first).await;
    asked.answer(Answered::Result(raw("{}")));
    assert_eq!(world.answers(2).await[1]["result"], json!({}));
    world.calls[0].answer(&json!({}));
    assert_eq!(completed(&mut first).await, "{}");
}

#[tokio::test]
async fn a_question_that_may_be_any_calls_has_all_of_them_wait_and_outlives_the_guessed_one() {
    let world = World::new();
    let own = LinkKey::Own(Uuid::new_v4());
    let mut older = send(&world.backend, own, pay(Asking::WhileOpen));
    world.called(1).await;
    let (events, mut newest) = channel(EVENTS_IN_FLIGHT);
    let cancel = Arc::new(CancellationToken::new());
    let call = Call::new(own, pay(Asking::WhileOpen), events, cancel.clone());
    world.backend.send(call);
    world.called(2).await;
    world.aside.say(&asks("q"));
    let asked = question(&mut newest).await;
    turn_clock(PATIENT.call * 2).await;
    cancel.cancel();
    assert!(matches!(end(&mut newest).await, Outcome::Cancelled));
    assert!(world.served.answers().is_empty());
    drop(asked);
    let answers = world.answers(1).await;
    assert_eq!(answers[0]["id"], "q");
    assert_eq!(answers[0]["error"]["code"], -32603);
    world.calls[0].answer(&json!({}));
    assert_eq!(completed(&mut older).await, "{}");
}

#[tokio::test]
async fn what_a_call_still_asks_at_its_end_is_withdrawn_and_answered_with_an_error() {
    let world = World::new();
    let link = LinkKey::Own(Uuid::new_v4());
    let mut received = send(&world.backend, link, pay(Asking::WhileOpen));
    world.calls[0].say(&asks("open"));
    let asked = question(&mut received).await;
    world.calls[0].answer(&json!({}));
    let withdrawn = next(&mut received).await;
    assert!(matches!(withdrawn, Event::Withdrawn(number) if number == asked.number));
    assert_eq!(completed(&mut received).await, "{}");
    asked.answer(Answered::Result(raw("{}")));
    world.aside.say(&asks("last"));
    let answers = world.answers(2).await;
    let mut told: Vec<_> = answers
        .iter()
        .map(|answer| (answer["id"].clone(), answer["error"]["code"].clone()))
        .collect();
    told.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(
        told,
        [
            (json!("last"), json!(-32601)),
            (json!("open"), json!(-32603))
        ]
    );
}

#[tokio::test]
async fn progress_of_an_answer_reaches_who_asked_under_the_backends_own_token() {
    let world = World::new();
    let own = LinkKey::Own(Uuid::new_v4());
    let mut received = send(&world.backend, own, pay(Asking::WhileOpen));
    let params = json!({ "_meta": { "progressToken": 7, "a": 1 }, "message": "m" });
    world.calls[0].say(&json!({
        "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params
    }));
    let asked = question(&mut received).await;
    let seen: Value = serde_json::from_str(asked.params.as_deref().unwrap().get()).unwrap();
    assert_eq!(seen["_meta"]["a"], 1);
    assert_eq!(seen["message"], "m");
    let token = &seen["_meta"]["progressToken"];
    assert_ne!(*token, json!(7));
    for token in [&json!(7), &json!("other"), token] {
        let params = json!({ "progressToken": token, "progress": 1 }).to_string();
        world.backend.notify(
            own,
            Notification {
                method: "notifications/progress".to_owned(),
                params: Some(raw(&params)),
            },
        );
    }
    until(async || world.served.heard("notifications/progress") > 0).await;
    asked.answer(Answered::Result(raw("{}")));
    world.answers(1).await;
    let told = world.served.said("notifications/progress");
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0]["params"],
        json!({ "progressToken": 7, "progress": 1 })
    );
}
