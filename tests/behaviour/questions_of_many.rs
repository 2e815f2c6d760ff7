//! Many clients of every revision on one session, who use the same ids and the same tokens at the same
//! time: everybody is asked what their own call asks, and gets their own answer.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{
    Answers, Client, FakeBackend, Gateway, Program, client::Message, pairing::REVISIONS,
};

/// Clients of each revision, so many of each.
const EACH: usize = 3;

async fn clients(endpoint: &str) -> Vec<(String, Client)> {
    let mut clients = Vec::new();
    for revision in REVISIONS {
        for number in 0..EACH {
            let name = format!("{revision} {number}");
            // What a revision does not know its clients do not declare.
            let capabilities = if revision < "2025-06-18" {
                json!({"sampling": {}, "roots": {}})
            } else {
                json!({"sampling": {}, "roots": {}, "elicitation": {}})
            };
            let program = Program::named(&name).capabilities(capabilities);
            clients.push((name, program.speaking(revision, endpoint).await));
        }
    }
    clients
}

/// Answers in the name of one client.
fn answer(name: &str, method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" => {
            let field = params["requestedSchema"]["required"][0].as_str().unwrap();
            json!({"action": "accept", "content": {field: name}})
        }
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": name}})
        }
        _ => json!({"roots": [{"uri": format!("file:///{}", name.replace(' ', "/"))}]}),
    }
}

/// Calls a tool that asks; its result must hold this client's answers, and no other's.
async fn call(name: &str, client: &Client, tool: &str) {
    let given = |method: &str, params: &Value| answer(name, method, params);
    let answered = client
        .call_answering(tool, json!({"for": name}), given)
        .await;
    let answers = answered.result()["structuredContent"]["answers"].take();
    let answers = answers.as_object().unwrap();
    assert_eq!(answers.len(), answered.asked.len(), "{name}: {tool}");
    let mine = answered
        .asked
        .iter()
        .map(|it| answer(name, &it.method, &it.params));
    for mine in mine {
        let is_there = answers.values().any(|it| *it == mine);
        assert!(is_there, "{name}: {tool}: {answers:?}");
    }
}

/// Has progress told under a token that everybody uses.
async fn follow(name: &str, client: &Client, tool: &str) {
    let params = format!(
        r#"{{"name":"{tool}","arguments":{{"steps":3,"for":"{name}"}},"_meta":{{"progressToken":7}}}}"#
    );
    let answer = client.open_as("4711", "tools/call", &params).await;
    let answer = answer.finish().await;
    assert_eq!(answer.text(), "3 steps", "{name}");
    let told = answer.events.iter().map(Message::json);
    let told = told.filter(|it| it["method"] == "notifications/progress");
    let steps: Vec<Value> = told
        .map(|mut it| {
            assert_eq!(it["params"]["progressToken"], 7, "{name}");
            it["params"]["progress"].take()
        })
        .collect();
    assert_eq!(steps, [1, 2, 3], "{name}");
}

#[tokio::test]
async fn everybody_is_asked_and_answered_for_themselves() {
    for answers in [Answers::Json, Answers::Sse] {
        let legacy = FakeBackend::legacy().answers(answers).start();
        let modern = FakeBackend::modern().answers(answers).start();
        let gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
        let session = gateway.session(&["legacy", "modern"]).await;
        let clients = clients(&session.endpoint).await;
        let everybody = clients.iter().map(|(name, client)| async move {
            for backend in ["legacy", "modern"] {
                for tool in ["sample", "roots", "ask", "ask_both", "ask_twice"] {
                    if tool.starts_with("ask") && name.as_str() < "2025-06-18" {
                        continue; // it knows no elicitation
                    }
                    call(name, client, &format!("{backend}.{tool}")).await;
                }
                follow(name, client, &format!("{backend}.progress")).await;
            }
        });
        join_all(everybody).await;
        assert_eq!(legacy.complaints(), [""; 0]);
        assert_eq!(legacy.open_questions(), 0);
        assert_eq!(modern.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn an_answer_of_another_client_is_no_answer() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let program = || Program::named("x").capable();
        let asked = program().legacy(&session.endpoint, "2025-11-25").await;
        let other = program().legacy(&session.endpoint, "2025-11-25").await;
        let params = r#"{"name":"it.ask"}"#;
        let mut exchange = asked.open("tools/call", params).await;
        let question = exchange.next().await.unwrap();
        let answer = |name: &str| json!({"action": "accept", "content": {"name": name}});
        assert_eq!(other.respond(&question, answer("Mallory")).await, 202);
        assert_eq!(asked.respond(&question, answer("Ada")).await, 202);
        let result = exchange.finish().await.result();
        let answers = &result["structuredContent"]["answers"];
        assert_eq!(answers["name"]["content"]["name"], "Ada");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_cancellation_ends_the_call_of_its_own_client_only() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let program = || Program::named("x").capable();
        let one = program().legacy(&session.endpoint, "2025-11-25").await;
        let two = program().legacy(&session.endpoint, "2025-11-25").await;
        let params = r#"{"name":"it.ask"}"#;
        let mut first = one.open_as("5", "tools/call", params).await;
        let mut second = two.open_as("5", "tools/call", params).await;
        first.next().await.unwrap();
        let question = second.next().await.unwrap();
        one.cancel("5").await;
        assert!(first.finish().await.response.is_none());
        let answer = json!({"action": "accept", "content": {"name": "Ada"}});
        assert_eq!(two.respond(&question, answer).await, 202);
        assert_eq!(second.finish().await.text(), "answered");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}
