//! A call that nobody waits for any more ends at its backend, and no other does.

use serde_json::json;

use crate::{
    LATEST_LEGACY,
    world::{Answers, Cancelled, Client, FakeBackend, Fault, Gateway},
};

const WAIT: &str = r#"{"name":"it.wait","arguments":{}}"#;

/// Each backend, and how it must hear of a cancellation.
fn backends() -> [(FakeBackend, Cancelled); 4] {
    let [json, sse] = [Answers::Json, Answers::Sse];
    [
        (
            FakeBackend::legacy().answers(json).start(),
            Cancelled::ByNotification,
        ),
        (
            FakeBackend::legacy().answers(sse).start(),
            Cancelled::ByNotification,
        ),
        (
            FakeBackend::modern().answers(json).start(),
            Cancelled::ByClose,
        ),
        (
            FakeBackend::modern().answers(sse).start(),
            Cancelled::ByClose,
        ),
    ]
}

async fn is_waiting(backend: &FakeBackend) {
    backend
        .until("the call to wait", |it| it.executions("wait") == 1)
        .await;
}

async fn heard(backend: &FakeBackend, how: Cancelled) {
    backend
        .until("the cancellation", |it| !it.cancellations().is_empty())
        .await;
    let call = backend.requests_of("tools/call").remove(0);
    let cancellation = &backend.cancellations()[0];
    assert_eq!(Some(cancellation.request_id.as_str()), call.id());
    assert_eq!(cancellation.how, how);
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_legacy_client_cancels_by_notification() {
    for (backend, how) in backends() {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let call = async {
            client
                .open_as("\"mine\"", "tools/call", WAIT)
                .await
                .finish()
                .await
        };
        let cancel = async {
            is_waiting(&backend).await;
            client.cancel("\"mine\"").await;
            heard(&backend, how).await;
        };
        let (answer, ()) = tokio::join!(call, cancel);
        let has_result = answer
            .response
            .is_some_and(|it| it.json().get("result").is_some());
        assert!(!has_result, "a cancelled call has no result");
        client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn a_modern_client_cancels_by_leaving() {
    for (backend, how) in backends() {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::modern(&session.endpoint);
        // The answer's headers may come late, so the whole request is dropped.
        tokio::select! {
            _ = async { client.open("tools/call", WAIT).await.finish().await } => {
                panic!("the call ended by itself");
            }
            () = is_waiting(&backend) => {}
        }
        heard(&backend, how).await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_after_progress_ends_its_call() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::modern(&session.endpoint);
        let params = r#"{"name":"it.progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":1}}"#;
        let mut exchange = client.open("tools/call", params).await;
        exchange.next().await.expect("the first step");
        drop(exchange);
        let told = |it: &FakeBackend| it.cancellations().len() == 1;
        backend.until("the backend to be told", told).await;
        client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn a_call_is_taken_back_while_its_name_is_looked_up() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.tool_names().await;
    let before = backend.requests_of("tools/list").len();
    backend.inject(Fault::Hold.on("tools/list"));
    let call = async {
        let params = r#"{"name":"it__x_deadbeef"}"#;
        let call = client.open_as("\"mine\"", "tools/call", params);
        call.await.finish().await
    };
    let cancel = async {
        let asked = |it: &FakeBackend| it.requests_of("tools/list").len() > before;
        backend.until("the list to be asked for", asked).await;
        client.cancel("\"mine\"").await;
    };
    let (answer, ()) = tokio::join!(call, cancel);
    // The list was not waited for: it never comes, which a call would be told.
    assert!(answer.response.is_none(), "{answer:?}");
    backend.release();
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.executions("x_deadbeef"), 0);
    assert_eq!(backend.requests_of("tools/call").len(), 1);
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_calls_with_an_answer() {
    for (backend, _) in backends() {
        for revision in crate::CLIENTS {
            let gateway = Gateway::with(&[("it", &backend)]);
            let session = gateway.session(&["it"]).await;
            let client = Client::speaking(revision, &session.endpoint).await;
            let (before, told) = (backend.executions("wait"), backend.cancellations().len());
            let call = async { client.open("tools/call", WAIT).await.finish().await };
            let end = async {
                let waits = |it: &FakeBackend| it.executions("wait") > before;
                backend.until("the call to wait", waits).await;
                let path = format!("/session/{}", session.id);
                assert_eq!(gateway.delete(&path).await.status, 204);
            };
            let (answer, ()) = tokio::join!(call, end);
            let error = answer.error();
            assert!(error.message.contains("deleted"), "{revision}: {error:?}");
            // By a message or by its connection's end, whichever goes out first.
            let heard = |it: &FakeBackend| it.cancellations().len() > told;
            backend.until("the end of the call", heard).await;
        }
    }
}

#[tokio::test]
async fn the_end_of_an_mcp_session_ends_its_calls_and_no_others() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let leaving = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let staying = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let lively = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true}}"#;
    let ended = async { leaving.open("tools/call", WAIT).await.finish().await };
    let kept = async { staying.open("tools/call", lively).await.finish().await };
    let end = async {
        let both = |it: &FakeBackend| it.executions("wait") + it.executions("progress") == 2;
        backend.until("two calls", both).await;
        assert_eq!(leaving.delete().await, 204);
        let heard = |it: &FakeBackend| !it.cancellations().is_empty();
        backend.until("the cancellation", heard).await;
        backend.step();
    };
    let (ended, kept, ()) = tokio::join!(ended, kept, end);
    assert_eq!(ended.status, 404);
    let error = ended.error();
    assert!(error.message.contains("initialize again"), "{error:?}");
    kept.result();
}

#[tokio::test]
async fn nobody_cancels_the_call_of_another() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let caller = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let stranger = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let call = caller.open_as("\"mine\"", "tools/call", WAIT);
    let attempts = async {
        is_waiting(&backend).await;
        let own = backend.requests_of("tools/call")[0]
            .id()
            .unwrap()
            .to_owned();
        for id in ["\"mine\"", own.as_str()] {
            stranger.cancel(id).await;
            Client::plain(&session.endpoint).cancel(id).await;
        }
        // What the stranger sends after it is answered after it.
        stranger.call("it.echo", json!({})).await.result();
        assert_eq!(backend.cancellations(), []);
        caller.cancel("\"mine\"").await;
        heard(&backend, Cancelled::ByNotification).await;
    };
    let (_, ()) = tokio::join!(call, attempts);
}

#[tokio::test]
async fn a_cancellation_of_nothing_is_ignored() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client
        .request_as("5", "tools/call", json!({"name": "it.echo"}))
        .await
        .result();
    for id in ["5", "\"never\"", "1e3"] {
        client.cancel(id).await;
    }
    assert_eq!(
        client.notify("notifications/cancelled", json!({})).await / 100,
        2
    );
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.requests_of("notifications/cancelled").len(), 0);
}
