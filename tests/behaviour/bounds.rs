//! Floods, oddities and too much of everything: who brings it suffers, and nobody else.

use std::{fs, time::Duration};

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN, UNAVAILABLE,
    world::{
        Client, FakeBackend, Gateway, List, Program, Wanted,
        client::{Changes, Message},
        fake_backend::Script,
        gateway::Session,
        pairing::REVISIONS,
    },
};

/// Streams of changes that one session has at most without MCP sessions.
const SUBSCRIBERS: usize = 256;
/// Resources that one client hears of at most.
const SUBSCRIPTIONS: usize = 1024;
/// Requests of its own that a backend may make during one call.
const QUESTIONS: usize = 100;

async fn one(script: Script) -> (FakeBackend, Gateway, Session) {
    let backend = script.recites().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

fn eras() -> [Script; 2] {
    [FakeBackend::legacy(), FakeBackend::modern()]
}

/// Has the backend say these on the stream of a call.
fn recital(messages: &[String], times: usize) -> Value {
    json!({"messages": messages, "times": times})
}

/// Bytes that the gateway has in memory.
fn resident(gateway: &Gateway) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", gateway.process_id())).unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn what_is_no_message_ends_its_own_call_alone() {
    let said = r#"{"jsonrpc":"2.0","method":"notifications/com.example/said"}"#;
    for script in eras() {
        let (backend, _gateway, session) = one(script).await;
        backend.tolerate();
        for revision in REVISIONS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let params = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
            let mut other = client.open("tools/call", params).await;
            other.next().await.unwrap();
            let too_long = format!(
                r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#,
                "x".repeat(1023)
            );
            for odd in [
                too_long.as_str(),
                "{",
                "nonsense",
                "[]",
                "7",
                "null",
                r#"{"jsonrpc":"1.0","method":"x"}"#,
                r#"{"jsonrpc":"2.0"}"#,
                r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
                r#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":[]}"#,
                r#"{"jsonrpc":"2.0","id":987654321,"result":{}}"#,
            ] {
                let messages = [said.to_owned(), odd.to_owned()];
                let answer = client.call("it.recite", recital(&messages, 1)).await;
                let error = answer.error();
                assert_eq!(error.code, UNAVAILABLE, "{odd:.100}");
                assert!(
                    error.message.starts_with("backend it answered with"),
                    "{error:?}"
                );
                assert_eq!(answer.events.len(), 1, "what came before was told");
            }
            backend.step();
            assert_eq!(other.finish().await.text(), "1 steps");
        }
    }
}

#[tokio::test]
async fn odd_notifications_pass_or_are_dropped_and_hurt_nobody() {
    let long = "x".repeat(300_000);
    for script in eras() {
        let (backend, _gateway, session) = one(script).await;
        backend.tolerate();
        for revision in REVISIONS {
            let program = Program::named("x").lenient();
            let client = program.speaking(revision, &session.endpoint).await;
            let messages = [
                // Of nobody's progress.
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#.to_owned(),
                // Of nobody's request.
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated"}"#.to_owned(),
                r#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{}}"#.to_owned(),
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/com.example/{long}"}}"#),
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/com.example/x","params":{{"{long}":1}}}}"#),
            ];
            let answer = client.call("it.recite", recital(&messages, 2)).await;
            assert_eq!(answer.text(), "recited");
            let long = answer.events.iter().filter(|it| it.raw().len() > 300_000);
            assert_eq!(long.count(), 4);
        }
        assert!(backend.complaints().is_empty());
    }
}

#[tokio::test]
async fn questions_with_any_id_are_answered_under_it() {
    // The longest that is taken.
    let huge = "x".repeat(1022);
    let (backend, _gateway, session) = one(FakeBackend::legacy()).await;
    backend.tolerate();
    let ids = [
        format!(r#""{huge}""#),
        "123456789012345678901234567890".to_owned(),
        r#""""#.to_owned(),
        r#""\u0000\n\"""#.to_owned(),
    ];
    let asks = ids
        .iter()
        .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"roots/list","params":{{}}}}"#));
    let asks: Vec<String> = asks.collect();
    let program = Program::named("x").capable();
    let client = program.legacy(&session.endpoint, LATEST_LEGACY).await;
    let answer = client
        .call_answering("it.recite", recital(&asks, 1), |_, _| json!({"roots": []}))
        .await;
    assert_eq!(answer.asked.len(), ids.len());
    backend
        .until("all answers", |it| {
            let requests = it.requests();
            let answered: Vec<&str> = requests
                .iter()
                .filter(|it| it.method().is_none())
                .filter_map(|it| it.id())
                .collect();
            ids.iter().all(|id| answered.contains(&id.as_str()))
        })
        .await;
}

#[tokio::test]
async fn a_thousand_questions_end_the_call_that_asks_them() {
    for revision in REVISIONS {
        let (backend, _gateway, session) = one(FakeBackend::legacy()).await;
        backend.tolerate();
        let ask = r#"{"jsonrpc":"2.0","id":"flood-{n}","method":"roots/list","params":{}}"#;
        let program = Program::named("x").capable();
        let client = program.speaking(revision, &session.endpoint).await;
        let other = Client::speaking(revision, &session.endpoint).await;
        let params = json!({"name": "it.recite", "arguments": recital(&[ask.to_owned()], 1000)});
        let answer = client.request("tools/call", params).await;
        let questions = answer.events.iter().filter(|it| it.id().is_some());
        assert!(questions.count() <= QUESTIONS);
        let asked = answer.response.as_ref().unwrap().json()["result"]["inputRequests"].take();
        if let Some(asked) = asked.as_object().filter(|_| revision == MODERN) {
            // It is asked for as much as there is at one time, and gives none of it.
            assert!(asked.len() <= QUESTIONS, "{}", asked.len());
        } else {
            assert_eq!(answer.error().code, UNAVAILABLE);
            assert!(answer.error().message.contains("requests of its own"));
        }
        other.call("it.echo", json!({})).await.result();
        client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn a_flood_of_announcements_neither_closes_streams_nor_fills_memory() {
    const FLOOD: usize = 20_000;
    for script in eras() {
        let (backend, gateway, session) = one(script).await;
        let mut listening: Vec<(Client, Changes)> = Vec::new();
        for revision in REVISIONS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let changes = client.changes(Wanted::lists()).await;
            client.call("it.echo", json!({})).await.result();
            listening.push((client, changes));
        }
        backend
            .until("somebody to listen", |it| it.listeners() > 0)
            .await;
        let before = resident(&gateway);
        for _ in 0..FLOOD {
            backend.announce_change(List::Prompts);
        }
        // Behind all of them.
        backend.add(List::Prompts, r#"{"name":"last"}"#);
        backend.announce_change(List::Resources);
        for (client, changes) in &mut listening {
            changes
                .next_of("notifications/resources/list_changed")
                .await;
            client.call("it.echo", json!({})).await.result();
            // Hundreds would have told nothing more, and would have closed the stream.
            let told = changes.stream().events().len();
            assert!(told < 100, "{told} were told");
        }
        let after = resident(&gateway);
        assert!(after < before + 64 * MIB, "{before} bytes, then {after}");
    }
}

#[tokio::test]
async fn a_flood_on_a_call_that_nobody_reads_does_not_fill_memory() {
    let filling = "x".repeat(10_000);
    let said = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/com.example/said","params":{{"n":{{n}},"filling":"{filling}"}}}}"#
    );
    for script in eras() {
        let (_backend, gateway, session) = one(script).await;
        let before = resident(&gateway);
        let mut unread = Vec::new();
        for revision in REVISIONS {
            let client = Client::speaking(revision, &session.endpoint).await;
            // 100 MB, of which nobody takes more than the first.
            let params = json!({"name": "it.recite", "arguments": recital(std::slice::from_ref(&said), 10_000)});
            let mut call = client.open("tools/call", &params.to_string()).await;
            call.next().await.unwrap();
            unread.push((client, call));
        }
        for (client, _) in &unread {
            let answer = client
                .call("it.progress", json!({"steps": 3, "delay_ms": 50}))
                .await;
            assert_eq!(answer.text(), "3 steps");
        }
        let after = resident(&gateway);
        assert!(after < before + 128 * MIB, "{before} bytes, then {after}");
        // And all of it is there for who reads it after all.
        let (_, call) = unread.remove(0);
        let rest = call.finish().await;
        let numbers = rest.events.iter().map(|it| it.json()["params"]["n"].take());
        assert!(numbers.eq((1..10_000).map(Value::from)));
        assert_eq!(rest.text(), "recited");
    }
}

#[tokio::test]
async fn many_subscriptions_share_a_backends_one_and_free_it_as_they_close() {
    const MANY: usize = 100;
    for script in eras() {
        let (backend, _gateway, session) = one(script).await;
        let client = Client::modern(&session.endpoint);
        let uri = |index: usize| format!("fake://items/{index}");
        let mut open: Vec<Changes> = Vec::new();
        for index in 0..MANY {
            let wanted = Wanted::lists().and_resource(&uri(index));
            let changes = client.changes(wanted).await;
            let honoured = &changes.acknowledged()["resourceSubscriptions"];
            assert_eq!(honoured, &json!([uri(index)]));
            open.push(changes);
        }
        assert_eq!(backend.subscriptions().len(), MANY);
        // The one before it may be on its way out still.
        backend
            .until("one for all of them", |it| it.listeners() <= 2)
            .await;
        for index in 0..MANY {
            backend.announce_update(&uri(index));
        }
        for (index, changes) in open.iter_mut().enumerate() {
            let heard = changes.next_of("notifications/resources/updated").await;
            assert_eq!(heard.json()["params"]["uri"], uri(index));
        }
        let kept = open.split_off(MANY / 2);
        drop(open);
        backend
            .until("half of them", |it| it.subscriptions().len() == MANY / 2)
            .await;
        drop(kept);
        backend
            .until("none of them", |it| it.subscriptions().is_empty())
            .await;
    }
}

#[tokio::test]
async fn too_many_subscriptions_are_refused_clearly_until_one_closes() {
    let (backend, _gateway, session) = one(FakeBackend::modern()).await;
    let client = Client::modern(&session.endpoint);
    let listen = r#"{"notifications":{"toolsListChanged":true}}"#;
    let mut open = Vec::new();
    for _ in 0..SUBSCRIBERS {
        open.push(client.changes(Wanted::lists()).await);
    }
    let refused = client
        .open("subscriptions/listen", listen)
        .await
        .finish()
        .await;
    let error = refused.error();
    assert_eq!(error.code, -31003);
    assert!(
        error.message.contains(&SUBSCRIBERS.to_string()),
        "{error:?}"
    );
    client.call("it.echo", json!({})).await.result();
    open.pop();
    // The gateway notices in its own time.
    let again = async {
        loop {
            let mut exchange = client.open("subscriptions/listen", listen).await;
            let first: Message = exchange.next().await.unwrap();
            if first.method().is_some() {
                break exchange;
            }
        }
    };
    let mut again = crate::world::within("a place", again).await;
    backend.announce_change(List::Tools);
    let heard = again.next().await.unwrap().method().unwrap();
    assert_eq!(heard, "notifications/tools/list_changed");
}

#[tokio::test]
async fn one_client_does_not_hear_of_everything() {
    let (backend, _gateway, session) = one(FakeBackend::modern()).await;
    let uris: Vec<String> = (0..=SUBSCRIPTIONS)
        .map(|index| format!("fake://items/{index}"))
        .collect();
    let client = Client::modern(&session.endpoint);
    let filter = json!({"notifications": {"resourceSubscriptions": uris}});
    let refused = client.request("subscriptions/listen", filter).await;
    let error = refused.error();
    assert_eq!(error.code, -32602);
    assert!(
        error.message.contains(&SUBSCRIPTIONS.to_string()),
        "{error:?}"
    );
    let most = json!({"notifications": {"resourceSubscriptions": uris[1..]}});
    let mut listening = client.open("subscriptions/listen", &most.to_string()).await;
    let acknowledged = listening.next().await.unwrap().json();
    let honoured = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(honoured.as_array().unwrap().len(), SUBSCRIPTIONS);
    assert_eq!(backend.subscriptions().len(), SUBSCRIPTIONS);
}

#[tokio::test]
async fn a_client_has_so_many_get_streams_and_is_told_so() {
    let (_backend, _gateway, session) = one(FakeBackend::legacy()).await;
    for revision in REVISIONS.into_iter().filter(|it| *it != MODERN) {
        let client = Client::legacy(&session.endpoint, revision).await;
        let mut open = Vec::new();
        for _ in 0..4 {
            let stream = client.get_stream().await;
            assert_eq!(stream.status(), 200);
            open.push(stream);
        }
        let refused = client.get_stream().await;
        assert_eq!(refused.status(), 409);
        let error = refused.finish().await.error();
        assert!(error.message.contains("4 GET streams"), "{error:?}");
        open.remove(0);
        let again = async {
            while client.get_stream().await.status() != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        crate::world::within("a place", again).await;
        client.call("it.echo", json!({})).await.result();
    }
}
