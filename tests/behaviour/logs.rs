//! The line of the log that each request leaves.

use serde_json::{Value, json};

use crate::{
    CLIENTS,
    world::{Client, FakeBackend, Gateway, eventually},
};

/// Calls a tool that works and one that fails; gives the session's id and what a gateway of this
/// log format wrote.
async fn log_of_calls(format: &str, revision: &str) -> (String, String) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .argument(&format!("--log-format={format}"))
        .log_level("info")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::speaking(revision, &session.endpoint).await;
    client.call("it.echo", json!({"a": 1})).await.result();
    let quote = json!({"code": -32000, "message": "no"});
    client.call("it.fail", quote).await.error();
    eventually("the lines of both calls", async || {
        let logs = gateway.logs();
        logs.contains("it.echo") && logs.contains("it.fail")
    })
    .await;
    (session.id, gateway.logs())
}

#[tokio::test]
async fn a_call_is_one_json_object_with_its_facts() {
    for revision in CLIENTS {
        let (session, log) = log_of_calls("json", revision).await;
        let lines: Vec<Value> = log
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect();
        for (tool, outcome) in [("it.echo", "ok"), ("it.fail", "error")] {
            let about: Vec<&Value> = lines
                .iter()
                .filter(|line| line["tool.name"] == tool)
                .collect();
            assert_eq!(about.len(), 1, "one line a call: {about:?}");
            let line = about[0];
            assert_eq!(line["level"], "INFO", "{line}");
            assert_eq!(line["rpc.method"], "tools/call", "{line}");
            assert_eq!(line["backend.name"], "it", "{line}");
            assert_eq!(line["outcome"], outcome, "{line}");
            assert!(line["elapsed_ms"].is_u64(), "{line}");
            assert_eq!(line["session.id"], session[..8], "{line}");
        }
        assert!(!log.contains(&session), "whoever knows it can use it");
    }
}

#[tokio::test]
async fn a_call_is_one_line_of_text_with_its_facts() {
    for format in ["auto", "pretty"] {
        let (session, log) = log_of_calls(format, CLIENTS[0]).await;
        for (tool, outcome) in [("it.echo", "ok"), ("it.fail", "error")] {
            let words = format!("tools/call {tool}: {outcome} in ");
            let about: Vec<&str> = log.lines().filter(|line| line.contains(&words)).collect();
            assert_eq!(about.len(), 1, "one line a call: {log}");
            let line = about[0];
            for part in ["INFO", "backend.name", "elapsed_ms", &session[..8]] {
                assert!(line.contains(part), "{part} is not in {line}");
            }
        }
        assert!(!log.contains(&session), "whoever knows it can use it");
        let coloured = log.contains('\u{1b}');
        assert_eq!(coloured, format == "pretty", "{log}");
    }
}
