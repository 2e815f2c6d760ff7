//! What backends say and ask on their own streams, and what clients hear on theirs.
//!
//! Spec: 2025-11-25 basic/transports, "Listening for Messages from the Server".

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        Client, FakeBackend, Gateway, Pairing, Program, World,
        client::{Answer, Exchange},
        eventually,
        fake_backend::Script,
        gateway::Session,
        pairing::REVISIONS,
    },
};

fn sampled(by: &str) -> Value {
    json!({"role": "assistant", "model": by, "content": {"type": "text", "text": by}})
}

/// A backend that asks on its `GET` streams alone; modern ones have none.
fn aside() -> Script {
    FakeBackend::legacy().asks_on_get_stream().recites()
}

async fn one(script: Script) -> (FakeBackend, Gateway, Session) {
    let backend = script.start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

async fn capable(revision: &str, session: &Session) -> Client {
    let program = Program::named(revision).capable();
    program.speaking(revision, &session.endpoint).await
}

fn given(answer: &Answer) -> String {
    answer.result()["structuredContent"]["answers"].to_string()
}

#[tokio::test]
async fn a_question_on_a_backends_own_stream_reaches_exactly_its_client() {
    let (backend, _gateway, session) = one(aside()).await;
    let mut clients = Vec::new();
    for revision in REVISIONS {
        clients.push(capable(revision, &session).await);
    }
    // With streams of their own, and without.
    for listens in [false, true] {
        if listens {
            for client in &clients {
                client.listen().await;
            }
        }
        let calls = REVISIONS
            .into_iter()
            .zip(&clients)
            .map(|(revision, client)| async move {
                let answer = client
                    .call_answering("it.sample", json!({}), |_, _| sampled(revision))
                    .await;
                (revision, answer)
            });
        for (revision, answer) in futures_util::future::join_all(calls).await {
            assert_eq!(answer.asked.len(), 1, "{revision}");
            assert!(given(&answer).contains(revision), "{answer:?}");
        }
    }
    assert_eq!(backend.complaints(), [""; 0]);
    assert_eq!(backend.open_questions(), 0);
}

#[tokio::test]
async fn a_question_goes_to_the_stream_that_its_client_reads() {
    let (backend, gateway, session) = one(aside()).await;
    let sample = r#"{"name":"it.sample"}"#;
    for revision in REVISIONS.into_iter().filter(|it| *it != MODERN) {
        let client = capable(revision, &session).await;
        let mut stream = client.get_stream().await;
        let mut call = std::pin::pin!(client.open("tools/call", sample));
        // On the client's own stream, while it has one.
        let question = tokio::select! {
            question = stream.next() => question.unwrap(),
            _ = &mut call => panic!("asked elsewhere"),
        };
        assert_eq!(client.respond(&question, sampled("there")).await, 202);
        assert!(given(&call.await.finish().await).contains("there"));

        // On the call's, once it has none, even if it may come back for what it missed.
        close(stream, &gateway, &client).await;
        let mut call = client.open("tools/call", sample).await;
        let question = call.next().await.unwrap();
        assert_eq!(client.respond(&question, sampled("here")).await, 202);
        assert!(given(&call.finish().await).contains("here"), "{revision}");

        // And on the next one.
        let mut stream = client.get_stream().await;
        let mut call = std::pin::pin!(client.open("tools/call", sample));
        let question = tokio::select! {
            question = stream.next() => question.unwrap(),
            _ = &mut call => panic!("asked elsewhere"),
        };
        assert_eq!(client.respond(&question, sampled("again")).await, 202);
        assert!(given(&call.await.finish().await).contains("again"));
        // Its end is not taken for that of the next client's.
        close(stream, &gateway, &client).await;
    }
    assert_eq!(backend.complaints(), [""; 0]);
}

/// Closes a client's stream, and waits until the gateway has noticed. It is the only connection that ends early meanwhile.
async fn close<S>(stream: S, gateway: &Gateway, client: &Client) {
    let ended = || gateway.logs().matches("a connection ended early").count();
    let before = ended();
    drop(stream);
    eventually("the end of a connection", async || ended() > before).await;
    // The session is answered behind what it was told of that.
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_client_that_comes_back_finds_what_it_was_asked() {
    let (backend, _gateway, session) = one(aside()).await;
    let client = capable(LATEST_LEGACY, &session).await;
    let mut stream = client.get_stream().await;
    let primed = stream.primed().await.id.clone().unwrap();
    let mut call = std::pin::pin!(client.open("tools/call", r#"{"name":"it.sample"}"#));
    let question = tokio::select! {
        question = stream.next() => question.unwrap(),
        _ = &mut call => panic!("asked elsewhere"),
    };
    drop(stream);
    let mut stream = client.resume(&primed).await;
    let again = stream.next().await.unwrap();
    assert_eq!(again.raw(), question.raw());
    assert_eq!(client.respond(&again, sampled("Ada")).await, 202);
    assert!(given(&call.await.finish().await).contains("Ada"));
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_backend_without_a_client_to_ask_is_told_so() {
    let (backend, _gateway, session) = one(aside().asks_anyway()).await;
    for revision in REVISIONS {
        // It declares nothing, and has no stream.
        let client = Client::speaking(revision, &session.endpoint).await;
        client.listen().await;
        let answer = client.call("it.sample", json!({})).await;
        assert!(given(&answer).contains("-32601"), "{answer:?}");
    }
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn log_messages_of_a_backends_own_stream_reach_each_client_once() {
    let log = |text: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"error","data":"{text}"}}}}"#
        )
    };
    let (backend, _gateway, session) = one(FakeBackend::legacy()).await;
    let mut streams: Vec<(Client, Exchange)> = Vec::new();
    for revision in REVISIONS.into_iter().filter(|it| *it != MODERN) {
        let client = Client::legacy(&session.endpoint, revision).await;
        let stream = client.get_stream().await;
        streams.push((client, stream));
    }
    // Theirs, and the connection's own.
    backend.until("all streams", |it| it.listeners() == 5).await;
    for text in ["first", "second"] {
        backend.announce(&log(text));
        for (_, stream) in &mut streams {
            let heard = stream.next().await.unwrap().json();
            assert_eq!(heard["params"]["data"], text);
        }
    }
    // A client that goes leaves the others'.
    let (gone, stream) = streams.remove(0);
    drop(stream);
    assert_eq!(gone.delete().await, 204);
    backend.announce(&log("third"));
    for (_, stream) in &mut streams {
        let heard = stream.next().await.unwrap().json();
        assert_eq!(heard["params"]["data"], "third");
    }
}

#[tokio::test]
async fn an_old_stream_tells_again_when_the_newer_one_is_gone() {
    let (backend, gateway, session) = one(FakeBackend::legacy()).await;
    for revision in REVISIONS.into_iter().filter(|it| *it != MODERN) {
        let client = capable(revision, &session).await;
        let mut first = client.subscribe("fake://text").await;
        let mut second = client.get_stream().await;
        backend.announce_update("fake://text");
        // Each message is told once.
        second.next().await.unwrap();
        close(second, &gateway, &client).await;
        backend.announce_update("fake://text");
        let heard = first.next_of("notifications/resources/updated").await;
        assert_eq!(heard.json()["params"]["uri"], "fake://text", "{revision}");
        close(first, &gateway, &client).await;
        let text = json!({"uri": "fake://text"});
        client.request("resources/unsubscribe", text).await.result();
    }
}

#[tokio::test]
async fn streams_that_nobody_reads_hold_up_no_call() {
    // More than a stream holds, for each of them.
    const FLOOD: u64 = 5_000;
    for script in [FakeBackend::legacy(), FakeBackend::modern()] {
        let (backend, _gateway, session) = one(script).await;
        let mut unread = Vec::new();
        for revision in REVISIONS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let changes = client.subscribe("fake://text").await;
            unread.push((client, changes));
        }
        backend
            .until("the subscriptions", |it| {
                it.subscriptions() == ["fake://text"]
            })
            .await;
        for _ in 0..FLOOD {
            backend.announce_update("fake://text");
        }
        for (client, _) in &unread {
            let answer = client.call("it.progress", json!({"steps": 3})).await;
            assert_eq!(answer.text(), "3 steps");
        }
        // Whoever listens anew hears again.
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            let mut changes = client.subscribe("fake://items/1").await;
            // The backend's stream may still be the one before, on its way out.
            let tell = || backend.announce_update("fake://items/1");
            let heard = changes.next_updated(tell).await;
            assert_eq!(heard.json()["params"]["uri"], "fake://items/1");
        }
    }
}

#[tokio::test]
async fn questions_of_two_backends_on_their_own_streams_do_not_mix() {
    let (one, other) = (aside().start(), aside().start());
    let gateway = Gateway::with(&[("one", &one), ("other", &other)]);
    let session = gateway.session(&["one", "other"]).await;
    for revision in REVISIONS {
        let client = capable(revision, &session).await;
        // The two questions have the same id there.
        let calls = ["one", "other"].map(|backend| {
            let tool = format!("{backend}.sample");
            let client = &client;
            async move {
                client
                    .call_answering(&tool, json!({}), |_, _| sampled(backend))
                    .await
            }
        });
        for (backend, answer) in ["one", "other"]
            .into_iter()
            .zip(futures_util::future::join_all(calls).await)
        {
            assert!(given(&answer).contains(backend), "{revision}: {answer:?}");
        }
    }
    for backend in [&one, &other] {
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_mcp_session_and_opens_in_none_that_ended() {
    for pairing in Pairing::revisions() {
        if pairing.has_modern_client() {
            continue; // It has no MCP session.
        }
        let script = pairing.script();
        let w: World = pairing.stand(script, Program::named("x").capable()).await;
        let mut stream = w.client.get_stream().await;
        assert_eq!(w.client.delete().await, 204);
        assert!(stream.next().await.is_none());
        assert_eq!(w.client.get_stream().await.status(), 404);
    }
}
