//! `--json`: what programs read, whole, and the codes that commands end with.

use std::fs;

use serde_json::{Value, json};

use super::{done, run};
use crate::world::{FakeBackend, Gateway};

/// What a command prints, and the code that it ends with. Nothing else is said.
fn told(gateway: &Gateway, arguments: &[&str]) -> (i32, Value) {
    let ended = run(gateway, arguments, &[]);
    assert!(ended.err.is_empty(), "{arguments:?}: {}", ended.err);
    (ended.code, serde_json::from_str(&ended.out).unwrap())
}

/// Takes a number out that differs from run to run.
fn without_ms(mut told: Value) -> Value {
    for provider in told["providers"].as_array_mut().unwrap() {
        let ms = provider.as_object_mut().unwrap().remove("ms").unwrap();
        assert_eq!(ms.is_null(), provider["state"].is_null(), "{ms}");
    }
    told
}

#[tokio::test]
async fn a_check_tells_programs_what_it_found() {
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let gateway = Gateway::setup()
        .provider("old", &legacy)
        .provider("new", &modern)
        .provider_with("locked", &legacy, "auth: { type: bearer }")
        .start();
    let tools = |backend: &str| {
        let (_, told) = told(&gateway, &["check", "--connect", "--json"]);
        let mut providers = told["providers"].as_array().unwrap().iter();
        providers.find(|it| it["name"] == backend).unwrap()["tools"].clone()
    };
    let entry = |name: &str, state: Option<&str>, revision: Option<&str>, tools: Value| {
        let reason = (state == Some("skipped"))
            .then_some("needs a credential; give the entry a default to try it");
        json!({"name": name, "state": state, "revision": revision, "tools": tools, "reason": reason})
    };
    let found = |providers: Value| json!({"registry": "registry.yaml", "mistakes": [], "warnings": [], "providers": providers});
    let (code, read) = told(&gateway, &["check", "--json"]);
    let unasked = ["old", "new", "locked"].map(|name| entry(name, None, None, Value::Null));
    assert_eq!((code, without_ms(read)), (0, found(json!(unasked))));
    let (code, tried) = told(&gateway, &["check", "--connect", "--json"]);
    let (old, new) = (tools("old"), tools("new"));
    assert!(old.as_u64() > Some(1) && new.as_u64() > Some(1));
    let asked = json!([
        entry("old", Some("ok"), Some("2025-11-25"), old),
        entry("new", Some("ok"), Some("2026-07-28"), new),
        entry("locked", Some("skipped"), None, Value::Null),
    ]);
    assert_eq!((code, without_ms(tried)), (0, found(asked)));

    modern.go_down().await;
    let (code, tried) = told(&gateway, &["check", "--connect", "--json"]);
    let down = &tried["providers"][1];
    assert_eq!((code, &down["state"]), (1, &json!("failed")), "{down}");
    let reason = down["reason"].as_str().unwrap();
    assert!(reason.contains("refused"), "{down}");

    let registry = gateway.folder().join("registry.yaml");
    fs::write(
        &registry,
        "providers:\n  a:\n    url: ftp://x\n    tmeouts: {}\n",
    )
    .unwrap();
    let (code, wrong) = told(&gateway, &["check", "--json"]);
    let places = wrong["mistakes"].as_array().unwrap().iter();
    let places: Vec<_> = places
        .map(|it| (&it["line"], &it["column"], &it["field"]))
        .collect();
    let places = json!(places);
    assert_eq!(
        (code, places),
        (
            1,
            json!([[3, 10, "providers.a.url"], [4, 5, "providers.a.tmeouts"]])
        ),
        "{wrong}"
    );
    for (member, words) in [("problem", "is not a known field"), ("remedy", "timeouts")] {
        let told = wrong["mistakes"][1][member].as_str().unwrap();
        assert!(told.contains(words), "{wrong}");
    }
    fs::remove_file(&registry).unwrap();
    let gone = run(&gateway, &["check", "--json"], &[]);
    assert_eq!((gone.code, gone.out.as_str()), (1, ""), "{}", gone.err);
    assert!(gone.err.contains("--registry"), "{}", gone.err);
}

#[tokio::test]
async fn a_list_of_keys_is_for_programs_too() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup().provider("docs", &backend).start();
    let list = ["keys", "list", "--json"];
    assert_eq!(told(&gateway, &list), (0, json!({"keys": []})));
    let make = ["keys", "create", "ada-laptop", "--caller=ada", "--operator"];
    let key = done(&gateway, &make, &[]).out;
    done(&gateway, &["keys", "create", "ci"], &[]);
    let (code, mut listed) = told(&gateway, &list);
    for entry in listed["keys"].as_array_mut().unwrap() {
        let created = entry.as_object_mut().unwrap().remove("created").unwrap();
        humantime::parse_rfc3339(created.as_str().unwrap()).unwrap();
    }
    let expected = json!({"keys": [
        {"name": "ada-laptop", "caller": "ada", "operator": true},
        {"name": "ci", "caller": "ci", "operator": false},
    ]});
    assert_eq!((code, &listed), (0, &expected));
    assert!(!listed.to_string().contains(key.trim()));
    fs::write(gateway.folder().join("callers.yaml"), "keys: 1\n").unwrap();
    let broken = run(&gateway, &list, &[]);
    assert_eq!(
        (broken.code, broken.out.as_str()),
        (1, ""),
        "{}",
        broken.err
    );
}

#[tokio::test]
async fn an_import_tells_programs_what_became_of_each_server() {
    const SECRET: &str = "hf_S3cr3t";
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup().provider("docs", &backend).start();
    let file = json!({"mcpServers": {
        "docs": {"url": "https://docs.example.com/mcp"},
        "hub": {"url": "https://hub.example.com/mcp", "headers": {"Authorization": format!("Bearer {SECRET}")}},
        "same": {"url": backend.url()},
    }});
    fs::write(gateway.folder().join("mcp.json"), file.to_string()).unwrap();
    let hub = "https://hub.example.com/mcp";
    let to_do = "put its credential, which stands in that file under Authorization, into HUB_TOKEN where the gateway is \
                 started";
    let expected = |written: bool| {
        json!({
            "registry": "registry.yaml",
            "written": written,
            "brought": [
                {"from": "docs", "name": "docs-2", "url": "https://docs.example.com/mcp", "to_do": [],
                    "entry": "  docs-2:\n    url: https://docs.example.com/mcp\n    auth: { type: none }\n"},
                {"from": "hub", "name": "hub", "url": hub, "to_do": [to_do],
                    "entry": format!("  hub:\n    url: {hub}\n    auth: {{ type: bearer, default: env:HUB_TOKEN }}\n")},
            ],
            "left_out": [{"from": "same", "reason": "the registry has its address already"}],
        })
    };
    let printed = told(&gateway, &["import", "mcp.json", "--json"]);
    assert_eq!(printed, (0, expected(false)));
    let wrote = told(&gateway, &["import", "mcp.json", "--write", "--json"]);
    assert_eq!(wrote, (0, expected(true)));
    let (code, checked) = told(&gateway, &["check", "--json"]);
    let warned = checked["warnings"].as_array().unwrap();
    assert_eq!((code, warned.len()), (0, 1), "{checked}");
    let field = json!("providers.hub.auth.default");
    assert_eq!(warned[0]["field"], field, "its variable is not there yet");
    let (code, again) = told(&gateway, &["import", "mcp.json", "--write", "--json"]);
    assert_eq!((code, &again["written"]), (0, &json!(false)));
    assert_eq!(again["left_out"].as_array().unwrap().len(), 3, "{again}");
    fs::write(gateway.folder().join("none.json"), "{}").unwrap();
    let none = run(&gateway, &["import", "none.json", "--json"], &[]);
    assert_eq!((none.code, none.out.as_str()), (2, ""), "{}", none.err);
}
