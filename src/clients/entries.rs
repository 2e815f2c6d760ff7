//! Each client's entry. Where a client changes its format, its function here changes, and nothing else.

use url::{Host, Url};

use super::{
    Endpoint, Entrance, Entry, Format, KEY_VARIABLE,
    text::{Part, query, query_base64, toml_text, word},
};

/// The input by which VS Code asks for a key, and keeps it.
const INPUT: &str = "mcp-gateway-key";
/// The variable that Claude Desktop hands to `mcp-remote`, which puts it into a header.
const HEADER_VARIABLE: &str = "AUTH_HEADER";
/// Where a person writes a key: Claude Desktop hands on no variables of its own.
const YOUR_KEY: &str = "<your key>";

pub(super) fn all(endpoint: &Endpoint) -> Vec<Entry> {
    vec![
        claude_desktop(endpoint),
        claude_code(endpoint),
        cursor(endpoint),
        vs_code(endpoint),
        codex(endpoint),
        gemini_cli(endpoint),
        windsurf(endpoint),
        inspector(endpoint),
        curl(endpoint),
    ]
}

fn claude_desktop(endpoint: &Endpoint) -> Entry {
    let header = format!("Authorization:${{{HEADER_VARIABLE}}}");
    let mut arguments = vec!["-y", "mcp-remote", endpoint.url.as_str()];
    if !is_allowed_by_mcp_remote(&endpoint.url) {
        arguments.push("--allow-http");
    }
    if endpoint.needs_key() {
        // Without a space: on Windows it would break the argument.
        arguments.extend(["--header", &header]);
    }
    let key = format!("Bearer {YOUR_KEY}");
    let environment = || Part::member(HEADER_VARIABLE, Part::from(key.as_str()));
    let server = Part::members([
        ("command", Some(Part::from("npx"))),
        ("args", Some(Part::texts(arguments))),
        ("env", endpoint.needs_key().then(environment)),
    ]);
    let mut steps =
        vec!["Open Settings, Developer, Edit Config, and merge the entry into the file".to_owned()];
    if endpoint.needs_key() {
        steps.push(format!("Write your key in place of {YOUR_KEY}"));
    }
    steps.push(
        "Quit Claude Desktop and start it again; mcp-remote needs Node.js 18 or later".to_owned(),
    );
    steps.push(
        "On Windows, if npx is not found: \"command\" is \"cmd\", and \"/c\", \"npx\" come first in \"args\""
            .to_owned(),
    );
    Entry {
        id: "claude_desktop",
        title: "Claude Desktop",
        place: "macOS: ~/Library/Application Support/Claude/claude_desktop_config.json; \
                Windows: %APPDATA%\\Claude\\claude_desktop_config.json; \
                Linux: ~/.config/Claude/claude_desktop_config.json",
        format: Format::Json,
        text: endpoint.under("mcpServers", server).pretty(),
        install_link: None,
        steps,
    }
}

fn claude_code(endpoint: &Endpoint) -> Entry {
    let Endpoint { server, url, .. } = endpoint;
    let mut text = format!("claude mcp add --transport http {server} {}", word(url));
    let mut steps = vec![
        "Run the command in the folder of your project; with --scope user it holds in every folder"
            .to_owned(),
    ];
    if endpoint.needs_key() {
        // Not for the shell: Claude Code keeps it so, and looks the variable up whenever it connects.
        let header = word(&header(&format!("${{{KEY_VARIABLE}}}")));
        text = format!("{text} --header {header}");
        steps.push("In cmd.exe, write double quotes for the single ones".to_owned());
        steps.push(endpoint.set_key("claude"));
    }
    steps.push(match endpoint.entrance {
        Entrance::Login => "In Claude Code, /mcp shows the server; log in there".to_owned(),
        Entrance::Open | Entrance::Key => "In Claude Code, /mcp shows the server".to_owned(),
    });
    Entry {
        id: "claude_code",
        title: "Claude Code",
        place: "A terminal",
        format: Format::Shell,
        text,
        install_link: None,
        steps,
    }
}

fn cursor(endpoint: &Endpoint) -> Entry {
    let headers = endpoint.headers(&format!("${{env:{KEY_VARIABLE}}}"));
    let server = || Part::members([("url", Some(endpoint.url())), ("headers", headers.clone())]);
    let link = format!(
        "cursor://anysphere.cursor-deeplink/mcp/install?name={}&config={}",
        query(&endpoint.server),
        query_base64(&server().compact())
    );
    let mut steps = vec![
        "Open the link, or merge the entry into the file".to_owned(),
        "Settings, MCP shows the server".to_owned(),
    ];
    steps.extend(endpoint.needs_key().then(|| endpoint.set_key("Cursor")));
    Entry {
        id: "cursor",
        title: "Cursor",
        place: "~/.cursor/mcp.json (Windows: %USERPROFILE%\\.cursor\\mcp.json), \
                or .cursor/mcp.json of a project",
        format: Format::Json,
        text: endpoint.under("mcpServers", server()).pretty(),
        install_link: Some(link),
        steps,
    }
}

fn vs_code(endpoint: &Endpoint) -> Entry {
    let input = || {
        Part::List(vec![Part::members([
            ("type", Some(Part::from("promptString"))),
            ("id", Some(Part::from(INPUT))),
            ("description", Some(Part::from("Key of the MCP gateway"))),
            ("password", Some(Part::Flag(true))),
        ])])
    };
    let inputs = || endpoint.needs_key().then(input);
    let headers = endpoint.headers(&format!("${{input:{INPUT}}}"));
    let server = [
        ("type", Some(Part::from("http"))),
        ("url", Some(endpoint.url())),
        ("headers", headers),
    ];
    let name = ("name", Some(Part::from(endpoint.server.as_str())));
    let installed = [name].into_iter().chain(server.clone());
    let installed = Part::members(installed.chain([("inputs", inputs())]));
    let servers = Part::member(&endpoint.server, Part::members(server));
    let text = Part::members([("inputs", inputs()), ("servers", Some(servers))]);
    let mut steps = vec!["Open the link, or merge the entry into the file".to_owned()];
    if endpoint.needs_key() {
        steps.push("VS Code asks for your key once, and keeps it".to_owned());
    }
    steps.push("MCP: List Servers shows the server; its tools are there in agent mode".to_owned());
    Entry {
        id: "vs_code",
        title: "VS Code",
        place: ".vscode/mcp.json of a workspace, \
                or the file that MCP: Open User Configuration opens",
        format: Format::Json,
        text: text.pretty(),
        install_link: Some(format!(
            "vscode:mcp/install?{}",
            query(&installed.compact())
        )),
        steps,
    }
}

fn codex(endpoint: &Endpoint) -> Entry {
    let Endpoint { server, url, .. } = endpoint;
    let mut text = format!("[mcp_servers.{server}]\nurl = {}\n", toml_text(url));
    let mut steps = vec!["Append the entry to the file, and start Codex again".to_owned()];
    match endpoint.entrance {
        Entrance::Open => {}
        Entrance::Key => {
            let variable = toml_text(KEY_VARIABLE);
            text = format!("{text}bearer_token_env_var = {variable}\n");
            steps.push(endpoint.set_key("Codex"));
        }
        Entrance::Login => steps.push(format!("Log in: codex mcp login {server}")),
    }
    Entry {
        id: "codex",
        title: "Codex",
        place: "~/.codex/config.toml (Windows: %USERPROFILE%\\.codex\\config.toml)",
        format: Format::Toml,
        text,
        install_link: None,
        steps,
    }
}

fn gemini_cli(endpoint: &Endpoint) -> Entry {
    let headers = endpoint.headers(&format!("${{{KEY_VARIABLE}}}"));
    let server = Part::members([("httpUrl", Some(endpoint.url())), ("headers", headers)]);
    let mut steps = vec![
        "Merge the entry into the file, and start Gemini CLI again".to_owned(),
        "Trust the folder when it asks: in others it connects to no server; /mcp shows it"
            .to_owned(),
    ];
    steps.extend(endpoint.needs_key().then(|| endpoint.set_key("Gemini CLI")));
    Entry {
        id: "gemini_cli",
        title: "Gemini CLI",
        place: "~/.gemini/settings.json (Windows: %USERPROFILE%\\.gemini\\settings.json), \
                or .gemini/settings.json of a project",
        format: Format::Json,
        text: endpoint.under("mcpServers", server).pretty(),
        install_link: None,
        steps,
    }
}

fn windsurf(endpoint: &Endpoint) -> Entry {
    let headers = endpoint.headers(&format!("${{env:{KEY_VARIABLE}}}"));
    let server = Part::members([("serverUrl", Some(endpoint.url())), ("headers", headers)]);
    let mut steps =
        vec!["Merge the entry into the file, and press refresh in Cascade's MCP panel".to_owned()];
    steps.extend(endpoint.needs_key().then(|| endpoint.set_key("Windsurf")));
    Entry {
        id: "windsurf",
        title: "Windsurf",
        place: "~/.codeium/windsurf/mcp_config.json \
                (Windows: %USERPROFILE%\\.codeium\\windsurf\\mcp_config.json)",
        format: Format::Json,
        text: endpoint.under("mcpServers", server).pretty(),
        install_link: None,
        steps,
    }
}

fn inspector(endpoint: &Endpoint) -> Entry {
    let mut text = format!(
        "npx -y @modelcontextprotocol/inspector --server-url {} --transport http",
        word(&endpoint.url)
    );
    let mut steps = vec![
        "Run the command, and open the link it prints; it needs Node.js 22.19 or later".to_owned(),
    ];
    if endpoint.needs_key() {
        let header = header(&format!("${KEY_VARIABLE}"));
        text = format!("{text} --header \"{header}\"");
        steps.insert(0, endpoint.set_key("the command"));
        steps.push(
            "While the command runs, others on the same machine can read your key among its arguments; where there are \
             others, leave out --header, and enter the header in the Inspector's page"
                .to_owned(),
        );
    }
    Entry {
        id: "inspector",
        title: "MCP Inspector",
        place: "A terminal",
        format: Format::Shell,
        text,
        install_link: None,
        steps,
    }
}

fn curl(endpoint: &Endpoint) -> Entry {
    let mut text = format!(
        "curl {} -H 'content-type: application/json'",
        word(&endpoint.url)
    );
    let mut steps = vec!["Run the command: it lists the session's tools".to_owned()];
    // curl does not log in: it shows what was got elsewhere.
    if endpoint.entrance != Entrance::Open {
        // Among its arguments everybody on the machine could read the key; printf is a part of the shell.
        let header = header("%s");
        text = format!("printf '{header}' \"${KEY_VARIABLE}\" | {text} -H @-");
        steps.insert(0, endpoint.set_key("the command"));
    }
    text.push_str(r#" -d '{"jsonrpc":"2.0","id":1,"method":"tools/list"}'"#);
    Entry {
        id: "curl",
        title: "curl",
        place: "A terminal",
        format: Format::Shell,
        text,
        install_link: None,
        steps,
    }
}

impl Endpoint {
    fn needs_key(&self) -> bool {
        self.entrance == Entrance::Key
    }

    fn url(&self) -> Part {
        Part::from(self.url.as_str())
    }

    /// An entry in a file that has its servers by name.
    fn under(&self, servers: &str, server: Part) -> Part {
        Part::member(servers, Part::member(&self.server, server))
    }

    /// The same as JSON, where a key is needed.
    fn headers(&self, key: &str) -> Option<Part> {
        let value = || Part::Text(format!("Bearer {key}"));
        self.needs_key()
            .then(|| Part::member("Authorization", value()))
    }

    fn set_key(&self, before: &str) -> String {
        let what = match self.entrance {
            Entrance::Login => "a token of your authorization server",
            Entrance::Open | Entrance::Key => "your key",
        };
        format!(
            "Before you start {before}, put {what} into the environment variable {KEY_VARIABLE}"
        )
    }
}

/// The header that shows a key, which stands there as the client looks it up.
fn header(key: &str) -> String {
    format!("Authorization: Bearer {key}")
}

/// Without being told so, `mcp-remote` speaks in the clear with two names of this machine only.
fn is_allowed_by_mcp_remote(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return true;
    };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.octets() == [127, 0, 0, 1],
        Some(Host::Ipv6(_)) | None => false,
    };
    url.scheme() == "https" || is_here
}
