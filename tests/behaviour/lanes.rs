//! However many threads there are, what lives on one reaches what lives on another.

use std::fs;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    CLIENTS,
    world::{Answers, Client, FakeBackend, Gateway, eventually},
};

const SESSIONS: usize = 3;

/// How many threads carry calls out, as far as they have begun.
fn lanes_of(gateway: &Gateway) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.process_id())).unwrap();
    // Any other may end meanwhile.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("lane ")).count()
}

#[tokio::test]
async fn sessions_and_clients_meet_on_any_number_of_threads() {
    for threads in [1, 5] {
        let legacy = FakeBackend::legacy().answers(Answers::Sse).start();
        let modern = FakeBackend::modern().start();
        let setup = Gateway::setup().argument(&format!("--worker-threads={threads}"));
        let setup = setup
            .provider("legacy", &legacy)
            .provider("modern", &modern);
        let mut gateway = setup.start();
        eventually("all threads", async || lanes_of(&gateway) == threads).await;
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            sessions.push(gateway.session(&["legacy", "modern"]).await);
        }
        let endpoints = sessions.iter().map(|session| session.endpoint.clone());
        let endpoints: Vec<_> = endpoints.collect();
        let each = endpoints
            .iter()
            .flat_map(|endpoint| CLIENTS.map(|it| (it, endpoint)));
        let opening = each.map(|(revision, endpoint)| Client::speaking(revision, endpoint));
        let clients = join_all(opening).await;
        for round in 0..2 {
            let calls = clients.iter().enumerate().map(async |(number, client)| {
                for name in ["legacy.echo", "modern.echo"] {
                    let arguments = json!({"of": number, "in": round});
                    let answer = client.call(name, arguments.clone()).await;
                    assert_eq!(answer.text(), arguments.to_string());
                }
                assert!(client.tools().await.len() > 2);
            });
            join_all(calls).await;
            if round == 0 {
                // What was remembered is woken where it has its turn.
                gateway.restart();
            }
        }
    }
}
