//! Files of clients as people have them, and what the registry makes of what is brought.

use super::{
    server::{Auth, read as read_server},
    *,
};

/// The entries that come of a file, and what is told.
fn brought(file: &str) -> (String, Vec<String>) {
    let file: Value =
        jsonc_parser::parse_to_serde_value(file, &jsonc_parser::ParseOptions::default()).unwrap();
    let (mut text, mut told) = (String::new(), Vec::new());
    for (name, server) in servers(&file) {
        match read_server(name, server, &[]) {
            Ok(imported) => {
                text.push_str(&entry(&imported.name, &imported, 2));
                told.extend(imported.to_do);
            }
            Err(reason) => told.push(format!("{name}: {reason}")),
        }
    }
    (text, told)
}

#[test]
fn each_client_s_file_becomes_entries_without_its_secrets() {
    const SECRET: &str = "sk_live_S3cr3t";
    for (file, entries) in [
        (
            r#"{"mcpServers": {"context7": {"command": "npx", "args": ["-y", "mcp-remote@latest",
                "https://mcp.context7.com/mcp", "--header", "CONTEXT7_API_KEY:${KEY}"],
                "env": {"KEY": "sk_live_S3cr3t"}}}}"#,
            "  context7:\n    url: https://mcp.context7.com/mcp\n    \
             auth: { type: api_key, header: context7_api_key, default: env:CONTEXT7_API_KEY }\n",
        ),
        (
            r#"{"mcpServers": {}, "projects": {"/home/ada/x": {"mcpServers": {"git hub": {"type": "http",
                "url": "https://api.githubcopilot.com/mcp/",
                "headers": {"Authorization": "Bearer sk_live_S3cr3t"}}}}}}"#,
            "  git_hub:\n    url: https://api.githubcopilot.com/mcp/\n    \
             auth: { type: bearer, default: env:GIT_HUB_TOKEN }\n",
        ),
        (
            r#"{"mcpServers": {"linear": {"url": "https://mcp.linear.app/mcp",
                "headers": {"Authorization": "Bearer ${env:LINEAR_KEY}", "X-Team": "a: #b"}}}}"#,
            "  linear:\n    url: https://mcp.linear.app/mcp\n    \
             auth: { type: bearer, default: env:LINEAR_KEY }\n    headers: { x-team: \"a: #b\" }\n",
        ),
        (
            r#"{ // A comment, and a comma too many.
                "inputs": [], "servers": {"stripe": {"type": "http", "url": "https://mcp.stripe.com/",
                "headers": {"Authorization": "Bearer ${input:stripe}"}},}}"#,
            "  stripe:\n    url: https://mcp.stripe.com/\n    auth: { type: bearer }\n",
        ),
        (
            r#"{"mcpServers": {"wiki": {"httpUrl": "https://mcp.deepwiki.com/mcp"},
                "surf": {"serverUrl": "https://example.com/mcp?mode=read"}}}"#,
            "  surf:\n    url: https://example.com/mcp?mode=read\n    auth: { type: none }\n  \
             wiki:\n    url: https://mcp.deepwiki.com/mcp\n    auth: { type: none }\n",
        ),
    ] {
        let (text, told) = brought(file);
        assert_eq!(text, entries);
        assert!(!format!("{text}{told:?}").contains(SECRET), "{told:?}");
        let registry = format!("providers:\n{text}");
        let path = Path::new("registry.yaml");
        let read =
            crate::registry::Registry::parse(&registry, path, &Defaults::default(), &|_| None);
        assert!(read.is_ok(), "{read:?}");
    }
}

#[test]
fn what_the_registry_cannot_have_is_left_out_with_the_reason() {
    for (server, reason) in [
        (r#"{"command": "uvx", "args": ["mcp-server-git"]}"#, "stdio"),
        (
            r#"{"type": "sse", "url": "https://example.com/events"}"#,
            "HTTP+SSE",
        ),
        (r#"{"url": "https://mcp.example.com/v1/sse"}"#, "HTTP+SSE"),
        (
            r#"{"url": "https://mcp.example.com/mcp", "disabled": true}"#,
            "switched off",
        ),
        (
            r#"{"url": "https://a:hf_S3cr3t@mcp.example.com/mcp"}"#,
            "password",
        ),
        (
            r#"{"url": "https://mcp.example.com/mcp?api_key=hf_S3cr3t"}"#,
            "api_key",
        ),
        (r#"{"url": "https://${HOST}/mcp"}"#, "variable"),
        (
            r#"{"url": "https://a.example/mcp", "headers": {"Authorization": "Basic hf_S3cr3t"}}"#,
            "no Bearer",
        ),
        (
            r#"{"url": "https://a.example/mcp", "headers": {"x-api-key": "hf_S3cr3t", "x-app-token": "hf_S3cr3t"}}"#,
            "two credentials",
        ),
        (r#"{"args": []}"#, "neither an address nor a command"),
    ] {
        let server: Value = serde_json::from_str(server).unwrap();
        let told = read_server("it", &server, &[]).unwrap_err();
        assert!(told.contains(reason), "{told}");
        assert!(!told.contains("hf_S3cr3t"), "{told}");
    }
    let looks_secret =
        r#"{"url": "https://a.example/mcp", "headers": {"x-plain": "a1b2c3d4e5f6a1b2c3d4e5f6"}}"#;
    let server: Value = serde_json::from_str(looks_secret).unwrap();
    let imported = read_server("4-you", &server, &[]).unwrap();
    let variable = Some("MCP_4_YOU_API_KEY".to_owned());
    assert_eq!(imported.auth, Auth::ApiKey("x-plain".to_owned(), variable));
}

#[test]
fn no_secret_is_copied_wherever_it_stands() {
    for secret in [
        r#"{"url": "https://a.example/mcp", "headers": {"X-Pass": "hunter2"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Pat": "Bearer hunter2abc"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Access": "aGVs/hunter2/bG8="}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Code": "correcthunter2staple"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Flavour": "hunter2"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Team": "p-${hunter2}"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"X-Pass": "$hunter2"}}"#,
        r#"{"url": "https://a.example/mcp", "headers": {"Authorization": "Bearer x", "X-Code": "hunter2"}}"#,
        r#"{"url": "https://a.example/api/mcp/s/ZDk4MmI0hunter2YjMt/mcp"}"#,
        r#"{"url": "https://a.example/mcp?x=hunter2"}"#,
        r#"{"url": "https://a.example/mcp?hunter2"}"#,
        r#"{"url": "https://a.example/mcp#token=hunter2"}"#,
    ] {
        let (text, told) = brought(&format!(r#"{{"mcpServers": {{"it": {secret}}}}}"#));
        assert!(
            !format!("{text}{told:?}").contains("hunter2"),
            "{text}{told:?}"
        );
    }
    let server = r#"{"url": "https://a.example/mcp", "headers": {"X-Flavour": "vanilla"}}"#;
    let server: Value = serde_json::from_str(server).unwrap();
    let kept = read_server("it", &server, &["x-flavour".to_owned()]).unwrap();
    let header = ("x-flavour".to_owned(), "vanilla".to_owned());
    assert_eq!((kept.auth, kept.headers), (Auth::Nothing, vec![header]));
}

/// A folder with a registry, and what importing a file into it makes of that.
fn imported(registry: &str, file: &str) -> Result<String, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("registry.yaml"), registry).unwrap();
    fs::write(place("mcp.json"), file).unwrap();
    let import = Import {
        from: &place("mcp.json"),
        registry: &place("registry.yaml"),
        write: true,
        keep_headers: &[],
        json: false,
    };
    run(&import, &Defaults::default(), &|_| None)?;
    Ok(fs::read_to_string(place("registry.yaml")).unwrap())
}

#[test]
fn what_the_registry_does_not_take_is_left_out_alone() {
    let file = r#"{"mcpServers": {
        "a": {"url": "https://a.example/mcp", "headers": {"bad name: }": "x"}},
        "b": {"url": "https://b.example/mcp", "headers": {"Proxy-Authorization": "Bearer x"}},
        "c": {"url": "ftp://c.example/mcp"},
        "d": {"url": "https://d.example/mcp", "headers": {"X-Team": "us", "null": "v"}}}}"#;
    let written = imported("# Ours.\nproviders: {} # none yet\n", file).unwrap();
    assert_eq!(
        written,
        "# Ours.\n# none yet\nproviders:\n  d:\n    url: https://d.example/mcp\n    \
         auth: { type: api_key, header: \"null\", default: env:D_API_KEY }\n    headers: { x-team: \"us\" }\n"
    );
}

#[test]
fn an_import_can_be_the_first_of_a_registry() {
    let file = r#"{"mcpServers": {"a": {"url": "https://a.example/mcp"}}}"#;
    let entry = "providers:\n  a:\n    url: https://a.example/mcp\n    auth: { type: none }\n";
    for empty in [
        "",
        "---\n",
        "providers:\n",
        "providers: {}\n",
        "providers: ~\n",
    ] {
        assert_eq!(imported(empty, file).unwrap(), entry, "{empty:?}");
    }
    let commented = imported("# Ours.\n", file).unwrap();
    assert_eq!(commented, format!("# Ours.\n{entry}"));
    assert!(imported("providers: [\n", file).is_err());
}
