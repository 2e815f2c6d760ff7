//! What backends announce by themselves, and what is made of it.

use std::time::Instant;

use serde_json::json;

use crate::{
    IMPATIENT, LATEST_LEGACY,
    world::{
        Client, FakeBackend, Fault, Gateway,
        client::Exchange,
        eventually,
        fake_backend::{Recorded, Script},
    },
};

const CHANGED: &str = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;

const SCRIPTS: [fn() -> Script; 2] = [FakeBackend::legacy, FakeBackend::modern];

/// The requests that opened a stream for announcements, or tried to.
fn tries_to_listen(backend: &FakeBackend) -> Vec<Recorded> {
    let mut requests = backend.requests();
    requests.retain(|it| it.http_method == "GET" || it.method() == Some("subscriptions/listen"));
    requests
}

fn lists(backend: &FakeBackend) -> usize {
    backend.requests_of("tools/list").len()
}

/// A client that hears of changes, behind which the gateway listens to the backend.
async fn listener(endpoint: &str, backend: &FakeBackend) -> (Client, Exchange) {
    let client = Client::legacy(endpoint, LATEST_LEGACY).await;
    client.tool_names().await;
    let stream = client.get_stream().await;
    assert_eq!(stream.status(), 200);
    // To one of them alone, a change might be told that the client is not told of.
    backend
        .until("the gateway listens", |it| it.listeners() >= streams_of(it))
        .await;
    (client, stream)
}

/// A backend that comes back tells of all its lists, and the gateway that it is back.
async fn hears_of_a_change(stream: &mut Exchange) {
    loop {
        let heard = stream.next().await.unwrap().method().unwrap();
        match heard.as_str() {
            "notifications/tools/list_changed" => return,
            "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/message" => {}
            other => unreachable!("heard {other}"),
        }
    }
}

/// The streams that a client and the gateway itself hear a backend on: one for both where the
/// backend does not keep them apart.
fn streams_of(backend: &FakeBackend) -> usize {
    if backend.initializations() > 0 { 2 } else { 1 }
}

#[tokio::test]
async fn a_changed_list_is_announced_and_shown() {
    for script in SCRIPTS {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let (client, mut stream) = listener(&session.endpoint, &backend).await;
        let capabilities = &client.opening()["capabilities"];
        assert_eq!(capabilities["tools"]["listChanged"], true);
        let before = lists(&backend);
        backend.add_tool(r#"{"name":"new","inputSchema":{"type":"object"}}"#);
        backend.announce(CHANGED);
        hears_of_a_change(&mut stream).await;
        let names = client.tool_names().await;
        assert!(names.contains(&"it.new".to_owned()), "{names:?}");
        assert!(lists(&backend) > before, "no stale list");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_change_announced_during_a_call_is_told_to_every_client() {
    for script in SCRIPTS {
        let backend = script().tool_named("grow").without_listeners().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let other = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let mut stream = other.get_stream().await;
        let caller = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let answer = caller.call("it.grow", json!({})).await;
        assert_eq!(answer.text(), "grown");
        assert!(answer.events.is_empty(), "{answer:?}");
        hears_of_a_change(&mut stream).await;
        let names = other.tool_names().await;
        assert!(names.contains(&"it.grown".to_owned()), "{names:?}");
    }
}

#[tokio::test]
async fn a_change_is_told_on_one_stream_of_a_client() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let (client, mut older) = listener(&session.endpoint, &backend).await;
    let mut newer = client.get_stream().await;
    assert_eq!(newer.status(), 200);
    backend.add_tool(r#"{"name":"new","inputSchema":{"type":"object"}}"#);
    backend.announce(CHANGED);
    hears_of_a_change(&mut newer).await;
    client.delete().await;
    let twice = older.next().await;
    assert!(twice.is_none(), "one change was told twice: {twice:?}");
}

#[tokio::test]
async fn a_backend_without_a_stream_is_asked_for_it_once() {
    for script in SCRIPTS {
        let backend = script().without_listeners().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        backend
            .until("a try", |it| tries_to_listen(it).len() == 1)
            .await;
        // Longer than the first pause of one that tries again.
        client
            .call("it.progress", json!({"steps": 4, "delay_ms": 200}))
            .await
            .result();
        assert_eq!(tries_to_listen(&backend).len(), 1);
        let logs = gateway.logs();
        assert!(!logs.contains("WARN") && !logs.contains("ERROR"), "{logs}");
    }
}

#[tokio::test]
async fn a_change_during_an_outage_is_found_afterwards() {
    for script in SCRIPTS {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let (client, mut stream) = listener(&session.endpoint, &backend).await;
        backend.go_down().await;
        backend.add_tool(r#"{"name":"new","inputSchema":{"type":"object"}}"#);
        backend.come_back();
        hears_of_a_change(&mut stream).await;
        let names = client.tool_names().await;
        assert!(names.contains(&"it.new".to_owned()), "{names:?}");
        backend
            .until("the gateway to listen again", |it| it.listeners() > 0)
            .await;
        backend.announce(CHANGED);
        hears_of_a_change(&mut stream).await;
    }
}

#[tokio::test]
async fn a_stream_that_ends_is_opened_again_without_a_false_alarm() {
    for script in SCRIPTS {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let (client, mut stream) = listener(&session.endpoint, &backend).await;
        backend
            .until("all streams", |it| it.listeners() == streams_of(it))
            .await;
        let before = lists(&backend);
        // Where there are two, one is back long before the other.
        backend.inject(Fault::Hold.on("GET").times(1));
        backend.end_streams();
        let again = |it: &FakeBackend| it.listeners() > 0 && lists(it) > before;
        backend.until("the gateway to listen again", again).await;
        backend.announce(CHANGED);
        hears_of_a_change(&mut stream).await;
        backend.release();
        backend
            .until("all streams again", |it| it.listeners() == streams_of(it))
            .await;
        client.call("it.echo", json!({})).await.result();
        client.delete().await;
        while let Some(more) = stream.next().await {
            assert_ne!(more.method().unwrap(), "notifications/tools/list_changed");
        }
    }
}

#[tokio::test]
async fn a_backend_that_forgot_its_sessions_is_listened_to_in_a_new_one() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let (_client, mut stream) = listener(&session.endpoint, &backend).await;
    backend.go_down().await;
    backend.forget_sessions();
    backend.come_back();
    backend
        .until("the gateway to listen again", |it| it.listeners() > 0)
        .await;
    let of = |it: &Recorded| it.header("mcp-session-id").map(str::to_owned);
    let tries = tries_to_listen(&backend);
    assert_ne!(of(&tries[0]), of(&tries[tries.len() - 1]));
    backend.announce(CHANGED);
    hears_of_a_change(&mut stream).await;
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn silence_does_not_end_a_stream() {
    for script in SCRIPTS {
        let backend = script().start();
        let other = FakeBackend::modern().start();
        // The idle timeout of the one that is silent is two seconds.
        let gateway = Gateway::setup()
            .provider_with("it", &backend, IMPATIENT)
            .provider("other", &other)
            .start();
        let session = gateway.session(&["it", "other"]).await;
        let (client, mut stream) = listener(&session.endpoint, &backend).await;
        backend
            .until("all streams", |it| it.listeners() == streams_of(it))
            .await;
        let before = tries_to_listen(&backend).len();
        let lively = r#"{"name":"other.progress","arguments":{"steps":6,"delay_ms":450},"_meta":{"progressToken":1}}"#;
        client
            .open("tools/call", lively)
            .await
            .finish()
            .await
            .result();
        backend.announce(CHANGED);
        hears_of_a_change(&mut stream).await;
        assert_eq!(tries_to_listen(&backend).len(), before);
    }
}

#[tokio::test]
async fn what_a_backend_asks_on_its_stream_is_answered() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let (_client, _stream) = listener(&session.endpoint, &backend).await;
    backend.announce(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    backend.announce(r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#);
    let answers = |it: &FakeBackend, id: &str| {
        let requests = it.requests().into_iter();
        let answers = requests.filter(|it| it.method().is_none() && it.id() == Some(id));
        answers.map(|it| it.json()).collect::<Vec<_>>()
    };
    backend
        .until("two answers", |it| {
            let has = |id| !answers(it, id).is_empty();
            has("\"p\"") && has("\"r\"")
        })
        .await;
    assert_eq!(answers(&backend, "\"p\"")[0]["result"], json!({}));
    assert_eq!(answers(&backend, "\"r\"")[0]["error"]["code"], -32601);
}

#[tokio::test]
async fn a_backend_that_announces_without_end_is_not_listed_without_end() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let (_client, mut stream) = listener(&session.endpoint, &backend).await;
    let (begun, before) = (Instant::now(), lists(&backend));
    for _ in 0..2 {
        for _ in 0..100 {
            backend.announce(CHANGED);
        }
        hears_of_a_change(&mut stream).await;
    }
    let (made, seconds) = (lists(&backend) - before, begun.elapsed().as_secs());
    assert!(made as u64 <= seconds + 2, "{made} lists in {seconds} s");
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_listening() {
    for script in SCRIPTS {
        let backend = script().start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        backend
            .until("the gateway listens", |it| it.listeners() > 0)
            .await;
        let path = format!("/session/{}", session.id);
        assert_eq!(gateway.delete(&path).await.status, 204);
        eventually("the stream to end", async || backend.listeners() == 0).await;
        assert_eq!(tries_to_listen(&backend).len(), 1);
    }
}

#[tokio::test]
async fn a_restarted_gateway_listens_when_the_session_is_used_again() {
    for script in SCRIPTS {
        let backend = script().start();
        let mut gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let (client, _) = listener(&session.endpoint, &backend).await;
        gateway.kill();
        backend.hear_out().await;
        gateway.restart();
        let path = format!("/session/{}", session.id);
        let before = tries_to_listen(&backend).len();
        assert_eq!(gateway.get(&path).await.status, 200);
        assert_eq!(tries_to_listen(&backend).len(), before);
        client.call("it.echo", json!({})).await.result();
        backend
            .until("the gateway listens", |it| it.listeners() > 0)
            .await;
        let mut stream = client.get_stream().await;
        backend
            .until("all streams", |it| it.listeners() == streams_of(it))
            .await;
        backend.announce(CHANGED);
        hears_of_a_change(&mut stream).await;
    }
}
