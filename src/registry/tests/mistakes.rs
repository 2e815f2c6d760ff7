//! How each mistake in a registry file is told: its place, its field, its remedy.

use super::*;

/// Asserts that the file has exactly one mistake, with this place, path and parts of its message.
#[track_caller]
fn assert_mistake(
    outcome: Result<Registry, RegistryError>,
    (line, column): (usize, usize),
    field: &str,
    problem: &str,
    remedy: &str,
) {
    let found = mistakes(outcome);
    let [mistake] = found.as_slice() else {
        panic!("expected one mistake, got {found:#?}");
    };
    assert_eq!((mistake.line, mistake.column), (line, column), "{mistake}");
    assert_eq!(mistake.field, field, "{mistake}");
    assert!(mistake.problem.contains(problem), "{mistake}");
    assert!(mistake.remedy.contains(remedy), "{mistake}");
    assert!(!mistake.to_string().contains('\n'), "{mistake}");
}

#[test]
fn text_that_is_not_yaml_is_told_with_its_line() {
    let found = mistakes(parse("providers:\n  a:\n   url: x\n  \tb: y\n"));
    assert_eq!(found[0].line, 4, "{}", found[0]);
    assert!(found[0].remedy.contains("indent with spaces"));
    let found = mistakes(with_lines("    auth: !env a\n"));
    assert_eq!((found[0].line, found[0].column), (4, 11), "{}", found[0]);
}

#[test]
fn a_file_without_providers_is_refused() {
    assert_mistake(
        parse(""),
        (1, 1),
        "",
        "has no fields",
        "start with providers:",
    );
    assert_mistake(
        parse("- a\n"),
        (1, 1),
        "",
        "has no fields",
        "start with providers:",
    );
    assert_mistake(
        parse("providers:\n"),
        (1, 1),
        "providers",
        "is empty",
        "add at least one",
    );
    assert_mistake(
        parse("providers: {}\n"),
        (1, 1),
        "providers",
        "is empty",
        "add at least one",
    );
}

#[test]
fn an_unknown_field_is_told_with_the_one_that_was_meant() {
    let unknown = "is not a known field";
    let outcome = with_lines("    timeout: { call: 1m }\n");
    assert_mistake(
        outcome,
        (4, 5),
        "providers.a.timeout",
        unknown,
        "did you mean timeouts?",
    );
    let outcome = with_lines("    retries: { atempts: 1 }\n");
    assert_mistake(
        outcome,
        (4, 16),
        "providers.a.retries.atempts",
        unknown,
        "mean attempts?",
    );
    let outcome = with_lines("    command: npx\n");
    let known = "known fields are url, description, auth, headers, timeouts, retries, protocol";
    assert_mistake(outcome, (4, 5), "providers.a.command", unknown, known);
    let outcome = with_lines("    auth: { type: none, \"to\\nken\": x }\n");
    assert_mistake(
        outcome,
        (4, 25),
        "providers.a.auth.to\\nken",
        unknown,
        "type, header",
    );
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let outcome = with_lines("  b: { url: \"http://b\" }\n  a: { url: \"http://c\" }\n");
    assert_mistake(outcome, (5, 3), "providers.a", "is there twice", "keep one");
    let outcome = with_lines("    headers:\n      x-a: b\n      X-A: c\n");
    assert_mistake(
        outcome,
        (6, 7),
        "providers.a.headers.X-A",
        "is there twice",
        "keep one",
    );
}

#[test]
fn a_provider_name_that_could_not_stand_before_a_tool_is_refused() {
    let outcome = parse("providers:\n  a.b: { url: \"http://b\" }\n");
    assert_mistake(
        outcome,
        (2, 3),
        "providers.a.b",
        "not '.'",
        "internal_search",
    );
    let outcome = parse("providers:\n  a__b: { url: \"http://b\" }\n");
    assert_mistake(
        outcome,
        (2, 3),
        "providers.a__b",
        "no '__'",
        "internal_search",
    );
}

#[test]
fn an_address_that_cannot_be_an_endpoint_is_refused_and_not_repeated() {
    let outcome = parse("providers:\n  a: { auth: { type: none } }\n");
    assert_mistake(outcome, (2, 3), "providers.a.url", "is missing", "https://");
    for (url, problem) in [
        ("ftp://h/mcp", "is not an http or https address"),
        ("mcp.example.com/hunter2", "is not a URL"),
        ("https://u:hunter2@h/mcp", "a user name or a password"),
        ("https://hunter2@h/mcp", "a user name or a password"),
        ("https://h/mcp#hunter2", "a fragment"),
        ("'https://h/ hunter2'", "white space"),
        ("https://h:99999/hunter2", "is not a URL"),
        ("7", "is not a text"),
    ] {
        let outcome = parse(&format!("providers:\n  a:\n    url: {url}\n"));
        assert!(
            !outcome
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("hunter2")
        );
        assert_mistake(outcome, (3, 10), "providers.a.url", problem, "");
    }
}

#[test]
fn a_time_or_count_out_of_bounds_is_told_with_its_bounds() {
    for (value, problem) in [
        ("3", "not a duration"),
        ("1h", "out of bounds"),
        ("[]", "not a duration"),
    ] {
        let outcome = with_lines(&format!("    timeouts:\n      connect: {value}\n"));
        let found = mistakes(outcome);
        assert_eq!((found.len(), found[0].line), (1, 5));
        assert_eq!(found[0].field, "providers.a.timeouts.connect");
        assert!(found[0].problem.contains(problem), "{}", found[0]);
        assert!(found[0].remedy.contains("from 10ms to 5m"), "{}", found[0]);
    }
    for value in ["11", "-1", "many", "1.5"] {
        let outcome = with_lines(&format!("    retries: {{ attempts: {value} }}\n"));
        assert_mistake(
            outcome,
            (4, 26),
            "providers.a.retries.attempts",
            "is ",
            "from 0 to 10",
        );
    }
    let outcome = with_lines("    retries: { base: 3s, max: 2s }\n");
    assert_mistake(
        outcome,
        (4, 22),
        "providers.a.retries.base",
        "longer than max",
        "at most max",
    );
}

#[test]
fn an_auth_that_makes_no_sense_is_refused() {
    let auth = |auth: &str| with_lines(&format!("    auth: {auth}\n"));
    assert_mistake(
        auth("{}"),
        (4, 5),
        "providers.a.auth.type",
        "is missing",
        "bearer or api_key",
    );
    assert_mistake(
        auth("bearer"),
        (4, 11),
        "providers.a.auth",
        "has no fields",
        "name: value",
    );
    assert_mistake(
        auth("{ type: oauth }"),
        (4, 19),
        "providers.a.auth.type",
        "no kind of credential",
        "none, bearer or api_key",
    );
    assert_mistake(
        auth("{ type: bearer, header: x-key }"),
        (4, 35),
        "providers.a.auth.header",
        "no meaning with type: bearer",
        "Authorization",
    );
    assert_mistake(
        auth("{ type: none, default: env:A }"),
        (4, 34),
        "providers.a.auth.default",
        "no meaning with type: none",
        "bearer or api_key",
    );
    assert_mistake(
        auth("{ type: bearer, required: \"yes\" }"),
        (4, 37),
        "providers.a.auth.required",
        "neither true nor false",
        "write true",
    );
    assert_mistake(
        auth("{ type: api_key, header: Authorization }"),
        (4, 36),
        "providers.a.auth.header",
        "type: bearer",
        "x-api-key",
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for value in ["hunter2", "\"Bearer hunter2\"", "\"env:hunter2!\""] {
        let outcome = with_lines(&format!("    auth: {{ type: bearer, default: {value} }}\n"));
        assert!(
            !outcome
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("hunter2")
        );
        let remedy = "env:NAME or file:PATH";
        assert_mistake(
            outcome,
            (4, 36),
            "providers.a.auth.default",
            "must not stand",
            remedy,
        );
    }
}

#[test]
fn a_header_of_http_or_mcp_or_with_forged_lines_is_refused() {
    let headers = |headers: &str| with_lines(&format!("    headers: {{ {headers} }}\n"));
    for name in [
        "Authorization",
        "Host",
        "content-type",
        "Mcp-Session-Id",
        "Cookie",
    ] {
        let path = format!("providers.a.headers.{name}");
        assert_mistake(
            headers(&format!("{name}: x")),
            (4, 16),
            &path,
            "",
            "leave it out",
        );
    }
    let ascii = "visible ASCII";
    let path = "providers.a.headers.x-a";
    assert_mistake(
        headers("x-a: \"b\\r\\nc: d\""),
        (4, 21),
        path,
        "cannot carry",
        ascii,
    );
    assert_mistake(
        headers("x-a: 7"),
        (4, 21),
        path,
        "is not a text",
        "in quotes",
    );
    let path = "providers.a.headers.x a";
    assert_mistake(
        headers("x a: b"),
        (4, 16),
        path,
        "no header's name",
        "letters",
    );
    let outcome = with_lines("    auth: { type: api_key }\n    headers: { X-API-Key: a }\n");
    let path = "providers.a.headers.X-API-Key";
    assert_mistake(
        outcome,
        (5, 16),
        path,
        "carries the API key",
        "leave it out here",
    );
}

#[test]
fn a_revision_that_does_not_exist_is_told_with_those_that_do() {
    let outcome = with_lines("    protocol: 2025-01-01\n");
    let known = "auto, or one of 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25, 2026-07-28";
    assert_mistake(
        outcome,
        (4, 15),
        "providers.a.protocol",
        "no revision",
        known,
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_the_file_each_in_a_line() {
    let error = parse(
        "providers:
  a:
    url: ftp://h
    auth: { type: magic }
  b_:
    uri: https://h/mcp
    timeouts: { idle: 1 }
version: 2
",
    )
    .unwrap_err();
    let text = error.to_string();
    let starts: Vec<_> = text
        .lines()
        .map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        starts,
        [
            "r.yaml:3:10 providers.a.url",
            "r.yaml:4:19 providers.a.auth.type",
            "r.yaml:5:3 providers.b_",
            "r.yaml:5:3 providers.b_.url",
            "r.yaml:6:5 providers.b_.uri",
            "r.yaml:7:23 providers.b_.timeouts.idle",
            "r.yaml:8:1 version",
        ],
        "{text}"
    );
    let many = "version: 1\n".repeat(100);
    assert_eq!(mistakes(parse(&many)).len(), limits::REGISTRY_MISTAKES_MAX);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_check_panic_or_its_messages_break_a_line(
        pieces in proptest::collection::vec(
            proptest::sample::select(&[
                "providers:", "\n", "  ", " ", "a:", "url:", "auth:", "https://h", "{", "}", "[", "]", ",",
                "&a", "*a", "!t", "!!int", "|", ">", "'", "\"", "\\", "#", "---", "<<:", "~", "1", "true",
                "\t", "\r", "\0", "\u{1b}", "\u{feff}", "ä", "? ", "- ", ": ", "%", "@", "default: env:A",
            ][..]),
            0..40,
        )
    ) {
        let text = pieces.concat();
        if let Err(RegistryError::Mistakes(mistakes)) = parse(&format!("providers:\n  a: {text}")) {
            for mistake in mistakes.as_slice() {
                let message = mistake.to_string();
                proptest::prop_assert!(!message.contains(char::is_control), "{message:?}");
                proptest::prop_assert!(mistake.line > 0 && mistake.column > 0, "{message}");
            }
        }
    }
}
