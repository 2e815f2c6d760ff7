//! Which requests are sent again, how often, and after which pause.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    asking::{Heard, call, entry, learn_tools, start, tool, unavailable},
    mocked::Answers,
    socket::{Port, Reply, shake_hands},
    world::World,
};
use crate::{backend::LinkKey, limits::STREAMED_ABOVE_BYTES, mcp::failure::Failure};

const TOOLS: &str = r#"{"tools":[
    {"name":"pay"},
    {"name":"look","annotations":{"readOnlyHint":true}},
    {"name":"set","annotations":{"idempotentHint":true}}]}"#;

fn interrupted(heard: Heard) -> String {
    match heard.failure() {
        failure @ Failure::Interrupted { .. } => failure.to_string(),
        other => panic!("not interrupted: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_that_was_not_taken_is_sent_again_whatever_it_does() {
    let date = "Thu, 26 Nov 2026 09:00:00 GMT";
    for (status, retry_after) in [
        (429, None),
        (429, Some("0")),
        (503, Some("0")),
        (503, Some(date)),
    ] {
        let mut world = World::new().await;
        world.is_legacy();
        let refused = world.on("tools/call").with_status(status);
        let refused = match retry_after {
            Some(pause) => refused.with_header("retry-after", pause),
            None => refused,
        };
        let refused = refused.with_header("date", date).expect(2).create();
        let taken = world.on("tools/call").result("{}").expect(1).create();
        assert_eq!(world.pay().await.result(), "{}");
        refused.assert();
        taken.assert();
    }
}

#[tokio::test]
async fn the_pause_that_a_backend_asks_for_is_kept() {
    let mut world = World::new().await;
    world.is_legacy();
    let refused = world.on("tools/call").with_status(503);
    refused.with_header("retry-after", "1").expect(1).create();
    world.on("tools/call").result("{}").create();
    world.connect().await.unwrap();
    let began = Instant::now();
    assert_eq!(world.pay().await.result(), "{}");
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_longer_pause_than_a_caller_waits_is_the_answer() {
    for status in [429, 503] {
        let mut world = World::new().await;
        world.is_legacy();
        let refused = world.on("tools/call").with_status(status);
        let refused = refused.with_header("retry-after", "31").expect(1).create();
        let failure = world.pay().await.failure();
        let words = unavailable(&failure);
        assert!(
            words.contains("overloaded") && words.contains(&status.to_string()),
            "{failure}"
        );
        refused.assert();
    }
}

#[tokio::test]
async fn an_opening_that_was_not_taken_is_tried_again() {
    for method in ["server/discover", "initialize"] {
        for status in [429, 502, 503, 504] {
            let mut world = World::new().await;
            let refused = world.on(method).with_status(status).expect(2).create();
            world.is_legacy();
            world.connect().await.unwrap();
            refused.assert();
        }
    }
}

#[tokio::test]
async fn a_list_that_a_proxy_lost_is_asked_for_again() {
    for status in [502, 504] {
        let mut world = World::new().await;
        world.is_legacy();
        let lost = world.on_list_page().with_status(status).expect(2).create();
        let answered = world.on_list_page().result(TOOLS).expect(1).create();
        assert_eq!(world.list_page().await.result(), TOOLS);
        lost.assert();
        answered.assert();
    }
}

#[tokio::test]
async fn a_tool_that_may_have_run_is_called_once() {
    // A 503 that does not say when to come back is a proxy's word as well.
    for status in [502, 503, 504] {
        let mut world = World::new().await;
        world.is_legacy();
        world.on("tools/list").result(TOOLS).create();
        world.learn_tools().await;
        let lost = world.on("tools/call").with_status(status);
        let lost = lost.expect(1).create();
        let words = interrupted(world.pay().await);
        assert!(
            words.contains(&status.to_string()) && words.contains("may have been carried out"),
            "{words}"
        );
        lost.assert();
    }
}

#[tokio::test]
async fn a_tool_that_may_run_twice_is_called_again() {
    for name in ["look", "set"] {
        let mut world = World::new().await;
        world.is_legacy();
        world.on("tools/list").result(TOOLS).create();
        world.learn_tools().await;
        let lost = world.on("tools/call").with_status(502).expect(2).create();
        let answered = world.on("tools/call").result("{}").expect(1).create();
        let heard = call(&world.backend, LinkKey::Default, tool(name)).await;
        assert_eq!(heard.result(), "{}", "{name}");
        lost.assert();
        answered.assert();
    }
}

#[tokio::test]
async fn repeats_end() {
    for attempts in [0, 1, 4] {
        let retries = format!("retries: {{ attempts: {attempts}, base: 1ms, max: 2ms }}");
        let mut world = World::with(&[&retries], None).await;
        world.is_legacy();
        let call = world.on("tools/call").with_status(429);
        let call = call.expect(attempts + 1).create();
        let page = world.on_list_page().with_status(502);
        let page = page.expect(attempts + 1).create();
        unavailable(&world.pay().await.failure());
        interrupted(world.list_page().await);
        call.assert();
        page.assert();

        let mut world = World::with(&[&retries], None).await;
        let opening = world.on("server/discover").with_status(503);
        let opening = opening.expect(attempts + 1).create();
        unavailable(&world.connect().await.unwrap_err());
        // The next try in the background comes after half a second.
        opening.assert();
    }
}

#[tokio::test]
async fn what_would_meet_the_same_end_is_not_sent_again() {
    // 400, 404 and 405 could be a server of the other era: it is asked, and is none.
    for status in [400, 404, 405, 410, 422, 500, 501] {
        let mut world = World::new().await;
        world.is_modern();
        let refused = world.on_list_page().with_status(status);
        let refused = refused.expect(1).create();
        if status < 500 {
            unavailable(&world.list_page().await.failure());
        } else {
            interrupted(world.list_page().await);
        }
        refused.assert();
    }
}

/// A server whose calls come to a bad end.
fn breaks_off(message: &Value, end: impl Fn() -> Reply) -> Reply {
    match message["method"].as_str().unwrap() {
        "tools/list" => Reply::Result(TOOLS.to_owned()),
        "tools/call" => end(),
        _ => shake_hands(message),
    }
}

#[tokio::test]
async fn a_call_cut_off_after_it_left_is_sent_once_unless_it_may_run_twice() {
    let port = Port::new();
    let server = port.serve(|message| breaks_off(message, || Reply::Cut));
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    learn_tools(&backend).await;

    let words = interrupted(call(&backend, LinkKey::Default, tool("pay")).await);
    assert!(words.contains("was not sent again"), "{words}");
    assert_eq!(server.heard("tools/call"), 1);
    interrupted(call(&backend, LinkKey::Default, tool("look")).await);
    assert_eq!(server.heard("tools/call"), 1 + 3);
}

#[tokio::test]
async fn a_result_that_breaks_off_in_the_middle_is_not_asked_for_again() {
    let port = Port::new();
    let half = format!(r#"{{"x":"{}"}}"#, "x".repeat(4 * STREAMED_ABOVE_BYTES));
    let server = port.serve(move |message| breaks_off(message, || Reply::Half(half.clone())));
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    learn_tools(&backend).await;

    let heard = call(&backend, LinkKey::Default, tool("look")).await;
    assert!(!heard.parts.is_empty());
    let words = interrupted(heard);
    assert!(words.contains("in the middle of the result"), "{words}");
    assert_eq!(server.heard("tools/call"), 1);
}
