//! What is printed: tables and colours on a terminal, JSON for programs, notes on standard error.

use std::io::{self, Write as _};

use console::{StyledObject, measure_text_width, pad_str, style};
use serde_json::Value;

use super::Failure;

/// Spaces between two columns.
const GAP: &str = "  ";

/// Rows below titles, lined up.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these titles.
    pub(crate) fn new(titles: &[&str]) -> Self {
        let titles = titles.iter().map(|title| style(title).bold().to_string());
        Self {
            rows: vec![titles.collect()],
        }
    }

    /// Adds a row: a cell a title.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The text; no line ends in spaces.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| measure_text_width(cell))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths);
            let cells = cells.map(|(cell, width)| {
                pad_str(cell, *width, console::Alignment::Left, None).into_owned()
            });
            let cells: Vec<String> = cells.collect();
            format!("{}\n", cells.join(GAP).trim_end())
        };
        self.rows.iter().map(line).collect()
    }
}

/// A text that somebody else wrote, as one line without what moves a terminal's cursor.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let plain = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(plain).collect()
}

/// The state of a connection, in its colour.
pub(super) fn state(word: &str) -> String {
    let styled: StyledObject<&str> = style(word);
    match word {
        "ready" => styled.green(),
        "refused" => styled.red(),
        "waiting" => styled.yellow(),
        _ => styled.dim(),
    }
    .to_string()
}

/// Writes to standard output.
///
/// # Errors
///
/// When it takes nothing.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout();
    let written = out.write_all(text.as_bytes());
    written.and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes JSON to standard output.
///
/// # Errors
///
/// As [`print`].
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Tells people; with standard error gone there is nobody to tell.
pub(super) fn note(text: &str) {
    let _nobody_left = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_lines_up_and_shows_no_control_characters() {
        console::set_colors_enabled(false);
        let mut table = Table::new(&["server", "state", "says"]);
        table.row(vec!["日本".to_owned(), state("ready"), shown(&Value::Null)]);
        let said = shown(&json!("\u{1b}[2Jgone\r\n"));
        table.row(vec!["github".to_owned(), state("refused"), said]);
        assert_eq!(
            table.text(),
            "server  state    says\n\
             日本    ready\n\
             github  refused   [2Jgone\n"
        );
    }
}
