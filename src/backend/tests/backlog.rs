//! What a backend says about no call waits at the backend once too much of it waits here, and what clients say
//! without end does not wait for a backend at all.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Notify;

use super::{
    asking::{asks, completed, connect, entry, next, notice, raw, send, start, tool, until},
    listening::World,
    socket::{Port, Reply, Script, shake_hands, stream},
};
use crate::{
    backend::{LinkKey, Report},
    limits::{ANNOUNCEMENT_BYTES_MAX, EVENTS_IN_FLIGHT, HEARD_IN_FLIGHT, NOTICES_IN_FLIGHT},
    mcp::event::{Event, Notification},
};

#[tokio::test]
async fn whatever_a_backend_says_waits_while_the_session_has_not_heard_the_rest() {
    let (events, listening) = stream();
    let calls = Script::of((0..6).map(|_| Reply::Result("{}".to_owned())));
    let mut world = World::new(&json!({}), calls, Script::of([listening]));
    let (_, link) = world.own().await;
    let mut unheard = Vec::new();
    for _ in 0..HEARD_IN_FLIGHT.messages {
        events.say(&notice("x/said", &json!({})));
        unheard.push(world.told().await);
    }
    for further in [
        notice("x/said", &json!({})),
        asks("q", "elicitation/create"),
        notice("notifications/prompts/list_changed", &json!({})),
    ] {
        events.say(&further);
        // In the meantime it would have come twice.
        for _ in 0..2 {
            completed(&mut send(&world.backend, link, tool("pay"))).await;
        }
        assert!(world.reports.try_recv().is_err(), "{further}");
        unheard.pop();
        unheard.push(world.told().await);
    }
    assert!(matches!(unheard.pop(), Some(Report::Changed { .. })));
}

#[tokio::test]
async fn a_few_large_words_fill_the_room_of_many_and_what_is_larger_is_told_to_nobody() {
    let (events, listening) = stream();
    let calls = Script::of((0..2).map(|_| Reply::Result("{}".to_owned())));
    let mut world = World::new(&json!({}), calls, Script::of([listening]));
    let (_, link) = world.own().await;
    let said = |bytes: usize| notice("x/said", &json!({ "filling": "x".repeat(bytes) }));
    events.say(&said(ANNOUNCEMENT_BYTES_MAX));
    for _ in 0..2 {
        events.say(&said(HEARD_IN_FLIGHT.bytes / 2 + 1));
    }
    let length = |report: Report| match report {
        Report::Heard {
            notification, room, ..
        } => (notification.bytes(), room),
        _ => panic!("nothing heard"),
    };
    let (bytes, room) = length(world.told().await);
    assert!(bytes < ANNOUNCEMENT_BYTES_MAX, "{bytes}");
    for _ in 0..2 {
        completed(&mut send(&world.backend, link, tool("pay"))).await;
    }
    assert!(world.reports.try_recv().is_err(), "two are too much");
    drop(room);
    let (_, _room) = length(world.told().await);
}

#[tokio::test]
async fn large_events_of_a_call_wait_at_the_backend_while_nobody_reads_them() {
    let (on_call, call) = stream();
    let others = (0..20).map(|_| Reply::Result("{}".to_owned()));
    let calls = Script::of(std::iter::once(call).chain(others));
    let world = World::new(&json!({}), calls, Script::default());
    let link = LinkKey::Default;
    connect(&world.backend, link).await.unwrap();
    let mut unread = send(&world.backend, link, tool("pay"));
    until(async || world.served.heard("tools/call") == 1).await;
    let filling = "x".repeat(EVENTS_IN_FLIGHT.bytes / 2 + 1);
    for _ in 0..2 {
        on_call.say(&notice("x/said", &json!({ "filling": filling })));
    }
    // In the meantime both would have come.
    for _ in 0..20 {
        completed(&mut send(&world.backend, link, tool("pay"))).await;
    }
    assert!(matches!(next(&mut unread).await, Event::Notified(_)));
    assert!(unread.try_recv().is_err(), "two are too much");
    assert!(matches!(next(&mut unread).await, Event::Notified(_)));
}

#[tokio::test]
async fn of_what_clients_say_without_end_little_waits_for_a_backend_that_takes_nothing() {
    let port = Port::new();
    let word = Arc::new(Notify::new());
    let until_then = Arc::clone(&word);
    let served = port.serve(move |message| match message["method"].as_str() {
        Some("x/said") => Reply::StatusAfter(Arc::clone(&until_then), 202),
        Some("x/later") => Reply::Status(202),
        Some("tools/call") => Reply::Result("{}".to_owned()),
        _ => shake_hands(message),
    });
    let backend = start(entry(&port.url(), &[]), None, Vec::new());
    let link = LinkKey::Default;
    connect(&backend, link).await.unwrap();
    let say = |method: &str| {
        let notification = Notification {
            method: method.to_owned(),
            params: Some(raw("{}")),
        };
        backend.notify(link, notification);
    };
    let most = NOTICES_IN_FLIGHT.messages;
    for _ in 0..2 * most {
        say("x/said");
    }
    until(async || served.heard("x/said") == most).await;
    completed(&mut send(&backend, link, tool("pay"))).await;
    assert_eq!(served.heard("x/said"), most);
    word.notify_waiters();
    until(async || {
        say("x/later");
        served.heard("x/later") > 0
    })
    .await;
}
