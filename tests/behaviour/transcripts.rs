//! Who says what to whom, read and kept: a subscription, and a backend that restarts mid-stream.

use serde_json::json;

use crate::world::{Answers, FakeBackend, Pairing, Program, Transcript, eventually};

/// What a modern backend says to whoever begins to listen.
const ACKNOWLEDGED: &str = "backend -> gateway: notifications/subscriptions/acknowledged";

/// The pairings of eras, each with a name for its transcript.
fn pairings() -> impl Iterator<Item = (Pairing, String)> {
    let eras = Pairing::eras().into_iter();
    let eras = eras.filter(|it| it.answers == Answers::Json);
    eras.map(|pairing| {
        let era = |is_modern| if is_modern { "modern" } else { "legacy" };
        let client = era(pairing.has_modern_client());
        let backend = era(pairing.has_modern_backend());
        (pairing, format!("{client}_client_{backend}_backend"))
    })
}

/// Whoever opens, probes or lists in the background does so when it likes.
fn transcript() -> Transcript {
    Transcript::new().without(&[
        "GET",
        "DELETE",
        "tools/list",
        "server/discover",
        "initialize",
        "notifications/initialized",
    ])
}

#[tokio::test]
async fn a_client_subscribes_and_hears_of_an_update() {
    const URI: &str = "fake://text";
    for (pairing, name) in pairings() {
        let transcript = transcript();
        let script = pairing.script().recorded(&transcript, "backend");
        let program = Program::named("reader").recorded(&transcript, "client");
        let world = pairing.stand(script, program).await;
        // Nobody waits for these words of the backend but this test.
        let (words, at_last) = if pairing.has_modern_backend() {
            (ACKNOWLEDGED, 2)
        } else {
            ("backend -> gateway: result of", 3)
        };
        let are_said = async |times| transcript.text().matches(words).count() == times;
        // Whoever listens at the backend for lists does so before.
        world.client.tool_names().await;
        let listens = |it: &FakeBackend| it.listeners() == 1;
        world.backend.until("the gateway listens", listens).await;
        if pairing.has_modern_backend() {
            eventually("the backend's words on that", async || are_said(1).await).await;
        }
        transcript.forget();
        transcript.note("the client subscribes");
        let mut changes = world.client.subscribe(URI).await;
        eventually("the subscription", async || are_said(1).await).await;
        assert_eq!(world.backend.subscriptions(), [URI]);
        transcript.note("the resource changes");
        world.backend.announce_update(URI);
        changes.next().await;
        world.client.read(URI).await.result();
        transcript.note("the client has heard enough");
        world.client.unsubscribe(URI, changes).await;
        eventually("the last word", async || are_said(at_last).await).await;
        transcript.assert_matches(&format!("subscribe/{name}"));
    }
}

#[tokio::test]
async fn a_backend_restarts_in_the_middle_of_a_stream() {
    for (pairing, name) in pairings() {
        let whole = transcript();
        let transcript = whole.clone().without(&[
            "subscriptions/listen",
            "notifications/subscriptions/acknowledged",
        ]);
        let script = pairing.script().recorded(&transcript, "backend");
        let program = Program::named("caller").recorded(&transcript, "client");
        let world = pairing.stand(script, program).await;
        world.client.call("it.echo", json!({})).await.result();
        if pairing.has_modern_backend() {
            // The gateway listens for lists, too; its request has a number of its own.
            let is_heard = async || whole.text().contains(ACKNOWLEDGED);
            eventually("the gateway listens", is_heard).await;
        }
        transcript.forget();
        transcript.note("the backend restarts while it works");
        let params = json!({
            "name": "it.progress", "arguments": {"steps": 2, "gated": true},
            "_meta": {"progressToken": "p"},
        });
        let params = params.to_string();
        let mut call = world.client.open("tools/call", &params).await;
        let first = call.next().await.unwrap();
        assert_eq!(first.method().unwrap(), "notifications/progress");
        world.backend.go_down().await;
        world.backend.forget_sessions();
        world.backend.come_back();
        let answer = call.finish().await;
        let error = answer.error();
        assert!(
            error.message.contains("may have been carried out"),
            "{error:?}"
        );
        transcript.assert_matches(&format!("restart/{name}"));
        // How a link comes back is left to chance; that the next call finds it is not.
        let echo = world.client.call("it.echo", json!({"a": 1})).await;
        assert_eq!(echo.result()["structuredContent"]["a"], 1);
        assert_eq!(world.backend.executions("progress"), 1);
    }
}
