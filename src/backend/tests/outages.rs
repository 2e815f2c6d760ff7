//! What a connection does while its backend is out of reach, and when it is back.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{
    asking::{call, connect, describe, entry, start, tool, unavailable, until},
    mocked::Answers,
    socket::{Port, Reply, shake_hands},
    world::World,
};
use crate::{
    backend::{
        HttpClients, LinkKey, State, Witness, endpoint::Endpoint, error::BackendError,
        provider::Leave,
    },
    metrics::Metrics,
};

#[tokio::test]
async fn a_backend_that_refuses_connections_is_waited_for_until_it_is_there() {
    let port = Port::new();
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let failure = connect(&backend, LinkKey::Default).await.unwrap_err();
    let words = unavailable(&failure).to_lowercase();
    assert!(words.contains("refused"), "{failure}");

    let stands = describe(&backend).await;
    assert_eq!(stands.state, State::Waiting);
    assert!(stands.retry_in.unwrap() <= Duration::from_millis(500));
    assert!(
        stands
            .last_error
            .unwrap()
            .to_lowercase()
            .contains("refused")
    );

    let server = port.serve(shake_hands);
    until(async || describe(&backend).await.state == State::Ready).await;
    let stands = describe(&backend).await;
    assert_eq!((stands.retry_in, stands.last_error), (None, None));
    assert_eq!(server.heard("initialize"), 1);
}

#[tokio::test]
async fn a_call_during_the_pause_fails_at_once_with_the_last_error() {
    let once = "retries: { attempts: 0, base: 1ms, max: 1ms }";
    let mut world = World::with(&[once], None).await;
    let asked = world.on_http("POST").with_status(503);
    let asked = asked.expect(1).create();
    let began = Instant::now();
    world.connect().await.unwrap_err();
    let failure = world.pay().await.failure();
    assert!(unavailable(&failure).contains("HTTP 503"), "{failure}");
    assert_eq!(world.state().await, State::Waiting);
    // Only on a machine that stood still does the pause end in between.
    assert!(asked.matched() || began.elapsed() > Duration::from_millis(400));
}

#[tokio::test]
async fn a_backend_that_leaves_is_noticed_by_the_next_call_and_found_again() {
    let port = Port::new();
    let answer = |message: &serde_json::Value| match message["method"].as_str().unwrap() {
        "tools/call" => Reply::Result("{}".to_owned()),
        _ => shake_hands(message),
    };
    let server = port.serve(answer);
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    assert_eq!(
        call(&backend, LinkKey::Default, tool("pay")).await.result(),
        "{}"
    );
    server.stop().await;

    let failure = call(&backend, LinkKey::Default, tool("pay"))
        .await
        .failure();
    unavailable(&failure);
    until(async || describe(&backend).await.state == State::Waiting).await;

    let server = port.serve(answer);
    until(async || describe(&backend).await.state == State::Ready).await;
    assert_eq!(
        call(&backend, LinkKey::Default, tool("pay")).await.result(),
        "{}"
    );
    assert_eq!(server.heard("tools/call"), 1);
}

#[tokio::test]
async fn calls_that_come_during_a_handshake_wait_for_it() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    let opened = world.opens("first").expect(1).create();
    let called = world.on("tools/call").result("{}").expect(20).create();
    for heard in join_all((0..20).map(|_| world.pay())).await {
        assert_eq!(heard.result(), "{}");
    }
    opened.assert();
    called.assert();
}

#[tokio::test]
async fn a_session_that_changes_its_credential_again_and_again_is_one_witness() {
    let spec = entry(&Port::new().url(), &[]);
    let clients = HttpClients::new(Metrics::new().unwrap());
    let (one, other) = (Witness::another(), Witness::another());
    let meets_silence = |witness| {
        let endpoint = Endpoint::new(&spec, None, &clients, witness).unwrap();
        endpoint.met(Leave::Free, &Err::<(), _>(BackendError::Truncated));
        endpoint.provider.gone().is_some()
    };
    for _ in 0..100 {
        assert!(!meets_silence(one));
    }
    assert!((0..100).any(|_| meets_silence(other)));
}
