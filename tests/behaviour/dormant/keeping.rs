//! What keeps a session awake, and for how long.

use serde_json::json;

use super::{LEGACY, path, sleeps, stand, until_asleep};
use crate::{
    LATEST_LEGACY, MODERN,
    questions::{wish_of, with_responses},
    world::{
        Client, FakeBackend, Gateway, Program, Wanted, eventually,
        fake_backend::Recorded,
        gateway::{Session, Setup},
    },
};

/// Returns when sessions have slept that were used later, one after the other: whatever could sleep does then.
async fn later_ones_slept(gateway: &Gateway) {
    for _ in 0..2 {
        let later = gateway.session(&["it"]).await;
        until_asleep(gateway, &later).await;
    }
}

async fn stays_awake(gateway: &Gateway, session: &Session) {
    let before = sleeps(gateway, session);
    later_ones_slept(gateway).await;
    assert_eq!(sleeps(gateway, session), before, "it is needed");
}

#[tokio::test]
async fn a_session_stays_awake_while_somebody_listens() {
    // The one whose streams can be taken up again is not among them.
    for revision in ["2025-03-26", "2025-06-18", MODERN] {
        let (_backend, gateway, session) = stand(FakeBackend::legacy()).await;
        let client = Client::speaking(revision, &session.endpoint).await;
        let changes = client.changes(Wanted::lists()).await;
        stays_awake(&gateway, &session).await;
        drop(changes);
        until_asleep(&gateway, &session).await;
    }
}

#[tokio::test]
async fn a_session_stays_awake_while_a_stream_can_be_taken_up_again() {
    let (_backend, gateway, session) = stand(FakeBackend::legacy()).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut stream = client.get_stream().await;
    let first = stream.primed().await.id.clone().unwrap();
    drop(stream);
    stays_awake(&gateway, &session).await;
    assert_eq!(client.resume(&first).await.status(), 200);
    // Its end ends that.
    assert_eq!(client.delete().await, 204);
    until_asleep(&gateway, &session).await;

    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let steps = r#"{"name":"it.progress","arguments":{"steps":2},"_meta":{"progressToken":1}}"#;
    let call = client.open("tools/call", steps).await.finish().await;
    assert!(!call.events.is_empty(), "a stream");
    stays_awake(&gateway, &session).await;
}

#[tokio::test]
async fn a_session_stays_awake_during_a_call() {
    for revision in [LEGACY, MODERN] {
        let (backend, gateway, session) = stand(FakeBackend::both()).await;
        let client = Client::speaking(revision, &session.endpoint).await;
        let call = client.call("it.progress", json!({"steps": 1, "gated": true}));
        let meanwhile = async {
            let begun = |it: &FakeBackend| it.executions("progress") == 1;
            backend.until("the call", begun).await;
            stays_awake(&gateway, &session).await;
            backend.step();
        };
        let (answer, ()) = tokio::join!(call, meanwhile);
        assert_eq!(answer.text(), "1 steps");
    }
}

#[tokio::test]
async fn a_session_stays_awake_while_a_request_waits_for_input() {
    const ASK: &str = r#"{"name":"it.ask"}"#;
    for input in [None, Some("--input-timeout=200ms")] {
        let backend = FakeBackend::legacy().start();
        let setup = Gateway::setup().provider("it", &backend);
        let setup = setup.argument(super::SOON);
        let gateway = input.into_iter().fold(setup, Setup::argument).start();
        let session = gateway.session(&["it"]).await;
        let program = Program::named("asked").capable();
        let client = program.speaking(MODERN, &session.endpoint).await;
        let asked = wish_of(&client, ASK).await;
        if input.is_none() {
            stays_awake(&gateway, &session).await;
            assert_eq!(backend.open_questions(), 1);
            // Its answer ends it.
            let (key, _) = &asked.requests[0];
            let given = format!(r#""{key}":{{"action":"decline"}}"#);
            let retry = with_responses(ASK, &given, &asked.state);
            let answer = client.request_raw("tools/call", &retry).await;
            assert_eq!(answer.text(), "answered");
        }
        // So does its time.
        until_asleep(&gateway, &session).await;
        let over = |it: &FakeBackend| it.open_questions() == 0;
        backend.until("the end of the question", over).await;
    }
}

#[tokio::test]
async fn a_link_that_nobody_could_go_on_with_ends_with_the_sleep() {
    let (backend, gateway, session) = stand(FakeBackend::legacy()).await;
    let program = Program::named("capable").capable();
    let client = program.speaking(MODERN, &session.endpoint).await;
    client.call("it.echo", json!({})).await.result();
    let openings = backend.requests_of("initialize");
    let is_own = |it: &&Recorded| it.params()["capabilities"]["elicitation"].is_object();
    assert_eq!(
        openings.iter().filter(is_own).count(),
        1,
        "beside that of all"
    );
    until_asleep(&gateway, &session).await;
    backend
        .until("the farewell", |it| it.sessions_open() == 1)
        .await;
    client.call("it.echo", json!({})).await.result();
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn to_look_at_a_session_wakes_it_for_a_moment_only() {
    let (_backend, gateway, session) = stand(FakeBackend::modern()).await;
    for _ in 0..3 {
        until_asleep(&gateway, &session).await;
        let before = sleeps(&gateway, &session);
        assert_eq!(gateway.get(&path(&session)).await.status, 200);
        let again = async || sleeps(&gateway, &session) > before;
        eventually("its sleep", again).await;
    }
}
