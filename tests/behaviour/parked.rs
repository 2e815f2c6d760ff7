//! Calls of modern clients that wait at a legacy backend while the client gathers what was asked.
//!
//! Only there does a call wait: a legacy client is asked while its call is open, and a modern backend
//! ends its call by asking.

use futures_util::future::join_all;
use serde_json::Value;

use crate::{
    LATEST_LEGACY, MODERN,
    questions::{Wish, wish, wish_of, with_responses},
    world::{Answers, Cancelled, Client, FakeBackend, Gateway, Program, gateway::Session},
};

const ASK: &str = r#"{"name":"it.ask"}"#;
const ADA: &str = r#"{"action":"accept","content":{"name":"Ada"}}"#;

struct Scene {
    backend: FakeBackend,
    gateway: Gateway,
    session: Session,
    client: Client,
}

async fn scene(answers: Answers, arguments: &[&str]) -> Scene {
    let backend = FakeBackend::speaking(LATEST_LEGACY)
        .answers(answers)
        .start();
    let setup = Gateway::setup().provider("it", &backend);
    let setup = arguments.iter().fold(setup, |setup, it| setup.argument(it));
    let gateway = setup.start();
    let session = gateway.session(&["it"]).await;
    let program = Program::named("asked").capable();
    let client = program.speaking(MODERN, &session.endpoint).await;
    Scene {
        backend,
        gateway,
        session,
        client,
    }
}

fn retry(asked: &Wish) -> String {
    let (key, _) = &asked.requests[0];
    let given = format!("{}:{ADA}", Value::from(key.as_str()));
    with_responses(ASK, &given, &asked.state)
}

/// The one call was cancelled as a legacy backend is told, and nobody answered its question.
async fn is_cancelled(scene: &Scene) {
    let backend = &scene.backend;
    let told = |it: &FakeBackend| !it.cancellations().is_empty();
    backend.until("the cancellation", told).await;
    let call = backend.requests_of("tools/call").remove(0);
    let cancellation = backend.cancellations().remove(0);
    assert_eq!(Some(cancellation.request_id.as_str()), call.id());
    assert_eq!(cancellation.how, Cancelled::ByNotification);
    assert_eq!(backend.completions("ask"), 0);
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_client_that_stays_away_too_long_has_its_call_cancelled() {
    for answers in [Answers::Json, Answers::Sse] {
        let scene = scene(answers, &["--input-timeout=200ms"]).await;
        let asked = wish_of(&scene.client, ASK).await;
        is_cancelled(&scene).await;
        let late = scene.client.request_raw("tools/call", &retry(&asked)).await;
        assert_eq!(late.error().code, -32602);
        assert!(late.error().message.contains("begin the request anew"));
        assert_eq!(scene.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn the_end_of_a_session_cancels_what_waits_in_it() {
    let scene = scene(Answers::Json, &[]).await;
    wish_of(&scene.client, ASK).await;
    let path = format!("/session/{}", scene.session.id);
    assert_eq!(scene.gateway.delete(&path).await.status, 204);
    let backend = &scene.backend;
    let told = |it: &FakeBackend| !it.cancellations().is_empty();
    backend.until("the cancellation", told).await;
    assert_eq!(
        backend.completions("ask"),
        0,
        "nobody answered for the client"
    );
}

#[tokio::test]
async fn a_call_that_ended_meanwhile_gives_its_result_to_the_retry() {
    let scene = scene(Answers::Json, &[]).await;
    let asked = wish_of(&scene.client, ASK).await;
    scene.backend.withdraw_questions();
    let ended = |it: &FakeBackend| it.completions("ask") == 1;
    scene.backend.until("the call to end", ended).await;
    let last = scene.client.request_raw("tools/call", &retry(&asked)).await;
    let answers = &last.result()["structuredContent"]["answers"];
    assert_eq!(answers["name"]["withdrawn"], true);
    assert_eq!(
        scene.backend.complaints(),
        [""; 0],
        "its answer went nowhere"
    );
}

#[tokio::test]
async fn as_many_calls_wait_as_may_and_one_more_is_refused() {
    let scene = scene(Answers::Json, &[]).await;
    let calls = (0..=256).map(|_| scene.client.request_raw("tools/call", ASK));
    let answers = join_all(calls).await;
    let (asked, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| wish(it).is_some());
    assert_eq!((asked.len(), refused.len()), (256, 1));
    assert_eq!(refused[0].error().code, -31003);
    let told = |it: &FakeBackend| it.cancellations().len() == 1;
    scene.backend.until("the refused one to end", told).await;
    let first = wish(asked[0]).unwrap();
    let last = scene.client.request_raw("tools/call", &retry(&first)).await;
    assert_eq!(last.text(), "answered");
    assert_eq!(scene.backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_gateway_that_stops_cancels_what_waits_in_it() {
    let mut scene = scene(Answers::Json, &["--drain-timeout=1s"]).await;
    wish_of(&scene.client, ASK).await;
    scene.gateway.stop();
    let told = |it: &FakeBackend| !it.cancellations().is_empty();
    scene.backend.until("the cancellation", told).await;
    assert_eq!(scene.backend.completions("ask"), 0);
}
