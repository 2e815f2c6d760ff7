//! A backend asks its client for its roots, and hears when they are others.

use serde_json::json;

use crate::{
    questions::{answering_to_the_letter, obliging},
    world::{Pairing, Program},
};

/// An answer that a mere copy of its tree would spoil.
const ODD_ANSWER: &str = r#"{"roots":[{"uri":"file:///home/ada","name":"h\u006fme","_meta":{"com.example/n":1.0}}, {"uri":"file:///tmp"}],"z":1E+2}"#;

const CHANGED: &str = "notifications/roots/list_changed";

#[tokio::test]
async fn roots_cross_to_the_letter() {
    for pairing in Pairing::eras() {
        let program = Program::named("asked").capable();
        let w = pairing.stand(pairing.script(), program).await;
        let request = ("tools/call", r#"{"name":"it.roots"}"#);
        let (answer, asked) =
            answering_to_the_letter(&w.client, pairing, request, &[ODD_ANSWER]).await;
        assert_eq!(asked.len(), 1, "{pairing}");
        assert!(asked[0].contains(r#""method":"roots/list""#), "{asked:?}");
        let given = format!(r#""answers":{{"roots":{ODD_ANSWER}}}"#);
        assert!(answer.result_raw().contains(&given), "{answer:?}");
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn every_two_revisions_pass_roots() {
    for pairing in Pairing::revisions() {
        let program = Program::named("asked").capabilities(json!({"roots": {}}));
        let w = pairing.stand(pairing.script(), program).await;
        let arguments = json!({});
        let answer = w
            .client
            .call_answering("it.roots", arguments, obliging)
            .await;
        assert_eq!(answer.text(), "answered", "{pairing}");
        assert_eq!(answer.asked.len(), 1, "{pairing}");
    }
}

#[tokio::test]
async fn a_backend_hears_that_its_clients_roots_are_others() {
    for pairing in Pairing::eras() {
        if pairing.has_modern_client() {
            continue; // 2026-07-28 has no such notification: roots are asked for when they are needed
        }
        let program = || Program::named("asked").capable();
        let w = pairing.stand(pairing.script(), program()).await;
        let other = program().speaking(pairing.client, &w.session.endpoint);
        let other = other.await;
        other.call("it.echo", json!({})).await.result();
        w.client.call("it.echo", json!({})).await.result();
        assert_eq!(w.client.notify(CHANGED, json!({})).await, 202);
        if pairing.has_modern_backend() {
            // It has no use for it, and nothing of the kind may be sent to it.
            w.client.call("it.echo", json!({})).await.result();
            assert_eq!(w.backend.requests_of(CHANGED).len(), 0);
            continue;
        }
        let heard = |it: &crate::world::FakeBackend| it.requests_of(CHANGED).len() == 1;
        w.backend.until("the news of the roots", heard).await;
        let told = w.backend.requests_of(CHANGED).remove(0);
        let called = w.backend.requests_of("tools/call").remove(1);
        let mcp_session = "mcp-session-id";
        assert_eq!(told.header(mcp_session), called.header(mcp_session));
        other.call("it.echo", json!({})).await.result();
        assert_eq!(w.backend.requests_of(CHANGED).len(), 1, "told once");
    }
}
