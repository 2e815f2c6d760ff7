//! What is measured of the gateway alone: how fast it makes sessions, what stored ones cost it, and how soon it is
//! there after `kill -9`.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep};

use super::{Holding, SuiteOptions, Verdict, tell};
use crate::backends::{Backends, providers};
use crate::client::Client;
use crate::endpoint::{Endpoint, Names};
use crate::fault::RunError;
use crate::message;
use crate::options::{Era, Options};
use crate::report::{Spread, mebibytes};
use crate::rest::{self, Session};
use crate::side::Installation;
use crate::wire::{Request, Wire};

/// What is measured here, by name.
pub(super) const NAMES: [&str; 3] = [
    "sessions made",
    "dormant sessions",
    "restart with stored sessions",
];

/// How many times sessions are made, and how many at a time.
const BATCHES: usize = 5;

/// Sessions that are used once and then left, how soon they go to sleep, and how long that is waited for.
const LEFT: usize = 2000;
const DORMANT: (&str, &str) = ("SESSION_DORMANT_AFTER", "1s");
const ASLEEP: Duration = Duration::from_secs(6);

/// Restarts, and sessions that are called for the first time after each.
const RESTARTS: usize = 3;
const CALLED: usize = 50;

/// Steps by which sessions are picked: prime to their number, so that they lie all over the table.
const STRIDE: usize = 7919;

/// What starting leaves to be done in the background.
const SETTLING: Duration = Duration::from_secs(1);

/// The backends of all sessions, and how the first calls are made.
const LINE: &str = "--backends 3 --era modern";

pub(super) async fn measure(options: &SuiteOptions) -> Result<Vec<Holding>, RunError> {
    let mut holdings = Vec::new();
    let mut work = Options::of(LINE)?;
    work.gateway.clone_from(&options.gateway);
    if options.wants(NAMES[0]) {
        tell(NAMES[0]);
        holdings.extend(creation(options, &work).await?);
    }
    if options.wants(NAMES[1]) {
        tell(NAMES[1]);
        holdings.push(dormant(&work).await?);
    }
    if options.wants(NAMES[2]) {
        tell(NAMES[2]);
        holdings.extend(restart(options, &work).await?);
    }
    Ok(holdings)
}

/// How fast 64 callers make sessions.
async fn creation(options: &SuiteOptions, work: &Options) -> Result<Vec<Holding>, RunError> {
    let batch = if options.quick { 2000 } else { 10_000 };
    let backends = Backends::start(work).await?;
    let installation = Installation::new(work, &backends)?;
    let running = installation.start(&[]).await?;
    let authority = running.authorities.concat();
    let (mut rates, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..BATCHES {
        let (before, begun) = (running.usage(), Instant::now());
        rest::create_sessions(&authority, &providers(work), batch).await?;
        rates.push(whole(batch) / begun.elapsed().as_secs_f64());
        let spent = crate::usage::spent(before, running.usage());
        costs.extend(spent.map(|spent| spent.as_secs_f64() * 1e6 / whole(batch)));
    }
    running.kill().await?;
    backends.stop().await?;
    let rate = median(rates);
    let verdict = Verdict::at_least("≥ 5000 a second".to_owned(), Some(rate), 5000.0);
    let name = |what: &str| format!("{} by 64 callers, 3 backends{what}", NAMES[0]);
    Ok(vec![
        holding(name(""), rate, "a second", Some(verdict)),
        holding(name(": CPU of each"), median(costs), "µs", None),
    ])
}

/// What a session holds that was used and sleeps: the memory of the second batch, since the first may leave room behind.
async fn dormant(work: &Options) -> Result<Holding, RunError> {
    let backends = Backends::start(work).await?;
    let installation = Installation::new(work, &backends)?;
    let running = installation.start(&[DORMANT]).await?;
    let authority = running.authorities.concat();
    let mut held = Vec::new();
    for _ in 0..2 {
        let sessions = rest::create_sessions(&authority, &providers(work), LEFT).await?;
        first_calls(work, &authority, sessions.iter()).await?;
        sleep(ASLEEP).await;
        held.push(resident(&running));
    }
    running.kill().await?;
    backends.stop().await?;
    let each = (held[1] - held[0]) * 1024.0 / whole(LEFT);
    let verdict = Verdict::at_most("≤ 1 KiB".to_owned(), Some(each), 1.0);
    let name = format!("memory of a dormant session, {LEFT} beside as many");
    Ok(holding(name, each, "KiB", Some(verdict)))
}

/// What a restart with many stored sessions takes, and what they hold before anybody uses them.
async fn restart(options: &SuiteOptions, work: &Options) -> Result<Vec<Holding>, RunError> {
    let count = if options.quick { 20_000 } else { 100_000 };
    let backends = Backends::start(work).await?;
    let empty = Installation::new(work, &backends)?;
    let running = empty.start(&[]).await?;
    sleep(SETTLING).await;
    let before = resident(&running);
    running.kill().await?;
    let installation = Installation::new(work, &backends)?;
    let running = installation.start(&[]).await?;
    let authority = running.authorities.concat();
    let sessions = rest::create_sessions(&authority, &providers(work), count).await?;
    running.kill().await?;
    let (mut answers, mut calls, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..RESTARTS {
        let begun = Instant::now();
        let running = installation.start(&[]).await?;
        let authority = running.authorities.concat();
        healthy(&authority).await?;
        answers.push(milliseconds(begun.elapsed()));
        let picked = (0..CALLED).map(|place| &sessions[(round * CALLED + place) * STRIDE % count]);
        calls.extend(first_calls(work, &authority, picked).await?);
        running.kill().await?;
        let running = installation.start(&[]).await?;
        sleep(SETTLING).await;
        held.push(resident(&running) - before);
        running.kill().await?;
    }
    backends.stop().await?;
    Ok(restarted(count, &answers, &calls, held))
}

fn restarted(count: usize, answers: &[f64], calls: &[f64], held: Vec<f64>) -> Vec<Holding> {
    let slowest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let (answer, call, stored) = (slowest(answers), slowest(calls), median(held));
    let name = |what: &str| format!("kill -9 with {count} stored sessions: {what}");
    let at_most = |limit: f64, unit: &str, found| {
        Some(Verdict::at_most(
            format!("≤ {limit} {unit}"),
            Some(found),
            limit,
        ))
    };
    vec![
        holding(
            name("first answer, the slowest of 3 starts"),
            answer,
            "ms",
            at_most(1000.0, "ms", answer),
        ),
        holding(
            name("first call of a session, the slowest of 150"),
            call,
            "ms",
            at_most(50.0, "ms", call),
        ),
        holding(
            name("first call of a session, median"),
            median(calls.to_vec()),
            "ms",
            None,
        ),
        holding(
            name("memory that they add, unused"),
            stored,
            "MiB",
            at_most(8.0, "MiB", stored),
        ),
    ]
}

/// How long the first call of each of these sessions takes, handshakes with backends included.
async fn first_calls(
    work: &Options,
    authority: &str,
    sessions: impl Iterator<Item = &Session>,
) -> Result<Vec<f64>, RunError> {
    let names = std::sync::Arc::new(Names::public(work, &providers(work)));
    let endpoint =
        |made: &Session| Endpoint::new(authority, &made.mcp_endpoint, Era::Modern, names.clone());
    let endpoints: Vec<_> = sessions.map(endpoint).collect();
    let mut times = Vec::new();
    let count = endpoints.len();
    let Some(first) = endpoints.first().cloned() else {
        return Ok(times);
    };
    let mut client = Client::new(0, work, &first, endpoints);
    for _ in 0..count {
        let begun = Instant::now();
        client.operate().await.map_err(RunError::First)?;
        times.push(milliseconds(begun.elapsed()));
    }
    Ok(times)
}

/// Asks the gateway how it is.
async fn healthy(authority: &str) -> Result<(), RunError> {
    let mut wire = Wire::new(authority.to_owned());
    let request = Request {
        method: "GET",
        path: "/healthz",
        headers: &message::headers(authority),
        more: &[],
        body: &[],
    };
    let head = rest::send(&mut wire, request).await?;
    if head.status == StatusCode::OK {
        return Ok(());
    }
    Err(rest::refused("GET /healthz", &head, wire.body()))
}

fn holding(name: String, found: f64, unit: &'static str, verdict: Option<Verdict>) -> Holding {
    Holding {
        name,
        found,
        unit,
        verdict,
    }
}

fn resident(running: &crate::child::Running) -> f64 {
    let usage = running.usage().unwrap_or_default();
    mebibytes(usage.resident_bytes)
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values).map_or(0.0, |spread| spread.median)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^53 sessions")]
fn whole(count: usize) -> f64 {
    count as f64
}
