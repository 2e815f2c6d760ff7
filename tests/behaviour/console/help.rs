//! Help, completions, and readers that have enough.

use std::process::Command;

use super::{done, gateway};
use crate::world::FakeBackend;

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
    let help = done(&gateway, &["demo", "--help"], &[]).out;
    assert!(
        help.contains("--port") && !help.contains("--callers"),
        "{help}"
    );
    let help = done(&gateway, &["--help"], &[]).out;
    assert!(
        help.contains("--tls-cert") && help.contains("session"),
        "{help}"
    );
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
