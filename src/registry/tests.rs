//! What a registry file may say. How its mistakes are told stands in `tests/mistakes.rs`.

mod mistakes;

use std::{fs, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};

use super::*;
use crate::mcp::version::Revision;

/// The file as shipped.
const SHIPPED: &str = include_str!("../../registry.yaml");

fn nothing(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Registry, RegistryError> {
    Registry::parse(text, Path::new("r.yaml"), &Defaults::default(), &nothing)
}

/// Checks a provider named `a`, with the given lines below its URL from line 4 on.
fn with_lines(lines: &str) -> Result<Registry, RegistryError> {
    parse(&format!(
        "providers:\n  a:\n    url: https://a.example/mcp\n{lines}"
    ))
}

fn mistakes(outcome: Result<Registry, RegistryError>) -> Vec<Finding> {
    match outcome {
        Err(RegistryError::Mistakes(mistakes)) => mistakes.as_slice().to_vec(),
        other => panic!("expected mistakes, got {other:?}"),
    }
}

#[test]
fn the_shipped_file_has_three_providers_that_work_without_a_credential() {
    let registry = parse(SHIPPED).unwrap();
    let names: Vec<_> = registry.names().map(BackendName::as_str).collect();
    assert_eq!(names, ["huggingface", "aws_knowledge_base", "langgraphmcp"]);
    assert!(
        registry
            .iter()
            .all(|provider| !provider.auth.must_be_brought())
    );
    assert_eq!(
        registry.get("huggingface").unwrap().url.as_str(),
        "https://huggingface.co/mcp"
    );
    assert_eq!(registry.get("huggingface").unwrap().auth.kind(), "bearer");
    assert!(registry.warnings().is_empty());
}

#[test]
fn every_entry_that_is_commented_out_in_the_shipped_file_is_correct() {
    let all: String = SHIPPED
        .lines()
        .map(|line| match line.strip_prefix("  # ") {
            Some(entry) => format!("  {entry}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    let registry = parse(&all).unwrap();
    assert!(registry.len() > 15, "{}", registry.len());
    assert!(registry.warnings().is_empty());
    assert!(
        registry
            .iter()
            .all(|provider| provider.description.is_some())
    );
    let is_local = |provider: &&Arc<ProviderSpec>| provider.url.scheme() == "http";
    let local: Vec<_> = registry
        .iter()
        .filter(is_local)
        .map(|p| p.name.as_str())
        .collect();
    assert_eq!(local, ["everything"]);
}

#[test]
fn an_entry_with_everything_is_read_to_the_last_field() {
    let registry = Registry::parse(
        "providers:
  internal_search:
    url: https://mcp.example.com/mcp?tools=a,b
    description: Search
    auth: { type: api_key, header: X-Search-Key, default: env:SEARCH_KEY, obtain: https://a.example/keys }
    headers: { x-team: search }
    timeouts: { connect: 1s, handshake: 2s, idle: 3s, call: 4m }
    retries: { attempts: 0, base: 50ms, max: 1s }
    protocol: 2025-11-25
",
        Path::new("r.yaml"),
        &Defaults::default(),
        &|name| (name == "SEARCH_KEY").then(|| "s3cret".to_owned()),
    )
    .unwrap();
    let provider = registry.get("internal_search").unwrap();
    assert_eq!(provider.url.query(), Some("tools=a,b"));
    assert_eq!(provider.description.as_deref(), Some("Search"));
    assert_eq!(
        provider.auth.default_secret().unwrap().expose_secret(),
        "s3cret"
    );
    assert!(!provider.auth.must_be_brought());
    let page = provider.auth.obtain().map(url::Url::as_str);
    assert_eq!(page, Some("https://a.example/keys"));
    let AuthSpec::ApiKey {
        header, required, ..
    } = &provider.auth
    else {
        panic!("{:?}", provider.auth);
    };
    assert_eq!((header.as_str(), required), ("x-search-key", &true));
    assert_eq!(provider.headers["x-team"], "search");
    assert!(provider.headers["x-team"].is_sensitive());
    let seconds = Duration::from_secs;
    let timeouts = Timeouts {
        connect: seconds(1),
        handshake: seconds(2),
        idle: seconds(3),
        call: seconds(240),
    };
    assert_eq!(provider.timeouts, timeouts);
    let retries = Retries {
        attempts: 0,
        base: Duration::from_millis(50),
        max: seconds(1),
    };
    assert_eq!(provider.retries, retries);
    assert_eq!(provider.protocol, Protocol::Pinned(Revision::V2025_11_25));
    assert!(!format!("{registry:?}").contains("s3cret"));
}

#[test]
fn what_an_entry_leaves_out_is_the_default() {
    let registry = with_lines("    timeouts: { call: 1m }\n    retries: { base: 5s }\n").unwrap();
    let provider = registry.get("a").unwrap();
    let defaults = Defaults::default();
    assert_eq!(provider.timeouts.connect, defaults.timeouts.connect);
    assert_eq!(provider.timeouts.call, Duration::from_mins(1));
    assert_eq!(provider.retries.attempts, defaults.retries.attempts);
    assert_eq!(provider.retries.max, provider.retries.base);
    assert!(matches!(provider.auth, AuthSpec::None));
    assert_eq!(provider.protocol, Protocol::Auto);
    assert!(registry.get("b").is_none());
}

#[test]
fn an_alias_is_followed_and_a_loop_of_them_ends() {
    let registry = parse(
        "providers:
  a: &a { url: \"https://h/mcp\", timeouts: &t { idle: 9s } }
  b: *a
  c: { url: \"https://i/mcp\", timeouts: *t }
",
    )
    .unwrap();
    assert_eq!(registry.get("b").unwrap().url.host_str(), Some("h"));
    assert_eq!(
        registry.get("c").unwrap().timeouts.idle,
        Duration::from_secs(9)
    );
    assert_eq!(mistakes(parse("providers: &a { x: *a }\n")).len(), 1);
}

#[test]
fn a_default_that_cannot_be_had_is_a_warning_and_the_session_must_bring_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    fs::write(folder.path().join("good"), "from_file\r\n").unwrap();
    fs::write(folder.path().join("forged"), "a\nb: c\n").unwrap();
    let entry = |name: &str, default: &str| {
        format!(
            "  {name}: {{ url: \"https://h/\", auth: {{ type: bearer, default: \"{default}\" }} }}\n"
        )
    };
    let text = [
        "providers:\n".to_owned(),
        entry("good", "file:good"),
        entry("absent", "file:absent"),
        entry("forged", "file:forged"),
        entry("unset", "env:UNSET"),
        entry("blank", "env:BLANK"),
        entry("named", "env:NAMED"),
    ];
    fs::write(&path, text.concat()).unwrap();
    let environment = |name: &str| match name {
        "BLANK" => Some(String::new()),
        "NAMED" => Some("from_environment".to_owned()),
        _ => None,
    };
    let registry = Registry::load(&path, &Defaults::default(), &environment).unwrap();

    let default = |name| {
        registry
            .get(name)?
            .auth
            .default_secret()
            .map(SecretString::expose_secret)
    };
    assert_eq!(default("good"), Some("from_file"));
    assert_eq!(default("named"), Some("from_environment"));
    for (name, line, problem) in [
        ("absent", 3, "cannot be read"),
        ("forged", 4, "cannot carry"),
        ("unset", 5, "UNSET is not set"),
        ("blank", 6, "BLANK is not set"),
    ] {
        assert_eq!(default(name), None, "{name}");
        assert!(registry.get(name).unwrap().auth.must_be_brought(), "{name}");
        let field = format!("providers.{name}.auth.default");
        let warning = registry
            .warnings()
            .iter()
            .find(|warning| warning.field == field);
        let warning = warning.unwrap_or_else(|| panic!("{name}: {:?}", registry.warnings()));
        assert_eq!(warning.line, line);
        assert!(warning.problem.contains(problem), "{warning}");
    }
    assert_eq!(registry.warnings().len(), 4);
}

#[test]
fn a_credential_sent_in_the_clear_is_a_warning_except_on_this_machine() {
    let warnings = |url: &str| {
        let text = format!("providers:\n  a:\n    url: {url}\n    auth: {{ type: bearer }}\n");
        parse(&text).unwrap().warnings().len()
    };
    assert_eq!(warnings("http://mcp.example.com/mcp"), 1);
    for url in [
        "https://h/mcp",
        "http://localhost:1/mcp",
        "http://127.0.0.1/",
        "http://[::1]/",
    ] {
        assert_eq!(warnings(url), 0, "{url}");
    }
}

#[test]
fn a_file_that_is_absent_or_huge_is_told_with_the_flag_that_names_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.yaml");
    let load = || Registry::load(&path, &Defaults::default(), &nothing).unwrap_err();
    let absent = load();
    assert!(matches!(absent, RegistryError::Unreadable { .. }));
    assert!(absent.to_string().contains("--registry"), "{absent}");
    fs::write(&path, " ".repeat(limits::REGISTRY_BYTES_MAX + 1)).unwrap();
    let huge = load();
    assert!(matches!(huge, RegistryError::TooLarge { .. }));
    assert!(huge.to_string().contains("1048576 bytes"), "{huge}");
}

#[test]
fn where_a_credential_is_had_is_a_page_that_a_browser_opens() {
    for (auth, problem) in [
        (
            "type: bearer, obtain: \"javascript:alert(1)\"",
            "is not an http",
        ),
        (
            "type: bearer, obtain: https://me:pw@a.example/",
            "is not an http",
        ),
        ("type: bearer, obtain: keys", "is not an http"),
        (
            "type: api_key, obtain: \"https://a.example/ x\"",
            "white space",
        ),
        ("type: none, obtain: https://a.example/", "has no meaning"),
    ] {
        let found = mistakes(with_lines(&format!("    auth: {{ {auth} }}\n")));
        assert_eq!(found.len(), 1, "{auth}");
        let told = found[0].to_string();
        assert!(
            told.contains(problem) && told.contains("providers.a.auth.obtain"),
            "{told}"
        );
        assert!(!told.contains("pw@"), "{told}");
    }
    let found = with_lines("    auth: { type: api_key, obtain: \"http://wiki/keys#mcp\" }\n");
    let provider = Arc::clone(found.unwrap().get("a").unwrap());
    assert_eq!(
        provider.auth.obtain().unwrap().as_str(),
        "http://wiki/keys#mcp"
    );
}
