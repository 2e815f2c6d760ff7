//! Clients that share a session do not notice each other, whatever revision each of them speaks.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{
        Client, FakeBackend, Gateway, List, Program, Wanted,
        client::{Changes, Exchange, Message},
        gateway::Session,
        pairing::REVISIONS,
    },
};

/// Backends of both eras in one session, and a client of each revision.
struct Crowd {
    backends: [FakeBackend; 2],
    clients: Vec<Client>,
    session: Session,
    gateway: Gateway,
}

/// The tools of both backends.
const BACKENDS: [&str; 2] = ["legacy", "modern"];

impl Crowd {
    async fn new() -> Self {
        let backends = [
            FakeBackend::legacy().recites().start(),
            FakeBackend::modern().recites().start(),
        ];
        let gateway = Gateway::with(&[("legacy", &backends[0]), ("modern", &backends[1])]);
        let session = gateway.session(&BACKENDS).await;
        let mut clients = Vec::new();
        for revision in REVISIONS {
            let program = Program::named(revision).capable();
            clients.push(program.speaking(revision, &session.endpoint).await);
        }
        Self {
            backends,
            clients,
            session,
            gateway,
        }
    }

    fn both(&self) -> impl Iterator<Item = (&'static str, &FakeBackend)> {
        BACKENDS.into_iter().zip(&self.backends)
    }

    fn assert_at_peace(&self) {
        for backend in &self.backends {
            assert_eq!(backend.complaints(), [""; 0]);
        }
    }
}

/// What a client says of itself when it is asked.
fn said(name: &str, method: &str, params: &Value) -> Value {
    let text = json!({"type": "text", "text": name});
    match method {
        "elicitation/create" => {
            let member = params["requestedSchema"]["required"][0].as_str().unwrap();
            json!({"action": "accept", "content": {member: name}})
        }
        "sampling/createMessage" => json!({"role": "assistant", "model": name, "content": text}),
        _ => json!({"roots": [{"uri": format!("file:///{name}")}]}),
    }
}

#[tokio::test]
async fn equal_ids_and_equal_progress_tokens_never_meet() {
    let crowd = Crowd::new().await;
    for name in BACKENDS {
        let calls = crowd.clients.iter().enumerate().map(|(index, client)| {
            let steps = index + 2;
            let params = json!({"name": format!("{name}.progress"),
                                "arguments": {"steps": steps, "delay_ms": 10},
                                "_meta": {"progressToken": 1}});
            async move { (steps, client.request_as("1", "tools/call", params).await) }
        });
        for (steps, answer) in join_all(calls).await {
            assert_eq!(answer.id().as_deref(), Some("1"));
            assert_eq!(answer.text(), format!("{steps} steps"));
            let progress = answer.events.iter().map(Message::json);
            let progress: Vec<Value> = progress
                .filter(|it| it["method"] == "notifications/progress")
                .collect();
            assert_eq!(progress.len(), steps);
            for (index, step) in progress.iter().enumerate() {
                assert_eq!(step["params"]["progressToken"], 1);
                assert_eq!(step["params"]["progress"], index + 1);
                assert_eq!(step["params"]["total"], steps, "the steps of another");
            }
        }
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn who_takes_a_request_back_takes_back_no_other() {
    let crowd = Crowd::new().await;
    for (name, backend) in crowd.both() {
        let params = json!({"name": format!("{name}.recite"), "arguments": {"messages": []}});
        let gated = json!({"name": format!("{name}.progress"),
                           "arguments": {"steps": 1, "gated": true}, "_meta": {"progressToken": "t"}});
        let mut calls: Vec<Exchange> = Vec::new();
        for client in &crowd.clients {
            client.request("tools/call", params.clone()).await.result();
            let mut call = client.open_as("1", "tools/call", &gated.to_string()).await;
            call.next().await.unwrap();
            calls.push(call);
        }
        let before = backend.cancellations().len();
        // From the first to the one before the last.
        for (gone, client) in crowd.clients.iter().enumerate().take(4) {
            let call = calls.remove(0);
            client.cancel("1").await;
            assert!(call.finish().await.response.is_none());
            backend
                .until("the cancellation", |it| {
                    it.cancellations().len() == before + gone + 1
                })
                .await;
        }
        let last = calls.remove(0);
        backend.step();
        assert_eq!(last.finish().await.text(), "1 steps");
        assert_eq!(backend.cancellations().len(), before + 4);

        // And the modern one, by leaving.
        let mut theirs = crowd.clients[0]
            .open_as("1", "tools/call", &gated.to_string())
            .await;
        theirs.next().await.unwrap();
        let mut left = crowd.clients[4]
            .open_as("1", "tools/call", &gated.to_string())
            .await;
        left.next().await.unwrap();
        drop(left);
        backend
            .until("the cancellation", |it| {
                it.cancellations().len() == before + 5
            })
            .await;
        backend.step();
        assert_eq!(theirs.finish().await.text(), "1 steps");
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn everybody_is_asked_for_their_own_and_answers_for_themselves() {
    let crowd = Crowd::new().await;
    for tool in ["sample", "roots", "ask", "ask_both"] {
        // Both at once: the questions of both backends have the same ids.
        let calls = BACKENDS.into_iter().flat_map(|backend| {
            let asked = REVISIONS.into_iter().zip(&crowd.clients);
            // Before that nobody can be asked for a form.
            let asked =
                asked.filter(|(revision, _)| !tool.starts_with("ask") || *revision >= "2025-06-18");
            asked.map(move |(revision, client)| async move {
                let tool = format!("{backend}.{tool}");
                let answer = |method: &str, params: &Value| said(revision, method, params);
                let answered = client.call_answering(&tool, json!({}), answer).await;
                (revision, backend, answered)
            })
        });
        for (revision, backend, answered) in join_all(calls).await {
            let given = answered.result()["structuredContent"]["answers"].take();
            let given = given.as_object().unwrap_or_else(|| panic!("{answered:?}"));
            assert!(!given.is_empty());
            for answer in given.values() {
                assert!(
                    answer.to_string().contains(revision),
                    "{revision} {backend}: {answer}"
                );
            }
        }
    }
    crowd.assert_at_peace();
    for backend in &crowd.backends {
        assert_eq!(backend.open_questions(), 0);
    }
}

#[tokio::test]
async fn an_answer_to_the_question_of_another_changes_nothing() {
    let crowd = Crowd::new().await;
    let program = Program::named("hostile").capable().lenient();
    let hostile = program.legacy(&crowd.session.endpoint, LATEST_LEGACY).await;
    let elsewhere = crowd.gateway.session(&BACKENDS).await;
    let program = Program::named("stranger").capable().lenient();
    let stranger = program.legacy(&elsewhere.endpoint, LATEST_LEGACY).await;
    let plain = Client::plain(&crowd.session.endpoint);
    for (name, backend) in crowd.both() {
        for (revision, client) in REVISIONS.into_iter().zip(&crowd.clients).take(4) {
            let params = json!({"name": format!("{name}.sample")});
            let mut call = client.open("tools/call", &params.to_string()).await;
            let question = call.next().await.unwrap();
            let forged = said("forged", "sampling/createMessage", &Value::Null);
            for other in [&hostile, &stranger, &plain] {
                assert_eq!(other.respond(&question, forged.clone()).await, 202);
                assert_eq!(other.refuse(&question, -1, "no").await, 202);
            }
            // And to nobody's at all, by the very client that is asked.
            for id in ["0", r#""ask-1""#, "4503599627370495"] {
                let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{forged}}}"#);
                assert_eq!(client.post_text(&body, &[]).await.status, 202);
            }
            let own = said(revision, "sampling/createMessage", &Value::Null);
            assert_eq!(client.respond(&question, own).await, 202);
            // Too late, and twice.
            assert_eq!(client.respond(&question, forged.clone()).await, 202);
            assert_eq!(hostile.respond(&question, forged.clone()).await, 202);
            let answer = call.finish().await.result().to_string();
            assert!(answer.contains(revision), "{answer}");
            assert!(!answer.contains("forged"), "{answer}");
        }
        assert_eq!(backend.open_questions(), 0);
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn a_request_state_opens_nothing_elsewhere() {
    let crowd = Crowd::new().await;
    let elsewhere = crowd.gateway.session(&BACKENDS).await;
    let program = Program::named("stranger").capable();
    let stranger = program.modern(&elsewhere.endpoint);
    for name in BACKENDS {
        let params = json!({"name": format!("{name}.ask")});
        let asked = crowd.clients[4].request("tools/call", params.clone()).await;
        let asked = asked.result();
        assert_eq!(asked["resultType"], "input_required");
        let key = asked["inputRequests"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .unwrap()
            .clone();
        let mut retry = params;
        retry["requestState"] = asked["requestState"].clone();
        retry["inputResponses"] = json!({key: {"action": "accept", "content": {"name": "Ada"}}});
        let refused = stranger.request("tools/call", retry.clone()).await;
        assert_eq!(refused.error().code, -32602);
        let mut other = retry.clone();
        other["name"] = json!(format!("{name}.ask_twice"));
        let refused = crowd.clients[4].request("tools/call", other).await;
        assert_eq!(refused.error().code, -32602);
        let answer = crowd.clients[4].request("tools/call", retry).await;
        assert_eq!(answer.text(), "answered");
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn what_is_said_during_a_call_reaches_its_client_alone() {
    let crowd = Crowd::new().await;
    let mut listening: Vec<Changes> = Vec::new();
    for client in &crowd.clients {
        client.set_log_level("debug").await;
        listening.push(client.changes(Wanted::lists()).await);
    }
    for (name, _) in crowd.both() {
        for client in &crowd.clients {
            let answer = client.call(&format!("{name}.log"), json!({})).await;
            assert_eq!(answer.events.len(), 8, "{:?}", answer.events);
            let murmured = client.call(&format!("{name}.murmur"), json!({})).await;
            assert_eq!(murmured.events.len(), 1);
        }
    }
    for (name, backend) in crowd.both() {
        backend.announce_change(List::Prompts);
        for changes in &mut listening {
            // The first thing that any of them hears, but for what the other backend announced.
            let heard = changes.next().await.method().unwrap();
            assert_eq!(heard, "notifications/prompts/list_changed", "{name}");
        }
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn updates_reach_who_subscribed_and_nobody_else() {
    let crowd = Crowd::new().await;
    let uri = |index: usize| format!("fake://items/{index}");
    for (name, backend) in crowd.both() {
        let public = |index: usize| match name {
            // The second backend has the same URIs, which are told apart so.
            "modern" => format!("mcp-gateway://modern/{}", uri(index)),
            _ => uri(index),
        };
        let mut listening: Vec<Changes> = Vec::new();
        for (index, client) in crowd.clients.iter().enumerate() {
            listening.push(client.subscribe(&public(index)).await);
        }
        backend
            .until("all subscriptions", |it| it.subscriptions().len() == 5)
            .await;
        for index in (0..5).rev() {
            backend.announce_update(&uri(index));
        }
        // Each first hears of its own, and of none that was announced before.
        for (index, changes) in listening.iter_mut().enumerate() {
            let heard = changes.next_of("notifications/resources/updated").await;
            assert_eq!(heard.json()["params"]["uri"], public(index));
        }
        for (index, (client, changes)) in crowd.clients.iter().zip(listening).enumerate() {
            client.unsubscribe(&public(index), changes).await;
        }
        backend
            .until("no subscription", |it| it.subscriptions().is_empty())
            .await;
    }
    crowd.assert_at_peace();
}

#[tokio::test]
async fn who_ends_its_mcp_session_ends_no_other() {
    let crowd = Crowd::new().await;
    let mut listening: Vec<Changes> = Vec::new();
    let mut calls = Vec::new();
    let ask = json!({"name": "legacy.sample"}).to_string();
    for (index, client) in crowd.clients.iter().enumerate() {
        listening.push(client.subscribe("fake://text").await);
        if index < 4 {
            let mut call = client.open("tools/call", &ask).await;
            let question = call.next().await.unwrap();
            calls.push((call, question));
        }
    }
    let (ended, question) = calls.remove(0);
    assert_eq!(crowd.clients[0].delete().await, 204);
    assert!(ended.finish().await.error().message.contains("MCP session"));
    assert!(listening.remove(0).next_or_end().await.is_none());
    let late = said("late", "sampling/createMessage", &Value::Null);
    assert_eq!(crowd.clients[0].respond(&question, late).await, 404);
    for (client, (call, question)) in crowd.clients.iter().skip(1).zip(calls) {
        let own = said("own", "sampling/createMessage", &Value::Null);
        assert_eq!(client.respond(&question, own).await, 202);
        assert_eq!(call.finish().await.text(), "answered");
    }
    crowd.backends[0].announce_update("fake://text");
    for changes in &mut listening {
        changes.next_of("notifications/resources/updated").await;
    }
}
