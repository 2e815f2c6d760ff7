//! How a connection finds out what its backend speaks, and what it then sends.

use mockito::{Matcher, Mock};
use serde_json::json;

use super::{
    asking::{PATIENT, connect, describe, entry, soon, start, turn_clock, unavailable, until},
    mocked::{Answers, DISCOVERED, initialized},
    socket::{Port, Reply, Script, shake_hands},
    world::World,
};
use crate::{
    backend::{LinkKey, State},
    mcp::{event::Outcome, request::Context, version::Revision},
};

const NO_SUCH_METHOD: &str = r#"{"code":-32601,"message":"no such method"}"#;

/// Ways in which a server says that it does not know `server/discover`.
fn ignorant(way: usize, probe: Mock) -> Mock {
    match way {
        0 => probe.with_status(400),
        1 => probe.with_status(404),
        2 => probe.with_status(405),
        3 => probe.error(NO_SUCH_METHOD),
        4 => probe.events(&[&format!(
            r#"{{"jsonrpc":"2.0","id":$ID,"error":{NO_SUCH_METHOD}}}"#
        )]),
        5 => probe.with_status(400).text(
            "application/json",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}"#,
        ),
        _ => probe.result("{}"),
    }
}

#[tokio::test]
async fn a_server_that_does_not_know_discovery_is_shaken_hands_with() {
    for way in 0..=6 {
        let mut world = World::new().await;
        let probe = ignorant(way, world.on("server/discover"));
        let probe = probe.expect(1).create();
        let offer = json!({
            "method": "initialize",
            "params": { "protocolVersion": "2025-11-25", "capabilities": {} }
        });
        let handshake = world.on_message(offer).result(&initialized("2025-06-18"));
        let handshake = handshake.expect(1).create();
        world.confirms();
        world.on("tools/call").result("{}").create();

        let discovery = world.connect().await.unwrap();
        assert_eq!(discovery.result.get(), initialized("2025-06-18"), "{way}");
        let heard = world.pay().await;
        assert!(
            matches!(&heard.outcome, Outcome::Completed(body) if !body.typed),
            "{heard:?}"
        );
        let stands = world.describe().await;
        assert_eq!(
            (stands.state, stands.revision),
            (State::Ready, Some(Revision::V2025_06_18))
        );
        probe.assert();
        handshake.assert();
    }
}

#[tokio::test]
async fn each_message_after_a_handshake_says_the_revision_where_it_is_known() {
    let known = Matcher::from("2025-06-18");
    for (revision, header) in [
        ("2025-06-18", known),
        ("2025-03-26", Matcher::Missing),
        ("2024-11-05", Matcher::Missing),
    ] {
        let mut world = World::new().await;
        world.on("server/discover").with_status(404).create();
        let handshake = world.on("initialize").result(&initialized(revision));
        handshake
            .match_header("mcp-protocol-version", Matcher::Missing)
            .create();
        let said = |mock: Mock| {
            mock.match_header("mcp-protocol-version", header.clone())
                .match_header("mcp-method", Matcher::Missing)
                .expect(1)
                .create()
        };
        let confirmed = said(world.on("notifications/initialized").with_status(202));
        let called = said(world.on("tools/call").result("{}"));
        assert_eq!(world.pay().await.result(), "{}", "{revision}");
        confirmed.assert();
        called.assert();
    }
}

#[tokio::test]
async fn a_modern_server_gets_requests_that_carry_their_own_context() {
    let mut world = World::new().await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "mcp-gateway" }
    });
    let modern = |mock: Mock, method: &str| {
        mock.match_header("mcp-protocol-version", "2026-07-28")
            .match_header("mcp-method", method)
            .match_header("mcp-session-id", Matcher::Missing)
            .expect(1)
            .create()
    };
    let probe = json!({ "method": "server/discover", "params": { "_meta": meta } });
    let probe = world.on_message(probe).result(DISCOVERED);
    let probe = modern(probe, "server/discover");
    let called = json!({ "method": "tools/call", "params": { "name": "pay", "_meta": meta } });
    let called = world.on_message(called).match_header("mcp-name", "pay");
    let called = modern(called.result(r#"{"resultType":"complete"}"#), "tools/call");
    let handshake = world.opens("first").expect(0).create();

    assert_eq!(world.connect().await.unwrap().result.get(), DISCOVERED);
    let heard = world.pay().await;
    assert!(
        matches!(&heard.outcome, Outcome::Completed(body) if body.typed),
        "{heard:?}"
    );
    assert_eq!(world.describe().await.revision, Some(Revision::V2026_07_28));
    probe.assert();
    called.assert();
    handshake.assert();
}

fn unsupported(versions: &str) -> String {
    format!(r#"{{"code":-32022,"message":"no","data":{{"supported":{versions}}}}}"#)
}

#[tokio::test]
async fn a_modern_server_that_also_speaks_a_legacy_revision_is_shaken_hands_with() {
    for status in [200, 400] {
        let mut world = World::new().await;
        let probe = world.on("server/discover").with_status(status);
        probe
            .error(&unsupported(r#"["2031-01-01","2025-11-25"]"#))
            .create();
        let handshake = world.opens("first").expect(1).create();
        world.confirms();
        world.connect().await.unwrap();
        handshake.assert();
    }
}

#[tokio::test]
async fn a_modern_server_that_refuses_a_revision_it_speaks_is_asked_once_more() {
    let mut world = World::new().await;
    let refused = world.on("server/discover").with_status(400).expect(1);
    let refused = refused
        .error(&unsupported(r#"["2026-07-28","2025-11-25"]"#))
        .create();
    let found = world.on("server/discover").result(DISCOVERED).create();
    let handshake = world.opens("first").expect(0).create();
    world.connect().await.unwrap();
    assert_eq!(world.describe().await.revision, Some(Revision::V2026_07_28));
    refused.assert();
    found.assert();
    handshake.assert();

    let mut world = World::new().await;
    let refused = world.on("server/discover").with_status(400).expect(2);
    let refused = refused.error(&unsupported(r#"["2026-07-28"]"#)).create();
    let failure = world.connect().await.unwrap_err();
    let words = unavailable(&failure);
    assert!(words.starts_with("no common MCP revision"), "{failure}");
    refused.assert();
}

#[tokio::test]
async fn a_modern_server_without_a_common_revision_is_refused_with_words() {
    let mut world = World::new().await;
    let probe = world.on("server/discover").with_status(400);
    probe.error(&unsupported(r#"["2031-01-01"]"#)).create();
    let handshake = world.opens("first").expect(0).create();
    let failure = world.connect().await.unwrap_err();
    assert!(
        unavailable(&failure).starts_with("no common MCP revision"),
        "{failure}"
    );
    assert_eq!(world.state().await, State::Refused);
    handshake.assert();
}

#[tokio::test]
async fn trouble_says_nothing_of_the_era() {
    for status in [401, 403, 429, 502, 503, 504] {
        let mut world = World::new().await;
        world.on("server/discover").with_status(status).create();
        let handshake = world.opens("first").expect(0).create();
        world.connect().await.unwrap_err();
        handshake.assert();
    }
}

#[tokio::test]
async fn a_pinned_legacy_revision_is_offered_unasked() {
    for revision in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let pin = format!("protocol: {revision}");
        let mut world = World::with(&[&pin], None).await;
        let probe = world.on("server/discover").result(DISCOVERED);
        let probe = probe.expect(0).create();
        let offer = json!({
            "method": "initialize",
            "params": { "protocolVersion": revision }
        });
        let handshake = world.on_message(offer).result(&initialized(revision));
        let handshake = handshake.expect(1).create();
        world.confirms();
        world.connect().await.unwrap();
        probe.assert();
        handshake.assert();
    }
}

#[tokio::test]
async fn a_pinned_modern_revision_is_not_given_up_for_a_handshake() {
    let mut world = World::with(&["protocol: 2026-07-28"], None).await;
    world.on("server/discover").with_status(404).create();
    let handshake = world.opens("first").expect(0).create();
    let failure = world.connect().await.unwrap_err();
    assert!(
        unavailable(&failure).contains("it does not speak 2026-07-28"),
        "{failure}"
    );
    assert_eq!(world.state().await, State::Refused);
    handshake.assert();
}

#[tokio::test]
async fn a_handshake_in_an_unknown_revision_is_refused_with_words() {
    for revision in ["1999-01-01", "2026-07-28", ""] {
        let mut world = World::new().await;
        world.is_legacy_but_for_initialize();
        let handshake = world.on("initialize").result(&initialized(revision));
        let handshake = handshake.expect(1).create();
        let failure = world.connect().await.unwrap_err();
        assert!(
            unavailable(&failure).starts_with("no common MCP revision"),
            "{failure}"
        );
        let stands = world.describe().await;
        assert_eq!(stands.state, State::Refused);
        assert!(stands.last_error.unwrap().contains("revision"));
        handshake.assert();
    }
}

#[tokio::test]
async fn a_handshake_that_the_server_rejects_is_refused_with_words() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    world.on("initialize").error(NO_SUCH_METHOD).create();
    let failure = world.connect().await.unwrap_err();
    assert!(unavailable(&failure).contains("error -32601"), "{failure}");
    assert_eq!(world.state().await, State::Refused);
}

#[tokio::test]
async fn a_server_that_leaves_discovery_unanswered_is_shaken_hands_with() {
    let port = Port::new();
    let server = port.serve(|message| match message["method"].as_str() {
        Some("server/discover") => Reply::Silence,
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let connected = tokio::spawn(async move {
        let link = LinkKey::Default;
        backend.connect(link, Context::default()).await
    });
    until(async || server.heard("server/discover") == 1).await;
    turn_clock(PATIENT.handshake * 3 / 2).await;
    soon(connected).await.unwrap().unwrap();
    assert_eq!(server.heard("initialize"), 1);
}

#[tokio::test]
async fn a_modern_server_that_was_slow_for_once_is_asked_again() {
    for (again, state) in [
        (Reply::Result(DISCOVERED.to_owned()), State::Ready),
        (Reply::Silence, State::Refused),
    ] {
        let port = Port::new();
        let said = Script::of([Reply::Silence, again]);
        let server = port.serve(move |message| match message["method"].as_str() {
            Some("server/discover") => said.next(),
            Some("initialize") => Reply::Error(NO_SUCH_METHOD),
            _ => Reply::Status(404),
        });
        let quick = entry(&port.url(), &["timeouts: { handshake: 2s }"]);
        let backend = start(quick, None, Vec::new());
        let connected = connect(&backend, LinkKey::Default).await;
        assert_eq!(connected.is_ok(), state == State::Ready, "{connected:?}");
        assert_eq!(describe(&backend).await.state, state);
        assert_eq!(server.heard("initialize"), 1);
    }
}
