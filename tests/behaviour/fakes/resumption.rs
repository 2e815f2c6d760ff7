//! Streams of the legacy era that end before their time and go on elsewhere.

use serde_json::json;

use super::{LEGACY, capable};
use crate::world::{Client, FakeBackend, Fault, List, Wanted, client::SseEvent};

#[tokio::test]
async fn a_stream_that_is_closed_or_broken_goes_on_where_it_ended() {
    for revision in ["2025-03-26", "2025-06-18", LEGACY] {
        let backend = FakeBackend::legacy().revision(revision).resumable().start();
        let client = capable(revision, &backend).await;
        backend.inject(Fault::CloseAfter(1).on("tools/call").times(1));
        backend.inject(Fault::BreakAfter(3).on("tools/call").times(1));
        for _ in 0..2 {
            let logged = client.call_resuming("log", json!({})).await;
            assert_eq!(logged.text(), "logged");
            let levels = logged
                .events
                .iter()
                .map(|it| it.json()["params"]["level"].take());
            let all = [
                "debug",
                "info",
                "notice",
                "warning",
                "error",
                "critical",
                "alert",
                "emergency",
            ];
            assert!(levels.eq(all.map(serde_json::Value::from)), "{logged:?}");
        }
        assert_eq!(backend.executions("log"), 2);
        let resumed = backend
            .requests()
            .into_iter()
            .filter_map(|it| it.header("last-event-id").map(str::to_owned));
        assert_eq!(resumed.count(), 2);
        assert_eq!(backend.complaints(), [""; 0]);
        assert_eq!(backend.cancellations(), []);
    }
}

#[tokio::test]
async fn a_stream_of_2025_11_25_is_primed_and_every_event_has_an_id() {
    let backend = FakeBackend::legacy().resumable().start();
    let client = capable(LEGACY, &backend).await;
    let mut exchange = client.open("tools/call", r#"{"name":"murmur"}"#).await;
    let first: SseEvent = exchange.primed().await.clone();
    assert_eq!(first.data, "");
    assert!(first.id.is_some() && first.retry_ms.is_some());
    let murmur = exchange.next().await.unwrap();
    assert_ne!(murmur.event_id(), first.id.as_deref());
    assert!(exchange.next().await.unwrap().is_response());
    assert_eq!(exchange.events().len(), 3);
    assert!(exchange.events().iter().all(|event| event.id.is_some()));

    // Played again from the beginning, and once more to the end.
    let again = client.resume(&first.id.unwrap()).await.finish().await;
    assert_eq!(again.events[0].raw(), murmur.raw());
    assert!(again.response.is_some());

    let older = FakeBackend::legacy()
        .revision("2025-06-18")
        .resumable()
        .start();
    let client = Client::legacy(&older.url(), "2025-06-18").await;
    let mut exchange = client.open("tools/call", r#"{"name":"murmur"}"#).await;
    assert_ne!(exchange.primed().await.data, "");
}

#[tokio::test]
async fn a_backend_hangs_up_when_the_test_says_so() {
    let backend = FakeBackend::legacy().resumable().start();
    let client = capable(LEGACY, &backend).await;
    let params =
        r#"{"name":"progress","arguments":{"steps":2,"gated":true},"_meta":{"progressToken":"t"}}"#;
    let mut exchange = client.open("tools/call", params).await;
    exchange.next().await.unwrap();
    backend.hang_up();
    assert!(exchange.next().await.is_none());
    let last = exchange.last_event_id().unwrap();
    backend.step();
    backend.step();
    let rest = client.resume(&last).await.finish().await;
    assert_eq!(rest.text(), "2 steps");
    assert_eq!(rest.events[0].json()["params"]["progress"], 2);
}

#[tokio::test]
async fn who_comes_back_too_early_is_complained_of() {
    let backend = FakeBackend::legacy().resumable().start();
    let client = capable(LEGACY, &backend).await;
    let mut exchange = client.open("tools/call", r#"{"name":"wait"}"#).await;
    let id = exchange.primed().await.id.clone().unwrap();
    let early = async {
        let mut stream = exchange;
        // On a slow machine even haste may come in time, hence again.
        while backend.complaints().is_empty() {
            backend.hang_up();
            assert!(stream.next().await.is_none());
            stream = client.resume(&id).await;
        }
    };
    crate::world::within("a complaint", early).await;
    assert!(backend.complaints()[0].contains("too early"));
}

#[tokio::test]
async fn announcements_are_kept_for_a_client_that_comes_back() {
    let backend = FakeBackend::legacy().resumable().start();
    let client = capable(LEGACY, &backend).await;
    let changes = client.changes(Wanted::lists()).await;
    let mut stream = client.get_stream().await;
    let last = stream.primed().await.id.clone().unwrap();
    assert_eq!(backend.listeners(), 2);
    drop((changes, stream));
    backend
        .until("nobody to read", |it| it.listeners() == 0)
        .await;
    backend.announce_change(List::Tools);
    let mut stream = client.resume(&last).await;
    let heard = stream.next().await.unwrap().method().unwrap();
    assert_eq!(heard, "notifications/tools/list_changed");
}

#[tokio::test]
async fn nobody_resumes_the_stream_of_another() {
    let backend = FakeBackend::legacy().resumable().start();
    let client = capable(LEGACY, &backend).await;
    let other = crate::world::Program::named("other").lenient();
    let other = other.legacy(&backend.url(), LEGACY).await;
    let mut exchange = client.open("tools/call", r#"{"name":"murmur"}"#).await;
    let id = exchange.primed().await.id.clone().unwrap();
    for id in [id.as_str(), "tape-99/0", "nonsense"] {
        assert_eq!(other.resume(id).await.status(), 400);
    }
    assert_eq!(backend.complaints().len(), 3);
}
