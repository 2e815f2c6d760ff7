//! Streams that clients take up again behind the last event they saw.

use serde_json::json;

use crate::{
    CLIENTS, LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, Program, client::Exchange, gateway::Session},
};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

async fn world() -> (FakeBackend, Gateway, Session) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

/// A call of three steps, each when the test says so.
async fn three_steps(client: &Client) -> Exchange {
    let params = r#"{"name":"it.progress","arguments":{"steps":3,"gated":true},"_meta":{"progressToken":"t"}}"#;
    client.open("tools/call", params).await
}

/// The steps that messages tell of, and the response.
async fn rest(mut stream: Exchange) -> (Vec<String>, Vec<String>) {
    assert_eq!(stream.status(), 200);
    let mut messages = Vec::new();
    while let Some(message) = stream.next().await {
        messages.push(message.raw().to_owned());
    }
    let ids = stream.events().iter().filter_map(|event| event.id.clone());
    (messages, ids.collect())
}

#[tokio::test]
async fn a_call_that_broke_off_goes_on_behind_each_event_its_client_saw() {
    let (backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    backend.step();
    let mut call = three_steps(&client).await;
    let first = call.primed().await.clone();
    assert_eq!((first.data.as_str(), first.retry_ms), ("", Some(1000)));
    let begun = call.next().await.unwrap();
    assert!(begun.raw().contains("step 1"), "{begun:?}");
    let last = call.last_event_id().unwrap();
    drop(call);
    backend.step();
    backend.step();
    let (messages, ids) = rest(client.resume(&last).await).await;
    // Two steps, a log message and the response.
    assert_eq!(messages.len(), 4, "{messages:?}");
    assert!(messages[0].contains("step 2") && messages[3].contains("result"));
    // A client that lost more gets more, and the same under the same ids.
    let (all, all_ids) = rest(client.resume(&first.id.unwrap()).await).await;
    assert_eq!((all.len(), &all[1..]), (5, &messages[..]));
    assert_eq!((&all_ids[0], &all_ids[1..]), (&last, &ids[..]));
    assert_eq!(backend.executions("progress"), 1);
}

#[tokio::test]
async fn what_was_asked_while_nobody_listened_is_asked_on_return() {
    let (_backend, _gateway, session) = world().await;
    let client = Program::named("scripted-client")
        .capabilities(json!({"elicitation": {}}))
        .legacy(&session.endpoint, LATEST_LEGACY)
        .await;
    let mut call = client.open("tools/call", r#"{"name":"it.ask"}"#).await;
    let first = call.primed().await.id.clone().unwrap();
    drop(call);
    let mut again = client.resume(&first).await;
    let asked = again.next().await.unwrap();
    assert_eq!(asked.method().as_deref(), Some("elicitation/create"));
    let answer = json!({"action": "accept", "content": {"name": "Ann"}});
    assert_eq!(client.respond(&asked, answer).await, 202);
    let answered = again.next().await.unwrap().result();
    assert!(answered.to_string().contains("Ann"), "{answered}");
}

#[tokio::test]
async fn nothing_is_held_for_others_or_behind_the_end() {
    let (backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let other = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    (0..3).for_each(|_| backend.step());
    let (_, ids) = rest(three_steps(&client).await).await;
    let (first, last) = (&ids[0], &ids[ids.len() - 1]);
    assert_eq!(other.resume(first).await.status(), 400);
    for none in [last, "a0-1"] {
        let refused = client.resume(none).await.finish().await;
        assert_eq!((refused.status, refused.error().code), (400, -32600));
    }
    assert_eq!(rest(client.resume(first).await).await.0.len(), 5);
    client.delete().await;
    assert_eq!(client.resume(first).await.status(), 404);
}

#[tokio::test]
async fn only_clients_of_the_revision_that_has_them_get_ids() {
    let (backend, _gateway, session) = world().await;
    for revision in CLIENTS {
        let client = Client::speaking(revision, &session.endpoint).await;
        (0..3).for_each(|_| backend.step());
        let (messages, ids) = rest(three_steps(&client).await).await;
        assert!(messages.len() >= 4, "{revision}: {messages:?}");
        let expected = if revision == LATEST_LEGACY { 6 } else { 0 };
        assert_eq!(ids.len(), expected, "{revision}: {ids:?}");
        if revision != MODERN {
            let mut stream = client.get_stream().await;
            backend
                .until("the gateway listens", |it| it.listeners() > 0)
                .await;
            backend.announce(CHANGED);
            let told = stream.next().await.unwrap();
            assert_eq!(told.event_id().is_some(), revision == LATEST_LEGACY);
        }
    }
}

#[tokio::test]
async fn what_is_told_while_the_get_stream_is_broken_is_told_on_return() {
    let (backend, _gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut stream = client.get_stream().await;
    let first = stream.primed().await.id.clone().unwrap();
    backend
        .until("the gateway listens", |it| it.listeners() > 0)
        .await;
    drop(stream);
    backend.announce(CHANGED);
    let mut stream = client.resume(&first).await;
    let told = stream.next().await.unwrap();
    assert_eq!(
        told.method().as_deref(),
        Some("notifications/tools/list_changed")
    );
    client.delete().await;
    assert!(stream.next().await.is_none());
    assert_eq!(client.resume(&first).await.status(), 404);
}

#[tokio::test]
async fn a_get_stream_of_before_a_restart_is_opened_anew() {
    let (backend, mut gateway, session) = world().await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut stream = client.get_stream().await;
    let first = stream.primed().await.id.clone().unwrap();
    gateway.kill();
    gateway.restart();
    let mut stream = client.resume(&first).await;
    assert_eq!(stream.status(), 200);
    assert_ne!(stream.primed().await.id.as_ref(), Some(&first));
    backend
        .until("the gateway listens", |it| it.listeners() > 0)
        .await;
    backend.announce(CHANGED);
    assert!(stream.next().await.is_some());
}
