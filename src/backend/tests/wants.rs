//! What sessions want of links besides calls: updates of resources and tasks, log messages.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json, value::RawValue};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{
    asking::{PATIENT, call, connect, entry, soon, start_reporting, tool, turn_clock, until},
    mocked::offering,
    socket::{Port, Reply, Script, Served, shake_hands, stream},
};
use crate::{
    backend::{Backend, LinkKey, Report, Unmet, Wants},
    mcp::{
        failure::Failure,
        level::Level,
        object::quote,
        request::{Context, Request},
    },
};

fn uris(uris: &[&str]) -> Wants {
    Wants {
        uris: set(uris),
        ..Wants::default()
    }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// A legacy server that announces updates and has log messages.
fn legacy() -> (Served, Backend) {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => Reply::Result(offering(
            "2025-11-25",
            r#"{"resources":{"subscribe":true},"logging":{}}"#,
        )),
        Some(
            "resources/subscribe" | "resources/unsubscribe" | "logging/setLevel" | "tools/call",
        ) => Reply::Result("{}".to_owned()),
        Some("GET") => Reply::Status(405),
        _ => shake_hands(message),
    });
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    (served, backend)
}

fn said(served: &Served, method: &str) -> Vec<Value> {
    let said = served.said(method).into_iter();
    said.map(|message| message["params"].clone()).collect()
}

#[tokio::test]
async fn only_differences_are_asked_of_a_legacy_backend() {
    let (served, backend) = legacy();
    // The link is opened for it.
    soon(backend.want(
        LinkKey::Default,
        Some(Context::default()),
        uris(&["a:1", "b:2"]),
    ))
    .await
    .unwrap();
    assert_eq!(
        said(&served, "resources/subscribe"),
        [json!({"uri": "a:1"}), json!({"uri": "b:2"})]
    );
    soon(backend.want(
        LinkKey::Default,
        Some(Context::default()),
        uris(&["b:2", "c:3"]),
    ))
    .await
    .unwrap();
    soon(backend.want(
        LinkKey::Default,
        Some(Context::default()),
        uris(&["b:2", "c:3"]),
    ))
    .await
    .unwrap();
    assert_eq!(served.heard("resources/subscribe"), 3);
    assert_eq!(
        said(&served, "resources/unsubscribe"),
        [json!({"uri": "a:1"})]
    );
}

#[tokio::test]
async fn wants_of_a_link_that_is_not_open_begin_with_it() {
    let (served, backend) = legacy();
    let own = LinkKey::Own(Uuid::new_v4());
    soon(backend.want(own, None, uris(&["a:1"]))).await.unwrap();
    assert_eq!(served.heard("initialize"), 0);
    connect(&backend, own).await.unwrap();
    until(async || served.heard("resources/subscribe") == 1).await;
    // After its end nobody wants anything.
    backend.forget(own);
    connect(&backend, own).await.unwrap();
    soon(backend.want(own, None, Wants::default()))
        .await
        .unwrap();
    assert_eq!(served.heard("resources/subscribe"), 1);
}

#[tokio::test]
async fn what_the_backend_refuses_is_told_and_not_asked_for_again() {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("resources/subscribe") if message["params"]["uri"] == "no:such" => {
            Reply::Error(r#"{"code":-32002,"message":"none"}"#)
        }
        Some("resources/subscribe") => Reply::Result("{}".to_owned()),
        _ => shake_hands(message),
    });
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    let refused = soon(backend.want(
        LinkKey::Default,
        Some(Context::default()),
        uris(&["a:1", "no:such"]),
    ))
    .await;
    let uri = "no:such".to_owned();
    assert_eq!(
        refused.unwrap_err(),
        unmet(&["no:such"], Failure::UnknownResource { uri })
    );
    soon(backend.want(LinkKey::Default, Some(Context::default()), uris(&["a:1"])))
        .await
        .unwrap();
    assert_eq!(served.heard("resources/subscribe"), 2);
}

#[tokio::test]
async fn a_backend_out_of_reach_fails_what_is_wanted_of_the_shared_link() {
    let port = Port::new();
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    let failed =
        soon(backend.want(LinkKey::Default, Some(Context::default()), uris(&["a:1"]))).await;
    assert!(
        matches!(&failed, Err(unmet) if matches!(unmet.failure, Failure::Unavailable { .. })),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_link_opened_anew_carries_what_the_old_one_did() {
    let port = Port::new();
    let (opened, known) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(1)));
    let last = Arc::clone(&known);
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => {
            let number = opened.fetch_add(1, Ordering::Relaxed);
            Reply::Opened(["first", "second"][number])
        }
        Some("notifications/initialized") => Reply::Status(202),
        Some("server/discover") => Reply::Status(404),
        Some("GET") => Reply::Status(405),
        _ => {
            let first = message["headers"]["mcp-session-id"] == "first";
            if first && last.load(Ordering::Relaxed) == 0 {
                Reply::Status(404)
            } else {
                Reply::Result("{}".to_owned())
            }
        }
    });
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    soon(backend.want(LinkKey::Default, Some(Context::default()), uris(&["a:1"])))
        .await
        .unwrap();
    known.store(0, Ordering::Relaxed);
    // The want itself finds out that the MCP session is gone.
    soon(backend.want(
        LinkKey::Default,
        Some(Context::default()),
        uris(&["a:1", "b:2"]),
    ))
    .await
    .unwrap();
    let subscribed = served.said("resources/subscribe");
    let of = |session: &str| {
        let of = subscribed
            .iter()
            .filter(|message| message["headers"]["mcp-session-id"] == session);
        of.map(|message| message["params"]["uri"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("first"), ["a:1", "b:2"]);
    assert_eq!(of("second"), ["a:1", "b:2"]);
}

fn loud(level: &str) -> Request {
    let mut request = tool("pay");
    let level: Box<RawValue> = quote(level);
    request.context.log_level = Some(level.into());
    request
}

#[tokio::test]
async fn log_messages_are_sent_from_the_level_on_that_somebody_wants() {
    let (served, backend) = legacy();
    let own = LinkKey::Own(Uuid::new_v4());
    connect(&backend, own).await.unwrap();
    let wants = |level| Wants {
        level,
        ..Wants::default()
    };
    for level in [
        Some(Level::WARNING),
        Some(Level::WARNING),
        None,
        Some(Level::INFO),
    ] {
        soon(backend.want(own, None, wants(level))).await.unwrap();
    }
    let levels = said(&served, "logging/setLevel");
    assert_eq!(
        levels,
        [json!({"level": "warning"}), json!({"level": "info"})]
    );

    for level in ["error", "warning", "error", "loud", "debug", "info"] {
        call(&backend, LinkKey::Default, loud(level)).await.result();
    }
    let levels = said(&served, "logging/setLevel");
    let lowered = ["error", "warning", "debug"].map(|level| json!({ "level": level }));
    assert_eq!(levels[2..], lowered);
}

/// A modern server that announces changes of its prompts, with a script for its streams.
fn modern(streams: Script) -> (Served, Backend, mpsc::UnboundedReceiver<Report>) {
    let port = Port::new();
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("server/discover") => Reply::Result(
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"prompts":{"listChanged":true}}}"#.to_owned(),
        ),
        Some("subscriptions/listen") => streams.next(),
        _ => Reply::Status(501),
    });
    let (backend, reports) = start_reporting(entry(&port.url(), &[]));
    (served, backend, reports)
}

fn acknowledged(filter: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": { "notifications": filter }
    })
}

#[tokio::test]
async fn all_wants_of_a_modern_backend_share_one_stream_which_is_replaced_without_a_gap() {
    let (first, opened) = stream();
    let (second, replaced) = stream();
    let (served, backend, mut reports) = modern(Script::of([opened, replaced]));
    let prompts = json!({ "promptsListChanged": true });
    first.say(&acknowledged(&prompts));
    connect(&backend, LinkKey::Default).await.unwrap();
    until(async || served.heard("subscriptions/listen") == 1).await;
    let changed = |n| {
        json!({
            "jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": { "n": n, "_meta": { "io.modelcontextprotocol/subscriptionId": 1 } }
        })
    };
    // A stream that is not acknowledged yet would be given up at once.
    first.say(&changed(0));
    assert_eq!(heard(&mut reports).await, r#"{"n":0}"#);
    let own = LinkKey::Own(Uuid::new_v4());
    let wants = Wants {
        tasks: set(&["t"]),
        ..uris(&["a:1"])
    };
    let wanted = tokio::spawn({
        let backend = backend.clone();
        async move { backend.want(own, None, wants).await }
    });
    until(async || served.heard("subscriptions/listen") == 2).await;
    let filters: Vec<_> = said(&served, "subscriptions/listen")
        .iter()
        .map(|params| params["notifications"].clone())
        .collect();
    let all = json!({
        "promptsListChanged": true, "resourceSubscriptions": ["a:1"], "taskIds": ["t"]
    });
    assert_eq!(filters, [prompts, all.clone()]);
    // The old one is still heard.
    first.say(&changed(1));
    assert_eq!(heard(&mut reports).await, r#"{"n":1}"#);
    assert!(!wanted.is_finished());
    second.say(&acknowledged(&all));
    soon(wanted).await.unwrap().unwrap();
    second.say(&changed(2));
    assert_eq!(heard(&mut reports).await, r#"{"n":2}"#);
    until(async || first.is_closed()).await;
}

async fn heard(reports: &mut mpsc::UnboundedReceiver<Report>) -> String {
    loop {
        if let Report::Heard { notification, .. } = soon(reports.recv()).await.unwrap() {
            return notification.params.unwrap().get().to_owned();
        }
    }
}

#[tokio::test]
async fn what_a_modern_backend_does_not_honour_is_told() {
    let (first, opened) = stream();
    let (_served, backend, _) = modern(Script::of([opened]));
    first.say(&acknowledged(&json!({ "promptsListChanged": true })));
    let refused =
        soon(backend.want(LinkKey::Default, Some(Context::default()), uris(&["a:1"]))).await;
    let uri = "a:1".to_owned();
    assert_eq!(
        refused.unwrap_err(),
        unmet(&["a:1"], Failure::UnknownResource { uri })
    );
    // What needs nothing more is served.
    soon(backend.want(LinkKey::Default, Some(Context::default()), Wants::default()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_modern_backend_that_has_no_streams_says_so() {
    let (_served, backend, _) = modern(Script::default());
    let refused =
        soon(backend.want(LinkKey::Default, Some(Context::default()), uris(&["a:1"]))).await;
    assert!(
        matches!(&refused, Err(unmet) if matches!(unmet.failure, Failure::UnknownMethod { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_modern_backend_that_does_not_acknowledge_is_waited_for_so_long() {
    let (_first, opened) = stream();
    let (served, backend, _) = modern(Script::of([opened]));
    let wanted = tokio::spawn(async move {
        backend
            .want(LinkKey::Default, Some(Context::default()), uris(&["a:1"]))
            .await
    });
    until(async || served.heard("subscriptions/listen") == 1).await;
    turn_clock(PATIENT.handshake * 3 / 2).await;
    let late = soon(wanted).await.unwrap();
    assert!(
        matches!(&late, Err(unmet) if matches!(unmet.failure, Failure::TimedOut { .. })),
        "{late:?}"
    );
}

fn unmet(uris: &[&str], failure: Failure) -> Unmet {
    Unmet {
        uris: uris.iter().map(|&uri| uri.to_owned()).collect(),
        tasks: BTreeSet::new(),
        failure,
    }
}
