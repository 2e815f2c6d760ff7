//! The report of one contest as a person reads it.

use super::{Comparison, Figures, Origin, Report, SideReport, Spread};
use crate::options::{Era, Mode, Options};

/// Fewer sessions than this are made before a rate means anything.
const SESSIONS_TIMED_FROM: usize = 100;

/// Prints the report on standard output.
#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn print(report: &Report) {
    if !Origin::here().release {
        println!("debug build: these figures say nothing about the product\n");
    }
    for options in report.settings.iter().take(1) {
        println!("{}", heading(options));
    }
    println!(
        "\n{:<16}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}",
        "", "ops/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "verified", "errors"
    );
    for side in report.sides.iter().filter(|side| side.verified > 0) {
        println!("{}", line(side));
    }
    println!("\nmedian of the rounds (least to greatest)");
    for comparison in &report.comparisons {
        for line in compared(comparison) {
            println!("{line}");
        }
    }
    println!(
        "\n{:<16}{:>11}{:>10}{:>10}{:>12}{:>10}",
        "CPU µs an op", "its own", "backend", "load", "MiB at end", "at most"
    );
    for side in report.sides.iter().filter(|side| side.verified > 0) {
        println!("{}", costs(side));
    }
    for side in &report.sides {
        for complaint in complaints(side) {
            println!("{complaint}");
        }
    }
    if report.is_clean() {
        println!("\nevery answer was verified and right");
    }
}

/// What the work is.
fn heading(options: &Options) -> String {
    let work = match (options.mode, options.payload) {
        (Mode::ToolsCall, Some(size_bytes)) => format!("tools/call returning {size_bytes} bytes"),
        (Mode::ToolsCall, None) => "tools/call".to_owned(),
        (Mode::Initialize, _) if options.era == Era::Modern => "server/discover".to_owned(),
        (Mode::Initialize, _) => "initialize, initialized, DELETE".to_owned(),
        (Mode::ToolsList, _) => format!("tools/list, {} tools a backend", options.tools),
    };
    let connections = count(options.connections.get(), "connection");
    let sessions = match options.session.len() {
        0 => options.sessions.get(),
        given => given,
    };
    let sessions = if options.direct_only {
        String::new()
    } else {
        format!(" on {}", count(sessions, "session"))
    };
    let backends = match options.servers.len() {
        0 => options.backends.get(),
        given => given,
    };
    let backends = count(backends, "backend");
    let direct = if options.url.is_none() && options.direct_era() != options.era {
        format!(" (direct: {})", options.direct_era().revision())
    } else {
        String::new()
    };
    let revision = options.era.revision();
    let rounds = count(options.rounds.get(), "round");
    format!(
        "{work}; MCP {revision}{direct}; {connections}{sessions}, {backends}\n\
         {rounds} of {:.2?} a side, each after {:.2?} of warm-up",
        options.stretch(),
        options.warmup,
    )
}

fn line(side: &SideReport) -> String {
    let Figures {
        operations_per_second,
        p50_ms,
        p90_ms,
        p99_ms,
        p99_9_ms,
        max_ms,
        cpu: _,
    } = side.whole;
    let errors = side.errors();
    format!(
        "{:<16}{operations_per_second:>11.0}{p50_ms:>10.3}{p90_ms:>10.3}{p99_ms:>10.3}{p99_9_ms:>10.3}{max_ms:>10.3}\
         {:>10}{errors:>8}",
        side.name, side.verified
    )
}

fn compared(comparison: &Comparison) -> Vec<String> {
    let Comparison { side, to, ratios } = comparison;
    let lines = [
        ("throughput", Some(ratios.throughput)),
        ("p50", Some(ratios.p50)),
        ("p99", Some(ratios.p99)),
        ("CPU", ratios.cpu),
    ];
    let head = format!("{side} / {to}");
    let known = lines
        .into_iter()
        .filter_map(|(name, ratio)| Some((name, ratio?)));
    known
        .enumerate()
        .map(|(place, (name, ratio))| {
            let head = if place == 0 { head.as_str() } else { "" };
            format!("{head:<24}{name:<12}{}", spread(ratio))
        })
        .collect()
}

fn spread(spread: Spread) -> String {
    let Spread {
        median,
        least,
        greatest,
    } = spread;
    format!("{median:>8.3}   ({least:.3} to {greatest:.3})")
}

/// What the side cost, and how fast it made sessions where there were enough of them to tell.
fn costs(side: &SideReport) -> String {
    let known =
        |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.1}"));
    let cpu = side.whole.cpu;
    let mut line = format!(
        "{:<16}{:>11}{:>10}{:>10}{:>12}{:>10}",
        side.name,
        known(cpu.side),
        known(cpu.backend),
        known(cpu.load),
        known(side.resident_mib),
        known(side.resident_most_mib),
    );
    if let Some((sessions, rate)) = side.sessions.zip(side.sessions_made_per_second)
        && sessions >= SESSIONS_TIMED_FROM
    {
        line = format!("{line}   {sessions} sessions made, {rate:.0} a second");
    }
    line
}

/// What went wrong on a side.
pub(crate) fn complaints(side: &SideReport) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = &side.name;
    if let Some(failure) = &side.failure {
        complaints.push(format!("\n{name}: left out: {failure}"));
    }
    if side.connections_lost > 0 {
        let lost = count(side.connections_lost, "time");
        complaints.push(format!("\n{name}: connections were not kept alive, {lost}"));
    }
    if side.errors() > 0 {
        complaints.push(format!(
            "\n{name}: {}, {}; the first:",
            count(side.wrong, "wrong answer"),
            count(side.failed, "failed operation")
        ));
        complaints.extend(side.error_samples.iter().map(|text| format!("  {text}")));
    } else if side.verified == 0 && side.failure.is_none() {
        complaints.push(format!("\n{name}: not one operation ended"));
    }
    complaints
}

fn count(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
