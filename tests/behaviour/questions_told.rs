//! Who says what to whom when a backend asks, and when a call is cancelled: reviewed transcripts.

use serde_json::json;

use crate::{
    questions::obliging,
    world::{FakeBackend, Pairing, Program, Transcript, World},
};

/// Messages whose place among the others is left to chance, or that every opening has.
const ASIDE: [&str; 7] = [
    "GET",
    "server/discover",
    "initialize",
    "notifications/initialized",
    "tools/list",
    "subscriptions/listen",
    "notifications/subscriptions/acknowledged",
];

/// Both eras with both eras, and a name for each.
fn pairings() -> impl Iterator<Item = (Pairing, String)> {
    let era = |is_modern| if is_modern { "modern" } else { "legacy" };
    // In which form a backend answers is not seen in what it says.
    let pairings = Pairing::eras().into_iter().take(4);
    pairings.map(move |pairing| {
        let client = era(pairing.has_modern_client());
        let backend = era(pairing.has_modern_backend());
        (pairing, format!("{client}_client_{backend}_backend"))
    })
}

/// Everybody, after they opened.
async fn stand(pairing: Pairing, transcript: &Transcript) -> World {
    let script = pairing.script().recorded(transcript, "backend");
    let capabilities = json!({"elicitation": {}, "sampling": {}});
    let program = Program::named("asked").capabilities(capabilities);
    let program = program.recorded(transcript, "client");
    let w = pairing.stand(script, program).await;
    w.client.call("it.echo", json!({})).await.result();
    transcript.forget();
    w
}

#[tokio::test]
async fn an_elicitation_in_a_tools_call() {
    for (pairing, name) in pairings() {
        let transcript = Transcript::new().without(&ASIDE);
        let w = stand(pairing, &transcript).await;
        let arguments = json!({"for": "the form"});
        let answer = w.client.call_answering("it.ask", arguments, obliging).await;
        assert_eq!(answer.text(), "answered");
        transcript.assert_matches(&format!("elicitation/{name}"));
    }
}

#[tokio::test]
async fn a_sample_in_a_tools_call() {
    for (pairing, name) in pairings() {
        let transcript = Transcript::new().without(&ASIDE);
        let w = stand(pairing, &transcript).await;
        let arguments = json!({});
        let answer = w
            .client
            .call_answering("it.sample", arguments, obliging)
            .await;
        assert_eq!(answer.text(), "answered");
        transcript.assert_matches(&format!("sampling/{name}"));
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_in_the_middle() {
    for (pairing, name) in pairings() {
        let transcript = Transcript::new().without(&ASIDE);
        let w = stand(pairing, &transcript).await;
        let params = r#"{"name":"it.progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":"p"}}"#;
        let mut exchange = w.client.open_as("\"mine\"", "tools/call", params).await;
        let step = exchange.next().await.unwrap();
        assert_eq!(step.json()["params"]["progress"], 1);
        if pairing.has_modern_client() {
            transcript.note("the client closes the stream");
            drop(exchange);
        } else {
            transcript.note("the client cancels");
            w.client.cancel("\"mine\"").await;
            assert!(exchange.finish().await.response.is_none());
        }
        let told = |it: &FakeBackend| it.cancellations().len() == 1;
        w.backend.until("the cancellation", told).await;
        transcript.note(match w.backend.cancellations()[0].how {
            crate::world::Cancelled::ByNotification => "the backend was told by a message",
            crate::world::Cancelled::ByClose => "the backend saw its stream closed",
        });
        transcript.assert_matches(&format!("cancellation/{name}"));
    }
}
