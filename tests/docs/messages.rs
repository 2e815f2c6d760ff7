//! Holds the guide to troubleshooting to the messages of the program: what it quotes is said, and what is said is there.

use std::{fs, path::Path};

use crate::{between, text};

const PAGE: &str = "docs/troubleshooting.md";

/// Where what people read is written: refusals, and why something cannot be.
const SAID: [&str; 14] = [
    "src/backend/error.rs",
    "src/callers/error.rs",
    "src/callers/tokens/fetching.rs",
    "src/console/failure.rs",
    "src/front/body.rs",
    "src/front/tls.rs",
    "src/mcp/failure.rs",
    "src/mcp/message.rs",
    "src/registry/auth.rs",
    "src/session/describe.rs",
    "src/session/patch.rs",
    "src/store/error.rs",
    "src/store/key.rs",
    "src/store/sealing.rs",
];

/// All that the sources say, with a mark in place of what differs from case to case.
fn said(source: &str) -> String {
    // A text may go on in the next line, behind a backslash.
    let mut lines = String::new();
    for line in source.lines() {
        let line = line.trim();
        if let Some(part) = line.strip_suffix('\\') {
            lines.push_str(part);
        } else {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    let mut said = String::new();
    let mut rest = lines.as_str();
    while let Some((before, behind)) = rest.split_once('{') {
        said.push_str(before);
        let Some((inside, after)) = behind.split_once('}') else {
            break;
        };
        if inside.contains(['{', '\n', ' ']) {
            said.push('{');
            rest = behind;
        } else {
            said.push('…');
            rest = after;
        }
    }
    said + rest
}

fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            all += &fs::read_to_string(path).unwrap();
        }
    }
    all
}

/// The messages that the page quotes.
fn quoted() -> Vec<String> {
    let mut column = None;
    let mut quoted = Vec::new();
    for line in text(PAGE).lines() {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if !line.starts_with('|') {
            column = None;
        } else if let Some(found) = cells.iter().position(|cell| *cell == "Message") {
            column = Some(found);
        } else if let Some(column) = column.filter(|_| !line.starts_with("| ---")) {
            let codes = cells[column].split('`').skip(1).step_by(2);
            quoted.extend(codes.map(str::to_owned));
        }
    }
    quoted
}

/// The text that begins here, as it stands in the source.
fn literal(source: &str) -> Option<&str> {
    let inside = source.strip_prefix('"')?;
    let ends = |(index, _): &(usize, &str)| !inside[..*index].ends_with('\\');
    let end = inside.match_indices('"').find(ends)?.0;
    Some(&inside[..end])
}

#[test]
fn each_message_that_is_quoted_is_one_of_ours() {
    let said = said(&sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")));
    let quoted = quoted();
    assert!(quoted.len() > 100, "{} messages", quoted.len());
    let foreign: Vec<_> = quoted.iter().filter(|one| !said.contains(*one)).collect();
    assert!(foreign.is_empty(), "nobody says {foreign:#?}");
}

#[test]
fn each_message_of_ours_stands_there() {
    let quoted = quoted();
    let mut missing = Vec::new();
    for file in SAID {
        let said = said(&text(file));
        let attributes = said.split("#[error(").skip(1);
        for message in attributes.filter_map(|rest| literal(rest.trim_start())) {
            // Without words of its own it is told by its cause, which has some.
            let has_words = message.chars().filter(|c| c.is_alphabetic()).count() > 3;
            if has_words && !quoted.iter().any(|one| message.contains(one.as_str())) {
                missing.push(format!("{file}: {message}"));
            }
        }
    }
    assert!(missing.is_empty(), "{PAGE} does not tell {missing:#?}");
    let codes = between(&text("src/mcp/error.rs"), "i64 = -310", ";").len();
    let told = text(PAGE).matches("| `-310").count();
    assert_eq!((codes, told), (5, 5), "the gateway's own codes");
}
