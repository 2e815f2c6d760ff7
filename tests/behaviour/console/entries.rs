//! `mcp-gateway config`: the entry, alone.

use serde_json::Value;

use super::{done, gateway, run};
use crate::world::FakeBackend;

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
