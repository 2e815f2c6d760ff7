//! Backends that ask on the stream of their MCP session, and not on that of the call that makes them ask.
//!
//! Only legacy backends have such a stream: of the four pairings, two.

use serde_json::json;

use crate::{
    questions::{obliging, open_at_question, wish_of, with_responses},
    world::{FakeBackend, Pairing, Program, World, eventually},
};

/// The pairings of a backend with such a stream.
fn of_legacy_backends() -> impl Iterator<Item = Pairing> {
    let pairings = Pairing::eras().into_iter();
    pairings.filter(|pairing| !pairing.has_modern_backend())
}

async fn stand(pairing: Pairing) -> World {
    let program = Program::named("asked").capable();
    let script = pairing.script().asks_on_get_stream();
    pairing.stand(script, program).await
}

/// The tools that ask, and how often.
const TOOLS: [(&str, usize); 5] = [
    ("it.ask", 1),
    ("it.sample", 1),
    ("it.roots", 1),
    ("it.ask_twice", 2),
    ("it.ask_both", 2),
];

#[tokio::test]
async fn a_client_is_asked_wherever_it_can_hear_it() {
    for pairing in of_legacy_backends() {
        for listens in [false, true] {
            if listens && pairing.has_modern_client() {
                continue; // a modern client has no such stream
            }
            let w = stand(pairing).await;
            if listens {
                w.client.listen().await;
            }
            for (tool, count) in TOOLS {
                let answer = w.client.call_answering(tool, json!({}), obliging).await;
                assert_eq!(answer.text(), "answered", "{pairing}: {tool}");
                assert_eq!(answer.asked.len(), count, "{pairing}: {tool}");
            }
            let prompt = json!({"name": "it.ask_prompt"});
            let prompt = w.client.request_answering("prompts/get", prompt, obliging);
            assert!(prompt.await.result_raw().contains("Ada"), "{pairing}");
            assert_eq!(w.backend.open_questions(), 0);
            assert_eq!(w.backend.complaints(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn a_question_goes_to_the_stream_of_the_client_that_listens() {
    for pairing in of_legacy_backends() {
        if pairing.has_modern_client() {
            continue; // a modern client has no such stream
        }
        let w = stand(pairing).await;
        let mut stream = w.client.get_stream().await;
        let call = w.client.call("it.ask", json!({}));
        let answer = async {
            let question = stream.next().await.unwrap();
            let given = obliging("elicitation/create", &question.json()["params"]);
            assert_eq!(w.client.respond(&question, given).await, 202);
        };
        let (called, ()) = tokio::join!(call, answer);
        assert_eq!(called.text(), "answered", "{pairing}");
        assert_eq!(called.events.len(), 0, "asked on the other stream");
    }
}

#[tokio::test]
async fn a_question_there_is_withdrawn_there() {
    for pairing in of_legacy_backends() {
        if pairing.has_modern_client() {
            continue; // a modern client has no such stream
        }
        let w = stand(pairing).await;
        let mut stream = w.client.get_stream().await;
        let call = w.client.call("it.ask", json!({}));
        let hear = async {
            let question = stream.next().await.unwrap().json();
            w.backend.withdraw_questions();
            let withdrawal = stream.next().await.unwrap().json();
            assert_eq!(withdrawal["method"], "notifications/cancelled");
            assert_eq!(withdrawal["params"]["requestId"], question["id"]);
        };
        let (called, ()) = tokio::join!(call, hear);
        let answers = &called.result()["structuredContent"]["answers"];
        assert_eq!(answers["name"], json!({"withdrawn": true}), "{pairing}");
    }
}

#[tokio::test]
async fn a_question_there_is_withdrawn_from_who_was_asked_by_its_call() {
    for pairing in of_legacy_backends() {
        let w = stand(pairing).await;
        let params = r#"{"name":"it.ask"}"#;
        let last = if pairing.has_modern_client() {
            let asked = wish_of(&w.client, params).await;
            w.backend.withdraw_questions();
            let ended = |it: &FakeBackend| it.completions("ask") == 1;
            w.backend.until("the call to end", ended).await;
            let (key, _) = &asked.requests[0];
            let given = format!(r#""{key}":{{"action":"decline"}}"#);
            let params = with_responses(params, &given, &asked.state);
            w.client.request_raw("tools/call", &params).await
        } else {
            let (exchange, question) = open_at_question(&w.client, params).await;
            w.backend.withdraw_questions();
            let last = exchange.finish().await;
            // The result comes on another stream than the withdrawal, and may well be faster.
            for withdrawal in &last.events {
                let withdrawn = withdrawal.json()["params"]["requestId"].take();
                assert_eq!(withdrawn, question.json()["id"], "{pairing}");
            }
            last
        };
        let answers = &last.result()["structuredContent"]["answers"];
        assert_eq!(answers["name"], json!({"withdrawn": true}), "{pairing}");
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_question_after_a_stream_broke_is_put_on_the_calls_own() {
    for pairing in of_legacy_backends() {
        if pairing.has_modern_client() {
            continue; // a modern client has no such stream
        }
        let w = stand(pairing).await;
        let mut stream = w.client.get_stream().await;
        stream.primed().await;
        let last = stream.last_event_id().unwrap();
        let ended = || w.gateway.logs().matches("a connection ended early").count();
        let before = ended();
        drop(stream);
        eventually("the end of the stream", async || ended() > before).await;
        // Whether the client comes back is not known; that it reads this is.
        let mut call = w.client.open("tools/call", r#"{"name":"it.ask"}"#).await;
        let question = call.next().await.unwrap();
        let given = obliging("elicitation/create", &question.json()["params"]);
        // Nor is it asked a second time when it does.
        let mut stream = w.client.resume(&last).await;
        assert_eq!(stream.status(), 200, "{pairing}");
        assert_eq!(w.client.respond(&question, given).await, 202);
        assert_eq!(call.finish().await.text(), "answered", "{pairing}");
        assert_eq!(w.client.delete().await, 204);
        assert!(stream.next().await.is_none(), "{pairing}");
    }
}

#[tokio::test]
async fn what_is_told_between_two_questions_is_not_lost() {
    let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"in between"}}"#;
    for pairing in of_legacy_backends() {
        let program = Program::named("asked").capable().log_level("debug");
        let script = pairing.script().asks_on_get_stream();
        let w = pairing.stand(script, program).await;
        let call = w.client.call_answering("it.ask_twice", json!({}), obliging);
        let tell = async {
            let asked = |it: &FakeBackend| it.open_questions() == 1;
            w.backend.until("the first question", asked).await;
            w.backend.blurt(log);
        };
        let (answer, ()) = tokio::join!(call, tell);
        let told = answer
            .events
            .iter()
            .map(|it| it.json()["params"]["data"].clone());
        let told: Vec<_> = told.filter(|it| it == "in between").collect();
        assert_eq!(told.len(), 1, "{pairing}: {:?}", answer.events);
    }
}
