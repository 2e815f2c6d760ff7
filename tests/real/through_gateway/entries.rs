//! What `mcp-gateway config` prints, pasted into the real clients, to the letter and as the guide says: each reads it, and
//! those that connect by themselves reach the session, with a caller's key in the environment and without.
//!
//! Cursor, VS Code and Windsurf are not there: they have no program that runs without their windows and is to be had.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time,
};

use crate::{
    client::Client as _,
    desk::Desk,
    gateway::Gateway,
    install::{Node, PastedInto},
    mcp_remote::McpRemote,
    process::Process,
    server::Server,
};

const KEY: &str = "MCP_GATEWAY_KEY";
const TOOL: &str = "desk.add";
/// Only ends a test that hangs.
const ANSWER_DEADLINE: Duration = Duration::from_mins(5);
/// How often a client may give up because the machine is busy: its patience is not ours to set.
const TRIES: usize = 10;

/// A gateway with a session called `team`, and a desk to use it from.
struct Office {
    gateway: Gateway,
    desk: Desk,
    /// The caller's key, where callers are authenticated.
    key: Option<String>,
}

impl Office {
    async fn open(server: &Server) -> Self {
        let gateway = Gateway::start(&registry(server)).await;
        Self::furnish(gateway, None).await
    }

    async fn with_key(server: &Server) -> Self {
        let (gateway, key) = Gateway::start_with_key(&registry(server), "ada").await;
        Self::furnish(gateway, Some(key)).await
    }

    async fn furnish(gateway: Gateway, key: Option<String>) -> Self {
        let mut desk = Desk::new();
        desk.set("MCP_GATEWAY_URL", &gateway.url());
        if let Some(key) = &key {
            desk.set(KEY, key);
        }
        desk.run("mcp-gateway session create desk --name team")
            .await;
        let office = Self { gateway, desk, key };
        // Before it has listed tools, a client of little patience may find a server that is not there yet.
        let listed = office.desk.run(&office.entry("curl").await).await;
        assert!(listed.out.contains(TOOL), "{}{}", listed.out, listed.err);
        office
    }

    /// What is printed for a client.
    async fn entry(&self, client: &str) -> String {
        let line = format!("mcp-gateway config {client} --session team");
        let entry = self.desk.run(&line).await.out;
        let key = self.key.as_deref();
        assert!(key.is_none_or(|key| !entry.contains(key)), "{entry}");
        entry
    }

    /// Waits until the log tells of a request of this method, and by whom.
    async fn has_heard(&self, method: &str) {
        let method = format!("rpc.method={method} ");
        let caller = self.key.as_ref().map_or("", |_| "caller.name=\"ada\"");
        self.gateway.logs(&[&method, caller]).await;
    }

    /// Runs a line until the client says that it has connected.
    async fn connects(&self, line: &str) {
        let mut said = String::new();
        for _ in 0..TRIES {
            let printed = self.desk.run(line).await;
            said = format!("{}{}", printed.out, printed.err);
            if said.contains("Connected") {
                return;
            }
        }
        panic!("{line}: {said}");
    }

    /// Runs a line with another key, or without one: the client says that it has not connected.
    async fn is_refused(&mut self, line: &str, key: Option<&str>) -> String {
        match key {
            Some(key) => self.desk.set(KEY, key),
            None => self.desk.unset(KEY),
        }
        let printed = self.desk.run(line).await;
        let said = format!("{}{}", printed.out, printed.err);
        assert!(!said.contains("Connected"), "{said}");
        self.desk.set(KEY, &self.key.clone().unwrap());
        said
    }
}

fn registry(server: &Server) -> String {
    format!("providers:\n  desk:\n    url: {}\n", server.url())
}

#[tokio::test]
async fn claude_code_takes_its_entry_and_connects() {
    let (Some(node), Some(claude)) = (Node::installed(), Node::pasted_into(PastedInto::ClaudeCode))
    else {
        return;
    };
    let server = Server::modern(&node).await;
    for mut office in [Office::open(&server).await, Office::with_key(&server).await] {
        office.desk.install("claude", &claude);
        office.desk.set("MCP_TIMEOUT", "60000");
        let entry = office.entry("claude-code").await;
        office.desk.run(&entry).await;
        if office.key.is_some() {
            for (key, why) in [
                (None, "the name of a variable"),
                (Some("mcpgw_wrong"), "the key lets nobody in"),
            ] {
                let said = office.is_refused("claude mcp list", key).await;
                assert!(said.contains(why), "{said}");
            }
        }
        office.connects("claude mcp list").await;
        office.has_heard("tools/list").await;
        let got = office.desk.run("claude mcp get team").await.out;
        let url = entry.split_whitespace().nth(6).unwrap();
        assert!(got.contains("Type: http") && got.contains(url), "{got}");
        let kept = office.desk.read(".claude.json");
        let is_kept = office.key.as_ref().is_some_and(|key| kept.contains(key));
        assert!(!is_kept, "the variable's name is kept, and not the key");
    }
}

#[tokio::test]
async fn gemini_cli_takes_its_entry_and_connects() {
    let (Some(node), Some(gemini)) = (Node::installed(), Node::pasted_into(PastedInto::GeminiCli))
    else {
        return;
    };
    let server = Server::modern(&node).await;
    for mut office in [Office::open(&server).await, Office::with_key(&server).await] {
        office.desk.install("gemini", &gemini);
        let entry = office.entry("gemini-cli").await;
        office.desk.write(".gemini/settings.json", &entry);
        // A person says so when it asks.
        let trusted = json!({ office.desk.home().to_str().unwrap(): "TRUST_FOLDER" });
        office
            .desk
            .write(".gemini/trustedFolders.json", &trusted.to_string());
        if office.key.is_some() {
            let said = office.is_refused("gemini mcp list", None).await;
            assert!(
                said.contains("team: http") && said.contains("Disconnected"),
                "{said}"
            );
        }
        office.connects("gemini mcp list").await;
        office.has_heard("initialize").await;
    }
}

/// What Codex's server for editors knows of the MCP servers, to which it connects for that.
async fn known_to_codex(desk: &Desk) -> Value {
    let mut command = desk.command("codex");
    // Longer than a busy machine takes; all else is as the entry says.
    command.args([
        "-c",
        "mcp_servers.team.startup_timeout_sec=60",
        "app-server",
    ]);
    let (_process, mut stdin, stdout) = Process::converse_at("codex", command, desk.home());
    let client = json!({"name": "editor", "title": "Editor", "version": "1.0.0"});
    for message in [
        json!({"id": 1, "method": "initialize", "params": {"clientInfo": client}}),
        json!({"method": "initialized"}),
        json!({"id": 2, "method": "mcpServerStatus/list", "params": {}}),
    ] {
        let line = format!("{message}\n");
        stdin.write_all(line.as_bytes()).await.unwrap();
    }
    let mut lines = BufReader::new(stdout).lines();
    let answered = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("codex ended");
            let mut message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == 2 {
                return message["result"]["data"][0].take();
            }
        }
    };
    time::timeout(ANSWER_DEADLINE, answered).await.unwrap()
}

#[tokio::test]
async fn codex_takes_its_entry_and_lists_the_tools() {
    let (Some(node), Some(codex)) = (Node::installed(), Node::pasted_into(PastedInto::Codex))
    else {
        return;
    };
    let server = Server::modern(&node).await;
    for mut office in [Office::open(&server).await, Office::with_key(&server).await] {
        office.desk.install("codex", &codex);
        let entry = office.entry("codex").await;
        office.desk.write(".codex/config.toml", &entry);
        let got = office.desk.run("codex mcp get team --json").await.out;
        let got: Value = serde_json::from_str(&got).unwrap();
        let transport = &got["transport"];
        assert_eq!(transport["type"], "streamable_http", "{got}");
        assert!(entry.contains(transport["url"].as_str().unwrap()), "{got}");
        let variable = office.key.as_ref().map(|_| KEY);
        assert_eq!(transport["bearer_token_env_var"], json!(variable), "{got}");
        if office.key.is_some() {
            office.desk.unset(KEY);
            let told = known_to_codex(&office.desk).await;
            assert!(told["toolsError"].to_string().contains(KEY), "{told}");
            office.desk.set(KEY, "mcpgw_wrong");
            let told = known_to_codex(&office.desk).await;
            assert_eq!(told["tools"], json!({}), "{told}");
            office.desk.set(KEY, &office.key.clone().unwrap());
        }
        let told = known_to_codex(&office.desk).await;
        assert_eq!(told["name"], "team", "{told}");
        assert!(told["tools"].get(TOOL).is_some(), "{told}");
        office.has_heard("initialize").await;
    }
}

/// As an application does that starts a server by a command.
#[tokio::test]
async fn claude_desktop_starts_the_bridge_that_its_entry_names() {
    let Some(node) = Node::installed() else {
        return;
    };
    let server = Server::modern(&node).await;
    let bridge = node.script("node_modules/mcp-remote/dist/proxy.js");
    for office in [Office::open(&server).await, Office::with_key(&server).await] {
        office.desk.install(
            "npx",
            &npx("mcp-remote", &format!("node '{}'", bridge.display()), ""),
        );
        let mut entry = office.entry("claude-desktop").await;
        if let Some(key) = &office.key {
            entry = entry.replace("<your key>", key);
        }
        let entry: Value = serde_json::from_str(&entry).unwrap();
        let entry = &entry["mcpServers"]["team"];
        let mut command = office.desk.command(entry["command"].as_str().unwrap());
        let words = entry["args"].as_array().unwrap().iter();
        command.args(words.map(|word| word.as_str().unwrap()));
        for (name, value) in entry["env"].as_object().into_iter().flatten() {
            command.env(name, value.as_str().unwrap());
        }
        let started = Process::converse_at("npx", command, office.desk.home());
        let mut client = McpRemote::speaking(started);
        client.initialize("an application").await;
        assert!(client.tools().await.contains(&TOOL.to_owned()));
        office.has_heard("initialize").await;
    }
}

#[tokio::test]
async fn the_inspector_takes_the_arguments_of_its_entry() {
    let (Some(node), Some(inspector)) = (Node::installed(), Node::inspector()) else {
        return;
    };
    let words = [inspector.get_program()].into_iter();
    let words = words.chain(inspector.get_args());
    let words: Vec<String> = words
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    // Its page is for people; its command line takes the same arguments.
    let program = format!("{} --cli", words.join(" "));
    let server = Server::modern(&node).await;
    for office in [Office::open(&server).await, Office::with_key(&server).await] {
        let line = npx(
            "@modelcontextprotocol/inspector",
            &program,
            "--method tools/list",
        );
        office.desk.install("npx", &line);
        let listed = office.desk.run(&office.entry("inspector").await).await;
        assert!(listed.out.contains(TOOL), "{}{}", listed.out, listed.err);
    }
}

/// What stands for npx: of the package that is asked for, the program that is installed, with more behind its arguments.
fn npx(package: &str, program: &str, more: &str) -> String {
    format!("test \"$1 $2\" = '-y {package}' || exit 9\nshift 2\nexec {program} \"$@\" {more}")
}
