//! The commands that speak with a gateway that runs: what they print, and how they end.

use std::process::{Command, Output};

use serde_json::Value;

use crate::world::{FakeBackend, Gateway, eventually};

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

#[tokio::test]
async fn sessions_are_made_listed_shown_changed_and_deleted() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let empty = done(&gateway, &["session", "list"], &[]);
    assert!(
        empty.out.is_empty() && empty.err.contains("session create"),
        "{}",
        empty.err
    );
    let create = [
        "session",
        "create",
        "docs",
        "vault",
        "--name=Team",
        "--credential=vault=env:VAULT",
    ];
    let made = done(&gateway, &create, &[("VAULT", "S3cr3t")]);
    let id = made.out.trim_end();
    assert!(
        uuid::Uuid::try_parse(id).is_ok(),
        "for a script, the id alone: {}",
        made.out
    );
    assert_eq!(
        lasting(&gateway, &made.err, id),
        "made, at URL/session/ID/mcp\n\
         next, what to paste into a client: mcp-gateway config claude-desktop --session ID"
    );
    let listed = done(&gateway, &["session", "list"], &[]);
    assert_eq!(
        lasting(&gateway, &listed.out, id),
        "session name servers last used\nID Team docs, vault DATE TIME"
    );
    assert!(!listed.out.contains('\u{1b}'), "colours for terminals only");
    let json = done(&gateway, &["session", "list", "--json"], &[]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["sessions"][0]["session_id"], id);

    let edit = ["session", "edit", "Team", "--remove=vault", "--name=Docs"];
    let edited = done(&gateway, &edit, &[]);
    let shown = lasting(&gateway, &edited.out, id);
    // What stands behind the state depends on whether it is connected by now.
    let (shown, _) = shown.split_once("docs STATE").unwrap_or_default();
    assert_eq!(
        shown,
        "session ID\nname Docs\nendpoint URL/session/ID/mcp\nnaming auto\ncreated DATE TIME\n\
         last used DATE TIME\n\nserver state revision tools last error\n"
    );
    let edit = [
        "session",
        "edit",
        "Docs",
        "--allow=docs=e*",
        "--deny=docs=*_x",
        "--idle-expiry=30m",
        "--naming=dot",
    ];
    let edited = done(&gateway, &edit, &[]).out;
    for line in [
        "lives      30m",
        "naming     dot",
        "allow      docs: e*",
        "deny       docs: *_x",
    ] {
        assert!(edited.contains(line), "no {line:?} in {edited}");
    }
    let edit = ["session", "edit", "Docs", "--allow=docs=echo"];
    let edited = done(&gateway, &edit, &[]);
    assert!(edited.err.contains("docs: allow was e*"), "{}", edited.err);
    assert!(
        edited.out.contains("deny       docs: *_x"),
        "{}",
        edited.out
    );
    let edit = [
        "session",
        "edit",
        "Docs",
        "--all-tools=docs",
        "--no-idle-expiry",
    ];
    let edited = done(&gateway, &edit, &[]).out;
    assert!(
        !edited.contains("lives") && !edited.contains("allow"),
        "{edited}"
    );
    let shown = done(&gateway, &["session", "show", &id[..8], "--json"], &[]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(
        (&shown["name"], &shown["session_id"]),
        (&"Docs".into(), &id.into())
    );
    let deleted = done(&gateway, &["session", "delete", "Docs", id, &id[..8]], &[]);
    assert_eq!(deleted.err, format!("deleted {id}\n"));
    assert_eq!(run(&gateway, &["session", "show", id], &[]).code, 5);
}

#[tokio::test]
async fn what_goes_wrong_has_its_code_and_its_remedy() {
    let backend = FakeBackend::legacy().start();
    let open = gateway(&backend);
    let closed = Gateway::setup()
        .provider("docs", &backend)
        .caller("ada")
        .start();
    let secret = "hf_S3cr3t";
    let given = format!("--credential=vault={secret}");
    let absent = "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11";
    for (arguments, code, parts) in [
        (
            &["session", "list", "--url=http://127.0.0.1:9"][..],
            3,
            &["127.0.0.1:9", "refused", "--url"][..],
        ),
        (&["session", "show", absent], 5, &[absent, "session list"]),
        (
            &["session", "delete", "nobody"],
            5,
            &["nobody", "session list"],
        ),
        (
            &["session", "create", "dosc"],
            6,
            &["\"dosc\"", "did you mean docs?"],
        ),
        (&["session", "create", "zzzzzzz"], 6, &["docs, vault"]),
        (
            &["session", "create", "vault"],
            2,
            &["vault needs a credential", "--credential vault=env:NAME"],
        ),
        (
            &[
                "session",
                "create",
                "vault",
                "--credential=vault=env:NOT_SET",
            ],
            2,
            &["NOT_SET is not set"],
        ),
        (
            &["session", "create", "vault", &given],
            2,
            &["env:NAME", "file:PATH"],
        ),
        (
            &["session", "create", "docs", "--allow=docs"],
            2,
            &["--allow docs names no pattern", "docs=search_*"],
        ),
        (&["session", "create"], 2, &["<SERVER>"]),
        (
            &["session", "create", "docs", "--name="],
            6,
            &["name is blank"],
        ),
    ] {
        let ended = run(&open, arguments, &[]);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        for part in parts {
            assert!(
                ended.err.contains(part),
                "{arguments:?}: no {part} in {}",
                ended.err
            );
        }
        assert!(
            ended.out.is_empty() && !ended.err.contains(secret),
            "{}",
            ended.err
        );
    }
    let list = ["session", "list"];
    let refused = run(&closed, &list, &[]);
    assert_eq!(refused.code, 4, "{}", refused.err);
    assert!(refused.err.contains("MCP_GATEWAY_KEY"), "{}", refused.err);
    let key = closed.key("ada");
    assert_eq!(run(&closed, &list, &[("MCP_GATEWAY_KEY", key)]).code, 0);
    std::fs::write(closed.folder().join("key"), format!("{key}\n")).unwrap();
    assert_eq!(
        run(&closed, &["session", "list", "--api-key-file=key"], &[]).code,
        0
    );
    let made = run(
        &closed,
        &["session", "edit", "x"],
        &[("MCP_GATEWAY_KEY", "mcpgw_wrong")],
    );
    assert_eq!(made.code, 4, "{}", made.err);
}

#[tokio::test]
async fn config_prints_an_entry_alone() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let made = done(&gateway, &["session", "create", "docs", "--name=team"], &[]);
    let told = gateway
        .get(&format!("/session/{}/clients", made.out.trim_end()))
        .await;
    let told = told.json();
    for entry in told["clients"].as_array().unwrap() {
        let client = entry["id"].as_str().unwrap().replace('_', "-");
        let printed = done(&gateway, &["config", &client, "--session=team"], &[]);
        let text = entry["entry"].as_str().unwrap().trim_end();
        assert_eq!(printed.out, format!("{text}\n"));
        assert!(printed.err.contains("1. "), "{}", printed.err);
    }
    let json = done(
        &gateway,
        &["config", "codex", "--session=team", "--json"],
        &[],
    );
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["format"], "toml");
    let unknown = run(&gateway, &["config", "curser", "--session=team"], &[]);
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.err.contains("did you mean cursor?"),
        "{}",
        unknown.err
    );
}

#[tokio::test]
async fn the_help_of_a_command_shows_its_own_flags() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    for arguments in [&["session", "create", "--help"][..], &["config", "--help"]] {
        let help = done(&gateway, arguments, &[]).out;
        assert!(
            help.contains("--url") && help.contains("--api-key-file"),
            "{help}"
        );
        assert!(
            !help.contains("--tls-cert") && !help.contains("--call-timeout"),
            "{help}"
        );
    }
    let help = done(&gateway, &["--help"], &[]).out;
    assert!(
        help.contains("--tls-cert") && help.contains("session"),
        "{help}"
    );
}

#[tokio::test]
async fn import_brings_servers_into_the_registry_and_keeps_what_is_there() {
    const SECRET: &str = "hf_S3cr3t";
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let folder = gateway.folder();
    let path = folder.join("registry.yaml");
    let before = format!("# Ours.\n{}", std::fs::read_to_string(&path).unwrap());
    let before = format!("{before}  # the end of ours\n");
    std::fs::write(&path, &before).unwrap();
    let file = format!(
        r#"{{"mcpServers": {{
            // Comments are no mistake.
            "hub": {{"url": "https://hub.example.com/mcp", "headers": {{"Authorization": "Bearer {SECRET}"}}}},
            "docs": {{"url": "https://docs.example.com/mcp"}},
            "same": {{"url": "{}"}},
            "local": {{"command": "uvx", "args": ["mcp-server-git"], "env": {{"TOKEN": "{SECRET}"}}}},
        }}}}"#,
        backend.url()
    );
    std::fs::write(folder.join("mcp.json"), file).unwrap();
    let told = "left out local: it is started by a command and speaks over stdio";
    let put = "into HUB_TOKEN where the gateway is started";
    let entries = "  docs-2:\n    url: https://docs.example.com/mcp\n    auth: { type: none }\n  \
         hub:\n    url: https://hub.example.com/mcp\n    auth: { type: bearer, default: env:HUB_TOKEN }\n";
    let printed = done(&gateway, &["import", "mcp.json"], &[]);
    assert_eq!(printed.out, format!("providers:\n{entries}"));
    let wrote = done(&gateway, &["import", "mcp.json", "--write"], &[]);
    for part in [
        told,
        put,
        "left out same",
        "wrote 2 servers into registry.yaml",
    ] {
        assert!(wrote.err.contains(part), "no {part} in {}", wrote.err);
    }
    let after = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        after,
        format!("{before}\n{entries}"),
        "all that was there, comments, too"
    );
    assert!(
        ![printed.out, printed.err, wrote.err, after]
            .concat()
            .contains(SECRET)
    );
    done(&gateway, &["check"], &[("HUB_TOKEN", SECRET)]);
    let again = done(&gateway, &["import", "mcp.json", "--write"], &[]);
    assert!(again.err.contains("nothing to bring"), "{}", again.err);

    std::fs::write(
        &path,
        "providers: { docs: { url: 'http://127.0.0.1:9/mcp' } }\n",
    )
    .unwrap();
    let refused = run(&gateway, &["import", "mcp.json", "--write"], &[]);
    assert_eq!(refused.code, 6, "{}", refused.err);
    assert!(
        refused.err.contains("nothing was written"),
        "{}",
        refused.err
    );
    std::fs::write(folder.join("other.json"), "{}").unwrap();
    assert_eq!(run(&gateway, &["import", "other.json"], &[]).code, 2);
}

/// A terminal of a test's own, without any but the given variables.
fn at_a_terminal(gateway: &Gateway, command: &str, variables: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_mcp-gateway");
    let output = Command::new("script")
        .args(["-qec", &format!("{program} {command}"), "/dev/null"])
        .current_dir(gateway.folder())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TERM", "xterm")
        .env("MCP_GATEWAY_URL", gateway.url(""))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    done(&gateway, &["session", "create", "docs", "--name=team"], &[]);
    let coloured = at_a_terminal(&gateway, "session list", &[]);
    assert!(coloured.contains("\u{1b}[1msession"), "{coloured:?}");
    let plain = at_a_terminal(&gateway, "session list", &[("NO_COLOR", "1")]);
    assert!(
        plain.contains("team") && !plain.contains('\u{1b}'),
        "{plain:?}"
    );
    let json = at_a_terminal(&gateway, "session list --json", &[]);
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json:?}");
}

/// What reads no further than it needs, such as `head`, hears no complaint.
#[test]
fn a_reader_that_has_enough_is_no_mistake() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
        .args(["completions", "bash"])
        .env_clear()
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// A server whose entry is gone stays in sessions, and can be dealt with there.
#[tokio::test]
async fn a_server_that_the_registry_lost_gets_its_own_remedy() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    let create = [
        "session",
        "create",
        "docs",
        "vault",
        "--credential=vault=env:VAULT",
    ];
    let made = done(&gateway, &create, &[("VAULT", "S3cr3t")]);
    let id = made.out.trim_end();
    let registry = format!("providers:\n  docs: {{ url: {} }}\n", backend.url());
    std::fs::write(gateway.folder().join("registry.yaml"), registry).unwrap();
    gateway.hang_up();
    let remedy = format!("mcp-gateway session edit {id} --remove vault");
    eventually("the entry to be missed", async || {
        let shown = done(&gateway, &["session", "show", id], &[]);
        shown.err.contains(&remedy) && !shown.err.contains("--credential")
    })
    .await;
    let edit = ["session", "edit", id, "--deny=vault=x"];
    done(&gateway, &edit, &[]);
}

#[tokio::test]
async fn a_shell_completes_commands() {
    let backend = FakeBackend::legacy().start();
    let gateway = gateway(&backend);
    for (shell, sign) in [
        ("zsh", "#compdef mcp-gateway"),
        ("fish", "complete -c mcp-gateway"),
    ] {
        let script = done(&gateway, &["completions", shell], &[]);
        assert!(script.out.contains(sign), "{shell}");
    }
    let script = done(&gateway, &["completions", "bash"], &[]);
    std::fs::write(gateway.folder().join("script"), script.out).unwrap();
    let asked = "source ./script; COMP_WORDS=(mcp-gateway session del); COMP_CWORD=2; \
                 _mcp_gateway mcp-gateway del session; echo \"${COMPREPLY[*]}\"";
    let output = Command::new("bash")
        .args(["-c", asked])
        .current_dir(gateway.folder())
        .output()
        .unwrap();
    let completed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(completed.trim(), "delete", "{output:?}");
}
