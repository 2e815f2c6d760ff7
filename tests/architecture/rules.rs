//! The rules, each a function from sources to what breaks it.

use std::path::Path;

use crate::source::{Kind, Source, Token, starts_with};

/// The most lines a file of `src/` may have.
const LINES_MAX: usize = 400;

/// Parts of identifiers that say nothing about what a thing is.
const EMPTY_WORDS: [&str; 6] = [
    "upstream",
    "downstream",
    "manager",
    "helper",
    "util",
    "utils",
];

/// A table of the house: a name, and the rooms that belong to it.
pub(crate) type Table<'a> = &'a [(&'a str, &'a [&'a str])];

fn row<'a>(table: Table<'a>, name: &str) -> Option<&'a [&'a str]> {
    let row = table.iter().find(|(room, _)| *room == name)?;
    Some(row.1)
}

fn breach(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path)
}

/// A room uses only the rooms that its row allows.
pub(crate) fn rooms(source: &Source, allowed: Table<'_>, free: &[&str]) -> Vec<String> {
    let room = source.room();
    if free.contains(&room) {
        return Vec::new();
    }
    let Some(may_use) = row(allowed, room) else {
        return vec![breach(
            source,
            1,
            &format!("`{room}` has no row in the table of rooms"),
        )];
    };
    let mut breaches = Vec::new();
    for (line, used) in used_rooms(source) {
        let is_room = row(allowed, &used).is_some() || free.contains(&used.as_str());
        if is_room && used != room && !may_use.contains(&used.as_str()) {
            breaches.push(breach(source, line, &format!("`{room}` uses `{used}`")));
        }
    }
    breaches
}

/// What follows `crate::`, or as many `super::` as lead to the root.
fn used_rooms(source: &Source) -> Vec<(usize, String)> {
    let tokens = source.product();
    let mut used = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index..];
        if token.is("crate") && starts_with(&rest[1..], &["::"]) {
            used.extend(first_names(&rest[2..]));
        } else if token.is("super") && !ends_in_super(&tokens[..index]) {
            let steps = rest
                .chunks(2)
                .take_while(|pair| starts_with(pair, &["super", "::"]))
                .count();
            if steps >= source.depth() {
                used.extend(first_names(&rest[2 * steps..]));
            }
        }
    }
    used
}

fn ends_in_super(tokens: &[Token]) -> bool {
    matches!(tokens, [.., before, colons] if before.is("super") && colons.is("::"))
}

/// The name that stands here, or the first name of each entry of the group that stands here.
fn first_names(tokens: &[Token]) -> Vec<(usize, String)> {
    let entry = |token: &Token| Some((token.line, token.word()?.to_owned()));
    if !starts_with(tokens, &["{"]) {
        return tokens.first().and_then(entry).into_iter().collect();
    }
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut is_first = false;
    for token in tokens {
        match &token.kind {
            Kind::Sign("{") => {
                depth += 1;
                is_first = depth == 1;
            }
            Kind::Sign("}") if depth == 1 => break,
            Kind::Sign("}") => depth -= 1,
            Kind::Sign(",") => is_first = depth == 1,
            _ if is_first => {
                names.extend(entry(token));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

/// A crate is named only in the rooms that its row allows.
pub(crate) fn crates(source: &Source, allowed: Table<'_>) -> Vec<String> {
    let tokens = source.product();
    let mut breaches = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let Some(name) = token.word() else { continue };
        let Some(rooms) = row(allowed, name) else {
            continue;
        };
        let before = index.checked_sub(1).map(|before| &tokens[before]);
        let is_path = starts_with(&tokens[index + 1..], &["::"])
            && !before.is_some_and(|before| {
                before.is("::") && index >= 2 && tokens[index - 2].word().is_some()
            });
        let is_import = before.is_some_and(|before| before.is("use"));
        if (is_path || is_import) && !rooms.contains(&source.room()) {
            let what = format!("`{}` names the crate `{name}`", source.room());
            breaches.push(breach(source, token.line, &what));
        }
    }
    breaches
}

/// A room of pure thought does no I/O, reads no clock and is not async.
pub(crate) fn purity(source: &Source, pure_rooms: &[&str]) -> Vec<String> {
    const IMPURE: [&str; 8] = [
        "async",
        "await",
        "tokio",
        "fs",
        "net",
        "Instant",
        "SystemTime",
        "env",
    ];
    if !pure_rooms.contains(&source.room()) {
        return Vec::new();
    }
    let product = source.product();
    let impure = product
        .iter()
        .filter(|token| IMPURE.iter().any(|word| token.is(word)));
    impure
        .map(|token| {
            let word = token.word().unwrap_or_default();
            breach(
                source,
                token.line,
                &format!("`{}` is pure, but says `{word}`", source.room()),
            )
        })
        .collect()
}

/// Only these files ask the wall clock, which people and networks set: deadlines must not jump with it.
pub(crate) fn clocks(source: &Source, excepted: &[(&str, &str)]) -> Vec<String> {
    if excepted.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let product = source.product();
    let asks = product.iter().filter(|token| token.is("SystemTime"));
    asks.map(|token| breach(source, token.line, "asks the wall clock"))
        .collect()
}

/// Only adapters, and the places where an era is picked, look at a revision or an era.
pub(crate) fn eras(source: &Source, excepted: &[(&str, &str)]) -> Vec<String> {
    let is_adapter = |part: &str| matches!(part.trim_end_matches(".rs"), "legacy" | "modern");
    let looks = source.path.split('/').any(is_adapter) || source.path == "src/mcp/version.rs";
    let breaches = if looks {
        Vec::new()
    } else {
        looks_at_eras(source)
    };
    let exception = excepted.iter().find(|(path, _)| *path == source.path);
    match exception {
        None => breaches,
        Some(_) if !breaches.is_empty() => Vec::new(),
        Some(_) => vec![breach(
            source,
            1,
            "is excepted from the era rule without need",
        )],
    }
}

fn looks_at_eras(source: &Source) -> Vec<String> {
    let tokens = source.product();
    let mut breaches = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index..];
        let looks = match &token.kind {
            Kind::Literal(text) => names_a_revision(text),
            Kind::Word(word) if word == "Era" => starts_with(&rest[1..], &["::"]),
            Kind::Word(word) if word == "Revision" => {
                starts_with(&rest[1..], &["::"])
                    && rest.get(2).and_then(Token::word).is_some_and(is_constant)
            }
            Kind::Word(word) => matches!(word.as_str(), "is_modern" | "is_legacy"),
            Kind::Sign(".") => starts_with(rest, &[".", "era", "("]),
            _ => false,
        };
        if looks {
            breaches.push(breach(source, token.line, "looks at an era or a revision"));
        }
    }
    breaches
}

/// `V2025_11_25` or `LATEST_LEGACY`, but not `ALL`, a function or a type.
fn is_constant(name: &str) -> bool {
    name != "ALL" && !name.chars().any(char::is_lowercase)
}

/// Says whether a text is a revision's date: `20dd-dd-dd`.
fn names_a_revision(text: &str) -> bool {
    text.len() == 10
        && text.starts_with("20")
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

/// A file can be read in one pass.
pub(crate) fn length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if lines <= LINES_MAX {
        return Vec::new();
    }
    let what = format!("{lines} lines; {LINES_MAX} are the most");
    vec![breach(source, lines, &what)]
}

/// Names of ours say what a thing is. A part of a path may be a crate's, and is named elsewhere.
pub(crate) fn words(source: &Source) -> Vec<String> {
    let tokens = &source.tokens;
    let mut breaches = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let Some(name) = token.word() else { continue };
        let follows_path = index > 0 && tokens[index - 1].is("::");
        if follows_path || starts_with(&tokens[index + 1..], &["::"]) {
            continue;
        }
        let empty = |part: &String| EMPTY_WORDS.contains(&part.as_str());
        if let Some(word) = parts(name).into_iter().find(empty) {
            let what = format!("`{name}`: not `{word}`");
            breaches.push(breach(source, token.line, &what));
        }
    }
    breaches
}

/// The words of an identifier, in lower case.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for character in identifier.chars() {
        if character == '_' || (character.is_uppercase() && was_lower) {
            parts.push(String::new());
        }
        was_lower = character.is_lowercase();
        if let Some(part) = parts.last_mut().filter(|_| character != '_') {
            part.extend(character.to_lowercase());
        }
    }
    parts
}

/// Outside tests a failure is handled.
pub(crate) fn panics(source: &Source) -> Vec<String> {
    let tokens = source.product();
    let mut breaches = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index..];
        if starts_with(rest, &[".", "unwrap", "("]) || starts_with(rest, &[".", "expect", "("]) {
            breaches.push(breach(source, token.line, "unwraps outside a test"));
        }
    }
    breaches
}

/// Every path a page names in backquotes exists below the package.
pub(crate) fn paths(page: &str, package: &Path) -> Vec<String> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| is_path(text))
        .flat_map(alternatives)
        .filter(|path| {
            !package
                .join(path.split('*').next().unwrap_or(path))
                .exists()
        })
        .map(|path| format!("names `{path}`, which does not exist"))
        .collect()
}

fn is_path(text: &str) -> bool {
    const FOLDERS: [&str; 5] = ["src/", "tests/", "benches/", "migrations/", ".ci/"];
    const FILES: [&str; 5] = [".rs", ".md", ".toml", ".yaml", ".lock"];
    !text.contains(char::is_whitespace)
        && !text.contains("::")
        && (FOLDERS.iter().any(|folder| text.starts_with(folder))
            || FILES
                .iter()
                .any(|file| text.len() > file.len() && text.ends_with(file)))
}

/// `a/{b,c}.rs` stands for `a/b.rs` and `a/c.rs`.
fn alternatives(path: &str) -> Vec<String> {
    let group = path
        .split_once('{')
        .and_then(|(head, rest)| Some((head, rest.split_once('}')?)));
    match group {
        Some((head, (choices, tail))) => choices
            .split(',')
            .flat_map(|choice| alternatives(&format!("{head}{choice}{tail}")))
            .collect(),
        None => vec![path.to_owned()],
    }
}

/// Every dependency of a manifest has its reason on the line above it.
pub(crate) fn reasons(manifest: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut is_dependency = false;
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        if let Some(section) = line.strip_prefix('[') {
            is_dependency = section.trim_end().ends_with("dependencies]");
        } else if is_dependency && line.contains('=') && !before.starts_with("# ") {
            let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
            let line = index + 1;
            breaches.push(format!("{manifest}:{line}: `{name}` has no reason"));
        }
        before = line;
    }
    breaches
}
