//! Promises that were not kept when these tests were written.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use futures_util::future::join;
use mockito::Matcher;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    asking::{call, connect, describe, entry, raw, send, soon, start, tool, unavailable, until},
    mocked::{Answers, DISCOVERED, initialized},
    socket::{Port, Reply, shake_hands},
    world::World,
};
use crate::{
    backend::{LinkKey, Memory, State},
    limits::{RETRY_AFTER_MAX, STREAMED_ABOVE_BYTES},
    mcp::{
        discovery::Discovery,
        event::{Event, Outcome},
        failure::Failure,
        version::Revision,
    },
};

const SECRET: &str = "s3cr3t-9c4e";
const BEARER: &str = "auth: { type: bearer }";

#[tokio::test]
async fn a_version_that_repeats_the_credential_is_not_quoted() {
    let mut world = World::with(&[BEARER], Some(SECRET)).await;
    world.is_legacy_but_for_initialize();
    world.on("initialize").result(&initialized(SECRET)).create();
    let failure = world.connect().await.unwrap_err();
    assert!(!unavailable(&failure).contains(SECRET), "{failure}");
}

#[tokio::test]
async fn an_error_code_that_repeats_the_credential_is_not_quoted() {
    let mut world = World::with(&[BEARER], Some(SECRET)).await;
    world.is_legacy_but_for_initialize();
    let error = format!(r#"{{"code":"{SECRET}","message":""}}"#);
    world.on("initialize").error(&error).create();
    let failure = world.connect().await.unwrap_err();
    assert!(!unavailable(&failure).contains(SECRET), "{failure}");
}

#[tokio::test]
async fn a_try_between_two_leaves_no_timer_behind() {
    let port = Port::new();
    let server = port.serve(|_| Reply::Status(503));
    let backend = start(
        entry(
            &port.url(),
            &["retries: { attempts: 0, base: 1ms, max: 1ms }"],
        ),
        None,
        Vec::new(),
    );
    connect(&backend, LinkKey::Default).await.unwrap_err();
    let tries = || server.heard("server/discover");
    // The third pause is longer than a caller's patience: a call makes the fourth try within it.
    until(async || tries() >= 3).await;
    let third = tries();
    until(async || {
        call(&backend, LinkKey::Default, tool("pay")).await;
        tries() > third
    })
    .await;
    // Before it is promised, and what comes after it was: whatever is late makes the wait longer.
    let (began, promised) = loop {
        let began = Instant::now();
        if let Some(promised) = describe(&backend).await.retry_in {
            break (began, promised);
        }
    };
    let fourth = tries();
    until(async || tries() > fourth).await;
    let kept = began.elapsed();
    assert!(kept >= promised, "{kept:?} of {promised:?}");
}

#[tokio::test]
async fn a_large_error_arrives_too() {
    let mut world = World::new().await;
    world.is_legacy();
    let text = "x".repeat(2 * STREAMED_ABOVE_BYTES);
    let error = format!(r#"{{"code":-32000,"message":"{text}"}}"#);
    world.on("tools/call").error(&error).create();
    let outcome = world.pay().await.outcome;
    assert!(
        matches!(&outcome, Outcome::Rejected(own) if own.error.get() == error),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_call_of_an_mcp_session_that_ends_while_it_opens_has_an_end() {
    let port = Port::new();
    let opened = AtomicUsize::new(0);
    let server = port.serve(move |message| {
        let is_handshake = message["method"] == "initialize";
        if is_handshake && opened.fetch_add(1, Ordering::Relaxed) > 0 {
            return Reply::Silence;
        }
        shake_hands(message)
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    connect(&backend, LinkKey::Default).await.unwrap();
    let link = LinkKey::Own(Uuid::new_v4());
    let mut received = send(&backend, link, tool("pay"));
    until(async || server.heard("initialize") == 2).await;
    backend.forget(link);
    assert!(matches!(
        soon(received.recv()).await,
        Some(Event::Finished(_))
    ));
}

#[tokio::test]
async fn an_mcp_session_that_ended_before_the_first_handshake_is_not_opened() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    world.opens("default").expect(1).create();
    let opened = world.opens("own").expect(0).create();
    let link = LinkKey::Own(Uuid::new_v4());
    let (_, ()) = join(call(&world.backend, link, tool("pay")), async {
        world.backend.forget(link);
    })
    .await;
    opened.assert();
}

#[tokio::test]
async fn an_mcp_session_that_opens_while_the_session_is_deleted_is_ended() {
    let port = Port::new();
    let word = Arc::new(Notify::new());
    let held = Arc::clone(&word);
    let server = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => Reply::Opened("first"),
        Some("notifications/initialized") => Reply::StatusAfter(Arc::clone(&held), 202),
        // A DELETE has no body and no method.
        None => Reply::Status(200),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let (_, ()) = join(connect(&backend, LinkKey::Default), async {
        until(async || server.heard("notifications/initialized") == 1).await;
        backend.close();
        word.notify_one();
    })
    .await;
    until(async || server.heard("") == 1).await;
}

#[tokio::test]
async fn a_backend_that_became_a_legacy_one_is_found_out() {
    let memory = Memory {
        revision: Revision::V2026_07_28,
        backend_session: None,
        discovery: Discovery::read(&raw(DISCOVERED)).unwrap(),
    };
    let mut world = World::remembering(&[], None, vec![(LinkKey::Default, memory)]).await;
    world.is_legacy();
    let called = world.on("tools/call").result("{}");
    called.match_header("mcp-session-id", "first").create();
    let refused = world.on("tools/call").with_status(400).text(
        "application/json",
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#,
    );
    refused
        .match_header("mcp-session-id", Matcher::Missing)
        .create();
    world.pay().await;
    assert_eq!(world.pay().await.result(), "{}");
}

#[tokio::test]
async fn a_backend_that_became_a_modern_one_is_found_out() {
    let memory = Memory {
        revision: Revision::V2025_11_25,
        backend_session: None,
        discovery: Discovery::read(&raw(&initialized("2025-11-25"))).unwrap(),
    };
    let mut world = World::remembering(&[], None, vec![(LinkKey::Default, memory)]).await;
    world.is_modern();
    let called = world.on("tools/call").result("{}");
    called.match_header("mcp-method", "tools/call").create();
    let refused = world.on("tools/call").with_status(400);
    refused
        .error(r#"{"code":-32020,"message":"no header"}"#)
        .match_header("mcp-method", Matcher::Missing)
        .create();
    world.pay().await;
    assert_eq!(world.pay().await.result(), "{}");
}

#[tokio::test]
async fn the_pause_that_a_backend_asks_for_at_the_handshake_is_kept() {
    let mut world = World::new().await;
    let refused = world.on("server/discover").with_status(503);
    refused.with_header("retry-after", "31").create();
    world.connect().await.unwrap_err();
    assert!(world.describe().await.retry_in.unwrap() > RETRY_AFTER_MAX);
}

#[tokio::test]
async fn a_call_that_never_left_is_not_said_to_have_run() {
    for status in [502, 504] {
        let mut world = World::new().await;
        world.on("server/discover").with_status(status).create();
        let failure = world.pay().await.failure();
        assert!(matches!(failure, Failure::Unavailable { .. }), "{failure}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_run_is_not_said_to_be_unsent() {
    let mut world = World::new().await;
    world.is_legacy();
    world.on("tools/call").with_status(500).create();
    let failure = world.pay().await.failure();
    assert!(!matches!(failure, Failure::Unavailable { .. }), "{failure}");
}

#[tokio::test]
async fn a_pause_beyond_all_numbers_is_a_long_one() {
    let mut world = World::new().await;
    world.is_legacy();
    let refused = world.on("tools/call").with_status(503);
    let refused = refused.with_header("retry-after", "99999999999999999999");
    let refused = refused.expect(1).create();
    world.pay().await.failure();
    refused.assert();
}

#[tokio::test]
async fn a_credential_refused_later_on_shows_in_the_description() {
    let mut world = World::with(&[BEARER], Some("t0k")).await;
    world.is_legacy();
    world.on("tools/call").with_status(401).create();
    world.connect().await.unwrap();
    world.pay().await.failure();
    until(async || {
        let stands = world.describe().await;
        stands.state == State::Refused && stands.last_error.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_credential_refused_at_a_renewal_shows_in_the_description() {
    let mut world = World::with(&[BEARER], Some("t0k")).await;
    world.is_legacy_but_for_initialize();
    world.opens("first").expect(1).create();
    world.on("initialize").with_status(401).create();
    world.on("tools/call").with_status(404).create();
    world.connect().await.unwrap();
    world.pay().await.failure();
    assert_eq!(world.state().await, State::Refused);
}
