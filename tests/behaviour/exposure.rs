//! Beyond this machine the gateway serves only callers who are authenticated; and the commands that make it so.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::world::gateway::callers::command;

/// The flags that have it listen on every address.
const EVERYWHERE: [&str; 2] = ["--host=0.0.0.0", "--port=0"];

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = "providers:\n  docs:\n    url: http://127.0.0.1:9/mcp\n";
    std::fs::write(folder.path().join("registry.yaml"), registry).unwrap();
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
pub(crate) fn assert_fails(output: &Output, parts: &[&str]) {
    assert!(
        !output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let told = text(&output.stderr);
    for part in parts {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

/// Starts the gateway, which is not to listen: one that does is ended all the same.
fn refused(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command.args(arguments).current_dir(folder).env_clear();
    refused_by(&mut command)
}

/// The same for a command that has its folder and its arguments.
pub(crate) fn refused_by(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut printed = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    stdout.read_line(&mut printed).unwrap();
    if !printed.is_empty() {
        process.kill().unwrap();
    }
    let output = process.wait_with_output().unwrap();
    assert_eq!(printed, "", "it serves everybody");
    output
}

/// Starts the gateway, and ends it as soon as it listens; gives what it printed first and all that it logged.
fn listens(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (String, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut printed = String::new();
    let mut stdout = BufReader::new(process.stdout.take().unwrap());
    // It ends without a word if it does not start.
    for _ in 0..2 {
        stdout.read_line(&mut printed).unwrap();
    }
    process.kill().unwrap();
    process.wait().unwrap();
    let mut logged = String::new();
    let stderr = process.stderr.as_mut().unwrap();
    stderr.read_to_string(&mut logged).unwrap();
    assert!(
        printed.contains("listening on http://"),
        "{printed}{logged}"
    );
    (printed, logged)
}

#[test]
fn listening_beyond_this_machine_demands_callers_who_are_authenticated() {
    let folder = folder();
    let refused = refused(folder.path(), &EVERYWHERE);
    assert_fails(
        &refused,
        &[
            "0.0.0.0:",
            "keys create",
            "--jwt-issuer",
            "--jwks",
            "127.0.0.1",
            "--insecure",
        ],
    );
    assert!(
        !folder.path().join("gateway.db").exists(),
        "nothing is left behind"
    );

    assert!(
        command(folder.path(), &["keys", "create", "ada"])
            .status
            .success()
    );
    let (printed, logged) = listens(folder.path(), &EVERYWHERE, &[]);
    assert!(printed.contains("callers are authenticated"), "{printed}");
    assert!(!logged.contains("WARN"), "{logged}");
}

#[test]
fn an_authorization_server_is_as_good_as_a_key() {
    let folder = folder();
    std::fs::write(folder.path().join("keys.json"), r#"{"keys": []}"#).unwrap();
    let flags = [
        "--jwt-issuer=https://login.example.com",
        "--jwt-audience=gateway",
        "--jwks=keys.json",
    ];
    let (printed, _) = listens(folder.path(), &[&EVERYWHERE[..], &flags].concat(), &[]);
    assert!(printed.contains("callers are authenticated"), "{printed}");
    for without in 0..3 {
        let mut less = flags.to_vec();
        less.remove(without);
        let refused = command(folder.path(), &[&EVERYWHERE[..], &less].concat());
        assert_fails(&refused, &["--jwt"]);
    }
}

#[test]
fn who_wants_it_open_says_so_and_is_warned() {
    let folder = folder();
    let insecure = [&EVERYWHERE[..], &["--insecure"]].concat();
    for (arguments, variables) in [
        (insecure.as_slice(), &[][..]),
        (&EVERYWHERE, &[("INSECURE", "true")]),
    ] {
        let (_, logged) = listens(folder.path(), arguments, variables);
        assert!(
            logged.contains("WARN") && logged.contains("--insecure"),
            "{logged}"
        );
    }
}

#[test]
fn a_name_that_leads_here_from_elsewhere_is_warned_of() {
    let folder = folder();
    for name in [
        "--allowed-host=mcp.example.com",
        "--public-url=https://mcp.example.com",
    ] {
        let (_, logged) = listens(folder.path(), &["--port=0", name], &[]);
        assert!(
            logged.contains("WARN") && logged.contains("mcp.example.com"),
            "{logged}"
        );
    }
    let (_, logged) = listens(
        folder.path(),
        &["--port=0", "--allowed-host=localhost:80"],
        &[],
    );
    assert!(!logged.contains("WARN"), "{logged}");
    // With callers who are authenticated nothing is wrong with it.
    assert!(
        command(folder.path(), &["keys", "create", "ada"])
            .status
            .success()
    );
    let (_, logged) = listens(
        folder.path(),
        &["--port=0", "--allowed-host=mcp.example.com"],
        &[],
    );
    assert!(!logged.contains("WARN"), "{logged}");
}

#[test]
fn a_callers_file_that_is_wrong_or_was_promised_stops_the_start() {
    let folder = folder();
    let named = command(folder.path(), &["--port=0", "--callers=nowhere.yaml"]);
    assert_fails(
        &named,
        &["nowhere.yaml", "keys create NAME --callers nowhere.yaml"],
    );

    std::fs::write(folder.path().join("callers.yaml"), "keys:\n  - nam: ada\n").unwrap();
    let broken = command(folder.path(), &["--port=0"]);
    assert_fails(&broken, &["callers.yaml:2:", "nam", "keys create"]);
    for verb in [
        &["keys", "list"][..],
        &["keys", "create", "bob"],
        &["keys", "revoke", "bob"],
    ] {
        assert_fails(&command(folder.path(), verb), &["callers.yaml:2:"]);
    }
    let kept = std::fs::read_to_string(folder.path().join("callers.yaml")).unwrap();
    assert_eq!(kept, "keys:\n  - nam: ada\n");
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let folder = folder();
    let keys = |arguments: &[&str]| command(folder.path(), &[&["keys"], arguments].concat());
    assert_eq!(
        text(&keys(&["list"]).stdout).lines().count(),
        1,
        "the heading alone"
    );

    let made = keys(&["create", "ada-laptop", "--caller", "ada"]);
    let key = text(&made.stdout);
    assert!(made.status.success() && key.starts_with("mcpgw_") && key.lines().count() == 1);
    assert!(
        !text(&made.stderr).contains(key.trim()),
        "on standard output alone"
    );
    assert!(keys(&["create", "ops", "--operator"]).status.success());

    let listed = text(&keys(&["list"]).stdout);
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["name", "caller", "role", "created"]);
    assert_eq!(rows[1][..3], ["ada-laptop", "ada", "caller"]);
    assert_eq!(rows[2][..3], ["ops", "ops", "operator"]);

    let again = keys(&["create", "ada-laptop"]);
    assert_fails(&again, &["ada-laptop", "keys revoke ada-laptop"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(keys(&["create", "a b"]).status.code(), Some(2), "no name");

    assert!(keys(&["revoke", "ada-laptop"]).status.success());
    assert_fails(
        &keys(&["revoke", "ada-laptop"]),
        &["no key ada-laptop", "keys list"],
    );
    assert_eq!(text(&keys(&["list"]).stdout).lines().count(), 2);
}

#[test]
fn the_callers_file_may_lie_elsewhere() {
    let (folder, elsewhere) = (folder(), tempfile::tempdir().unwrap());
    let path = elsewhere.path().join("gateway.yaml");
    let flag = format!("--callers={}", path.display());
    assert!(
        command(folder.path(), &["keys", "create", "ada", &flag])
            .status
            .success()
    );
    assert!(path.exists() && !folder.path().join("callers.yaml").exists());
    let variables = [("CALLERS_PATH", path.to_str().unwrap())];
    let (printed, _) = listens(folder.path(), &EVERYWHERE, &variables);
    assert!(printed.contains("callers are authenticated"), "{printed}");
}
