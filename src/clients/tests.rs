//! Entries read back as their clients read them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://mcp.example.com:8443/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp";

fn endpoint(entrance: Entrance) -> Endpoint {
    Endpoint::new(URL.to_owned(), Some("Research & Co"), entrance)
}

fn entry(endpoint: &Endpoint, id: &str) -> Entry {
    let mut entries = endpoint.entries().into_iter();
    entries.find(|entry| entry.id == id).unwrap()
}

fn read(entry: &Entry) -> Value {
    assert_eq!(entry.format, Format::Json, "{entry:?}");
    serde_json::from_str(&entry.text).unwrap()
}

#[test]
fn files_in_json_are_what_their_clients_read() {
    let open = endpoint(Entrance::Open);
    let key = endpoint(Entrance::Key);
    let bearer = |key: &str| json!({"Authorization": format!("Bearer {key}")});
    for (id, servers, without, with) in [
        (
            "claude_desktop",
            "mcpServers",
            json!({"command": "npx", "args": ["-y", "mcp-remote", URL]}),
            json!({"command": "npx",
                "args": ["-y", "mcp-remote", URL, "--header", "Authorization:${AUTH_HEADER}"],
                "env": {"AUTH_HEADER": "Bearer <your key>"}}),
        ),
        (
            "cursor",
            "mcpServers",
            json!({"url": URL}),
            json!({"url": URL, "headers": bearer("${env:MCP_GATEWAY_KEY}")}),
        ),
        (
            "vs_code",
            "servers",
            json!({"type": "http", "url": URL}),
            json!({"type": "http", "url": URL, "headers": bearer("${input:mcp-gateway-key}")}),
        ),
        (
            "gemini_cli",
            "mcpServers",
            json!({"httpUrl": URL}),
            json!({"httpUrl": URL, "headers": bearer("${MCP_GATEWAY_KEY}")}),
        ),
        (
            "windsurf",
            "mcpServers",
            json!({"serverUrl": URL}),
            json!({"serverUrl": URL, "headers": bearer("${env:MCP_GATEWAY_KEY}")}),
        ),
    ] {
        let server = |endpoint| read(&entry(endpoint, id))[servers]["research-co"].take();
        assert_eq!(server(&open), without, "{id}");
        assert_eq!(server(&key), with, "{id}");
        // Whoever logs in shows what the client got, not what the entry says.
        assert_eq!(server(&endpoint(Entrance::Login)), without, "{id}");
    }
    let asked = read(&entry(&key, "vs_code"))["inputs"].take();
    let input = json!({"type": "promptString", "id": "mcp-gateway-key",
        "description": "Key of the MCP gateway", "password": true});
    assert_eq!(asked, json!([input]));
    assert_eq!(read(&entry(&open, "vs_code")).get("inputs"), None);
}

#[test]
fn the_file_in_toml_is_what_codex_reads() {
    let read = |entrance| {
        let entry = entry(&endpoint(entrance), "codex");
        assert_eq!(entry.format, Format::Toml);
        let read: toml_edit::Document<String> = entry.text.parse().unwrap();
        let server = &read["mcp_servers"]["research-co"];
        server.as_table().unwrap().clone()
    };
    let (open, key) = (read(Entrance::Open), read(Entrance::Key));
    assert_eq!(open["url"].as_str(), Some(URL));
    assert_eq!(open.len(), 1);
    assert_eq!(key["bearer_token_env_var"].as_str(), Some(KEY_VARIABLE));
    assert_eq!(key.len(), 2);
}

#[test]
fn commands_are_what_a_shell_makes_of_them() {
    let text = |entrance, id| entry(&endpoint(entrance), id).text;
    for (id, without, with) in [
        (
            "claude_code",
            "claude mcp add --transport http research-co URL",
            "claude mcp add --transport http research-co URL \
             --header 'Authorization: Bearer ${MCP_GATEWAY_KEY}'",
        ),
        (
            "inspector",
            "npx -y @modelcontextprotocol/inspector --server-url URL --transport http",
            "npx -y @modelcontextprotocol/inspector --server-url URL --transport http \
             --header \"Authorization: Bearer $MCP_GATEWAY_KEY\"",
        ),
    ] {
        assert_eq!(text(Entrance::Open, id), without.replace("URL", URL));
        assert_eq!(text(Entrance::Key, id), with.replace("URL", URL));
    }
    // The key is no argument of curl, where others on the machine could read it.
    let curl = |entrance| {
        let text = text(entrance, "curl");
        let (shown, run) = text.split_once(" | ").unwrap_or(("", &text));
        assert!(
            run.starts_with("curl ") && !run.contains(KEY_VARIABLE),
            "{text}"
        );
        assert_eq!(run.contains(" -H @- "), !shown.is_empty(), "{text}");
        shown == r#"printf 'Authorization: Bearer %s' "$MCP_GATEWAY_KEY""#
    };
    assert!(curl(Entrance::Key) && curl(Entrance::Login) && !curl(Entrance::Open));
    let strange = Endpoint::new("http://[::1]:8000/mcp".to_owned(), None, Entrance::Open);
    assert!(
        entry(&strange, "curl")
            .text
            .starts_with("curl 'http://[::1]:8000/mcp' ")
    );
}

#[test]
fn links_install_what_the_entry_says() {
    for entrance in [Entrance::Open, Entrance::Key] {
        let endpoint = endpoint(entrance);
        let cursor = entry(&endpoint, "cursor");
        let link = cursor.install_link.as_deref().unwrap();
        let link = url::Url::parse(link).unwrap();
        assert_eq!(
            (link.scheme(), link.host_str()),
            ("cursor", Some("anysphere.cursor-deeplink"))
        );
        assert_eq!(link.path(), "/mcp/install");
        let queried: Vec<(String, String)> = link.query_pairs().into_owned().collect();
        assert_eq!(queried[0], ("name".to_owned(), "research-co".to_owned()));
        assert_eq!(queried[1].0, "config");
        let config = BASE64_STANDARD.decode(&queried[1].1).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config, read(&cursor)["mcpServers"]["research-co"]);

        let vs_code = entry(&endpoint, "vs_code");
        let link = vs_code.install_link.as_deref().unwrap();
        let query = link.strip_prefix("vscode:mcp/install?").unwrap();
        let query = percent_decode_str(query).decode_utf8().unwrap();
        let mut installed: Value = serde_json::from_str(&query).unwrap();
        let file = read(&vs_code);
        assert_eq!(installed["name"].take(), "research-co");
        let members = installed.as_object_mut().unwrap();
        members.remove("name");
        assert_eq!(members.remove("inputs").as_ref(), file.get("inputs"));
        assert_eq!(installed, file["servers"]["research-co"]);
    }
}

#[test]
fn mcp_remote_is_told_of_what_is_sent_in_the_clear() {
    for (base, told) in [
        ("http://127.0.0.1:8000", false),
        ("http://localhost:8000", false),
        ("https://mcp.example.com", false),
        ("http://192.168.1.5:8000", true),
        ("http://[::1]:8000", true),
    ] {
        let endpoint = Endpoint::new(format!("{base}/session/x/mcp"), None, Entrance::Open);
        let text = entry(&endpoint, "claude_desktop").text;
        assert_eq!(text.contains("--allow-http"), told, "{base}");
    }
}

#[test]
fn a_server_is_called_by_its_session_as_far_as_that_goes() {
    for (name, server) in [
        (None, "gateway"),
        (Some("Research"), "research"),
        (Some("  Ünïcode -- tools! "), "n-code-tools"),
        (Some("日本語"), "gateway"),
        (Some("a\"b\\c\n[d]"), "a-b-c-d"),
        (
            Some("one two three four five six seven"),
            "one-two-three-four-five",
        ),
    ] {
        let endpoint = Endpoint::new(URL.to_owned(), name, Entrance::Open);
        assert_eq!(endpoint.server, server);
    }
}
