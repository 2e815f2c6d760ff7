//! No tool runs twice that does not say it may, whatever happens between the gateway and its backend.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    IMPATIENT, LATEST_LEGACY, MODERN, QUICK,
    world::{
        Answers, Client, FakeBackend, Fault, Gateway, Says, client::Answer, eventually,
        fake_backend::Script,
    },
};

/// A backend for each era, each form of answers, and fresh and kept connections.
fn scripts() -> Vec<Script> {
    let mut scripts = Vec::new();
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        for answers in [Answers::Json, Answers::Sse] {
            scripts.push(script().answers(answers));
            scripts.push(script().answers(answers).closes_connections());
        }
    }
    scripts
}

/// What a server says that does not know the MCP session.
const NO_SESSION: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}"#;
/// The same of a server that names its errors.
const NO_SESSION_NAMED: &str = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Bad Request: Missing session ID"}}"#;
/// A tool's own words, which sound alike.
const OWN_WORDS: &str = r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32000,"message":"the session of the shop is over"}}"#;
/// A legacy server may mean anything by this; a modern one says it with a 400 if nothing ran.
const MISMATCH: &str =
    r#"{"jsonrpc":"2.0","id":{id},"error":{"code":-32020,"message":"header mismatch"}}"#;

/// Every way to lose, spoil or refuse the answer to one call.
fn faults() -> Vec<Fault> {
    let mut faults = vec![
        Fault::ResetBeforeHeaders,
        Fault::ResetAfterHeaders,
        Fault::ResetMidBody,
        Fault::TruncatedSse,
        Fault::Html,
        Fault::BrokenJson,
        Fault::WrongId,
        Fault::Garbage,
        // Refused, and that is true.
        Fault::status(429),
        Fault::retry_after(429, "0"),
        Fault::retry_after(503, "0"),
        Fault::retry_after(503, "Thu, 26 Nov 2020 09:00:00 GMT"),
        Says::json(404, "").into(),
        Says::json(404, NO_SESSION).into(),
        Says::json(400, NO_SESSION).into(),
        Says::json(400, NO_SESSION_NAMED).into(),
        // Carried out, whatever it sounds like.
        Says::json(200, MISMATCH).behind().into(),
        Says::json(500, MISMATCH).behind().into(),
        Says::json(400, OWN_WORDS).behind().into(),
        Says::json(307, "").with("location", "/mcp").behind().into(),
    ];
    for status in [
        400, 405, 408, 409, 410, 413, 422, 425, 500, 501, 502, 503, 504, 599,
    ] {
        faults.push(Says::json(status, "").into());
        faults.push(Says::json(status, "").behind().into());
    }
    faults
}

#[tokio::test]
async fn whatever_becomes_of_an_answer_a_tool_runs_once_at_most() {
    let backends: Vec<FakeBackend> = scripts().into_iter().map(Script::start).collect();
    let names: Vec<String> = (0..backends.len()).map(|it| format!("b{it}")).collect();
    let mut setup = Gateway::setup();
    for (name, backend) in names.iter().zip(&backends) {
        setup = setup.provider_with(name, backend, QUICK);
    }
    let gateway = setup.start();
    let session = gateway
        .session(&names.iter().map(String::as_str).collect::<Vec<_>>())
        .await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        client.tool_names().await;
        let all = names.iter().zip(&backends);
        join_all(all.map(|(name, backend)| suffer(&client, name, backend))).await;
    }
}

async fn suffer(client: &Client, name: &str, backend: &FakeBackend) {
    for fault in faults() {
        for tool in ["count", "count_again", "echo"] {
            // One that is spared after a fault would not meet the next one.
            client.is_served(&format!("{name}.echo")).await;
            backend.inject(fault.clone().on("tools/call").times(1));
            once(client, name, backend, tool, &fault).await;
            backend.clear_faults();
        }
    }
    for tool in ["count", "count_again", "echo"] {
        client.is_served(&format!("{name}.echo")).await;
        backend.reset_unread(1);
        once(client, name, backend, tool, &"reset unread").await;
    }
}

/// Calls a tool; it runs once at most if it does not say that it may run twice.
async fn once(
    client: &Client,
    name: &str,
    backend: &FakeBackend,
    tool: &str,
    fault: &impl std::fmt::Debug,
) {
    let before = backend.executions(tool);
    let answer = client.call(&format!("{name}.{tool}"), json!({})).await;
    // Where this process stood still, the gateway may have lost patience before the request was looked at.
    let what = format!("{name} to meet {fault:?}");
    eventually(&what, async || backend.faults_left() == 0).await;
    let ran = backend.executions(tool) - before;
    let got_result = has_result(&answer);
    if tool == "count" {
        assert!(ran <= 1, "{name} ran {ran} times under {fault:?}");
        assert!(!got_result || ran == 1, "{name} under {fault:?}");
    } else {
        assert!(
            (usize::from(got_result)..=3).contains(&ran),
            "{name} under {fault:?}"
        );
    }
}

#[tokio::test]
async fn a_tool_whose_backend_falls_silent_runs_once() {
    let backends: Vec<FakeBackend> = scripts().into_iter().map(Script::start).collect();
    let run = backends.iter().map(|backend| async move {
        let gateway = Gateway::setup()
            .provider_with("it", backend, IMPATIENT)
            .start();
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.tool_names().await;
        for fault in [
            Fault::HangBeforeHeaders,
            Fault::HangAfterHeaders,
            Fault::HangMidBody,
        ] {
            client.is_served("it.echo").await;
            backend.inject(fault.clone().on("tools/call").times(1));
            once(&client, "it", backend, "count", &fault).await;
        }
        let ran = |it: &FakeBackend| it.executions("count") >= 3;
        backend.until("all of them to run", ran).await;
        assert_eq!(backend.executions("count"), 3);
    });
    join_all(run).await;
}

#[tokio::test]
async fn twenty_calls_that_meet_the_end_of_an_mcp_session_run_once_each_over_one_new_one() {
    for answers in [Answers::Json, Answers::Sse] {
        let backend = FakeBackend::legacy().answers(answers).start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            client.call("it.echo", json!({})).await.result();
            let before = (backend.initializations(), backend.executions("count"));
            let seen = backend.requests_of("tools/call").len();
            // All of them are there before the first is turned away.
            backend.inject(Fault::Hold.on("tools/call"));
            let calls = join_all((0..20).map(|n| client.call("it.count", json!({"n": n}))));
            let forget = async {
                let arrived = |it: &FakeBackend| it.requests_of("tools/call").len() == seen + 20;
                backend.until("twenty calls", arrived).await;
                backend.forget_sessions();
                backend.release();
            };
            let (answers, ()) = tokio::join!(calls, forget);
            for answer in answers {
                answer.result();
            }
            assert_eq!(backend.executions("count"), before.1 + 20, "{revision}");
            assert_eq!(backend.initializations(), before.0 + 1, "{revision}");
        }
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_call_under_way_is_not_made_again_after_kill_9() {
    for script in scripts() {
        let backend = script.start();
        let mut gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let call = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
        let mut under_way = client.open("tools/call", call).await;
        under_way.next().await.unwrap();
        gateway.restart();
        // What it does by itself is done when it has listed the tools again.
        client.tool_names().await;
        client.call("it.count", json!({})).await.result();
        assert_eq!(backend.executions("progress"), 1);
        assert_eq!(backend.executions("count"), 1);
    }
}

#[tokio::test]
async fn a_call_under_way_ends_well_when_the_gateway_is_asked_to_stop() {
    for script in scripts() {
        let backend = script.start();
        let mut gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        let call = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
        let mut under_way = client.open("tools/call", call).await;
        under_way.next().await.unwrap();
        gateway.ask_to_stop();
        backend.step();
        assert_eq!(under_way.finish().await.text(), "1 steps");
        assert!(gateway.wait_for_end().success());
        gateway.restart();
        client.call("it.echo", json!({})).await.result();
        assert_eq!(backend.executions("progress"), 1);
    }
}

#[tokio::test]
async fn a_call_whose_backend_restarts_is_not_made_again() {
    for script in scripts() {
        let backend = script.start();
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.tool_names().await;
        let call = r#"{"name":"it.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
        let mut under_way = client.open("tools/call", call).await;
        under_way.next().await.unwrap();
        backend.go_down().await;
        backend.forget_sessions();
        backend.come_back();
        let error = under_way.finish().await.error();
        assert!(
            error.message.contains("may have been carried out"),
            "{error:?}"
        );
        client.call("it.count", json!({})).await.result();
        assert_eq!(backend.executions("progress"), 1);
    }
}

/// Numbers that look like chance and are the same in each run.
struct Dice(u64);

impl Dice {
    /// One of `0..sides`.
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

const TOOLS: [&str; 3] = ["count", "count_again", "echo"];

#[tokio::test]
async fn under_any_mixture_of_faults_no_plain_tool_runs_twice() {
    let scripts = [
        FakeBackend::legacy(),
        FakeBackend::modern(),
        FakeBackend::legacy().answers(Answers::Sse),
        FakeBackend::modern().answers(Answers::Sse),
    ];
    join_all((1..).zip(scripts).map(|(seed, script)| mix(seed, script))).await;
}

async fn mix(seed: u64, script: Script) {
    let backend = script.start();
    let quick = "timeouts: { connect: 1s, handshake: 2s, idle: 1s, call: 20s }
        retries: { attempts: 2, base: 2ms, max: 10ms }";
    let gateway = Gateway::setup()
        .log_level("warn")
        .provider_with("it", &backend, quick)
        .start();
    let mut clients = Vec::new();
    for number in 0..4 {
        let session = gateway.session(&["it"]).await;
        let revision = if number % 2 == 0 {
            LATEST_LEGACY
        } else {
            MODERN
        };
        let client = Client::speaking(revision, &session.endpoint).await;
        client.tool_names().await;
        clients.push(client);
    }
    let next = AtomicU64::new(0);
    let callers = (0..20).map(|caller| call_at_random(&clients[caller % 4], caller, &next));
    let results = tokio::select! {
        results = join_all(callers) => results,
        () = spoil(&backend, Dice(seed)) => unreachable!("it goes on for ever"),
    };
    judge(seed, &backend, &results.concat());
}

/// Makes calls, each under a number of its own, until some of them had results; gives those.
async fn call_at_random(client: &Client, caller: usize, next: &AtomicU64) -> Vec<(usize, u64)> {
    let mut dice = Dice(caller as u64 + 1000);
    let mut results = Vec::new();
    for _ in 0..200 {
        let (tool, n) = (dice.roll(TOOLS.len()), next.fetch_add(1, Ordering::Relaxed));
        let name = format!("it.{}", TOOLS[tool]);
        let answer = client.call(&name, json!({ "n": n })).await;
        if has_result(&answer) {
            results.push((tool, n));
        } else {
            // All sessions spare a backend that seems to be gone.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if results.len() == 8 {
            break;
        }
    }
    results
}

fn has_result(answer: &Answer) -> bool {
    let response = answer.response.as_ref();
    response.is_some_and(|it| it.json().get("result").is_some())
}

/// Spoils things one after the other, for as long as it is let.
async fn spoil(backend: &FakeBackend, mut dice: Dice) {
    let mut faults = faults();
    faults.extend([Fault::HangBeforeHeaders, Fault::HangMidBody]);
    loop {
        match dice.roll(20) {
            0 => backend.forget_sessions(),
            1 => backend.reset_unread(1),
            2 => {
                backend.go_down().await;
                backend.come_back();
            }
            _ => {
                let fault = faults[dice.roll(faults.len())].clone();
                backend.inject(fault.on("tools/call").times(1));
            }
        }
        // About every third request meets something.
        let seen = backend.requests().len();
        let more = |it: &FakeBackend| it.requests().len() >= seen + 3;
        backend.until("more requests", more).await;
    }
}

fn judge(seed: u64, backend: &FakeBackend, results: &[(usize, u64)]) {
    let mut runs: HashMap<(usize, u64), usize> = HashMap::new();
    for (tool, name) in TOOLS.iter().enumerate() {
        for arguments in backend.runs(name) {
            let arguments: Value = serde_json::from_str(&arguments).unwrap();
            *runs
                .entry((tool, arguments["n"].as_u64().unwrap()))
                .or_default() += 1;
        }
    }
    for ((tool, n), times) in &runs {
        assert!(
            *tool != 0 || *times == 1,
            "seed {seed}: call {n} ran {times} times"
        );
    }
    for result in results {
        assert!(
            runs.contains_key(result),
            "seed {seed}: {result:?} never ran"
        );
    }
    assert!(
        results.len() > 20,
        "seed {seed}: only {} had results",
        results.len()
    );
}
