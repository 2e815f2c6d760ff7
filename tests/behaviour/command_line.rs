//! The program as a person starts it: what it prints, and how it ends.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::world::{Client, FakeBackend, Gateway, eventually};

/// Runs the program to its end in a folder of its own.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .output()
        .unwrap()
}

fn folder_with(registry: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("registry.yaml"), registry).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_right_registry_passes_the_check() {
    let folder = folder_with("providers:\n  docs:\n    url: http://127.0.0.1:9/mcp\n");
    let output = run(folder.path(), &["check"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        text(&output.stdout),
        "registry.yaml: 1 provider, no mistakes\n"
    );
}

#[test]
fn a_mistake_in_the_registry_is_told_with_its_place_and_stops_the_start() {
    let folder =
        folder_with("providers:\n  docs:\n    url: http://127.0.0.1:9/mcp\n    timeout: 3s\n");
    for arguments in [&["check"][..], &["serve", "--port=0"], &["--port=0"]] {
        let output = run(folder.path(), arguments);
        assert!(!output.status.success(), "{output:?}");
        let error = text(&output.stderr);
        assert!(error.contains("registry.yaml:4:"), "{error}");
        assert!(error.contains("providers.docs.timeout"), "{error}");
        assert!(error.contains("timeouts"), "the remedy: {error}");
    }
    assert!(!folder.path().join("gateway.db").exists());
}

#[tokio::test]
async fn check_with_connect_tries_every_provider_and_prints_a_table() {
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let folder = folder_with(&format!(
        "providers:\n  old:\n    url: {}\n    timeouts: {{ connect: 5m, handshake: 5m }}\n  new:\n    url: {}\n    timeouts: {{ connect: 5m, handshake: 5m }}\n  down:\n    url: http://127.0.0.1:9/mcp\n    retries: {{ attempts: 0 }}\n  locked:\n    url: {}\n    auth: {{ type: bearer }}\n",
        legacy.url(),
        modern.url(),
        legacy.url(),
    ));
    let path = folder.path().to_owned();
    let output = tokio::task::spawn_blocking(move || run(&path, &["check", "--connect"]))
        .await
        .unwrap();
    assert!(!output.status.success(), "one provider is down");
    let printed = text(&output.stdout);
    let line = |name: &str| {
        let found = printed.lines().find(|line| line.starts_with(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {printed}"))
            .to_owned()
    };
    assert!(line("old").contains("2025-11-25"), "{printed}");
    assert!(line("new").contains("2026-07-28"), "{printed}");
    assert!(
        line("down").contains("failed") && line("down").contains("refused"),
        "{printed}"
    );
    assert!(line("locked").contains("skipped"), "{printed}");
}

#[test]
fn an_address_in_use_is_a_clear_end() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = folder_with("providers:\n  docs:\n    url: http://127.0.0.1:9/mcp\n");
    let output = run(folder.path(), &["--port", &port]);
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(error.contains(&port) && error.contains("--port"), "{error}");
}

#[test]
fn the_help_explains_flags_and_variables() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--help"]);
    assert!(output.status.success());
    let help = text(&output.stdout);
    for word in [
        "HOST",
        "PORT",
        "DATABASE_URL",
        "REGISTRY_PATH",
        "GATEWAY_SECRET_KEY",
        "LOG_FORMAT",
        "LOG_LEVEL",
        "--call-timeout",
        "--retry-attempts",
        "sqlite://gateway.db?mode=rwc",
    ] {
        assert!(help.contains(word), "{word} is not in {help}");
    }
}

#[test]
fn a_database_url_that_is_refused_does_not_show_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://u:hunter2@127.0.0.1/db";
    let joined = format!("--database-url={url}");
    for arguments in [
        &["--database-url", url][..],
        &[&joined],
        &["check", &joined],
    ] {
        assert_url_is_refused_in_secret(&run(folder.path(), arguments));
    }
    let by_variable = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .current_dir(folder.path())
        .env_clear()
        .env("DATABASE_URL", url)
        .output()
        .unwrap();
    assert_url_is_refused_in_secret(&by_variable);
}

fn assert_url_is_refused_in_secret(output: &Output) {
    assert!(!output.status.success(), "{output:?}");
    let printed = text(&output.stderr) + &text(&output.stdout);
    assert!(printed.contains("--database-url"), "{printed}");
    assert!(printed.contains("sqlite://gateway.db"), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_registry_that_cannot_be_read_tells_why_once() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--port=0"][..], &["check"]] {
        let output = run(folder.path(), arguments);
        assert!(!output.status.success(), "{output:?}");
        let error = text(&output.stderr);
        assert_eq!(error.matches("No such file").count(), 1, "{error}");
        assert!(error.contains("--registry"), "{error}");
    }
}

#[test]
fn a_wrong_flag_names_itself_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["--connect-timeout", "3"]);
    assert!(!output.status.success());
    let error = text(&output.stderr);
    assert!(
        error.contains("--connect-timeout") && error.contains("3s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::plain(&session.endpoint);
    let call = tokio::spawn(async move {
        client
            .open("tools/call", r#"{"name":"it.wait","arguments":{}}"#)
            .await
            .finish()
            .await
    });
    backend
        .until("the call", |it| it.requests_of("tools/call").len() == 1)
        .await;
    gateway.ask_to_stop();
    eventually("the first signal is heard", async || {
        gateway.logs().contains("stopping on SIGTERM")
    })
    .await;
    gateway.ask_to_stop();
    assert_eq!(gateway.wait_for_end().code(), Some(130));
    call.abort();
}
