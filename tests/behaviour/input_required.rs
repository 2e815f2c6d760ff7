//! What a modern client carries from a call that wants input to the one that brings it: sealed, for that
//! call only, and good after a restart where nothing waits.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    questions::{obliging, wish, wish_of, with_responses},
    world::{Client, FakeBackend, Gateway, List, Pairing, Program},
};

const ASK: &str = r#"{"name":"it.ask","arguments":{"n":1}}"#;
const ADA: &str = r#"{"action":"accept","content":{"name":"Ada"}}"#;
const INVALID_PARAMS: i64 = -32602;

fn capable() -> Program {
    Program::named("asked").capable()
}

/// The pairings of a modern client.
fn of_modern_clients() -> impl Iterator<Item = Pairing> {
    // A legacy client is never given a state: it is asked while its call is open.
    let pairings = Pairing::eras().into_iter();
    pairings.filter(|pairing| pairing.has_modern_client())
}

/// The one key of a wish, with an answer.
fn answered(wish: &crate::questions::Wish, answer: &str) -> String {
    let (key, _) = &wish.requests[0];
    format!("{}:{answer}", Value::from(key.as_str()))
}

async fn is_refused(client: &Client, method: &str, params: &str, why: &str) {
    let answer = client.request_raw(method, params).await;
    let error = answer.error();
    assert_eq!(error.code, INVALID_PARAMS, "{why}: {error:?}");
    assert!(error.message.contains("requestState"), "{why}: {error:?}");
}

#[tokio::test]
async fn a_state_goes_on_with_its_own_call_in_its_own_session() {
    for pairing in of_modern_clients() {
        let w = pairing.stand(pairing.script(), capable()).await;
        let other = w.gateway.session(&["it"]).await;
        let stranger = capable().modern(&other.endpoint);
        let asked = wish_of(&w.client, ASK).await;
        let given = answered(&asked, ADA);
        let state = asked.state.as_str();
        let calls = w.backend.requests_of("tools/call").len();
        for (why, params) in [
            (
                "another tool",
                r#"{"name":"it.ask_twice","arguments":{"n":1}}"#,
            ),
            (
                "other arguments",
                r#"{"name":"it.ask","arguments":{"n":2}}"#,
            ),
            ("no arguments", r#"{"name":"it.ask"}"#),
        ] {
            let params = with_responses(params, &given, state);
            is_refused(&w.client, "tools/call", &params, why).await;
        }
        let prompt = with_responses(r#"{"name":"it.ask","arguments":{"n":1}}"#, &given, state);
        is_refused(&w.client, "prompts/get", &prompt, "another method").await;
        let right = with_responses(ASK, &given, state);
        is_refused(&stranger, "tools/call", &right, "another session").await;
        for spoilt in [spoilt(state), r#""""#.into(), "null".into(), "7".into()] {
            let params = with_responses(ASK, &given, &spoilt);
            let answer = w.client.request_raw("tools/call", &params).await;
            assert_eq!(answer.error().code, INVALID_PARAMS, "{spoilt}");
        }
        let more = w.backend.requests_of("tools/call").len() - calls;
        assert_eq!(more, 0, "{pairing}: the backend saw none of it");
        let last = w.client.request_raw("tools/call", &right).await;
        assert_eq!(last.text(), "answered", "{pairing}");
        if !pairing.has_modern_backend() {
            is_refused(&w.client, "tools/call", &right, "twice").await;
        }
    }
}

/// The same state with one of its letters changed.
fn spoilt(state: &str) -> String {
    let mut letters: Vec<char> = state.chars().collect();
    let middle = letters.len() / 2;
    letters[middle] = if letters[middle] == 'A' { 'B' } else { 'A' };
    letters.into_iter().collect()
}

#[tokio::test]
async fn a_call_goes_on_however_its_members_are_ordered() {
    for pairing in of_modern_clients() {
        let w = pairing.stand(pairing.script(), capable()).await;
        let first = r#"{"name":"it.ask","arguments":{"n":1,"m":[2]}}"#;
        let asked = wish_of(&w.client, first).await;
        let again = r#"{"arguments":{"m":[2], "n":1},"name":"it.ask"}"#;
        let params = with_responses(again, &answered(&asked, ADA), &asked.state);
        let answer = w.client.request_raw("tools/call", &params).await;
        assert_eq!(answer.text(), "answered", "{pairing}");
    }
}

#[tokio::test]
async fn what_was_not_answered_is_asked_again() {
    for pairing in of_modern_clients() {
        let w = pairing.stand(pairing.script(), capable()).await;
        let mut asked = wish_of(&w.client, ASK).await;
        for given in ["", r#""stranger":{"action":"accept"}"#] {
            let params = with_responses(ASK, given, &asked.state);
            let again = w.client.request_raw("tools/call", &params).await;
            let again = wish(&again).unwrap_or_else(|| panic!("{pairing}: {again:?}"));
            assert_eq!(again.requests.len(), 1);
            assert_eq!(again.requests[0].1, asked.requests[0].1);
            asked = again;
        }
        let params = with_responses(ASK, &answered(&asked, ADA), &asked.state);
        let answer = w.client.request_raw("tools/call", &params).await;
        let given = &answer.result()["structuredContent"]["answers"];
        assert_eq!(given["name"]["content"]["name"], "Ada", "{pairing}");
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn of_two_questions_one_may_be_answered_first() {
    for pairing in of_modern_clients() {
        let w = pairing.stand(pairing.script(), capable()).await;
        let params = r#"{"name":"it.ask_both"}"#;
        let asked = wish_of(&w.client, params).await;
        assert_eq!(asked.requests.len(), 2, "{pairing}");
        let is_sample = |(_, request): &&(String, String)| request.contains("sampling");
        let (key, _) = asked.requests.iter().find(is_sample).unwrap();
        let paris = obliging("sampling/createMessage", &Value::Null);
        let given = format!("{}:{paris}", Value::from(key.as_str()));
        let again = with_responses(params, &given, &asked.state);
        let again = wish_of(&w.client, &again).await;
        let [(_, left)] = &again.requests[..] else {
            panic!("{pairing}: {:?}", again.requests);
        };
        assert!(left.contains("elicitation/create"), "{left}");
        let last = with_responses(params, &answered(&again, ADA), &again.state);
        let last = w.client.request_raw("tools/call", &last).await.result();
        let answers = &last["structuredContent"]["answers"];
        assert_eq!(answers["sample"], paris, "{pairing}");
        assert_eq!(answers["name"]["content"]["name"], "Ada");
    }
}

#[tokio::test]
async fn a_state_belongs_to_its_backend() {
    let script = || FakeBackend::modern();
    let (one, two) = (script().start(), script().start());
    let gateway = Gateway::with(&[("one", &one), ("two", &two)]);
    let session = gateway.session(&["one", "two"]).await;
    let client = capable().modern(&session.endpoint);
    let asked = wish_of(&client, r#"{"name":"one.ask"}"#).await;
    let given = answered(&asked, ADA);
    let other = with_responses(r#"{"name":"two.ask"}"#, &given, &asked.state);
    is_refused(&client, "tools/call", &other, "another backend").await;
    assert_eq!(two.requests_of("tools/call").len(), 0);
    let right = with_responses(r#"{"name":"one.ask"}"#, &given, &asked.state);
    let last = client.request_raw("tools/call", &right).await;
    assert_eq!(last.text(), "answered");
    // The backend has its own state back, and the client never saw it.
    let call = one.requests_of("tools/call").pop().unwrap().params();
    let own = call["requestState"].to_string();
    assert_ne!(own, asked.state);
    assert_eq!(
        call["inputResponses"]["name"],
        serde_json::from_str::<Value>(ADA).unwrap()
    );
}

#[tokio::test]
async fn a_read_goes_on_where_it_began_though_two_could_serve_it() {
    let (one, two) = (FakeBackend::modern().start(), FakeBackend::modern().start());
    let gateway = Gateway::with(&[("one", &one), ("two", &two)]);
    let session = gateway.session(&["one", "two"]).await;
    let client = capable().modern(&session.endpoint);
    client.resource_uris().await;
    for (uri, at) in [("fake://ask", &one), ("mcp-gateway://two/fake://ask", &two)] {
        let params = json!({"uri": uri});
        let reads = || {
            (
                one.requests_of("resources/read").len(),
                two.requests_of("resources/read").len(),
            )
        };
        let before = reads();
        let answer = client
            .request_answering("resources/read", params, obliging)
            .await;
        let text = answer.result()["contents"][0]["text"].take();
        assert!(text.as_str().unwrap().contains("Ada"), "{text}");
        let after = reads();
        let more = (after.0 - before.0, after.1 - before.1);
        let expected = if std::ptr::eq(at, &raw const one) {
            (2, 0)
        } else {
            (0, 2)
        };
        assert_eq!(more, expected, "{uri}");
    }
}

#[tokio::test]
async fn a_read_that_is_asked_of_several_backends_asks_the_client_once() {
    for pairing in Pairing::eras() {
        let scripts = || pairing.script();
        let (one, two) = (scripts().start(), scripts().start());
        one.remove(List::Resources, "fake://ask");
        let gateway = Gateway::with(&[("one", &one), ("two", &two)]);
        let session = gateway.session(&["one", "two"]).await;
        let client = capable().speaking(pairing.client, &session.endpoint);
        let client = client.await;
        let params = json!({"uri": "fake://ask"});
        let answer = client.request_answering("resources/read", params, obliging);
        let answer = answer.await;
        assert!(answer.result_raw().contains("Ada"), "{pairing}: {answer:?}");
        assert_eq!(answer.asked.len(), 1, "{pairing}");
        let asked = one.requests_of("resources/read").len();
        assert_eq!(
            asked, 1,
            "{pairing}: it has no such resource, and is asked once"
        );
        assert_eq!(two.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_retry_survives_kill_9_and_goes_to_the_right_backend() {
    let (one, two) = (FakeBackend::modern().start(), FakeBackend::modern().start());
    let mut gateway = Gateway::with(&[("one", &one), ("two", &two)]);
    let session = gateway.session(&["one", "two"]).await;
    let client = capable().modern(&session.endpoint);
    let requests = [
        ("tools/call", r#"{"name":"two.ask","arguments":{"n":1.0}}"#),
        ("prompts/get", r#"{"name":"two.ask_prompt"}"#),
    ];
    let mut wishes = Vec::new();
    for (method, params) in requests {
        let asked = client.request_raw(method, params).await;
        wishes.push(wish(&asked).expect("a wish"));
    }
    gateway.restart();
    for ((method, params), asked) in requests.into_iter().zip(&wishes) {
        let params = with_responses(params, &answered(asked, ADA), &asked.state);
        let last = client.request_raw(method, &params).await;
        assert!(last.result_raw().contains("Ada"), "{last:?}");
    }
    assert_eq!(one.requests_of("tools/call").len(), 0);
    assert_eq!(one.requests_of("prompts/get").len(), 0);
}

#[tokio::test]
async fn what_was_parked_is_gone_after_a_restart_and_the_client_is_told_so() {
    let backend = FakeBackend::speaking(LATEST_LEGACY).start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = capable().speaking(MODERN, &session.endpoint).await;
    let asked = wish_of(&client, ASK).await;
    gateway.restart();
    let params = with_responses(ASK, &answered(&asked, ADA), &asked.state);
    is_refused(&client, "tools/call", &params, "parked before a restart").await;
    let answer = client.call_answering("it.ask", json!({}), obliging).await;
    assert_eq!(answer.text(), "answered", "begun anew");
}
