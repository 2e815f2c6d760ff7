//! How soon a gateway with many stored sessions is ready after `kill -9`: too late is a failure.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::{
    options::StartOptions,
    report::say,
    world::{
        FakeBackend, Gateway,
        attempt::{Attempts, Voice},
    },
};

/// Sessions made at once.
const AT_ONCE: usize = 64;

/// Prints how long the starts took; says whether all was there, and each start quick enough.
#[tokio::main]
pub(crate) async fn run(options: &StartOptions) -> bool {
    let backend = FakeBackend::modern().forgets_requests().start();
    let mut gateway = Gateway::setup()
        .provider("a", &backend)
        .log_level("warn")
        .start();
    let attempts = Attempts::at(&gateway);
    let count = options.sessions.get();
    let (request, attempts) = (json!({"servers": ["a"]}), &attempts);
    let made = (0..count).map(|_| async {
        let answer = attempts.create(&request).await.answer()?;
        Some(answer.json()["session_id"].as_str()?.to_owned())
    });
    let made: Vec<Option<String>> = stream::iter(made).buffered(AT_ONCE).collect().await;
    let made: Vec<String> = made.into_iter().flatten().collect();
    let (mut ready, mut first_answers, mut others) = (Vec::new(), Vec::new(), Vec::new());
    let mut all_there = made.len() == count;
    for round in 0..options.rounds.get() {
        gateway.kill();
        let begun = Instant::now();
        gateway.restart();
        ready.push(begun.elapsed());
        let id = |call: usize| {
            let some = (round * 7919 + call * 104_729) % made.len().max(1);
            made.get(some).map_or("none", String::as_str)
        };
        all_there &= is_there(attempts, id(0)).await;
        first_answers.push(begun.elapsed());
        for call in 1..=options.calls {
            let begun = Instant::now();
            all_there &= is_there(attempts, id(call)).await;
            others.push(begun.elapsed());
        }
    }
    say(&format!(
        "{count} sessions, {} starts after kill -9; median (longest)",
        ready.len()
    ));
    say(&format!("until it listens      {}", middle(&mut ready)));
    say(&format!(
        "until the first call  {}",
        middle(&mut first_answers)
    ));
    say(&format!("a first call after it {}", middle(&mut others)));
    say(if all_there {
        "every session was there"
    } else {
        "LOST"
    });
    let are_quick = [
        is_quick("a start", &ready, options.within),
        is_quick("a call", &others, options.call_within),
    ];
    all_there && are_quick == [true; 2]
}

fn is_quick(what: &str, times: &[Duration], within: Duration) -> bool {
    let is_quick = times.iter().all(|took| *took <= within);
    if !is_quick {
        let within = humantime::format_duration(within);
        say(&format!("TOO SLOW: {what} took more than {within}"));
    }
    is_quick
}

/// Whether a session answers a call.
async fn is_there(attempts: &Attempts, id: &str) -> bool {
    let called = attempts.call(id, &Voice::Modern, "a.echo", "first").await;
    let echoed = called.answer().and_then(|answer| answer.echoed());
    echoed.as_deref() == Some("first")
}

fn middle(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default().as_millis();
    let (middle, last) = (times.len() / 2, times.len().saturating_sub(1));
    format!("{} ms ({} ms)", at(middle), at(last))
}
