//! Clients without an MCP session hear over the link of their calls what a legacy backend tells only there.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    asking::{asked_tool, call, connect, entry, soon, start_reporting, until},
    mocked::offering,
    socket::{Port, Reply, Script, Served, Stream, shake_hands, stream},
};
use crate::{
    backend::{Backend, Hearers, LinkKey, Report, Wants, message::BackendMessage},
    mcp::{
        kind::ListKind,
        request::{Asking, Request},
    },
};

const CAPABILITIES: &str = r#"{"prompts":{"listChanged":true},"resources":{"subscribe":true}}"#;
const UPDATED: &str = "notifications/resources/updated";

/// A legacy backend, the stream of its default link, and the one of a link for somebody who can be asked.
struct World {
    served: Served,
    backend: Backend,
    reports: mpsc::UnboundedReceiver<Report>,
    of_all: Stream,
    of_one: Stream,
    link: LinkKey,
    request: Request,
}

impl World {
    async fn new() -> Self {
        let (of_all, all) = stream();
        let (of_one, one) = stream();
        let streams = Script::of([all, one]);
        let port = Port::new();
        let served = port.serve(move |message| match message["method"].as_str() {
            Some("initialize") => Reply::Result(offering("2025-11-25", CAPABILITIES)),
            Some("GET") => streams.next(),
            Some("resources/subscribe" | "resources/unsubscribe" | "tools/call") => {
                Reply::Result("{}".to_owned())
            }
            _ => shake_hands(message),
        });
        let (backend, reports) = start_reporting(entry(&port.url(), &[]));
        let request = asked_tool("pay", &json!({ "roots": {} }), Asking::ByRetry);
        let mut world = Self {
            served,
            backend,
            reports,
            of_all,
            of_one,
            link: LinkKey::of(None, &request.context),
            request,
        };
        connect(&world.backend, LinkKey::Default).await.unwrap();
        // Then its stream is open.
        world.of_all.say(&updated("a:0"));
        assert_eq!(world.heard_over().await, LinkKey::Default);
        world
    }

    /// Has the client hear of updates of `a:1`.
    async fn subscribe(&self) {
        let wants = Wants {
            uris: BTreeSet::from(["a:1".to_owned()]),
            ..Wants::default()
        };
        let opens = Some(self.request.context.clone());
        soon(self.backend.want(self.link, opens, wants))
            .await
            .unwrap();
    }

    /// The next report that is about what the backend said.
    async fn told(&mut self) -> Report {
        loop {
            match soon(self.reports.recv()).await.unwrap() {
                Report::LinkOpened { .. } | Report::Reachable { .. } => {}
                told => return told,
            }
        }
    }

    async fn heard_over(&mut self) -> LinkKey {
        match self.told().await {
            Report::Heard { link, .. } => link.unwrap(),
            _ => panic!("nothing heard"),
        }
    }

    async fn hearers(&mut self) -> Hearers {
        match self.told().await {
            Report::Changed { hearers, .. } => hearers,
            _ => panic!("no change"),
        }
    }

    /// Ends the links that nobody uses.
    async fn tidy(&self) {
        let idle_max = Duration::ZERO;
        drop(self.backend.mailbox.cast(BackendMessage::Tidy { idle_max }));
        soon(self.backend.describe()).await.unwrap();
    }
}

fn updated(uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": UPDATED, "params": { "uri": uri } })
}

fn prompts_changed() -> Value {
    json!({ "jsonrpc": "2.0", "method": ListKind::Prompts.changed() })
}

#[tokio::test]
async fn a_subscription_opens_the_link_of_its_client_and_goes_over_it() {
    let mut world = World::new().await;
    world.subscribe().await;
    assert_eq!(world.served.heard("initialize"), 2);
    assert_eq!(world.served.heard("resources/subscribe"), 1);
    let declared = world.served.said("initialize").swap_remove(1);
    assert_eq!(declared["params"]["capabilities"], json!({ "roots": {} }));
    world.of_one.say(&updated("a:1"));
    assert_eq!(world.heard_over().await, world.link);
}

#[tokio::test]
async fn a_change_announced_to_one_client_is_told_to_it_and_one_announced_to_all_to_each_once() {
    let mut world = World::new().await;
    world.subscribe().await;
    world.of_one.say(&prompts_changed());
    assert_eq!(world.hearers().await, Hearers::Of(world.link));
    world.of_all.say(&prompts_changed());
    assert_eq!(world.hearers().await, Hearers::AllBut(vec![world.link]));
}

#[tokio::test]
async fn a_link_that_somebody_listens_on_is_not_idle() {
    let world = World::new().await;
    world.subscribe().await;
    let pay = || call(&world.backend, world.link, world.request.clone());
    world.tidy().await;
    pay().await.result();
    assert_eq!(world.served.heard("initialize"), 2);
    soon(world.backend.want(world.link, None, Wants::default()))
        .await
        .unwrap();
    world.tidy().await;
    pay().await.result();
    until(async || world.served.heard("initialize") == 3).await;
}
