//! What is printed, and whether it is clean.

use crate::{books::Books, chaos::Chaos, options::Options, world::ledger::reckoning::Losses};

/// Counts of which every one is a loss; the rest of the counts tells what was done.
const FOUND_DURING_THE_LOAD: [&str; 6] = [
    "acknowledged sessions lost",
    "answers that crossed",
    "answers missing",
    "calls cut by a stop",
    "answers of no known kind",
    "MCP sessions lost",
];

/// Prints the table; says whether nothing was lost.
pub(crate) fn print(
    books: &Books,
    chaos: &Chaos,
    losses: &Losses,
    unfinished: u64,
    options: &Options,
) -> bool {
    let counts = books.counts();
    say("\nwhat was done");
    for (what, count) in &counts {
        if !FOUND_DURING_THE_LOAD.contains(what) {
            row(what, *count);
        }
    }
    row(
        "memory of the gateway at most, MiB",
        chaos.memory_most_mib(),
    );
    say("\nwhat was lost");
    let during = FOUND_DURING_THE_LOAD.map(|what| {
        let count = counts.get(what).copied().unwrap_or_default();
        (what, count)
    });
    let mistakes = chaos.mistakes();
    let excess = chaos.memory_most_mib().saturating_sub(options.memory);
    let after = [
        ("acknowledged sessions lost in the end", many(&losses.lost)),
        ("deleted sessions back", many(&losses.back)),
        ("sessions that are there by halves", many(&losses.halves)),
        (
            "calls under somebody else's credential",
            many(&losses.crossed),
        ),
        ("MCP sessions lost in the end", many(&losses.mcp_sessions)),
        (
            "calls that ran more than once, or were only said to have run",
            many(&losses.runs),
        ),
        ("clients that came to no end", unfinished),
        ("panics and deaths in the log", many(&mistakes)),
        ("MiB of memory beyond the limit", excess),
    ];
    let all: Vec<(&str, u64)> = during.into_iter().chain(after).collect();
    for (what, count) in &all {
        row(what, *count);
    }
    let examples = books.examples();
    let found = examples
        .values()
        .flatten()
        .chain(losses.all())
        .chain(&mistakes);
    for example in found {
        say(&format!("  {example:.500}"));
    }
    let is_clean = all.iter().all(|(_, count)| *count == 0);
    say(if is_clean {
        "\nnothing was lost"
    } else {
        "\nLOST"
    });
    is_clean
}

fn many(losses: &[String]) -> u64 {
    u64::try_from(losses.len()).unwrap_or(u64::MAX)
}

fn row(what: &str, count: u64) {
    say(&format!("{count:>9}  {what}"));
}

#[expect(
    clippy::print_stdout,
    reason = "a program tells its user what it found"
)]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
