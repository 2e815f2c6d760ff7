//! A connection that ends: whoever wants something of it learns that, and waits for nothing.

use super::{
    asking::{call, connect, describe, entry, soon, start, tool, unavailable, until},
    socket::{Port, shake_hands},
};
use crate::{
    backend::{Backend, LinkKey},
    mcp::event::Outcome,
};

async fn connected(port: &Port) -> Backend {
    let backend = start(entry(&port.url(), &[]), None, Vec::new()).await;
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
