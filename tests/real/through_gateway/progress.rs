//! Progress of a call streams through while the call runs.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    client::{Client, reported, text},
    gateway::Gateway,
    install::{Node, Python},
    rust_client::RustClient,
    scripted_client::ScriptedClient,
    server::Server,
};

const TOOL: &str = "everything.trigger-long-running-operation";
const STEPS: usize = 4;
/// How long the backend takes: it reports over three quarters of it.
const DURATION_S: u64 = 6;
/// What arrives within less than this was held back until the end: far less, as clients may be late, too.
const LEAST_SPREAD: Duration = Duration::from_millis(500);
/// How often all of it may arrive at once because the machine, or a client, stood still: held back, it does so each time.
const TRIES: usize = 5;

async fn everything_behind_gateway(node: &Node) -> (Server, Gateway, String) {
    let server = Server::everything(node).await;
    let gateway = Gateway::start(&format!(
        "providers:\n  everything:\n    url: {}\n",
        server.url()
    ))
    .await;
    let endpoint = gateway
        .create_session(json!({"servers": ["everything"]}))
        .await;
    (server, gateway, endpoint)
}

#[tokio::test]
async fn progress_arrives_while_the_call_runs() {
    let (Some(node), Some(sdk_1), Some(sdk_2)) = (
        Node::installed(),
        Python::with_sdk_1(),
        Python::with_sdk_2(),
    ) else {
        return;
    };
    let (_server, _gateway, endpoint) = everything_behind_gateway(&node).await;
    let clients = [
        ScriptedClient::typescript_1(&node, &endpoint),
        ScriptedClient::typescript_2(&node, &endpoint, "2026-07-28"),
        ScriptedClient::python_1(&sdk_1, &endpoint),
        ScriptedClient::python_2(&sdk_2, &endpoint, "2026-07-28"),
    ];
    // All of them wait at once.
    let scripted = join_all(clients.map(async |mut client| {
        client.connect().await;
        watches(&mut client).await;
    }));
    let rust = async {
        let mut legacy = RustClient::legacy(&endpoint).await;
        let mut modern = RustClient::modern(&endpoint).await;
        tokio::join!(watches(&mut legacy), watches(&mut modern));
    };
    tokio::join!(scripted, rust);
}

async fn watches(client: &mut impl Client) {
    for _ in 0..TRIES {
        if spread(client).await > LEAST_SPREAD {
            return;
        }
    }
    panic!("progress comes with the result, {TRIES} times");
}

/// How far the progress of one call comes apart, which is all there and in order.
async fn spread(client: &mut impl Client) -> Duration {
    let seen = client
        .watch(TOOL, json!({"duration": DURATION_S, "steps": STEPS}))
        .await;
    assert!(text(&seen["result"]).contains("completed"), "{seen}");
    let progress = reported(&seen);
    let reported: Vec<f64> = progress
        .iter()
        .map(|one| one["progress"].as_f64().unwrap())
        .collect();
    assert_eq!(reported, [1.0, 2.0, 3.0, 4.0]);
    let totals: Vec<_> = progress.iter().map(|one| one["total"].as_f64()).collect();
    assert_eq!(totals, [Some(4.0); STEPS]);
    let at_ms = |one: &Value| one["atMs"].as_u64().unwrap();
    let spread_ms = at_ms(&progress[STEPS - 1]) - at_ms(&progress[0]);
    Duration::from_millis(spread_ms)
}
