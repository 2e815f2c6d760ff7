//! What to paste into MCP clients, as a running gateway tells it.

use http::Method;
use serde_json::{Value, json};

use crate::world::{FakeBackend, Gateway, Program};

const CLIENTS: [&str; 9] = [
    "claude_desktop",
    "claude_code",
    "cursor",
    "vs_code",
    "codex",
    "gemini_cli",
    "windsurf",
    "inspector",
    "curl",
];

/// The text of one client's entry.
fn text<'a>(told: &'a Value, id: &str) -> &'a str {
    let entries = told["clients"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["id"] == id);
    entry.unwrap()["entry"].as_str().unwrap()
}

/// What Cursor would read of its entry.
fn for_cursor(told: &Value) -> Value {
    let mut file: Value = serde_json::from_str(text(told, "cursor")).unwrap();
    file["mcpServers"]["team"].take()
}

#[tokio::test]
async fn an_entry_leads_to_its_session_and_never_holds_a_key() {
    let backend = FakeBackend::legacy().start();
    let setup = Gateway::setup().provider("it", &backend);
    let gateway = setup.caller("ada").caller("bob").start();
    let wanted = json!({"servers": ["it"], "name": "Team"});
    let made = gateway
        .send_as("ada", Method::POST, "/create-session", Some(&wanted))
        .await;
    let path = format!(
        "/session/{}/clients",
        made.json()["session_id"].as_str().unwrap()
    );
    let answer = gateway.get_as("ada", &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.text.contains(gateway.key("ada")));
    let told = answer.json();
    let entries = told["clients"].as_array().unwrap();
    let ids: Vec<&str> = entries
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, CLIENTS);
    for entry in entries {
        assert!(!entry["steps"].as_array().unwrap().is_empty(), "{entry}");
        assert!(["json", "toml", "shell"].contains(&entry["format"].as_str().unwrap()));
    }
    // The key where the client looks the variable up, and nowhere else.
    let read = for_cursor(&told);
    assert_eq!(
        read["headers"]["Authorization"],
        "Bearer ${env:MCP_GATEWAY_KEY}"
    );
    let client = Program::named("cursor").showing(gateway.key("ada"));
    let client = client.plain(read["url"].as_str().unwrap());
    assert!(client.tool_names().await.contains(&"it.echo".to_owned()));
    assert_eq!(gateway.get_as("bob", &path).await.status, 404);
    assert_eq!(gateway.get(&path).await.status, 401);
}

#[tokio::test]
async fn an_entry_names_the_gateway_as_its_client_does() {
    let backend = FakeBackend::legacy().start();
    let setup = || Gateway::setup().provider("it", &backend);
    let proxied = setup()
        .argument("--trusted-proxy=127.0.0.1")
        .argument("--allowed-host=mcp.example.com");
    let public = setup().argument("--public-url=https://public.example.com/");
    let plain = setup();
    for (setup, base) in [
        (proxied, Some("https://mcp.example.com")),
        (public, Some("https://public.example.com")),
        (plain, None),
    ] {
        let gateway = setup.start();
        let wanted = json!({"servers": ["it"], "name": "Team"});
        let session = gateway.create_session(&wanted).await;
        let path = format!("/session/{}/clients", session.id);
        let request = gateway
            .request(Method::GET, &path)
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-host", "mcp.example.com");
        let read = for_cursor(&gateway.send(request).await.json());
        let expected = match base {
            Some(base) => format!("{base}/session/{}/mcp", session.id),
            None => session.endpoint,
        };
        assert_eq!(read, json!({ "url": expected }));
    }
}
