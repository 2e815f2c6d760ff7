//! The report as a person reads it.

use super::{Figures, GATEWAY, Report, SideReport, Spread};
use crate::options::{Era, Mode, Options};

/// Fewer sessions than this are made before a rate means anything.
const SESSIONS_TIMED_FROM: usize = 100;

/// Prints the report on standard output.
#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn print(report: &Report<'_>) {
    if !report.release {
        println!("debug build: these figures say nothing about the product\n");
    }
    println!("{}", heading(report.options));
    println!(
        "\n{:<16}{:>11}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>8}",
        "", "ops/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "verified", "errors"
    );
    for side in &report.sides {
        println!("{}", line(side));
    }
    if let Some(ratios) = &report.gateway_to_direct {
        println!("\ngateway / direct, median of the rounds (least to greatest)");
        let lines = [
            ("throughput", &ratios.throughput),
            ("p50", &ratios.p50),
            ("p99", &ratios.p99),
        ];
        for (name, ratio) in lines {
            println!("{name:<16}{}", spread(ratio));
        }
    }
    for line in costs(report) {
        println!("{line}");
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
    } = side.whole;
    let errors = side.wrong + side.failed;
    format!(
        "{:<16}{operations_per_second:>11.0}{p50_ms:>10.3}{p90_ms:>10.3}{p99_ms:>10.3}{p99_9_ms:>10.3}{max_ms:>10.3}\
         {:>10}{errors:>8}",
        side.name, side.verified
    )
}

fn spread(spread: &Spread) -> String {
    let Spread {
        median,
        least,
        greatest,
    } = spread;
    format!("{median:>11.3}   ({least:.3} to {greatest:.3})")
}

/// What the gateway cost, and how fast it made sessions where there were enough of them to tell.
fn costs(report: &Report<'_>) -> Vec<String> {
    let mut costs = Vec::new();
    let sides = report.sides.iter();
    for side in sides.filter(|side| side.name == GATEWAY && side.gateway_cpu_us > 0.0) {
        let cpu_us = side.gateway_cpu_us;
        costs.push(format!("\ngateway CPU     {cpu_us:>11.0} µs an operation"));
    }
    if let Some(gateway) = &report.gateway {
        let (now, most) = (gateway.resident_mib, gateway.resident_most_mib);
        costs.push(format!(
            "gateway memory  {now:>11.1} MiB at the end, {most:.1} at most"
        ));
    }
    if let Some(rate) = report.sessions_made_per_second
        && report.options.sessions.get() >= SESSIONS_TIMED_FROM
    {
        costs.push(format!("sessions made   {rate:>11.0} a second"));
    }
    costs
}

fn complaints(side: &SideReport) -> Vec<String> {
    let mut complaints = Vec::new();
    let name = side.name;
    if side.connections_lost > 0 {
        let lost = count(side.connections_lost, "time");
        complaints.push(format!("\n{name}: connections were not kept alive, {lost}"));
    }
    if side.wrong + side.failed > 0 {
        complaints.push(format!(
            "\n{name}: {}, {}; the first:",
            count(side.wrong, "wrong answer"),
            count(side.failed, "failed operation")
        ));
        complaints.extend(side.error_samples.iter().map(|text| format!("  {text}")));
    } else if side.verified == 0 {
        complaints.push(format!("\n{name}: not one operation ended"));
    }
    complaints
}

fn count(number: impl TryInto<u64>, what: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
