//! Batches: of clients of 2025-03-26, and of backends that speak it.
//!
//! Spec: 2025-03-26 basic, "Batching"; basic/transports, "Sending Messages to the Server".

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    CLIENTS, LATEST_LEGACY, MODERN,
    world::{
        Answers, Client, FakeBackend, Gateway, Pairing, Program, World, client::Message,
        pairing::REVISIONS,
    },
};

const HAS_BATCHES: &str = "2025-03-26";

/// The one client that sends batches, with every backend.
fn pairings() -> Vec<Pairing> {
    let mut pairings = Pairing::revisions();
    pairings.retain(|it| it.client == HAS_BATCHES);
    let sse = pairings.clone().into_iter().map(|it| Pairing {
        answers: Answers::Sse,
        ..it
    });
    pairings.extend(sse);
    pairings
}

async fn stand(pairing: Pairing) -> World {
    let program = Program::named("x").capable();
    pairing.stand(pairing.script(), program).await
}

fn request(id: &Value, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn call(id: &Value, tool: &str, arguments: &Value) -> Value {
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": id}});
    request(id, "tools/call", &params)
}

/// The responses by their ids.
fn by_id(responses: &[Message]) -> BTreeMap<String, Value> {
    let pairs = responses
        .iter()
        .map(|it| (it.id().unwrap_or_default(), it.json()));
    let map: BTreeMap<_, _> = pairs.collect();
    assert_eq!(map.len(), responses.len(), "{responses:?}");
    map
}

async fn send(client: &Client, messages: &[Value]) -> (crate::world::client::Answer, Vec<Message>) {
    let body = Value::from(messages.to_vec()).to_string();
    client.open_batch(&body).await.collect().await
}

#[tokio::test]
async fn a_batch_of_all_kinds_of_messages_is_carried_out_message_by_message() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let failure = json!({"code": -32099, "message": "as asked"});
        let batch = [
            call(&json!(1), "it.progress", &json!({"steps": 2})),
            json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}),
            call(&json!("1"), "it.progress", &json!({"steps": 3})),
            call(&json!("fails"), "it.fail", &failure),
            call(&json!("unknown"), "nobody.echo", &json!({})),
            json!({"jsonrpc": "2.0", "id": 12345, "result": {"roots": []}}),
            request(&json!("list"), "tools/list", &json!({})),
            request(&json!("ping"), "ping", &json!({})),
            json!({"jsonrpc": "2.0", "id": "odd", "method": 7}),
            call(&json!("echo"), "it.echo", &json!({"n": 1.50})),
        ];
        let (answer, responses) = send(&w.client, &batch).await;
        assert_eq!(answer.status, 200);
        let responses = by_id(&responses);
        assert_eq!(responses.len(), 8, "{responses:?}");
        let text = |id: &str| responses[id]["result"]["content"][0]["text"].clone();
        assert_eq!(text("1"), "2 steps");
        assert_eq!(text(r#""1""#), "3 steps");
        assert_eq!(responses[r#""fails""#]["error"], failure);
        assert_eq!(responses[r#""unknown""#]["error"]["code"], -32602);
        assert_eq!(responses[r#""odd""#]["error"]["code"], -32600);
        assert_eq!(responses[r#""ping""#]["result"], json!({}));
        assert!(responses[r#""list""#]["result"]["tools"].is_array());
        let echoed = &responses[r#""echo""#]["result"]["structuredContent"]["n"];
        assert_eq!(echoed.to_string(), "1.5");
        for (token, steps) in [(json!(1), 2), (json!("1"), 3)] {
            let mut progress = answer.events.iter().map(Message::json);
            let told: Vec<Value> = progress
                .by_ref()
                .filter(|it| it["params"]["progressToken"] == token)
                .map(|it| it["params"]["progress"].clone())
                .collect();
            assert_eq!(told, (1..=steps).map(Value::from).collect::<Vec<_>>());
        }
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn the_messages_of_a_batch_are_carried_out_at_once() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let gated = json!({"steps": 1, "gated": true});
        let batch = Value::from(vec![
            call(&json!("slow"), "it.progress", &gated),
            call(&json!("quick"), "it.echo", &json!({})),
        ]);
        let mut exchange = w.client.open_batch(&batch.to_string()).await;
        let mut seen = Vec::new();
        while let Some(message) = exchange.next().await {
            if message.id().as_deref() == Some(r#""quick""#) {
                // Whoever waits for the slow one has this already.
                w.backend.step();
            }
            seen.extend(message.id());
        }
        assert_eq!(seen, [r#""quick""#, r#""slow""#]);
    }
}

#[tokio::test]
async fn a_request_of_a_batch_is_taken_back_within_it_or_later() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let cancelled = |id: &str| {
            let params = json!({"requestId": id});
            json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})
        };
        let batch = Value::from(vec![
            call(&json!("within"), "it.wait", &json!({})),
            call(&json!("later"), "it.wait", &json!({})),
            cancelled("within"),
            call(&json!("stays"), "it.echo", &json!({})),
        ]);
        let mut exchange = w.client.open_batch(&batch.to_string()).await;
        let stays = exchange.next().await.unwrap();
        assert_eq!(stays.id().as_deref(), Some(r#""stays""#));
        w.backend
            .until("the other call", |it| it.executions("wait") >= 1)
            .await;
        w.client.cancel(r#""later""#).await;
        assert!(exchange.next().await.is_none(), "nothing else is answered");
        w.backend
            .until("the end of all", |it| {
                it.cancellations().len() == it.executions("wait")
            })
            .await;
        let mut complaints = w.backend.complaints();
        // What is taken back on its way may never arrive.
        complaints.retain(|it| !it.starts_with("cancels a stranger"));
        assert_eq!(complaints, [""; 0]);
    }
}

#[tokio::test]
async fn equal_ids_within_a_batch_are_answered_each() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let batch = [
            call(&json!(7), "it.echo", &json!({"which": "first"})),
            call(&json!(7), "it.progress", &json!({"steps": 2})),
            call(&json!(7), "it.echo", &json!({"which": "second"})),
        ];
        let (answer, responses) = send(&w.client, &batch).await;
        assert!(responses.iter().all(|it| it.id().as_deref() == Some("7")));
        let mut results: Vec<String> = responses
            .iter()
            .map(|it| {
                it.result()["content"][0]["text"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        results.sort();
        assert_eq!(results[0], "2 steps");
        assert!(results[1].contains("first") && results[2].contains("second"));
        let tokens = answer.events.iter().map(Message::json);
        let told = tokens.filter(|it| it["params"]["progressToken"] == 7);
        assert_eq!(told.count(), 2);
    }
}

#[tokio::test]
async fn what_is_no_batch_is_refused_and_nothing_of_it_is_carried_out() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let echo = |id: usize| call(&json!(id), "it.echo", &json!({}));
        let opening = json!({"protocolVersion": HAS_BATCHES, "capabilities": {},
                             "clientInfo": {"name": "x", "version": "1"}});
        let with_opening = vec![echo(1), request(&json!(2), "initialize", &opening)];
        let too_many: Vec<Value> = (0..101).map(echo).collect();
        for (messages, words) in [
            (Vec::new(), "at least"),
            (with_opening, "initialize"),
            (too_many, "100"),
        ] {
            let (answer, responses) = send(&w.client, &messages).await;
            assert_eq!(answer.status, 400);
            let error = responses[0].json()["error"].take();
            assert_eq!(error["code"], -32600);
            assert!(
                error["message"].as_str().unwrap().contains(words),
                "{error}"
            );
        }
        assert_eq!(w.backend.executions("echo"), 0);
        let most: Vec<Value> = (0..100).map(echo).collect();
        let (_, responses) = send(&w.client, &most).await;
        assert_eq!(by_id(&responses).len(), 100);
    }
}

#[tokio::test]
async fn batches_of_other_revisions_are_refused() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for revision in REVISIONS.into_iter().filter(|it| *it != HAS_BATCHES) {
        let program = Program::named("x").lenient();
        let client = program.speaking(revision, &session.endpoint).await;
        let batch = [call(&json!(1), "it.echo", &json!({}))];
        let (answer, responses) = send(&client, &batch).await;
        assert_eq!(answer.status, 400, "{revision}");
        assert_eq!(responses[0].json()["error"]["code"], -32600, "{revision}");
    }
    assert_eq!(backend.executions("echo"), 0);
}

#[tokio::test]
async fn a_client_that_takes_json_alone_gets_one_list() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let batch = Value::from(vec![
            call(&json!(1), "it.progress", &json!({"steps": 2})),
            call(&json!(2), "it.echo", &json!({})),
        ]);
        let accept = [("accept", "application/json")];
        let answer = w.client.open_text(&batch.to_string(), &accept).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let (answer, responses) = answer.collect().await;
        assert!(responses.iter().all(Message::is_in_batch));
        assert_eq!((by_id(&responses).len(), answer.events.len()), (2, 0));
    }
}

#[tokio::test]
async fn what_is_asked_during_a_batch_may_be_answered_by_another() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let batch = Value::from(vec![
            call(&json!(1), "it.sample", &json!({})),
            call(&json!(2), "it.roots", &json!({})),
        ]);
        let mut exchange = w.client.open_batch(&batch.to_string()).await;
        let mut answers = Vec::new();
        for _ in 0..2 {
            let question = exchange.next().await.unwrap().json();
            let result = match question["method"].as_str().unwrap() {
                "sampling/createMessage" => {
                    json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
                }
                _ => json!({"roots": [{"uri": "file:///home"}]}),
            };
            answers.push(json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
        }
        let (answer, responses) = send(&w.client, &answers).await;
        assert_eq!((answer.status, responses.len()), (202, 0));
        let (_, responses) = exchange.collect().await;
        let responses = by_id(&responses);
        let given = |id: &str| responses[id]["result"]["structuredContent"]["answers"].to_string();
        assert!(given("1").contains("Paris"), "{responses:?}");
        assert!(given("2").contains("file:///home"), "{responses:?}");
    }
}

#[tokio::test]
async fn a_backend_that_answers_in_batches_serves_every_client() {
    for answers in [Answers::Json, Answers::Sse] {
        let script = FakeBackend::speaking(HAS_BATCHES).answers(answers);
        let backend = script.in_batches().recites().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in REVISIONS {
            let program = Program::named("x").capable();
            let client = program.speaking(revision, &session.endpoint).await;
            assert!(client.tool_names().await.contains(&"it.echo".to_owned()));
            assert!(!client.prompt_names().await.is_empty());
            let params = json!({"name": "it.progress", "arguments": {"steps": 3},
                                "_meta": {"progressToken": "mine"}});
            let answer = client.request("tools/call", params).await;
            assert_eq!(answer.text(), "3 steps");
            let steps = answer.events.iter().map(Message::json);
            let steps = steps.filter(|it| it["params"]["progressToken"] == "mine");
            assert_eq!(steps.count(), 3);
            let sampled = client
                .call_answering("it.sample", json!({}), |_, _| {
                    json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
                })
                .await;
            assert_eq!(sampled.asked.len(), 1, "{revision}");
            assert!(sampled.result_raw().contains("Paris"));
            let error = client
                .call("it.fail", json!({"code": 5, "message": "m"}))
                .await;
            assert_eq!(error.error().code, 5);
            let mut changes = client.subscribe("fake://text").await;
            backend
                .until("the subscription", |it| !it.subscriptions().is_empty())
                .await;
            backend.announce_update("fake://text");
            changes.next_of("notifications/resources/updated").await;
            client.unsubscribe("fake://text", changes).await;
        }
        // A batch that is large goes on, too.
        let text = "0123456789".repeat(50_000);
        backend.set_exact(&format!(
            r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#
        ));
        for revision in CLIENTS {
            let client = Client::speaking(revision, &session.endpoint).await;
            assert_eq!(client.call("it.exact", json!({})).await.text(), text);
        }
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn other_backends_may_answer_in_no_batches() {
    for revision in [LATEST_LEGACY, MODERN] {
        let script = FakeBackend::speaking(revision).recites();
        let backend = script.start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::modern(&session.endpoint);
        let batch = r#"[{"jsonrpc":"2.0","method":"notifications/com.example/x"}]"#;
        let answer = client.call("it.recite", json!({"messages": [batch]})).await;
        let error = answer.error();
        assert!(error.message.contains("not JSON-RPC"), "{error:?}");
    }
}
