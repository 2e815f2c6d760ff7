//! The links of clients that can be asked something, and what each backend is told of its client.

use serde_json::{Value, json};

use super::{
    asking::{asked_tool, call, connect, entry, soon, start_reporting, tool, until},
    socket::{Port, Reply, Served, shake_hands},
};
use crate::{
    backend::{Backend, LinkKey, Report, message::BackendMessage},
    limits::CAPABLE_LINKS_MAX,
    mcp::request::{Asking, Request},
};

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// A legacy server that opens an MCP session for each handshake.
fn serve(port: &Port) -> Served {
    let opened = AtomicUsize::new(0);
    port.serve(move |message| match message["method"].as_str() {
        Some("initialize") => {
            let number = opened.fetch_add(1, Ordering::Relaxed);
            Reply::Opened(Box::leak(format!("s{number}").into_boxed_str()))
        }
        Some("tools/call") if message["params"]["name"] == "wait" => Reply::Silence,
        Some("tools/call") => Reply::Result("{}".to_owned()),
        Some("GET") => Reply::Status(405),
        None => Reply::Status(200),
        _ => shake_hands(message),
    })
}

fn able(number: usize, name: &str) -> (LinkKey, Request) {
    let capabilities = json!({ "elicitation": {}, "experimental": { "n": number } });
    let request = asked_tool(name, &capabilities, Asking::WhileOpen);
    (LinkKey::of(None, &request.context), request)
}

async fn pay(backend: &Backend, number: usize) {
    let (link, request) = able(number, "pay");
    assert_eq!(call(backend, link, request).await.result(), "{}");
}

fn declared(server: &Served) -> Vec<Value> {
    let handshakes = server.said("initialize").into_iter();
    handshakes
        .map(|handshake| handshake["params"]["capabilities"].clone())
        .collect()
}

#[tokio::test]
async fn a_backend_is_told_the_capabilities_of_the_client_of_its_link_and_no_others() {
    let port = Port::new();
    let server = serve(&port);
    let (backend, mut reports) = start_reporting(entry(&port.url(), &[]));
    let (link, request) = able(1, "pay");
    assert_eq!(call(&backend, link, request.clone()).await.result(), "{}");
    assert_eq!(call(&backend, link, request.clone()).await.result(), "{}");
    let own = LinkKey::Own(uuid::Uuid::new_v4());
    let sampling = asked_tool("pay", &json!({ "sampling": {} }), Asking::WhileOpen);
    call(&backend, own, sampling).await.result();
    // Even if somebody with capabilities uses the link of all.
    call(&backend, LinkKey::Default, request).await.result();
    assert_eq!(
        declared(&server),
        [
            json!({}),
            json!({ "elicitation": {}, "experimental": { "n": 1 } }),
            json!({ "sampling": {} })
        ]
    );
    // What is remembered across a restart.
    let mut remembered = Vec::new();
    while let Ok(report) = reports.try_recv() {
        if let Report::LinkOpened { link, .. } = report {
            remembered.push(link);
        }
    }
    assert_eq!(remembered, [LinkKey::Default, own]);
}

#[tokio::test]
async fn of_too_many_links_the_one_unused_longest_ends() {
    let port = Port::new();
    let server = serve(&port);
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    connect(&backend, LinkKey::Default).await.unwrap();
    for number in 0..CAPABLE_LINKS_MAX {
        pay(&backend, number).await;
    }
    pay(&backend, 0).await;
    pay(&backend, CAPABLE_LINKS_MAX).await;
    // The first is in use again, so that the second is the oldest.
    until(async || server.heard("") == 1).await;
    let ended = &server.said("")[0]["headers"]["mcp-session-id"];
    assert_eq!(ended, "s2");
    assert_eq!(server.heard("initialize"), CAPABLE_LINKS_MAX + 2);
}

#[tokio::test]
async fn links_in_use_are_not_ended_for_another() {
    let port = Port::new();
    let server = serve(&port);
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    let waiting: Vec<_> = (0..CAPABLE_LINKS_MAX)
        .map(|number| {
            let (link, request) = able(number, "wait");
            super::asking::send(&backend, link, request)
        })
        .collect();
    until(async || server.heard("tools/call") == CAPABLE_LINKS_MAX).await;
    let (link, request) = able(CAPABLE_LINKS_MAX, "pay");
    let failure = call(&backend, link, request).await.failure();
    assert!(
        failure.to_string().contains("16 different sets"),
        "{failure}"
    );
    assert_eq!(
        call(&backend, LinkKey::Default, tool("pay")).await.result(),
        "{}"
    );
    drop(waiting);
}

#[tokio::test]
async fn an_idle_link_for_a_set_of_capabilities_ends() {
    let port = Port::new();
    let server = serve(&port);
    let (backend, _reports) = start_reporting(entry(&port.url(), &[]));
    pay(&backend, 1).await;
    let tidy = |idle_max| drop(backend.mailbox.cast(BackendMessage::Tidy { idle_max }));
    tidy(Duration::from_hours(1));
    soon(backend.describe()).await.unwrap();
    assert_eq!(server.heard(""), 0);
    tidy(Duration::ZERO);
    until(async || server.heard("") == 1).await;
    assert_eq!(server.said("")[0]["headers"]["mcp-session-id"], "s1");
    pay(&backend, 1).await;
    assert_eq!(server.heard("initialize"), 3);
}
