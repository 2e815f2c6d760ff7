//! The commands that speak with a gateway that runs: what they print, and how they end.

use std::process::{Command, Output};

use crate::world::{FakeBackend, Gateway};

mod entries;
mod help;
mod imports;
mod mistakes;
mod programs;
mod sessions;
mod terminal;

/// A command's end: its code, standard output and standard error.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// Runs a command against a gateway, with these variables and no others.
fn run(gateway: &Gateway, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let url = gateway.url("");
    let output: Output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .args(arguments)
        .current_dir(gateway.folder())
        .env_clear()
        .env("MCP_GATEWAY_URL", url)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Runs one that ends well.
fn done(gateway: &Gateway, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let ended = run(gateway, arguments, variables);
    assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
    ended
}

/// A text without what differs from run to run: ids, times, ports, and states that come and go.
fn lasting(gateway: &Gateway, text: &str, id: &str) -> String {
    let text = text.replace(id, "ID").replace(&gateway.url(""), "URL");
    let word = |word: &str| match word {
        "idle" | "connecting" | "ready" => "STATE".to_owned(),
        word if word.starts_with("20") && word.len() == 10 => "DATE".to_owned(),
        word if word.ends_with('Z') && word.contains(':') => "TIME".to_owned(),
        word => word.to_owned(),
    };
    let line = |line: &str| {
        line.split_whitespace()
            .map(word)
            .collect::<Vec<_>>()
            .join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn gateway(backend: &FakeBackend) -> Gateway {
    Gateway::setup()
        .provider("docs", backend)
        .provider_with("vault", backend, "auth: { type: bearer }")
        .start()
}
