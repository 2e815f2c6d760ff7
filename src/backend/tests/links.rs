//! The backend's MCP sessions: one for each of ours, renewed when forgotten, ended when done with.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::{join, join_all};
use mockito::{Matcher, Mock};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    asking::{call, connect, entry, raw, soon, start, tool, unavailable, until},
    mocked::{Answers, initialized},
    socket::{Port, Reply, shake_hands},
    world::World,
};
use crate::{
    backend::{LinkKey, Memory, State, Wants},
    mcp::{discovery::Discovery, version::Revision},
};

/// Answers calls within one MCP session of the backend's.
fn calls_in(world: &mut World, session: &str) -> Mock {
    let mock = world.on("tools/call");
    mock.match_header("mcp-session-id", session)
}

#[tokio::test]
async fn each_message_after_a_handshake_names_its_mcp_session() {
    let mut world = World::new().await;
    world.on("server/discover").with_status(404).create();
    let handshake = world.opens("first");
    handshake
        .match_header("mcp-session-id", Matcher::Missing)
        .create();
    let confirmed = world.on("notifications/initialized").with_status(202);
    let confirmed = confirmed.match_header("mcp-session-id", "first").create();
    let called = calls_in(&mut world, "first").result("{}").create();
    assert_eq!(world.pay().await.result(), "{}");
    confirmed.assert();
    called.assert();
}

#[tokio::test]
async fn each_mcp_session_of_ours_has_one_of_its_own_at_a_legacy_backend() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    let opened = ["default", "first", "second"].map(|name| world.opens(name).expect(1).create());
    let called = ["first", "second"].map(|name| {
        let mock = calls_in(&mut world, name).result("{}");
        mock.expect(2).create()
    });
    let links = [LinkKey::Own(Uuid::new_v4()), LinkKey::Own(Uuid::new_v4())];
    for own in links {
        connect(&world.backend, own).await.unwrap();
    }
    for own in links.iter().chain(&links) {
        let heard = call(&world.backend, *own, tool("pay")).await;
        assert_eq!(heard.result(), "{}");
    }
    opened.iter().for_each(Mock::assert);
    called.iter().for_each(Mock::assert);
}

#[tokio::test]
async fn a_modern_backend_is_asked_once_for_all_mcp_sessions() {
    let mut world = World::new().await;
    world.is_modern();
    let probed = world.on("server/discover").expect(0).create();
    let called = world.on("tools/call").result("{}").expect(2).create();
    for _ in 0..2 {
        let heard = call(&world.backend, LinkKey::Own(Uuid::new_v4()), tool("pay")).await;
        assert_eq!(heard.result(), "{}");
    }
    probed.assert();
    called.assert();
}

#[tokio::test]
async fn a_forgotten_mcp_session_is_renewed_once_for_all_calls_in_flight() {
    // How the protocol says it, and how the reference servers do.
    let not_found = |mock: Mock| mock.with_status(404);
    let bad_request = |mock: Mock| {
        let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no valid session"}}"#;
        mock.with_status(400).text("application/json", error)
    };
    for forgets in [&not_found as &dyn Fn(Mock) -> Mock, &bad_request] {
        let mut world = World::new().await;
        let probed = world.on("server/discover").with_status(404);
        let probed = probed.expect(1).create();
        world.confirms();
        let opened = ["first", "second"].map(|name| world.opens(name).expect(1).create());
        let old = forgets(calls_in(&mut world, "first")).expect(20).create();
        let new = calls_in(&mut world, "second").result("{}");
        let new = new.expect(20).create();

        world.connect().await.unwrap();
        for heard in join_all((0..20).map(|_| world.pay())).await {
            assert_eq!(heard.result(), "{}");
        }
        assert_eq!(world.state().await, State::Ready);
        probed.assert();
        opened.iter().for_each(Mock::assert);
        old.assert();
        new.assert();
    }
}

#[tokio::test]
async fn late_news_of_an_mcp_session_already_renewed_renews_nothing() {
    let port = Port::new();
    let word = Arc::new(Notify::new());
    let (held, opened, forgets) = (
        Arc::clone(&word),
        AtomicUsize::new(0),
        Mutex::<HashSet<String>>::default(),
    );
    let server = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => {
            Reply::Opened(["first", "second", "third"][opened.fetch_add(1, Ordering::Relaxed)])
        }
        Some("tools/call") => {
            let name = message["params"]["name"].to_string();
            let is_late = name.contains("late");
            let is_new = forgets.lock().unwrap().insert(name);
            match (is_new, is_late) {
                (true, true) => Reply::StatusAfter(Arc::clone(&held), 404),
                (true, false) => Reply::Status(404),
                (false, _) => Reply::Result("{}".to_owned()),
            }
        }
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let (late, ()) = join(call(&backend, LinkKey::Default, tool("late")), async {
        until(async || server.heard("tools/call") == 1).await;
        let heard = call(&backend, LinkKey::Default, tool("pay")).await;
        assert_eq!(heard.result(), "{}");
        word.notify_one();
    })
    .await;
    assert_eq!(late.result(), "{}");
    assert_eq!(server.heard("initialize"), 2);
}

#[tokio::test]
async fn of_two_handshakes_for_one_link_the_first_that_succeeds_gives_it() {
    let port = Port::new();
    let word = Arc::new(Notify::new());
    let (held, opened) = (Arc::clone(&word), AtomicUsize::new(0));
    let forgotten = |message: &Value| message["headers"]["mcp-session-id"] == "own";
    let server = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => match opened.fetch_add(1, Ordering::Relaxed) {
            0 => Reply::Opened("default"),
            1 => Reply::Opened("own"),
            2 => Reply::OpenedAfter(Arc::clone(&held), "late"),
            _ => Reply::Opened("new"),
        },
        Some("ping" | "tools/call" | "GET") if forgotten(message) => Reply::Status(404),
        Some("GET") => Reply::Status(405),
        Some("tools/call") => Reply::Result("{}".to_owned()),
        None => Reply::Status(200),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let own = LinkKey::Own(Uuid::new_v4());
    let wants = Wants {
        stream: true,
        ..Wants::default()
    };
    connect(&backend, own).await.unwrap();
    soon(backend.want(own, None, wants)).await.unwrap();
    // The stream has met the end of the MCP session; so does a call, before there is another one.
    until(async || server.heard("initialize") == 3).await;
    assert_eq!(call(&backend, own, tool("pay")).await.result(), "{}");
    word.notify_one();
    let ended = || {
        let said = server.said("").into_iter();
        said.map(|message| message["headers"]["mcp-session-id"].clone())
            .collect::<Vec<_>>()
    };
    until(async || ended() == ["late"]).await;
    assert_eq!(call(&backend, own, tool("pay")).await.result(), "{}");
    let sessions = server.said("tools/call").into_iter();
    let sessions: Vec<_> = sessions
        .map(|message| message["headers"]["mcp-session-id"].clone())
        .collect();
    assert_eq!(sessions, ["own", "new", "new"]);
    assert_eq!(server.heard("initialize"), 4);
}

#[tokio::test]
async fn a_backend_that_forgets_the_renewed_mcp_session_too_has_failed() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    let opened = ["first", "second"].map(|name| world.opens(name).expect(1).create());
    let third = world.opens("third").expect(0).create();
    let called = ["first", "second"].map(|name| {
        let mock = calls_in(&mut world, name).with_status(404);
        mock.expect(1).create()
    });
    let failure = world.pay().await.failure();
    assert!(
        unavailable(&failure).contains("no longer knows the MCP session"),
        "{failure}"
    );
    opened.iter().for_each(Mock::assert);
    third.assert();
    called.iter().for_each(Mock::assert);
}

#[tokio::test]
async fn a_404_without_an_mcp_session_renews_nothing() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    let opened = world.on("initialize").result(&initialized("2025-11-25"));
    let opened = opened.expect(1).create();
    let called = world.on("tools/call").with_status(404).expect(1).create();
    let failure = world.pay().await.failure();
    assert!(unavailable(&failure).contains("HTTP 404"), "{failure}");
    opened.assert();
    called.assert();
}

#[tokio::test]
async fn an_mcp_session_that_is_done_with_is_ended_at_the_backend() {
    let mut world = World::new().await;
    world.is_legacy_but_for_initialize();
    for name in ["default", "own"] {
        world.opens(name).expect(1).create();
    }
    let ends = |mock: Mock, session: &str| {
        mock.match_header("mcp-session-id", session)
            .match_header("mcp-protocol-version", "2025-11-25")
            .expect(1)
            .create()
    };
    let of_own = ends(world.on_http("DELETE"), "own");
    let of_default = ends(world.on_http("DELETE"), "default");
    let own = LinkKey::Own(Uuid::new_v4());
    connect(&world.backend, own).await.unwrap();

    world.backend.forget(own);
    until(async || of_own.matched()).await;
    assert!(!of_default.matched());
    assert!(world.backend.close());
    until(async || of_default.matched()).await;
    of_own.assert();
}

#[tokio::test]
async fn a_remembered_mcp_session_is_gone_on_with() {
    let memory = Memory {
        revision: Revision::V2025_11_25,
        backend_session: Some("old".into()),
        discovery: Discovery::read(&raw(&initialized("2025-11-25"))).unwrap(),
    };
    let own = LinkKey::Own(Uuid::new_v4());
    let remembered = vec![(LinkKey::Default, memory.clone()), (own, memory)];
    let mut world = World::remembering(&[], None, remembered).await;
    let probed = world.on("server/discover").expect(0).create();
    let opened = world.opens("new").expect(0).create();
    let called = calls_in(&mut world, "old").result("{}").expect(1).create();
    let heard = call(&world.backend, own, tool("pay")).await;
    assert_eq!(heard.result(), "{}");
    assert_eq!(world.state().await, State::Ready);
    probed.assert();
    opened.assert();
    called.assert();
}
