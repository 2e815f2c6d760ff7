//! Holds the house in shape: reads the sources and fails where they leave ARCHITECTURE.md's plan.
//!
//! The tables stand here, the rules in `architecture/rules.rs`. The last tests prove on small
//! samples that each rule can fail.

#![expect(
    clippy::expect_used,
    reason = "a source that cannot be read fails the test"
)]

#[path = "architecture/rules.rs"]
mod rules;
#[path = "architecture/source.rs"]
mod source;

use std::path::Path;

use rules::Table;
use source::Source;

/// Room → rooms it may use. Each may use itself.
const ROOMS: Table<'static> = &[
    (
        "front",
        &[
            "session", "callers", "clients", "registry", "audit", "metrics", "traces", "mcp",
            "channel", "in_place", "lanes", "pieces", "limits",
        ],
    ),
    (
        "session",
        &[
            "backend", "routing", "store", "callers", "registry", "metrics", "mcp", "channel",
            "lanes", "limits",
        ],
    ),
    ("callers", &["watch", "files", "limits"]),
    ("clients", &[]),
    ("example", &["limits"]),
    (
        "backend",
        &[
            "registry", "metrics", "mcp", "channel", "in_place", "lanes", "pieces", "limits",
        ],
    ),
    ("routing", &["mcp", "limits"]),
    ("store", &["mcp", "limits", "files"]),
    ("registry", &["mcp", "limits"]),
    ("mcp", &["limits", "every"]),
    // Not rooms, but files that rooms stand on.
    ("limits", &[]),
    (
        "config",
        &[
            "registry",
            "callers",
            "audit",
            "metrics",
            "telemetry",
            "traces",
            "limits",
        ],
    ),
    (
        "console",
        &["config", "registry", "callers", "files", "limits"],
    ),
    ("telemetry", &["every"]),
    ("audit", &["mcp", "files", "limits"]),
    ("metrics", &["mcp"]),
    ("traces", &["mcp", "metrics", "limits"]),
    ("watch", &["limits"]),
    ("channel", &["in_place", "limits"]),
    ("every", &[]),
    ("in_place", &[]),
    ("lanes", &[]),
    ("pieces", &[]),
    ("files", &[]),
];

/// What puts the rooms together may use all of them.
const FREE: [&str; 3] = ["app", "main", "lib"];

/// Crate → rooms that may name it. Crates without a row are free.
const CRATES: Table<'static> = &[
    ("warp", &["front"]),
    ("utoipa", &["front"]),
    ("utoipa_swagger_ui", &["front"]),
    ("tokio_rustls", &["front"]),
    ("webpki", &["front"]),
    ("ractor", &["session"]),
    ("reqwest", &["backend", "callers", "console", "traces"]),
    ("opentelemetry", &["traces"]),
    ("opentelemetry_sdk", &["traces"]),
    ("opentelemetry_otlp", &["traces"]),
    ("opentelemetry_http", &["traces"]),
    ("hyper_rustls", &["backend"]),
    ("tower_service", &["backend"]),
    ("tokio_retry", &["backend"]),
    ("sse_stream", &["backend"]),
    ("h2", &["backend"]),
    ("httpdate", &["backend"]),
    ("sea_orm", &["store"]),
    ("sea_query_sqlx", &["store"]),
    ("migrations", &["store"]),
    ("chacha20poly1305", &["store"]),
    ("jsonwebtoken", &["callers"]),
    ("prometheus", &["metrics"]),
    ("serde_yaml", &["registry", "callers"]),
    ("clap", &["app", "main", "config"]),
    ("clap_complete", &["config"]),
    ("indicatif", &["console"]),
];

/// Rooms without I/O, clocks and async.
const PURE: [&str; 3] = ["routing", "clients", "mcp"];

/// Files outside the adapters that may look at an era, and why.
const ERA_EXCEPTIONS: [(&str, &str); 3] = [
    ("src/front/mcp.rs", "picks the era of a client's request"),
    ("src/backend/open.rs", "picks the era of a backend"),
    ("src/front/api/sessions.rs", "shows people the era's name"),
];

/// Files that may ask the wall clock, and what for.
const CLOCK_EXCEPTIONS: [(&str, &str); 11] = [
    ("src/session/clock.rs", "when a session was made and used"),
    ("src/front/api/sessions.rs", "shows people those times"),
    (
        "src/backend/link.rs",
        "how old what was stored of a backend is",
    ),
    (
        "src/backend/transport/streamable_http.rs",
        "a Retry-After may be a date",
    ),
    (
        "src/backend/transport/streamable_http/retry_after.rs",
        "the same",
    ),
    ("src/telemetry/safe.rs", "when a line was written"),
    ("src/audit.rs", "when a request had ended"),
    ("src/audit/writing.rs", "the same"),
    ("src/watch.rs", "whether a file has changed"),
    ("src/callers/keys.rs", "when a key was made"),
    ("src/callers/tokens.rs", "when a token expires"),
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn breaches(rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    let sources = source::read_all(package(), "src");
    assert!(sources.len() > 1, "no sources found");
    sources.iter().flat_map(rule).collect()
}

fn assert_none(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn a_room_uses_only_what_is_right_of_it_or_below_it() {
    assert_none(&breaches(|source| rules::rooms(source, ROOMS, &FREE)));
}

#[test]
fn a_crate_is_named_only_in_its_rooms() {
    assert_none(&breaches(|source| rules::crates(source, CRATES)));
}

#[test]
fn pure_rooms_do_no_io_and_read_no_clock() {
    assert_none(&breaches(|source| rules::purity(source, &PURE)));
}

#[test]
fn deadlines_do_not_jump_with_the_wall_clock() {
    let rule = |source: &Source| rules::clocks(source, &CLOCK_EXCEPTIONS);
    assert_none(&breaches(rule));
    let sample = "use std::time::SystemTime;\nlet due = SystemTime::now() + wait;\n";
    assert_eq!(lines("src/backend/call.rs", sample, rule), [1, 2]);
}

#[test]
fn only_adapters_look_at_an_era() {
    assert_none(&breaches(|source| rules::eras(source, &ERA_EXCEPTIONS)));
}

#[test]
fn no_file_is_too_long_to_read() {
    assert_none(&breaches(rules::length));
}

#[test]
fn names_say_what_a_thing_is() {
    assert_none(&breaches(rules::words));
}

#[test]
fn nothing_unwraps_outside_tests() {
    assert_none(&breaches(rules::panics));
}

#[test]
fn every_dependency_has_a_reason() {
    for manifest in ["Cargo.toml", "migrations/Cargo.toml"] {
        let text = std::fs::read_to_string(package().join(manifest)).expect("a manifest");
        assert!(text.contains("dependencies]"), "{manifest}");
        assert_none(&rules::reasons(manifest, &text));
    }
}

#[test]
fn every_path_the_architecture_page_names_exists() {
    let page = package().join("ARCHITECTURE.md");
    if page.exists() {
        let page = std::fs::read_to_string(page).expect("a readable page");
        assert_none(&rules::paths(&page, package()));
    }
}

/// The lines a rule complains about in a sample.
fn lines(path: &str, text: &str, rule: impl Fn(&Source) -> Vec<String>) -> Vec<usize> {
    let complaints = rule(&Source::new(path, text));
    let line = |complaint: &String| complaint.split(':').nth(1)?.parse().ok();
    complaints.iter().filter_map(line).collect()
}

#[test]
fn the_room_rule_sees_every_way_to_reach_a_room() {
    let rule = |source: &Source| rules::rooms(source, ROOMS, &FREE);
    let sample = "use crate::session::Session;\n\
        use crate::{mcp::version, store};\n\
        fn f() { crate::backend::open(); }\n\
        // crate::store\n\
        const TEXT: &str = \"crate::store\";\n\
        use crate::{\n    front::{page, store},\n    routing,\n};\n\
        #[cfg(test)]\nmod tests { use crate::store; }\n";
    assert_eq!(lines("src/front/page.rs", sample, rule), [2, 3, 8]);
    assert_eq!(lines("src/app.rs", sample, rule), [0; 0]);
    assert_eq!(lines("src/mcp.rs", "use super::store;", rule), [1]);
    assert_eq!(lines("src/mcp/name.rs", "use super::store;", rule), [0; 0]);
    assert_eq!(
        lines("src/mcp/name.rs", "\nuse super::super::store;", rule),
        [2]
    );
    assert_eq!(lines("src/attic.rs", "", rule), [1], "a room without a row");
}

#[test]
fn the_crate_rule_sees_paths_and_imports() {
    let rule = |source: &Source| rules::crates(source, CRATES);
    let sample = "use warp::Filter;\n#[derive(clap::Parser)]\nstruct S;\nlet warp = 1;\nuse reqwest;\n\
        fn f() { crate::clap::x(); ::sea_orm::y(); }\n";
    assert_eq!(lines("src/session.rs", sample, rule), [1, 2, 5, 6]);
    assert_eq!(lines("src/front/api.rs", sample, rule), [2, 5, 6]);
}

#[test]
fn the_purity_rule_sees_waiting_and_clocks() {
    let rule = |source: &Source| rules::purity(source, &PURE);
    let sample = "async fn f() {}\nuse std::time::Duration;\nlet t = Instant::now();\n";
    assert_eq!(lines("src/routing/route.rs", sample, rule), [1, 3]);
    assert_eq!(lines("src/session.rs", sample, rule), [0; 0]);
}

#[test]
fn the_era_rule_sees_comparisons_but_not_what_is_carried() {
    let rule = |source: &Source| rules::eras(source, &ERA_EXCEPTIONS);
    let sample = "fn f(revision: Revision, era: Era) -> Option<Revision> {\n\
        if era == Era::Modern {}\n\
        if revision >= Revision::V2025_06_18 {}\n\
        let all = Revision::ALL; Revision::from_str(x);\n\
        match revision.era() {}\n\
        x == \"2026-07-28\"; y == \"on 2026-07-28\";\n\
        call.is_modern()\n";
    assert_eq!(lines("src/session.rs", sample, rule), [2, 3, 5, 6, 7]);
    for free in [
        "src/front/mcp/legacy.rs",
        "src/backend/modern/listen.rs",
        "src/front/mcp.rs",
    ] {
        assert_eq!(lines(free, sample, rule), [0; 0], "{free}");
    }
    let idle = "fn f() {}";
    assert_eq!(
        lines("src/front/mcp.rs", idle, rule),
        [1],
        "an exception nobody needs"
    );
}

#[test]
fn the_other_rules_see_what_they_forbid() {
    let long = "\n".repeat(401);
    assert_eq!(lines("src/app.rs", &long, rules::length).len(), 1);
    assert_eq!(lines("src/app.rs", &long[1..], rules::length).len(), 0);

    let named = "use hyper_util::rt;\nstruct PoolManager;\nfn to_upstream() {}\nlet utility = 1;\nmod util;\n\
        struct X { helper: tracing_subscriber::util::Y }\n";
    assert_eq!(lines("src/app.rs", named, rules::words), [2, 3, 5, 6]);

    let unwrapping = "#[expect(lint)]\nfn f() { x.unwrap(); }\nfn g() { x.unwrap_or(1).expect(\"\"); }\n\
        #[cfg(test)]\nmod tests { fn h() { x.unwrap(); } }\nfn i() { x.unwrap() }\n";
    assert_eq!(lines("src/app.rs", unwrapping, rules::panics), [2, 3, 6]);

    let page = "`Cargo.toml`, `src/{lib,no_such}.rs`, `src/lib.rs` and `std::fs`, `tests/*.rs`, `no_such.md`";
    let missing = rules::paths(page, package());
    assert_eq!(missing.len(), 2, "{missing:?}");
}

#[test]
fn a_file_declared_for_tests_is_a_test() {
    let mut sources = [
        Source::new(
            "src/front.rs",
            "#[cfg(test)]\npub(crate) mod fixture;\nmod page;",
        ),
        Source::new("src/front/fixture.rs", "fn f() { x.unwrap(); }"),
        Source::new("src/front/fixture/deep.rs", "fn f() { x.unwrap(); }"),
        Source::new("src/front/page.rs", "fn f() { x.unwrap(); }"),
    ];
    source::mark_tests(&mut sources);
    let breaches = sources.map(|source| rules::panics(&source).len());
    assert_eq!(breaches, [0, 0, 0, 1]);
}

#[test]
fn the_reader_tells_code_from_text() {
    let sample = "let a = 'x'; let b: &'static str = r#\"crate::store \"quoted\" \"#;\n\
        let c = '\\''; /* crate::store\n */ let d = \"\\\" crate::store\"; use crate::store;\n";
    let rule = |source: &Source| rules::rooms(source, ROOMS, &FREE);
    assert_eq!(lines("src/front/page.rs", sample, rule), [3]);
}

#[test]
fn the_rule_of_reasons_sees_every_kind_of_dependency() {
    let sample = "[package]\nname = \"x\"\n[dependencies]\n# Why.\na = \"1\"\nb = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\nc.workspace = true\n[dev-dependencies]\n# Why.\nd = { }\n";
    let told = rules::reasons("m", sample);
    assert_eq!(told, ["m:6: `b` has no reason", "m:8: `c` has no reason"]);
}
