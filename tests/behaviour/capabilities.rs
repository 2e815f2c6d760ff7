//! What clients can do is told to backends as it is, and no backend asks for more.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    questions::{nothing, obliging},
    world::{Client, Pairing, Program},
};

/// Capabilities of which the gateway knows a part only.
fn odd() -> Value {
    json!({
        "com.example/unknown": {"z": 1.5, "a": [null, {}]},
        "experimental": {"com.example/x": {"on": true}},
        "roots": {"listChanged": true, "com.example/deep": {}},
        "extensions": {"com.example/ext": {"level": 3}},
        "elicitation": {},
    })
}

/// The capabilities that each `initialize` declared at the backend.
fn declared(backend: &crate::world::FakeBackend) -> Vec<Value> {
    let opened = backend.requests_of("initialize");
    let declared = opened.iter().map(|it| it.params()["capabilities"].clone());
    declared.collect()
}

/// The capabilities that a request carried to a modern backend.
fn carried(params: &Value) -> &Value {
    &params["_meta"]["io.modelcontextprotocol/clientCapabilities"]
}

#[tokio::test]
async fn a_backend_is_told_the_clients_own_capabilities() {
    for pairing in Pairing::eras() {
        let program = Program::named("odd").capabilities(odd());
        let w = pairing.stand(pairing.script(), program).await;
        w.client.call("it.echo", json!({})).await.result();
        if pairing.has_modern_backend() {
            let call = w.backend.requests_of("tools/call").remove(0).params();
            assert_eq!(*carried(&call), odd(), "{pairing}");
            continue;
        }
        // The session's own conversation is for nobody in particular.
        let mut declared = declared(&w.backend);
        declared.retain(|it| *it != json!({}));
        assert_eq!(declared, [odd()], "{pairing}");
        let calls = w.backend.requests_of("tools/call").remove(0).params();
        assert_eq!(*carried(&calls), Value::Null, "a legacy backend knows none");
    }
}

/// Calls a tool that asks, and tells whether the client was asked.
async fn is_asked(client: &Client, tool: &str) -> bool {
    let answer = client.call_answering(tool, json!({}), obliging).await;
    let response = answer.response.as_ref().unwrap().json();
    let was_asked = !answer.asked.is_empty();
    let result = &response["result"];
    let succeeded = result.is_object() && result["isError"] != true;
    assert_eq!(was_asked, succeeded, "{tool}: {answer:?}");
    if !succeeded && result.is_null() {
        assert_eq!(response["error"]["code"], -32021, "{answer:?}");
    }
    was_asked
}

#[tokio::test]
async fn clients_of_one_session_do_not_mix_their_capabilities() {
    let sets = [
        json!({}),
        json!({"elicitation": {}}),
        json!({"sampling": {}, "roots": {}}),
        json!({"elicitation": {"url": {}}}),
    ];
    let tools = ["it.ask", "it.ask_url", "it.sample", "it.roots"];
    let expected = [
        [false, false, false, false],
        [true, false, false, false],
        [false, false, true, true],
        [false, true, false, false],
    ];
    for pairing in Pairing::eras() {
        let w = pairing.stand(pairing.script(), Program::named("x")).await;
        let mut clients = Vec::new();
        // Clients of either era, two of each set.
        for revision in [LATEST_LEGACY, MODERN] {
            for set in &sets {
                let program = Program::named("x").capabilities(set.clone());
                clients.push(program.speaking(revision, &w.session.endpoint).await);
            }
        }
        for (column, tool) in tools.iter().enumerate() {
            let asking = clients.iter().map(|client| is_asked(client, tool));
            let asked = futures_util::future::join_all(asking).await;
            let expected = expected.iter().chain(&expected).map(|row| row[column]);
            assert_eq!(asked, expected.collect::<Vec<_>>(), "{pairing}: {tool}");
        }
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_backend_that_asks_anyway_is_refused_and_its_client_hears_nothing() {
    let forms = json!({"elicitation": {"form": {}}});
    let pages = json!({"elicitation": {"url": {}}});
    let cases = [
        (json!({}), "ask", json!({"elicitation": {}})),
        (json!({}), "sample", json!({"sampling": {}})),
        (json!({}), "roots", json!({"roots": {}})),
        (forms, "ask_url", json!({"elicitation": {"url": {}}})),
        (pages, "ask", json!({"elicitation": {}})),
    ];
    for pairing in Pairing::eras() {
        for (capabilities, tool, required) in &cases {
            let program = Program::named("x").capabilities(capabilities.clone());
            let w = pairing.stand(pairing.script().asks_anyway(), program).await;
            let public = format!("it.{tool}");
            let answer = w.client.call_answering(&public, json!({}), nothing).await;
            if pairing.has_modern_backend() {
                let status = if pairing.has_modern_client() {
                    400
                } else {
                    200
                };
                let error = answer.error();
                assert_eq!((answer.status, error.code), (status, -32021), "{pairing}");
                assert_eq!(error.data["requiredCapabilities"], *required);
                assert_eq!(w.backend.requests_of("tools/call").len(), 1);
            } else {
                let answers = answer.result()["structuredContent"]["answers"].take();
                let given = answers.as_object().unwrap().values().next().unwrap();
                assert_eq!(given["error"]["code"], -32601, "{pairing}: {tool}");
            }
            assert_eq!(w.backend.open_questions(), 0);
        }
    }
}

#[tokio::test]
async fn a_backends_word_for_a_missing_capability_passes() {
    for pairing in Pairing::eras() {
        if !pairing.has_modern_backend() {
            continue; // the legacy era has no such error
        }
        let w = pairing.stand(pairing.script(), Program::named("x")).await;
        for (tool, required) in [
            ("it.ask", json!({"elicitation": {}})),
            ("it.ask_url", json!({"elicitation": {"url": {}}})),
            ("it.sample", json!({"sampling": {}})),
        ] {
            let answer = w.client.call(tool, json!({})).await;
            let status = if pairing.has_modern_client() {
                400
            } else {
                200
            };
            let error = answer.error();
            assert_eq!((answer.status, error.code), (status, -32021), "{pairing}");
            assert_eq!(error.data, json!({"requiredCapabilities": required}));
            assert!(
                error.message.starts_with("Server requires the"),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_script_without_a_handshake_is_asked_nothing() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // every request of a modern client says what it can do
        }
        let w = pairing.stand(pairing.script(), Program::named("x")).await;
        let script = Client::plain(&w.session.endpoint);
        assert!(!is_asked(&script, "it.ask").await, "{pairing}");
    }
}
