//! Holds README.md, the guides and the packages to the program: what can be set, asked or met stands there, as it is.

#![expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests say what must hold by unwrapping it, and what they left out"
)]

#[path = "docs/guides.rs"]
mod guides;
#[path = "docs/messages.rs"]
mod messages;
#[path = "docs/packages.rs"]
mod packages;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "docs/profile.rs"]
mod profile;
#[path = "docs/program.rs"]
mod program;

use std::{collections::HashSet, path::Path, process::Command};

use mcp_gateway::{
    front::api,
    limits,
    registry::{AuthSpec, Defaults, Registry},
};

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of README's tables.
fn rows() -> Vec<String> {
    let readme = text("README.md");
    readme
        .lines()
        .filter(|line| line.starts_with('|'))
        .map(str::to_owned)
        .collect()
}

/// Fails unless one row has all these words, each as code.
fn assert_row(words: &[&str]) {
    let has = |row: &String| words.iter().all(|word| row.contains(&format!("`{word}`")));
    assert!(rows().iter().any(has), "no row of README has {words:?}");
}

/// The fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = text("README.md");
    let fence = format!("```{language}\n");
    let behind = readme.split(fence.as_str()).skip(1);
    behind
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// What stands between two marks, once for each time they do.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let behind = text.split(before).skip(1);
    behind.filter_map(|rest| rest.split(after).next()).collect()
}

/// The mistakes of a provider's entry that has this line, in words.
fn mistakes(line: &str) -> String {
    let file = format!("providers:\n  a:\n    url: http://127.0.0.1/mcp\n    {line}\n");
    let outcome = Registry::parse(&file, Path::new("r"), &Defaults::default(), &|_| None);
    outcome.unwrap_err().to_string()
}

#[test]
fn every_flag_stands_there_with_its_variable_and_its_default() {
    let help = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .arg("--help")
        .env_clear()
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = between(&help, "\n      --", "\n      --");
    assert!(flags.len() > 15, "{help}");
    for block in flags {
        let flag = format!("--{}", block.split_whitespace().next().unwrap());
        let mut words = vec![flag.as_str()];
        words.extend(between(block, "[env: ", "]").iter().map(|variable| {
            let end = variable.find('=').unwrap_or(variable.len());
            &variable[..end]
        }));
        // A default in words, such as the key file's, is none that could be written.
        let defaults = between(block, "[default: ", "]");
        words.extend(defaults.iter().filter(|default| !default.contains(' ')));
        assert_row(&words);
    }
    let (_, unflagged) = help.split_once("without a flag:\n").unwrap();
    let variables = unflagged.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split("  ").next()?;
        name.starts_with(|first: char| first.is_ascii_uppercase())
            .then_some(name)
    });
    assert_eq!(variables.clone().count(), 10, "{unflagged}");
    variables.for_each(|variable| assert_row(&[variable]));
}

#[test]
fn every_route_stands_there_with_its_methods() {
    let rows = rows();
    let codes = rows
        .iter()
        .flat_map(|row| row.split('`').skip(1).step_by(2));
    let shown: HashSet<(&str, &str)> = codes
        .filter_map(|code| code.rsplit_once(' '))
        .flat_map(|(methods, path)| methods.split(", ").map(move |method| (method, path)))
        .collect();
    for route in api::ROUTES {
        let methods = route.allow.split(", ").filter(|method| *method != "HEAD");
        for method in methods {
            let is_shown = shown.contains(&(method, route.template));
            assert!(is_shown, "no row of README has {method} {}", route.template);
        }
    }
}

#[test]
fn every_field_of_the_registry_stands_there() {
    for (line, path) in [
        ("nothing_like_it: 1", ""),
        ("timeouts: { nothing_like_it: 1s }", "timeouts."),
        ("retries: { nothing_like_it: 1s }", "retries."),
        ("auth: { type: none, nothing_like_it: 1 }", "auth."),
    ] {
        let told = mistakes(line);
        let (_, fields) = told.split_once("known fields are ").unwrap();
        for field in fields.lines().next().unwrap().split(", ") {
            // It has rows for what is in it.
            if !matches!(field, "auth" | "timeouts" | "retries") {
                assert_row(&[&format!("{path}{field}")]);
            }
        }
    }
    assert_row(&[&["auth.type"], &AuthSpec::KINDS[..2]].concat());
    let told = mistakes("protocol: nothing");
    let (_, revisions) = told.split_once("one of ").unwrap();
    let revisions: Vec<&str> = revisions.split(", ").collect();
    assert_row(&[&["protocol", "auto"], &revisions[..]].concat());
}

#[test]
fn every_code_the_gateway_answers_with_stands_there() {
    let source = text("src/mcp/error.rs");
    let codes = between(&source, "i64 = ", ";");
    assert!(codes.len() > 10, "{codes:?}");
    for code in codes {
        let row = format!("| `{code}` |");
        assert!(rows().iter().any(|line| line.starts_with(&row)), "{row}");
    }
}

/// A number of bytes as README writes it.
fn in_bytes(bytes: usize) -> String {
    match bytes / 1024 {
        kib if kib % 1024 == 0 => format!("{} MiB", kib / 1024),
        kib => format!("{kib} KiB"),
    }
}

macro_rules! named {
    ($show:ident: $($limit:ident),+ $(,)?) => {
        vec![$((stringify!($limit), $show!(limits::$limit))),+]
    };
}
macro_rules! count {
    ($limit:expr) => {
        $limit.to_string()
    };
}
macro_rules! span {
    ($limit:expr) => {
        humantime::format_duration($limit).to_string()
    };
}
macro_rules! size {
    ($limit:expr) => {
        in_bytes($limit)
    };
}
macro_rules! backlog {
    ($limit:expr) => {
        format!("{}, {}", $limit.messages, in_bytes($limit.bytes))
    };
}

/// The limits that are plain numbers.
fn limits_that_count() -> Vec<(&'static str, String)> {
    named![count:
        EXCHANGES_PER_SESSION_MAX,
        MCP_SESSIONS_PER_SESSION_MAX,
        LISTENERS_PER_MCP_SESSION_MAX,
        BACKEND_LISTENERS_MAX,
        PRESENCE_LOOKS_MAX,
        ACTIVITY_KEPT,
        ACTIVITY_WATCHERS_MAX,
        WAITING_CALLS_MAX,
        SESSIONS_MAX,
        SESSIONS_PER_CALLER_MAX,
        TOKENS_SEEN_MAX,
        KEY_SET_WAITERS_MAX,
        REHYDRATED_MAX,
        RUSH,
        CONNECTED_LATER_MAX,
        LIST_PAGES_MAX,
        LIST_ITEMS_MAX,
        BACKEND_REQUESTS_MAX,
        INPUT_ROUNDS_MAX,
        QUESTIONS_PER_MCP_SESSION_MAX,
        PARKED_PER_SESSION_MAX,
        SUBSCRIBERS_PER_SESSION_MAX,
        SUBSCRIPTIONS_MAX,
        BATCH_MAX,
        STREAMS_PER_MCP_SESSION_MAX,
        STREAM_EVENTS_MAX,
        RESUMPTIONS_MAX,
        DEPTH_MAX,
        SHOWN_CHARS_MAX,
        INSTRUCTIONS_CHARS_MAX,
        ANSWER_DEPTH_MAX,
        RETRY_BUDGET_SHARE,
        RETRY_BUDGET_FLOOR,
        RETRY_BUDGET_MAX,
        REPLIES_IN_FLIGHT_MAX,
        TOOL_PATTERNS_MAX,
        TOOL_PATTERN_CHARS_MAX,
        AUDIT_QUEUE_MAX,
        AUDIT_FILES_MAX,
        AUDIT_REFUSALS_MAX,
        SPANS_WAITING_MAX,
        TRACE_STATE_BYTES_MAX
    ]
}

#[test]
fn limits_are_what_it_says() {
    let spans = named![span:
        PRESENCE_KEPT,
        PRESENCE_AWAY_KEPT,
        LIST_DEADLINE,
        RETRY_AFTER_MAX,
        BREAKER_PAUSE,
        BREAKER_PAUSE_MAX,
        SILENT_CHANGE_PAUSE,
        KEEP_ALIVE_INTERVAL,
        KEY_SET_PAUSE,
        REQUEST_STATE_TTL,
        STREAM_HELD,
        AUDIT_REFUSALS_WITHIN,
        SPANS_SENT_WITHIN,
        SPANS_LOST_TOLD
    ];
    let sizes = named![size:
        ANSWER_BYTES_MAX,
        EVENT_BYTES_MAX,
        STREAMED_ABOVE_BYTES,
        REGISTRY_BYTES_MAX,
        CALLERS_BYTES_MAX,
        KEY_SET_BYTES_MAX,
        HEADER_VALUE_BYTES_MAX,
        STREAM_BYTES_MAX,
        CLIENT_DESCRIPTION_BYTES_MAX,
        DISCOVERY_BYTES_MAX,
        LIST_BYTES_MAX,
        ANNOUNCEMENT_BYTES_MAX,
        OUTBOX_BYTES_MAX,
        QUESTIONS_BYTES_MAX,
        ANSWER_READ_BYTES_MAX,
        BAGGAGE_BYTES_MAX
    ];
    let backlogs =
        named![backlog: EVENTS_IN_FLIGHT, CHANGES_IN_FLIGHT, HEARD_IN_FLIGHT, NOTICES_IN_FLIGHT];
    for (name, value) in [limits_that_count(), spans, sizes, backlogs].concat() {
        let end = format!("| {value} | `{name}` |");
        assert!(rows().iter().any(|row| row.ends_with(&end)), "{end}");
    }
}

#[test]
fn every_feature_has_the_tests_it_names() {
    let readme = text("README.md");
    let (_, features) = readme
        .split_once("### Features, pairings and their tests")
        .expect("a section of features");
    let (features, _) = features.split_once("\n## ").expect("a section after it");
    let named: Vec<&str> = between(features, "`", "`")
        .into_iter()
        .filter(|name| name.contains("::"))
        .collect();
    assert!(named.len() > 100, "{} tests are named", named.len());
    for name in named {
        let (file, test) = name.rsplit_once("::").expect("a file and a test");
        let file = format!("tests/behaviour/{}.rs", file.replace("::", "/"));
        let is_there = text(&file).contains(&format!("async fn {test}("));
        assert!(is_there, "{file} has no test {test}");
    }
}

/// The file and the name of a test as SECURITY.md names it: a whole path, or one in `tests/behaviour/`.
fn test_of(name: &str) -> (String, &str) {
    let (file, test) = name.rsplit_once("::").unwrap();
    if Path::new(file).extension().is_some() {
        (file.to_owned(), test)
    } else {
        let file = file.replace("::", "/");
        (format!("tests/behaviour/{file}.rs"), test)
    }
}

#[test]
fn every_promise_of_the_security_page_has_the_tests_it_names() {
    let page = text("SECURITY.md");
    let (_, tables) = page
        .split_once("## Promises and their tests")
        .expect("a section of promises");
    let rows = tables.lines().filter(|line| line.starts_with("| "));
    let rows = rows.filter(|row| !row.starts_with("| ---") && !row.contains("| Tests |"));
    let rows: Vec<&str> = rows.collect();
    assert!(rows.len() > 40, "{} promises", rows.len());
    for row in rows {
        let proof = row.rsplit(" | ").next().unwrap();
        let named: Vec<&str> = between(proof, "`", "`")
            .into_iter()
            .filter(|name| name.contains("::"))
            .collect();
        assert!(!named.is_empty(), "no test of: {row}");
        for name in named {
            let (file, test) = test_of(name);
            let is_there = text(&file).contains(&format!("fn {test}("));
            assert!(is_there, "{file} has no test {test}");
        }
    }
}

#[test]
fn its_examples_can_be_read() {
    let json = blocks("json");
    assert!(json.len() > 5);
    for block in json {
        let read: Result<serde_json::Value, _> = serde_json::from_str(&block);
        assert!(read.is_ok(), "{read:?}: {block}");
    }
    let yaml = blocks("yaml");
    assert_eq!(yaml.len(), 1);
    for block in yaml {
        let path = Path::new("README.md");
        let read = Registry::parse(&block, path, &Defaults::default(), &|_| None);
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn what_it_links_to_exists() {
    let readme = text("README.md");
    let headings: Vec<String> = readme
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
            title
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect();
    for link in between(&readme, "](", ")") {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(headings.iter().any(|heading| heading == anchor), "{link}"),
            None => assert!(
                Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(),
                "{link}"
            ),
        }
    }
}
