//! Soak: `cargo bench --bench soak -- [options]`, see benches/README.md.
//!
//! Load, faults of the backends, kills and restarts of the gateway, and then a reckoning: whatever was
//! acknowledged is there, whatever was called ran once. Ends with 0 only if nothing was lost.

#[path = "../../tests/support/world.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "the soak needs a part of the tests' world only"
)]
mod world;

mod books;
mod chaos;
mod idle;
mod load;
mod options;
mod report;
mod start;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    books::Books,
    chaos::Chaos,
    options::{CommandLine, Options, Program},
    world::{
        Answers, FakeBackend, Gateway,
        attempt::Attempts,
        dice::Dice,
        ledger::{SERVERS, reckoning::reckon},
    },
};

/// What makes failures quick: an hour of soaking must not be an hour of waiting.
const QUICK: &str = "auth: { type: bearer }
    timeouts: { connect: 1s, handshake: 2s, idle: 1s, call: 5s }
    retries: { attempts: 2, base: 20ms, max: 100ms }";

/// Something was lost.
const LOST: u8 = 1;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    if !line.bench && std::env::args_os().len() == 1 {
        report::say("nothing to test here; the soak runs with cargo bench --bench soak");
        return ExitCode::SUCCESS;
    }
    let is_clean = match &line.program {
        Some(Program::Start(options)) => start::run(options),
        Some(Program::Idle(options)) => idle::run(options),
        None => soak(&line.options),
    };
    ExitCode::from(if is_clean { 0 } else { LOST })
}

/// Runs to the end; says whether nothing was lost. The world fails loudly where it cannot be made.
#[tokio::main]
async fn soak(options: &Options) -> bool {
    let seed = options
        .seed
        .unwrap_or_else(|| Dice::from_environment("SOAK_SEED").1);
    report::say(&format!(
        "soaking for {} with seed {seed}",
        humantime::format_duration(options.duration)
    ));
    let mut dice = Dice::of(seed);
    let scripts = [
        FakeBackend::legacy().answers(Answers::Json),
        FakeBackend::modern().answers(Answers::Sse),
    ];
    let backends = scripts.map(|script| script.tool_named("act").forgets_requests().start());
    for backend in &backends {
        // What breaks off may leave a handshake half done.
        backend.tolerate();
    }
    let gateway = Gateway::setup()
        .provider_with(SERVERS[0], &backends[0], QUICK)
        .provider_with(SERVERS[1], &backends[1], QUICK)
        .log_level("warn")
        .start();
    let attempts = Attempts::at(&gateway);
    let books = Books::default();
    let load = load::start(options, &attempts, &books, &mut dice);
    let mut chaos = Chaos::new(gateway, books.clone(), dice.split());
    chaos.reign(&backends, options.duration).await;
    books.close();
    let unfinished = load.finish().await;
    chaos.settle(&backends);
    let losses = reckon(&attempts, &books.ledger, backends.each_ref()).await;
    report::print(&books, &chaos, &losses, unfinished, options)
}
