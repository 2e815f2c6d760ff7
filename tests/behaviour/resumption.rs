//! Streams that clients of 2025-11-25 take up again where they broke off.
//!
//! Spec: 2025-11-25 basic/transports, "Resumability and Redelivery".

mod backends;
mod restarts;

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{
        Answers, Cancelled, Client, FakeBackend, Gateway, List, Pairing, Program, Wanted, World,
        client::{Exchange, Message},
        eventually,
        pairing::REVISIONS,
    },
};

/// Three steps, each of which the test lets go.
const STEPS: &str = r#"{"name":"it.progress","arguments":{"steps":3,"gated":true},"_meta":{"progressToken":"mine"}}"#;

/// The pairings of the one revision whose streams have ids.
fn pairings() -> Vec<Pairing> {
    let mut pairings = Pairing::eras();
    // A modern client sends its request again instead.
    pairings.retain(|pairing| !pairing.has_modern_client());
    pairings
}

async fn stand(pairing: Pairing) -> World {
    let script = pairing.script().recites();
    pairing.stand(script, Program::named("x").capable()).await
}

/// Opens a call with three steps whose first event and first step are there.
async fn begin(w: &World, id: &str) -> (Exchange, String, Message) {
    let mut exchange = w.client.open_as(id, "tools/call", STEPS).await;
    let first = exchange.primed().await;
    assert_eq!((first.data.as_str(), first.retry_ms), ("", Some(1000)));
    let primed = first.id.clone().unwrap();
    let step = exchange.next().await.unwrap();
    assert_eq!(step.json()["params"]["progress"], 1);
    (exchange, primed, step)
}

async fn go_on(backend: &FakeBackend, steps: usize, done: usize) {
    for _ in 0..steps {
        backend.step();
    }
    backend
        .until("the end of the call", |it| {
            it.completions("progress") == done
        })
        .await;
}

/// The rest of a stream behind an event, each message with its id.
async fn behind(client: &Client, id: &str) -> Vec<(String, String)> {
    let mut stream = client.resume(id).await;
    assert_eq!(stream.status(), 200, "behind {id}");
    let mut rest = Vec::new();
    while let Some(message) = stream.next().await {
        let id = message.event_id().unwrap().to_owned();
        rest.push((id, message.raw().to_owned()));
    }
    rest
}

#[tokio::test]
async fn a_call_whose_stream_broke_is_taken_up_behind_each_event_as_often_as_wanted() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let (exchange, primed, step) = begin(&w, "7").await;
        drop(exchange);
        go_on(&w.backend, 3, 1).await;
        let all = behind(&w.client, &primed).await;
        assert_eq!(all[0].1, step.raw());
        let steps = all.iter().filter(|(_, raw)| raw.contains(r#""mine""#));
        assert_eq!(steps.count(), 3, "{all:?}");
        let last: Value = serde_json::from_str(&all.last().unwrap().1).unwrap();
        assert_eq!(last["id"], 7);
        assert_eq!(last["result"]["content"][0]["text"], "3 steps");
        for _ in 0..2 {
            assert_eq!(behind(&w.client, &primed).await, all);
            for (index, (id, _)) in all.iter().enumerate() {
                if index + 1 == all.len() {
                    // The answer is there; nothing can come any more.
                    assert_eq!(w.client.resume(id).await.status(), 400);
                } else {
                    assert_eq!(behind(&w.client, id).await, all[index + 1..]);
                }
            }
        }
        assert_eq!(w.backend.executions("progress"), 1);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_stream_goes_on_live_where_it_is_taken_up_and_nowhere_else() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let (mut old, primed, step) = begin(&w, "7").await;
        // Nobody has noticed yet that its connection is gone; so whoever comes back takes it over.
        let mut first = w.client.resume(&primed).await;
        assert_eq!(first.next().await.unwrap().raw(), step.raw());
        assert!(old.next().await.is_none(), "one event, one stream");
        let mut second = w.client.resume(step.event_id().unwrap()).await;
        w.backend.step();
        let next = second.next().await.unwrap();
        assert_eq!(next.json()["params"]["progress"], 2);
        assert!(first.next().await.is_none(), "one event, one stream");
        go_on(&w.backend, 2, 1).await;
        assert_eq!(second.finish().await.text(), "3 steps");
    }
}

#[tokio::test]
async fn a_question_outlives_the_stream_on_which_it_was_asked() {
    let said = |name: &str| json!({"action": "accept", "content": {"name": name}});
    for pairing in pairings() {
        let w = stand(pairing).await;
        let ask = r#"{"name":"it.ask"}"#;
        let runs = if pairing.has_modern_backend() { 2 } else { 1 };

        // Answered on the stream that was taken up.
        let mut exchange = w.client.open("tools/call", ask).await;
        let primed = exchange.primed().await.id.clone().unwrap();
        let question = exchange.next().await.unwrap();
        drop(exchange);
        let mut again = w.client.resume(&primed).await;
        let repeated = again.next().await.unwrap();
        assert_eq!(repeated.raw(), question.raw());
        assert_eq!(w.client.respond(&repeated, said("Ada")).await, 202);
        let answers = again.finish().await.result()["structuredContent"]["answers"].take();
        assert_eq!(answers["name"], said("Ada"));
        assert_eq!(w.backend.executions("ask"), runs);

        // Answered while there is no stream.
        let mut exchange = w.client.open("tools/call", ask).await;
        let question = exchange.next().await.unwrap();
        drop(exchange);
        assert_eq!(w.client.respond(&question, said("Bob")).await, 202);
        w.backend
            .until("the end of the call", |it| {
                it.completions("ask") == 2 * runs
            })
            .await;
        let rest = w.client.resume(question.event_id().unwrap()).await;
        let rest = rest.finish().await;
        let answers = rest.result()["structuredContent"]["answers"].take();
        assert_eq!(answers["name"], said("Bob"));
        assert!(rest.events.is_empty(), "{:?}", rest.events);
        assert_eq!(w.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn log_messages_are_played_again() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        w.client.set_log_level("notice").await;
        let mut exchange = w.client.open("tools/call", r#"{"name":"it.log"}"#).await;
        let primed = exchange.primed().await.id.clone().unwrap();
        drop(exchange);
        let again = w.client.resume(&primed).await.finish().await;
        assert_eq!(again.text(), "logged");
        let levels = again
            .events
            .iter()
            .map(|it| it.json()["params"]["level"].take());
        let wanted = [
            "notice",
            "warning",
            "error",
            "critical",
            "alert",
            "emergency",
        ];
        assert!(levels.eq(wanted.map(Value::from)), "{again:?}");
    }
}

#[tokio::test]
async fn a_slow_answer_becomes_a_stream_that_can_be_taken_up() {
    let pairing = pairings()[0];
    let w = stand(pairing).await;
    // It says nothing until the test lets it go.
    let params = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true}}"#;
    let mut exchange = w.client.open("tools/call", params).await;
    let primed = exchange.primed().await.id.clone().unwrap();
    drop(exchange);
    assert_eq!(w.backend.completions("progress"), 0);
    w.backend.step();
    let answer = w.client.resume(&primed).await.finish().await;
    assert_eq!(answer.text(), "1 steps");
    assert_eq!(w.backend.executions("progress"), 1);
}

#[tokio::test]
async fn nobody_takes_up_the_stream_of_another() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let (exchange, primed, step) = begin(&w, "7").await;
        let seen = step.event_id().unwrap();
        drop(exchange);
        let neighbour = Client::legacy(&w.session.endpoint, LATEST_LEGACY).await;
        let elsewhere = w.gateway.session(&["it"]).await;
        let stranger = Client::legacy(&elsewhere.endpoint, LATEST_LEGACY).await;
        let ahead = format!("{seen}9");
        for id in [primed.as_str(), seen] {
            for client in [&neighbour, &stranger] {
                let refused = client.resume(id).await;
                assert_eq!(refused.status(), 400);
                let refused = refused.finish().await;
                let error = refused.error();
                assert_eq!(error.code, -32600);
                assert!(error.message.contains("Last-Event-ID"), "{error:?}");
            }
            // The client's own MCP session, but not where it is.
            let mut thief = Client::legacy(&elsewhere.endpoint, LATEST_LEGACY).await;
            thief.take_over(&w.client);
            assert_eq!(thief.resume(id).await.status(), 404);
            let plain = Client::plain(&w.session.endpoint);
            assert_eq!(plain.resume(id).await.status(), 400);
        }
        for nonsense in [ahead.as_str(), "nonsense", "-", "a-0", "a-x", "0"] {
            assert_eq!(w.client.resume(nonsense).await.status(), 400, "{nonsense}");
        }
        // None of it took the stream from its client.
        w.backend.step();
        w.backend.step();
        w.backend.step();
        assert_eq!(behind(&w.client, &primed).await[0].1, step.raw());
    }
}

#[tokio::test]
async fn a_call_is_cancelled_though_its_stream_is_broken() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let (exchange, primed, step) = begin(&w, r#""mine""#).await;
        drop(exchange);
        w.client.cancel(r#""mine""#).await;
        w.backend
            .until("the cancellation", |it| it.cancellations().len() == 1)
            .await;
        let how = if pairing.has_modern_backend() {
            Cancelled::ByClose
        } else {
            Cancelled::ByNotification
        };
        assert_eq!(w.backend.cancellations()[0].how, how);
        let rest = w.client.resume(&primed).await.finish().await;
        assert_eq!(rest.events[0].raw(), step.raw());
        assert!(rest.response.is_none(), "{rest:?}");
        let over = w.client.resume(step.event_id().unwrap()).await;
        assert_eq!(over.status(), 400);
        w.client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn with_an_mcp_session_its_streams_are_gone() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let (broken, primed, _) = begin(&w, "7").await;
        drop(broken);
        let (open, _, _) = begin(&w, "8").await;
        assert_eq!(w.client.delete().await, 204);
        assert_eq!(w.client.resume(&primed).await.status(), 404);
        let answer = open.finish().await;
        assert!(answer.error().message.contains("MCP session"), "{answer:?}");
        w.backend
            .until("both cancellations", |it| it.cancellations().len() == 2)
            .await;
    }
}

#[tokio::test]
async fn streams_of_other_revisions_have_no_ids() {
    // Their clients choke on an event without data, or would come back for what is not kept.
    for revision in REVISIONS.into_iter().filter(|it| *it != LATEST_LEGACY) {
        for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
            let gateway = Gateway::with(&[("it", &backend)]);
            let session = gateway.session(&["it"]).await;
            let client = Client::speaking(revision, &session.endpoint).await;
            let mut changes = client.changes(Wanted::lists()).await;
            backend.until("a listener", |it| it.listeners() > 0).await;
            backend.announce_change(List::Prompts);
            changes.next().await;
            let mut call = client.open("tools/call", STEPS).await;
            for _ in 0..3 {
                backend.step();
            }
            while call.next().await.is_some() {}
            let streams = [changes.stream(), &call];
            for event in streams.into_iter().flat_map(Exchange::events) {
                assert_eq!((&event.id, event.retry_ms), (&None, None), "{revision}");
                assert!(!event.data.is_empty(), "{revision}");
            }
        }
    }
}

/// Begins to hear of four items.
async fn hear(client: &Client) -> Exchange {
    let stream = client.get_stream().await;
    for item in 0..4 {
        let params = json!({"uri": format!("fake://items/{item}")});
        client.request("resources/subscribe", params).await.result();
    }
    stream
}

async fn hears_of(stream: &mut Exchange, items: &[u32]) {
    for item in items {
        let heard = stream.next().await.unwrap().json();
        assert_eq!(heard["method"], "notifications/resources/updated");
        assert_eq!(heard["params"]["uri"], format!("fake://items/{item}"));
    }
}

#[tokio::test]
async fn the_get_stream_is_taken_up_where_it_broke_off() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let update = |item: u32| w.backend.announce_update(&format!("fake://items/{item}"));
        let mut stream = hear(&w.client).await;
        let primed = stream.primed().await.id.clone().unwrap();
        update(0);
        hears_of(&mut stream, &[0]).await;
        let first = stream.last_event_id().unwrap();
        assert_ne!(first, primed);
        drop(stream);
        update(1);
        for (id, items) in [
            (&primed, [0, 1].as_slice()),
            (&first, &[1]),
            (&primed, &[0, 1]),
        ] {
            let mut stream = w.client.resume(id).await;
            assert_eq!(stream.status(), 200);
            hears_of(&mut stream, items).await;
        }
        // Live again.
        let mut stream = w.client.resume(&first).await;
        hears_of(&mut stream, &[1]).await;
        update(2);
        hears_of(&mut stream, &[2]).await;
    }
}

#[tokio::test]
async fn a_get_stream_that_nobody_holds_is_opened_anew() {
    for pairing in pairings() {
        let w = stand(pairing).await;
        let neighbour = Client::legacy(&w.session.endpoint, LATEST_LEGACY).await;
        let mut theirs = hear(&neighbour).await;
        let foreign = theirs.primed().await.id.clone().unwrap();
        w.backend.announce_update("fake://items/0");
        hears_of(&mut theirs, &[0]).await;
        // Whoever comes with the id of a stream that is not held hears what comes from now on.
        drop(hear(&w.client).await);
        let mut stream = w.client.resume(&foreign).await;
        assert_eq!(stream.status(), 200);
        assert_ne!(stream.primed().await.id.as_ref(), Some(&foreign));
        w.backend.announce_update("fake://items/1");
        for stream in [&mut stream, &mut theirs] {
            hears_of(stream, &[1]).await;
        }
    }
}

#[tokio::test]
async fn a_call_whose_stream_nobody_reads_waits_and_loses_nothing() {
    // More than a stream holds, in number and in bytes.
    for (times, filling) in [(1500, 0), (100, 40_000)] {
        for pairing in pairings() {
            if pairing.answers == Answers::Json {
                // What comes before an answer comes in a stream all the same.
                continue;
            }
            let w = stand(pairing).await;
            let filling = "x".repeat(filling);
            let message = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/com.example/said","params":{{"n":{{n}},"filling":"{filling}"}}}}"#
            );
            let params = json!({"name": "it.recite", "arguments": {"messages": [message], "times": times, "gated": true}});
            let mut exchange = w.client.open("tools/call", &params.to_string()).await;
            let primed = exchange.primed().await.id.clone().unwrap();
            let ended = || w.gateway.logs().matches("a connection ended early").count();
            let before = ended();
            drop(exchange);
            // The rest is said to nobody: what a client that is about to leave was sent is not kept for ever.
            eventually("the gateway to see it leave", async || ended() > before).await;
            // Others are not held up meanwhile.
            w.client.call("it.echo", json!({})).await.result();
            w.backend.step();
            let rest = w.client.resume(&primed).await.finish().await;
            assert_eq!(rest.text(), "recited");
            let numbers = rest.events.iter().map(|it| it.json()["params"]["n"].take());
            assert!(numbers.eq((0..times).map(Value::from)), "{times}");
            assert_eq!(w.backend.executions("recite"), 1);
        }
    }
}
