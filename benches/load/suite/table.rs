//! The suite's outcome as a person reads it: tables that a terminal shows and Markdown takes as they are.

use super::scenario::Scenario;
use super::{Holding, Outcome, Row};
use crate::report::SideReport;
use crate::side::Kind;

const COLUMNS: [&str; 11] = [
    "side",
    "ops/s",
    "× direct",
    "× nginx",
    "p50 ms",
    "p99 ms",
    "CPU µs",
    "×",
    "MiB",
    "errors",
    "must be",
];

/// Prints the scenarios and the options of each.
#[expect(clippy::print_stdout, reason = "the list is what was asked for")]
pub(super) fn list(scenarios: &[Scenario], holdings: &[&str]) {
    for scenario in scenarios {
        println!("{}", scenario.name);
        for step in &scenario.steps {
            println!("    {}", step.line);
        }
    }
    for name in holdings {
        println!("{name}");
    }
}

/// Prints the outcome on standard output.
#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
pub(super) fn print(outcome: &Outcome) {
    if !outcome.origin.release {
        println!("debug build: these figures say nothing about the product\n");
    }
    for line in sides(&outcome.rows) {
        println!("{line}");
    }
    if !outcome.holdings.is_empty() {
        println!();
    }
    for line in holdings(&outcome.holdings) {
        println!("{line}");
    }
    let verdicts = outcome.rows.iter().flat_map(|row| &row.verdicts);
    let of_holdings = outcome
        .holdings
        .iter()
        .filter_map(|one| one.verdict.as_ref());
    let known: Vec<_> = verdicts
        .chain(of_holdings)
        .filter_map(|one| one.is_met)
        .collect();
    let met = known.iter().filter(|is_met| **is_met).count();
    println!("\n{met} of {} demands met", known.len());
    if outcome.rows.iter().all(|row| row.report.is_clean()) {
        println!("every answer was verified and right");
    }
}

/// A line for each side of each scenario.
fn sides(rows: &[Row]) -> Vec<String> {
    let mut cells = vec![COLUMNS.map(str::to_owned).to_vec()];
    for row in rows {
        cells.push(vec![format!("**{}**", row.scenario.name)]);
        let mut ours = row.report.sides.iter();
        let last = ours.rposition(|side| side.kind == Kind::Gateway);
        for (place, side) in row.report.sides.iter().enumerate() {
            let mut line = side_cells(row, side);
            let demands = if Some(place) == last {
                verdicts(row)
            } else {
                String::new()
            };
            line.push(demands);
            cells.push(line);
        }
    }
    if rows.is_empty() {
        Vec::new()
    } else {
        aligned(&cells)
    }
}

fn side_cells(row: &Row, side: &SideReport) -> Vec<String> {
    if side.verified == 0 {
        let failure = side.failure.as_deref().unwrap_or("not one right answer");
        let failure = failure.lines().next().unwrap_or_default();
        let reason = side.error_samples.first().map_or(failure, String::as_str);
        let short: String = reason.chars().take(60).collect();
        let mut cells = vec![side.name.clone(), format!("- ({short})")];
        cells.resize(COLUMNS.len() - 2, "-".to_owned());
        cells.push(side.errors().to_string());
        return cells;
    }
    let known = |figure: Option<f64>, digits: usize| {
        figure.map_or("-".to_owned(), |figure| format!("{figure:.digits$}"))
    };
    let rate = |to: Kind| {
        Some(
            row.report
                .ratios(&side.name, &to.to_string())?
                .throughput
                .median,
        )
    };
    // A gateway that is held against itself has the first setting for nginx.
    let base = match row.report.sides.first() {
        Some(first) if row.scenario.is_growth() => first.name.clone(),
        _ => Kind::Nginx.to_string(),
    };
    let cpu = row.report.ratios(&side.name, &base);
    let cpu = cpu.and_then(|ratios| Some(ratios.cpu?.median));
    vec![
        side.name.clone(),
        format!("{:.0}", side.whole.operations_per_second),
        known(rate(Kind::Direct), 2),
        known(rate(Kind::Nginx), 2),
        format!("{:.2}", side.whole.p50_ms),
        format!("{:.2}", side.whole.p99_ms),
        known(side.whole.cpu.side, 1),
        known(cpu, 2),
        known(side.resident_mib, 0),
        side.errors().to_string(),
    ]
}

/// What the gateway must reach, and whether it does.
fn verdicts(row: &Row) -> String {
    let told = row.verdicts.iter().map(|verdict| {
        let found = verdict
            .found
            .map_or(String::new(), |found| format!(" ({found:.2})"));
        format!("{}: {}{found}", verdict.demand, verdict.word())
    });
    told.collect::<Vec<_>>().join("; ")
}

fn holdings(holdings: &[Holding]) -> Vec<String> {
    let head = ["of the gateway alone", "measured", "", "must be"];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    for holding in holdings {
        let verdict = holding.verdict.as_ref();
        cells.push(vec![
            holding.name.clone(),
            format!("{:.1}", holding.found),
            holding.unit.to_owned(),
            verdict.map_or(String::new(), |verdict| {
                format!("{}: {}", verdict.demand, verdict.word())
            }),
        ]);
    }
    if holdings.is_empty() {
        Vec::new()
    } else {
        aligned(&cells)
    }
}

/// Lines of a table; the first is its head. Rows may be shorter than the head.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    // A row of one cell only is a heading, which must not widen the column.
    let cells = |column: usize| {
        let rows = rows.iter().filter(|row| row.len() > 1);
        rows.filter_map(move |row| row.get(column))
    };
    let width = |column| {
        cells(column)
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        if let [heading] = &row[..] {
            return format!("| {heading} |");
        }
        let cells = widths.iter().enumerate().map(|(column, width)| {
            let cell = row.get(column).map_or("", String::as_str);
            if column == 0 || column + 1 == columns {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let mut lines: Vec<String> = rows.iter().map(line).collect();
    let rule = widths.iter().enumerate().map(|(column, width)| {
        let is_text = column == 0 || column + 1 == columns;
        let dashes = "-".repeat((*width).max(3) - usize::from(!is_text));
        if is_text {
            dashes
        } else {
            format!("{dashes}:")
        }
    });
    let rule = format!("| {} |", rule.collect::<Vec<_>>().join(" | "));
    lines.insert(1.min(lines.len()), rule);
    lines
}
