//! What backends ask, in either era, and how clients answer.

use serde_json::{Value, json};

use super::{LEGACY, REVISIONS, capable};
use crate::world::{Answers, Client, FakeBackend, Program, client::MODERN};

/// What the client of these tests answers.
fn answer(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" if params["mode"] == "url" => json!({"action": "accept"}),
        "elicitation/create" => {
            let schema = &params["requestedSchema"]["required"][0];
            json!({"action": "accept", "content": {schema.as_str().unwrap(): "Ada"}})
        }
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home", "name": "home"}]}),
        other => unreachable!("asked {other}"),
    }
}

/// The tools that ask, what they ask, and since when there is such a question.
const TOOLS: [(&str, &[&str], &str); 6] = [
    ("ask", &["elicitation/create"], "2025-06-18"),
    ("ask_url", &["elicitation/create"], "2025-11-25"),
    ("sample", &["sampling/createMessage"], "2024-11-05"),
    ("roots", &["roots/list"], "2024-11-05"),
    (
        "ask_twice",
        &["elicitation/create", "elicitation/create"],
        "2025-06-18",
    ),
    (
        "ask_both",
        &["elicitation/create", "sampling/createMessage"],
        "2025-06-18",
    ),
];

#[tokio::test]
async fn tools_ask_and_hand_back_the_answers() {
    for revision in REVISIONS {
        for answers in [Answers::Json, Answers::Sse] {
            let backend = FakeBackend::speaking(revision).answers(answers).start();
            let client = capable(revision, &backend).await;
            for (tool, methods, since) in TOOLS {
                let answered = client.call_answering(tool, json!({}), answer).await;
                if revision < since {
                    assert_eq!(answered.text(), "this client cannot be asked");
                    continue;
                }
                let asked: Vec<&str> = answered.asked.iter().map(|it| it.method.as_str()).collect();
                assert_eq!(asked, methods, "{tool} of {revision}");
                let structured = &answered.result()["structuredContent"];
                let given = structured["answers"].as_object().unwrap();
                for asked in &answered.asked {
                    let expected = answer(&asked.method, &asked.params);
                    assert!(given.values().any(|it| *it == expected), "{given:?}");
                }
                let completes = tool == "ask_url" && revision == LEGACY;
                assert_eq!(answered.events.len(), usize::from(completes));
            }
            assert_eq!(backend.complaints(), [""; 0]);
            assert_eq!(backend.open_questions(), 0);
        }
    }
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    for revision in ["2025-06-18", LEGACY, MODERN] {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let params = json!({"name": "ask_prompt"});
        let prompt = client
            .request_answering("prompts/get", params, answer)
            .await;
        let text = prompt.result()["messages"][0]["content"]["text"].take();
        assert!(text.as_str().unwrap().contains("Ada"), "{text}");
        let params = json!({"uri": "fake://ask"});
        let read = client
            .request_answering("resources/read", params, answer)
            .await;
        let text = read.result()["contents"][0]["text"].take();
        assert!(text.as_str().unwrap().contains("Ada"), "{text}");
        assert_eq!((prompt.asked.len(), read.asked.len()), (1, 1));
    }
}

#[tokio::test]
async fn a_client_is_asked_only_for_what_it_can_do() {
    let forms = json!({"elicitation": {}});
    let pages = json!({"elicitation": {"url": {}}});
    let cases = [
        (&forms, "ask", true),
        (&forms, "ask_url", false),
        (&forms, "sample", false),
        (&forms, "ask_both", false),
        (&pages, "ask", false),
        (&pages, "ask_url", true),
    ];
    for (capabilities, tool, can) in cases {
        let program = || Program::named("x").capabilities(capabilities.clone());
        let backend = FakeBackend::legacy().start();
        let client = program().legacy(&backend.url(), LEGACY).await;
        let answered = client.call_answering(tool, json!({}), answer).await;
        assert_eq!(answered.result()["isError"] != true, can, "{tool}");

        let backend = FakeBackend::modern().start();
        let client = program().modern(&backend.url());
        let answered = client.call_answering(tool, json!({}), answer).await;
        if can {
            answered.result();
        } else {
            assert_eq!((answered.status, answered.error().code), (400, -32021));
        }
    }
    let backend = FakeBackend::modern().start();
    let mute = Client::modern(&backend.url())
        .call("ask_url", json!({}))
        .await;
    let missing = json!({"requiredCapabilities": {"elicitation": {"url": {}}}});
    assert_eq!(mute.error().data, missing);
}

#[tokio::test]
async fn some_backends_ask_whomever_they_like() {
    let backend = FakeBackend::legacy().asks_anyway().start();
    let program = Program::named("x").lenient();
    let client = program.legacy(&backend.url(), LEGACY).await;
    let mut exchange = client.open("tools/call", r#"{"name":"roots"}"#).await;
    let question = exchange.next().await.unwrap();
    assert_eq!(client.refuse(&question, -32601, "no roots").await, 202);
    let result = exchange.finish().await.result();
    let refused = json!({"error": {"code": -32601, "message": "no roots"}});
    assert_eq!(result["structuredContent"]["answers"]["roots"], refused);

    let backend = FakeBackend::modern().asks_anyway().start();
    let client = Client::modern(&backend.url());
    let asked = client.call("roots", json!({})).await.result();
    assert_eq!(asked["inputRequests"]["roots"]["method"], "roots/list");
}

#[tokio::test]
async fn a_legacy_backend_may_ask_on_the_get_stream() {
    let backend = FakeBackend::legacy().asks_on_get_stream().start();
    let client = capable(LEGACY, &backend).await;
    client.listen().await;
    backend.announce(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
    let answered = client.call_answering("ask_both", json!({}), answer).await;
    assert_eq!(answered.asked.len(), 2);
    assert_eq!(answered.aside.len(), 1);
    assert_eq!(answered.events.len(), 0);
    assert_eq!(answered.text(), "answered");
}

#[tokio::test]
async fn a_legacy_backend_may_take_its_question_back() {
    let backend = FakeBackend::legacy().start();
    let client = capable(LEGACY, &backend).await;
    let mut exchange = client.open("tools/call", r#"{"name":"ask"}"#).await;
    let question = exchange.next().await.unwrap();
    assert_eq!(backend.open_questions(), 1);
    backend.withdraw_questions();
    let answer = exchange.finish().await;
    let withdrawal = answer.events[0].json();
    assert_eq!(withdrawal["method"], "notifications/cancelled");
    assert_eq!(withdrawal["params"]["requestId"], question.json()["id"]);
    let answers = &answer.result()["structuredContent"]["answers"];
    assert_eq!(answers["name"], json!({"withdrawn": true}));
}

#[tokio::test]
async fn an_answer_of_another_mcp_session_is_complained_of() {
    let backend = FakeBackend::legacy().start();
    let client = capable(LEGACY, &backend).await;
    let other = capable(LEGACY, &backend).await;
    let mut exchange = client.open("tools/call", r#"{"name":"roots"}"#).await;
    let question = exchange.next().await.unwrap();
    assert_eq!(other.respond(&question, json!({"roots": []})).await, 202);
    assert_eq!(backend.complaints().len(), 1);
}

#[tokio::test]
async fn a_modern_backend_demands_its_state_back_as_it_was() {
    let backend = FakeBackend::modern().start();
    let client = capable(MODERN, &backend).await;
    let asked = client.call("ask_both", json!({})).await.result();
    let state = &asked["requestState"];
    let name = json!({"name": answer("elicitation/create", &json!({"requestedSchema": {"required": ["name"]}}))});
    let retry = |tool: &str, state: &Value| json!({"name": tool, "inputResponses": name, "requestState": state});
    let strangers = [retry("ask", state), retry("ask_both", &json!("forged"))];
    for stranger in strangers {
        assert_eq!(
            client.request("tools/call", stranger).await.error().code,
            -32602
        );
    }
    let again = client
        .request("tools/call", retry("ask_both", state))
        .await
        .result();
    assert_eq!(
        again["resultType"], "input_required",
        "one answer is missing"
    );
    let open: Vec<&String> = again["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(open, ["sample"]);
    let retry = json!({"name": "ask_both", "requestState": again["requestState"],
                       "inputResponses": {"sample": answer("sampling/createMessage", &Value::Null)}});
    let last = client.request("tools/call", retry).await.result();
    let given = last["structuredContent"]["answers"].as_object().unwrap();
    assert_eq!(given.len(), 2);
}

#[tokio::test]
async fn some_tools_ask_without_an_end() {
    let backend = FakeBackend::legacy().start();
    let client = capable(LEGACY, &backend).await;
    let mut exchange = client
        .open_as("7", "tools/call", r#"{"name":"ask_forever"}"#)
        .await;
    for _ in 0..5 {
        let question = exchange.next().await.unwrap();
        let key = question.json()["params"]["requestedSchema"]["required"][0].take();
        let content = json!({key.as_str().unwrap(): "x"});
        client
            .respond(&question, json!({"action": "accept", "content": content}))
            .await;
    }
    client.cancel("7").await;
    let rest = exchange.finish().await;
    assert!(rest.response.is_none());

    let backend = FakeBackend::modern().start();
    let client = capable(MODERN, &backend).await;
    let mut params = json!({"name": "ask_forever"});
    for round in 0..5 {
        let asked = client.request("tools/call", params.clone()).await.result();
        let key = format!("again_{round}");
        assert!(asked["inputRequests"][&key].is_object(), "{asked}");
        params["inputResponses"] = json!({key: {"action": "decline"}});
        params["requestState"] = asked["requestState"].clone();
    }
}
