//! What a connection's session brings: taken at once, in its turn, and with the same ends, on their lane and on another.

use std::{pin::pin, sync::Arc};

use futures_util::{FutureExt as _, poll};
use tokio::sync::mpsc;

use super::{
    asking::{begin, connect, describe, entry, soon, start},
    socket::{Port, shake_hands},
};
use crate::{
    backend::{
        Backend, LinkKey, Report, call::Ending, error::BackendError, message::BackendMessage,
        state::State,
    },
    lanes::Lanes,
};

async fn on_a_lane<F>(test: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let lanes = Lanes::begin(1).unwrap();
    let place = lanes.place();
    place.handle().spawn(test).await.unwrap();
}

/// Connects once more as soon as nothing else is to be taken, which takes no wait then.
async fn connect_at_once(backend: &Backend) {
    let at_once = async {
        loop {
            match connect(backend, LinkKey::Default).now_or_never() {
                Some(connected) => return connected,
                None => drop(describe(backend).await),
            }
        }
    };
    soon(at_once).await.unwrap();
}

#[tokio::test]
async fn what_its_session_brings_is_taken_at_once_and_in_its_turn() {
    on_a_lane(async {
        let port = Port::new();
        let _server = port.serve(shake_hands);
        let backend = start(entry(&port.url(), &[]), None, Vec::new());
        connect(&backend, LinkKey::Default).await.unwrap();
        describe(&backend).await;
        connect_at_once(&backend).await;
        // Behind what came before it waits.
        let mut described = pin!(backend.describe());
        assert!(poll!(described.as_mut()).is_pending());
        let mut again = pin!(connect(&backend, LinkKey::Default));
        assert!(poll!(again.as_mut()).is_pending());
        assert_eq!(described.await.unwrap().state, State::Ready);
        soon(again).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_connection_ends_by_what_is_taken_at_once() {
    on_a_lane(async {
        let lost = BackendMessage::Ended {
            link: LinkKey::Default,
            generation: 1,
            ending: Ending::Lost(BackendError::Truncated),
        };
        for (message, words) in [(lost, Some("a mistake")), (BackendMessage::Close, None)] {
            let port = Port::new();
            let _server = port.serve(shake_hands);
            let (told, mut ends) = mpsc::unbounded_channel();
            let report = move |report| match report {
                Report::Ended { mistake } => drop(told.send(mistake)),
                Report::Unreachable { .. } => panic!("a mistake"),
                _ => {}
            };
            let entry = entry(&port.url(), &[]);
            let (backend, _life) = begin(entry, None, Vec::new(), Arc::new(report));
            connect(&backend, LinkKey::Default).await.unwrap();
            describe(&backend).await;
            assert!(backend.mailbox.hand_over(message).is_ok());
            let mistake = ends.recv().now_or_never().expect("told at once").unwrap();
            assert_eq!(mistake.as_deref(), words);
            // Its task ends, too.
            while backend.mailbox.hand_over(BackendMessage::Close).is_ok() {
                tokio::task::yield_now().await;
            }
            assert!(soon(backend.describe()).await.is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn what_another_lane_brings_is_taken_at_once_and_what_it_begins_lives_at_home() {
    let lanes = Lanes::begin(2).unwrap();
    let (home, elsewhere) = (lanes.place(), lanes.place());
    let port = Port::new();
    let _server = port.serve(shake_hands);
    let url = port.url();
    let starting = async move {
        let backend = start(entry(&url, &[]), None, Vec::new());
        describe(&backend).await;
        backend
    };
    let backend = home.handle().spawn(starting).await.unwrap();
    let connecting = async move {
        // Its handshake is begun by what is taken here, and goes on there.
        connect(&backend, LinkKey::Default).await.unwrap();
        describe(&backend).await;
        connect_at_once(&backend).await;
    };
    elsewhere.handle().spawn(connecting).await.unwrap();
}
