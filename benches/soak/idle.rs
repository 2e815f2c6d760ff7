//! What sessions cost that nobody uses: memory of the gateway with all of them awake, and with all asleep.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::time::sleep;

use crate::{
    options::IdleOptions,
    report::say,
    world::{
        FakeBackend, Gateway,
        attempt::{Attempts, Voice},
    },
};

/// Sessions made, or called, at once.
const AT_ONCE: usize = 32;
const BACKENDS: [&str; 3] = ["a", "b", "c"];
/// After this long no socket to a backend is kept for the next call.
const SETTLED: Duration = Duration::from_secs(8);
/// How long sessions stay awake: long enough to make and to measure all of them. They were used before.
const DORMANT_AFTER: Duration = Duration::from_secs(90);

/// Prints what a session costs; says whether all were there, and cost no more than they may.
#[tokio::main]
pub(crate) async fn run(options: &IdleOptions) -> bool {
    let script = || {
        if options.legacy {
            FakeBackend::legacy()
        } else {
            FakeBackend::modern()
        }
    };
    let backends = BACKENDS.map(|name| (name, script().forgets_requests().start()));
    let dormant_after = humantime::format_duration(DORMANT_AFTER);
    let mut setup = Gateway::setup()
        .argument(&format!("--session-dormant-after={dormant_after}"))
        .log_level("warn,mcp_gateway::session::supervisor=debug");
    for (name, backend) in &backends {
        setup = setup.provider(name, backend);
    }
    let gateway = setup.start();
    let attempts = Attempts::at(&gateway);
    let empty = resident_kib(&gateway);
    let count = options.sessions.get();
    let used = (0..count).map(|_| make_and_use(&attempts));
    let used: Vec<bool> = stream::iter(used).buffer_unordered(AT_ONCE).collect().await;
    let all_there = used.into_iter().all(|answered| answered);
    sleep(SETTLED).await;
    let awake = resident_kib(&gateway);
    let asleep = || {
        gateway
            .logs()
            .matches("a session that nobody used sleeps")
            .count()
    };
    while asleep() < count {
        sleep(Duration::from_secs(1)).await;
    }
    sleep(SETTLED).await;
    let dormant = resident_kib(&gateway);
    say(&format!("{count} sessions of {} backends", backends.len()));
    for (what, kib) in [
        ("no session", empty),
        ("all awake", awake),
        ("all asleep", dormant),
    ] {
        let (mib, each) = (kib / 1024, kib.saturating_sub(empty) / count as u64);
        say(&format!("{what:<12} {mib:>5} MiB, {each:>3} KiB a session"));
    }
    say(if all_there {
        "every session answered"
    } else {
        "LOST"
    });
    let fits = awake / 1024 <= options.memory;
    if !fits {
        say(&format!("TOO LARGE: more than {} MiB", options.memory));
    }
    all_there && fits
}

/// Makes a session and calls each of its backends.
async fn make_and_use(attempts: &Attempts) -> bool {
    let made = attempts.create(&json!({"servers": BACKENDS})).await;
    let Some(made) = made.answer().map(|answer| answer.json()) else {
        return false;
    };
    let Some(id) = made["session_id"].as_str() else {
        return false;
    };
    for backend in BACKENDS {
        let tool = format!("{backend}.echo");
        let called = attempts.call(id, &Voice::Modern, &tool, "mark").await;
        let echoed = called.answer().and_then(|answer| answer.echoed());
        if echoed.as_deref() != Some("mark") {
            return false;
        }
    }
    true
}

fn resident_kib(gateway: &Gateway) -> u64 {
    let status = format!("/proc/{}/status", gateway.process_id());
    let status = std::fs::read_to_string(status).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = resident.and_then(|text| text.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or_default()
}
