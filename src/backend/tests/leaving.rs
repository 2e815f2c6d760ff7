//! A connection that ends: whoever wants something of it learns that, and waits for nothing.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    asking::{begin, call, connect, describe, entry, soon, start, tool, unavailable, until},
    socket::{Port, shake_hands},
};
use crate::{
    backend::{Backend, LinkKey, Report, Reporter},
    mcp::event::Outcome,
};

async fn connected(port: &Port) -> Backend {
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    connect(&backend, LinkKey::Default).await.unwrap();
    describe(&backend).await;
    backend
}

#[tokio::test]
async fn nobody_waits_for_a_connection_that_is_gone() {
    for ends in [Backend::close, Backend::leave, Backend::retire] {
        let port = Port::new();
        let _server = port.serve(shake_hands);
        let backend = connected(&port).await;
        assert!(ends(&backend));
        until(async || soon(backend.describe()).await.is_none()).await;
        assert!(!ends(&backend), "it is gone");
        assert!(connect(&backend, LinkKey::Default).await.is_err());
        let heard = call(&backend, LinkKey::Default, tool("pay")).await;
        let Outcome::Failed(failure) = heard.outcome else {
            panic!("a call to nobody is no success");
        };
        assert!(!unavailable(&failure).is_empty());
    }
}

#[tokio::test]
async fn a_connection_tells_its_session_how_it_ended() {
    for (makes_mistakes, words) in [(true, Some("a mistake")), (false, None)] {
        let port = Port::new();
        let _server = port.serve(shake_hands);
        let (told, mut ends) = mpsc::unbounded_channel();
        let report = move |report| match report {
            Report::Ended { mistake } => drop(told.send(mistake)),
            _ => assert!(!makes_mistakes, "a mistake"),
        };
        let entry = entry(&port.url(), &[]);
        let (backend, _life) = begin(entry, None, Vec::new(), Arc::new(report));
        // It makes it when the link is open, before or after it says so.
        let _connected = connect(&backend, LinkKey::Default).await;
        backend.close();
        let mistake = soon(ends.recv()).await.expect("its last report");
        assert_eq!(mistake.as_deref(), words);
        assert!(soon(backend.describe()).await.is_none());
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_session() {
    let port = Port::new();
    let _server = port.serve(shake_hands);
    let entry = entry(&port.url(), &[]);
    let report: Reporter = Arc::new(drop);
    let (backend, life) = begin(entry, None, Vec::new(), Arc::clone(&report));
    connect(&backend, LinkKey::Default).await.unwrap();
    assert!(soon(backend.describe()).await.is_some());
    drop(life);
    until(async || soon(backend.describe()).await.is_none()).await;
    // Whoever still has a handle keeps nothing of it.
    until(async || Arc::strong_count(&report) == 1).await;
}
