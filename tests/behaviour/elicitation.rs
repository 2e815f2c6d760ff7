//! What a backend asks a client's user for, by a form or on a page, and what comes of the answer.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    questions::{answering_to_the_letter, both_speak_since, obliging, open_at_question},
    world::{Pairing, Program, client::Message},
};

/// What `ask` and its like ask, as a client gets it.
const QUESTION: &str = r#""method":"elicitation/create","params":{"mode":"form","message":"Your name?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;

/// An answer that a mere copy of its tree would spoil.
const ODD_ANSWER: &str = r#"{"action":"accept", "content":{"name":"Ada\u00e9","n":1.0,"e":1E+2,"big":10000000000000000000000001},"z":[ ],"_meta":{"com.example/k":0.10}}"#;

fn capable() -> Program {
    Program::named("asked").capable()
}

/// The requests that ask in the middle, and where the answer stands in their results.
const ASKING: [(&str, &str); 3] = [
    ("tools/call", r#"{"name":"it.ask","arguments":{"n":1.0}}"#),
    ("prompts/get", r#"{"name":"it.ask_prompt"}"#),
    ("resources/read", r#"{"uri":"fake://ask"}"#),
];

#[tokio::test]
async fn a_form_and_its_answer_cross_to_the_letter_whatever_asks() {
    for pairing in Pairing::eras() {
        let w = pairing.stand(pairing.script(), capable()).await;
        for request in ASKING {
            let (answer, asked) =
                answering_to_the_letter(&w.client, pairing, request, &[ODD_ANSWER]).await;
            assert_eq!(asked.len(), 1, "{pairing}: {}", request.0);
            assert!(asked[0].contains(QUESTION), "{}", asked[0]);
            let result = answer.result_raw();
            let name = format!(r#"{{"name":{ODD_ANSWER}}}"#);
            // A prompt and a resource say the answers as a text.
            let (raw, text) = (
                format!(r#""answers":{name}"#),
                Value::from(name).to_string(),
            );
            assert!(result.contains(&raw) || result.contains(&text), "{result}");
        }
        assert_eq!(w.backend.open_questions(), 0);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn every_two_revisions_that_know_forms_pass_them() {
    for pairing in Pairing::revisions() {
        if !both_speak_since(pairing, "2025-06-18") {
            continue; // no elicitation before that revision
        }
        let forms = json!({"elicitation": {}});
        let program = Program::named("asked").capabilities(forms);
        let w = pairing.stand(pairing.script(), program).await;
        let answer = w.client.call_answering("it.ask", json!({}), obliging).await;
        let given = json!({"name": {"action": "accept", "content": {"name": "Ada"}}});
        assert_eq!(answer.result()["structuredContent"]["answers"], given);
        assert_eq!(answer.asked.len(), 1, "{pairing}");
    }
}

#[tokio::test]
async fn a_user_may_decline_or_turn_away() {
    for pairing in Pairing::eras() {
        let w = pairing.stand(pairing.script(), capable()).await;
        for action in ["decline", "cancel"] {
            let given = json!({"action": action});
            let answer = |_: &str, _: &Value| given.clone();
            let answered = w.client.call_answering("it.ask", json!({}), answer).await;
            let answers = &answered.result()["structuredContent"]["answers"];
            assert_eq!(answers["name"], given, "{pairing}");
        }
    }
}

#[tokio::test]
async fn a_clients_error_is_an_answer() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // inputResponses hold results: a modern client that cannot answer does not retry
        }
        let w = pairing.stand(pairing.script(), capable()).await;
        let (exchange, question) = open_at_question(&w.client, ASKING[0].1).await;
        let id = question.id().unwrap();
        let error = r#"{"code":-32099,"message":"no user here","data":{"n":1.0}}"#;
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
        assert_eq!(w.client.post_text(&body, &[]).await.status, 202);
        let answer = exchange.finish().await;
        if pairing.has_modern_backend() {
            // Its retry could not say so: the call ends with what the client said.
            let response = answer.response.unwrap();
            assert!(response.raw().contains(error), "{response:?}");
            assert_eq!(w.backend.requests_of("tools/call").len(), 1);
        } else {
            let raw = format!(r#""answers":{{"name":{{"error":{error}}}}}"#);
            assert!(answer.result_raw().contains(&raw), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_user_is_sent_to_a_page() {
    for pairing in Pairing::eras() {
        let w = pairing.stand(pairing.script(), capable()).await;
        let arguments = json!({});
        let answer = w
            .client
            .call_answering("it.ask_url", arguments, obliging)
            .await;
        assert_eq!(answer.text(), "answered", "{pairing}");
        let [asked] = &answer.asked[..] else {
            panic!("asked {:?}", answer.asked);
        };
        assert_eq!(asked.params["url"], "https://login.example/?a=1&b=%20");
        assert_eq!(asked.params["message"], "Please sign in");
        // That the visit is over is told where the revision of both sides has words for it.
        let told: Vec<Value> = answer.events.iter().map(Message::json).collect();
        if pairing.has_modern_client() || pairing.has_modern_backend() {
            assert_eq!(told, [json!(null); 0], "{pairing}");
        } else {
            assert_eq!(told[0]["method"], "notifications/elicitation/complete");
            assert_eq!(told[0]["params"]["elicitationId"], "login-1");
            assert_eq!(asked.params["elicitationId"], "login-1");
        }
    }
}

#[tokio::test]
async fn pages_to_visit_first_are_told_as_each_era_tells_them() {
    let visits = json!([
        {"mode": "url", "url": "https://a.example/1", "message": "one", "elicitationId": "e1"},
        {"mode": "url", "url": "https://a.example/2", "message": "two", "elicitationId": "e2"},
    ]);
    let error = json!({"code": -32042, "message": "visit first", "data": {"elicitations": visits}});
    for pairing in Pairing::eras() {
        if pairing.has_modern_backend() {
            continue; // the modern era has no such error: its backends ask by input_required
        }
        let w = pairing.stand(pairing.script(), capable()).await;
        let first = w.client.call("it.fail", error.clone()).await;
        if !pairing.has_modern_client() {
            let told = first.response.unwrap().json()["error"].take();
            assert_eq!(told, error, "{pairing}");
            continue;
        }
        let result = first.result();
        assert_eq!(result["resultType"], "input_required");
        assert_eq!(result.get("requestState"), None, "nothing waits");
        let requests = result["inputRequests"].as_object().unwrap();
        let urls: Vec<&Value> = requests.values().map(|it| &it["params"]["url"]).collect();
        assert_eq!(urls.len(), 2);
        for (key, request) in requests {
            assert_eq!(request["method"], "elicitation/create", "{key}");
        }
        // The client goes on by the same call; the backend knows nothing of the answers.
        let responses = requests
            .keys()
            .map(|key| (key.clone(), json!({"action": "accept"})));
        let responses: serde_json::Map<String, Value> = responses.collect();
        let params = json!({"name": "it.fail", "arguments": error, "inputResponses": responses});
        let again = w.client.request("tools/call", params).await.result();
        assert_eq!(again["resultType"], "input_required");
        let calls = w.backend.requests_of("tools/call");
        assert_eq!(calls.len(), 2);
        assert_eq!(calls[1].params().get("inputResponses"), None);
    }
}

#[tokio::test]
async fn pages_to_visit_first_are_not_for_a_client_that_opens_none() {
    let pairing = Pairing {
        client: crate::MODERN,
        backend: LATEST_LEGACY,
        answers: crate::world::Answers::Json,
    };
    let forms = json!({"elicitation": {"form": {}}});
    let program = Program::named("asked").capabilities(forms);
    let w = pairing.stand(pairing.script(), program).await;
    let visit = json!({"mode": "url", "url": "https://a.example/1", "message": "one", "elicitationId": "e1"});
    let error = json!({"code": -32042, "message": "m", "data": {"elicitations": [visit]}});
    let told = w.client.call("it.fail", error).await;
    assert_eq!((told.status, told.error().code), (400, -32021));
    let required = &told.error().data["requiredCapabilities"];
    assert_eq!(*required, json!({"elicitation": {"url": {}}}));
}
