//! Several questions during one call: in rounds, at once, and without an end.

use serde_json::{Value, json};

use crate::{
    MODERN,
    questions::{obliging, wish, with_responses},
    world::{FakeBackend, Pairing, Program, World},
};

const CANCELLED: &str = "notifications/cancelled";

async fn stand(pairing: Pairing) -> World {
    let program = Program::named("asked").capable();
    pairing.stand(pairing.script(), program).await
}

#[tokio::test]
async fn one_round_follows_another() {
    for pairing in Pairing::eras() {
        let w = stand(pairing).await;
        let mut fields = Vec::new();
        let answer = |_: &str, params: &Value| {
            let field = params["requestedSchema"]["required"][0].clone();
            let text = format!("my {}", field.as_str().unwrap());
            fields.push(field.as_str().unwrap().to_owned());
            json!({"action": "accept", "content": {field.as_str().unwrap(): text}})
        };
        let answered = w.client.call_answering("it.ask_twice", json!({}), answer);
        let result = answered.await.result();
        assert_eq!(fields, ["name", "colour"], "{pairing}");
        let answers = &result["structuredContent"]["answers"];
        assert_eq!(answers["name"]["content"]["name"], "my name");
        assert_eq!(answers["colour"]["content"]["colour"], "my colour");
        assert_eq!(w.backend.executions("ask_twice"), rounds(pairing, 3));
        assert_eq!(w.backend.open_questions(), 0);
    }
}

/// How often a backend is called for that: a modern one keeps nothing between the rounds.
fn rounds(pairing: Pairing, modern: usize) -> usize {
    if pairing.has_modern_backend() {
        modern
    } else {
        1
    }
}

#[tokio::test]
async fn what_is_asked_at_once_reaches_the_client_at_once() {
    for pairing in Pairing::eras() {
        let w = stand(pairing).await;
        if pairing.has_modern_client() {
            let answer = w.client.call("it.ask_both", json!({})).await;
            let asked = wish(&answer).unwrap_or_else(|| panic!("{pairing}: {answer:?}"));
            assert_eq!(asked.requests.len(), 2, "{pairing}: {:?}", asked.requests);
        } else {
            // Both are open before one is answered.
            let params = r#"{"name":"it.ask_both"}"#;
            let mut exchange = w.client.open("tools/call", params).await;
            let first = exchange.next().await.unwrap().json();
            let second = exchange.next().await.unwrap().json();
            assert_eq!(first["method"], "elicitation/create", "{pairing}");
            assert_eq!(second["method"], "sampling/createMessage", "{pairing}");
            assert_ne!(first["id"], second["id"]);
        }
        let arguments = json!({});
        let answered = w
            .client
            .call_answering("it.ask_both", arguments, obliging)
            .await;
        assert_eq!(answered.asked.len(), 2, "{pairing}");
        let answers = answered.result()["structuredContent"]["answers"].take();
        assert_eq!(answers["name"]["content"]["name"], "Ada", "{pairing}");
        assert_eq!(answers["sample"]["content"]["text"], "Paris");
    }
}

#[tokio::test]
async fn answers_in_any_order_reach_what_was_asked() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // its answers come together, by key
        }
        let w = stand(pairing).await;
        let params = r#"{"name":"it.ask_both"}"#;
        let mut exchange = w.client.open("tools/call", params).await;
        let first = exchange.next().await.unwrap();
        let second = exchange.next().await.unwrap();
        for question in [&second, &first] {
            let asked = question.json();
            let answer = obliging(asked["method"].as_str().unwrap(), &asked["params"]);
            assert_eq!(w.client.respond(question, answer).await, 202);
        }
        let answers = exchange.finish().await.result()["structuredContent"]["answers"].take();
        assert_eq!(answers["name"]["content"]["name"], "Ada", "{pairing}");
        assert_eq!(answers["sample"]["content"]["text"], "Paris");
    }
}

#[tokio::test]
async fn a_backend_that_never_has_enough_is_given_up() {
    for pairing in Pairing::eras() {
        if pairing.client == MODERN && pairing.has_modern_backend() {
            continue; // each round is a call of the client's own, which ends them by making no more
        }
        let w = stand(pairing).await;
        let mut rounds = 0;
        let params = r#"{"name":"it.ask_forever"}"#;
        let last = if pairing.has_modern_client() {
            let mut answer = w.client.request_raw("tools/call", params).await;
            while let Some(asked) = wish(&answer) {
                rounds += 1;
                let (key, _) = &asked.requests[0];
                let given = format!(r#"{}:{{"action":"decline"}}"#, Value::from(key.as_str()));
                let params = with_responses(params, &given, &asked.state);
                answer = w.client.request_raw("tools/call", &params).await;
            }
            answer
        } else {
            let answer = |_: &str, _: &Value| {
                rounds += 1;
                json!({"action": "decline"})
            };
            let arguments = json!({});
            w.client
                .call_answering("it.ask_forever", arguments, answer)
                .await
        };
        let error = last.error();
        assert_eq!(error.code, crate::UNAVAILABLE, "{pairing}: {error:?}");
        let (most, words) = if pairing.has_modern_backend() {
            (32, "more wishes for input")
        } else {
            (100, "more requests of its own")
        };
        assert_eq!(rounds, most, "{pairing}");
        assert!(error.message.contains(words), "{pairing}: {error:?}");
        if !pairing.has_modern_backend() {
            // Its stream is closed too, which says nothing to a backend of this era.
            let told = |it: &FakeBackend| !it.requests_of(CANCELLED).is_empty();
            w.backend.until("the end of it", told).await;
            let call = w.backend.requests_of("tools/call").remove(0);
            let told = w.backend.requests_of(CANCELLED).remove(0).params();
            assert_eq!(told["requestId"].to_string(), call.id().unwrap());
        }
        w.client.call("it.echo", json!({})).await.result();
    }
}
