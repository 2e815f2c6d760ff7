//! Questions that nobody wants an answer to any more: withdrawn by the backend, or left open by a client
//! that cancels its call, leaves, or ends its MCP session.

use serde_json::json;

use crate::{
    questions::{open_at_question, respond, wish_of, with_responses},
    world::{Cancelled, FakeBackend, Fault, Pairing, Program, World, eventually},
};

const ASK: &str = r#"{"name":"it.ask"}"#;
const ADA: &str = r#"{"action":"accept","content":{"name":"Ada"}}"#;

async fn stand(pairing: Pairing) -> World {
    let program = Program::named("asked").capable();
    pairing.stand(pairing.script(), program).await
}

/// How a backend of that era hears of a cancellation.
fn way(pairing: Pairing) -> Cancelled {
    if pairing.has_modern_backend() {
        Cancelled::ByClose
    } else {
        Cancelled::ByNotification
    }
}

async fn hears_of_one_cancellation(w: &World) {
    let told = |it: &FakeBackend| !it.cancellations().is_empty();
    w.backend.until("the cancellation", told).await;
    assert_eq!(w.backend.cancellations().len(), 1);
}

#[tokio::test]
async fn a_backend_takes_its_question_back() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_backend() {
            continue; // it ends its call by asking, and then has nothing to take back
        }
        if pairing.has_modern_client() {
            continue; // shown in `parked`: the retry gets what became of the call
        }
        let w = stand(pairing).await;
        let (mut exchange, question) = open_at_question(&w.client, ASK).await;
        w.backend.withdraw_questions();
        let withdrawal = exchange.next().await.unwrap().json();
        assert_eq!(withdrawal["method"], "notifications/cancelled");
        assert_eq!(withdrawal["params"]["requestId"], question.json()["id"]);
        let result = exchange.finish().await.result();
        let answers = &result["structuredContent"]["answers"];
        assert_eq!(answers["name"], json!({"withdrawn": true}), "{pairing}");
        // An answer that crossed with it goes nowhere.
        assert_eq!(respond(&w.client, &question, ADA).await, 202);
        w.client.call("it.echo", json!({})).await.result();
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_client_cancels_its_call_while_it_is_asked() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // it is asked at the end of its call, which leaves nothing to cancel
        }
        let w = stand(pairing).await;
        let mut exchange = w.client.open_as("\"mine\"", "tools/call", ASK).await;
        let question = exchange.next().await.unwrap();
        w.client.cancel("\"mine\"").await;
        let rest = exchange.finish().await;
        assert!(rest.response.is_none(), "{pairing}: {rest:?}");
        if !pairing.has_modern_backend() {
            hears_of_one_cancellation(&w).await;
            assert_eq!(w.backend.cancellations()[0].how, way(pairing));
        }
        // A modern backend waits for nothing: that nobody calls again is all it hears of.
        assert_eq!(respond(&w.client, &question, ADA).await, 202);
        w.client.call("it.echo", json!({})).await.result();
        let asked = w.backend.requests_of("tools/call").len();
        assert_eq!(asked, 2, "{pairing}: one that asked, one echo");
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_client_cancels_a_call_that_goes_on_after_its_answer() {
    let params = r#"{"name":"it.ask_and_wait"}"#;
    for pairing in Pairing::eras() {
        let w = stand(pairing).await;
        let runs = if pairing.has_modern_backend() { 2 } else { 1 };
        let answered =
            |it: &FakeBackend| it.executions("ask_and_wait") == runs && it.open_questions() == 0;
        if pairing.has_modern_client() {
            let asked = wish_of(&w.client, params).await;
            let (key, _) = &asked.requests[0];
            let again = with_responses(params, &format!(r#""{key}":{ADA}"#), &asked.state);
            // Closing the stream of the retry takes the call back that it goes on with.
            tokio::select! {
                _ = w.client.request_raw("tools/call", &again) => panic!("it ended by itself"),
                () = w.backend.until("the answer", answered) => {}
            }
        } else {
            let mut exchange = w.client.open_as("7", "tools/call", params).await;
            let question = exchange.next().await.unwrap();
            assert_eq!(respond(&w.client, &question, ADA).await, 202);
            w.backend.until("the answer", answered).await;
            w.client.cancel("7").await;
            assert!(exchange.finish().await.response.is_none(), "{pairing}");
        }
        hears_of_one_cancellation(&w).await;
        assert_eq!(w.backend.cancellations()[0].how, way(pairing), "{pairing}");
        w.client.call("it.echo", json!({})).await.result();
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_legacy_client_that_leaves_may_answer_all_the_same() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // its leaving is a cancellation, and its answer is a call of its own
        }
        let w = stand(pairing).await;
        let (exchange, question) = open_at_question(&w.client, ASK).await;
        let last = exchange.last_event_id().expect("a stream to take up");
        drop(exchange);
        assert_eq!(respond(&w.client, &question, ADA).await, 202);
        let result = w.client.resume(&last).await.finish().await.result();
        let answers = &result["structuredContent"]["answers"];
        assert_eq!(answers["name"]["content"]["name"], "Ada", "{pairing}");
        assert_eq!(w.backend.cancellations(), []);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_client_that_left_for_good_before_it_was_asked_leaves_nobody_waiting() {
    for pairing in Pairing::eras() {
        let w = stand(pairing).await;
        w.backend.inject(Fault::Hold.on("tools/call"));
        let held = |it: &FakeBackend| !it.requests_of("tools/call").is_empty();
        tokio::select! {
            _ = w.client.open("tools/call", ASK) => panic!("it was answered"),
            () = w.backend.until("the call", held) => {}
        }
        // Later it might be asked on a connection that breaks just then, and answer on another.
        let left = async || w.gateway.logs().contains("a connection ended early");
        eventually("the gateway to see it leave", left).await;
        w.backend.release();
        // A legacy client's call goes on without it; a modern client's is cancelled.
        let over = |it: &FakeBackend| {
            let ended = it.completions("ask") + it.cancellations().len();
            ended >= it.executions("ask") && it.open_questions() == 0
        };
        if !pairing.has_modern_client() {
            let ran = |it: &FakeBackend| it.executions("ask") == 1;
            w.backend.until("the call to run", ran).await;
        }
        w.backend.until("the call to be over", over).await;
        w.client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn the_end_of_an_mcp_session_ends_the_call_that_asks_in_it() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // it has no MCP session
        }
        let w = stand(pairing).await;
        let (exchange, _question) = open_at_question(&w.client, ASK).await;
        assert_eq!(w.client.delete().await, 204);
        let end = exchange.finish().await;
        assert!(end.error().message.contains("MCP session"), "{end:?}");
        if pairing.has_modern_backend() {
            assert_eq!(w.backend.requests_of("tools/call").len(), 1, "never again");
            continue;
        }
        hears_of_one_cancellation(&w).await;
        assert_eq!(
            w.backend.completions("ask"),
            0,
            "{pairing}: nobody answered"
        );
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}
