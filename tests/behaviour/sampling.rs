//! A backend has its client's model think.

use serde_json::json;

use crate::{
    questions::{answering_to_the_letter, obliging},
    world::{Pairing, Program},
};

/// What `sample` asks, as a client gets it.
const QUESTION: &str = r#""method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"What is the capital of France?"}}],"systemPrompt":"Be brief.","maxTokens":100,"temperature":0.50}"#;

/// An answer that a mere copy of its tree would spoil.
const ODD_ANSWER: &str = r#"{"role":"assistant", "model":"m","content":{"type":"text","text":"P\u0061ris"},"stopReason":"endTurn","com.example/cost":1.50,"big":10000000000000000000000001}"#;

#[tokio::test]
async fn a_sample_crosses_to_the_letter() {
    for pairing in Pairing::eras() {
        let program = Program::named("asked").capable();
        let w = pairing.stand(pairing.script(), program).await;
        let request = ("tools/call", r#"{"name":"it.sample"}"#);
        let (answer, asked) =
            answering_to_the_letter(&w.client, pairing, request, &[ODD_ANSWER]).await;
        assert_eq!(asked.len(), 1, "{pairing}");
        assert!(asked[0].contains(QUESTION), "{}", asked[0]);
        let given = format!(r#""answers":{{"sample":{ODD_ANSWER}}}"#);
        assert!(answer.result_raw().contains(&given), "{answer:?}");
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn every_two_revisions_pass_samples() {
    for pairing in Pairing::revisions() {
        let program = Program::named("asked").capabilities(json!({"sampling": {}}));
        let w = pairing.stand(pairing.script(), program).await;
        let arguments = json!({});
        let answer = w
            .client
            .call_answering("it.sample", arguments, obliging)
            .await;
        let given = &answer.result()["content"][0]["text"];
        assert_eq!(given, "answered", "{pairing}");
        assert_eq!(answer.asked.len(), 1, "{pairing}");
    }
}
