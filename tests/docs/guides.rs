//! Holds the guides to the program: their commands run, their snippets are read, their messages are ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mcp_gateway::front::api;

use crate::{
    between,
    program::{PROGRAM, Running, assert_flag, assert_takes},
    text,
};

const GUIDES: [&str; 5] = [
    "docs/clients.md",
    "docs/registry.md",
    "docs/team.md",
    "docs/troubleshooting.md",
    "docs/upgrade.md",
];
/// What guides call the gateway; here it is elsewhere.
const USUAL_URL: &str = "http://127.0.0.1:8000";

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
}

/// The fenced blocks of a page, in order.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let page = text(page);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let inside = lines.by_ref().take_while(|line| line.trim() != "```");
        let inside: Vec<&str> = inside
            .map(|line| line.get(indent..).unwrap_or(""))
            .collect();
        blocks.push(Block {
            language: language.to_owned(),
            text: inside.join("\n"),
        });
    }
    blocks
}

/// A folder with a registry, and a gateway in it that runs.
struct World {
    folder: tempfile::TempDir,
    gateway: Running,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        furnish(folder.path());
        let gateway = Running::start(folder.path(), &[]).unwrap();
        Self { folder, gateway }
    }

    /// Runs a block as a person would, who has the program in their path.
    fn run(&self, script: &str) -> Output {
        let script = script.replace(USUAL_URL, &self.gateway.url);
        // A function, whose name has no hyphen: not every shell takes one.
        let script = script.replace("mcp-gateway ", "gateway ");
        let script = format!("gateway() {{ \"$PROGRAM\" \"$@\"; }}\n{script}");
        Command::new("sh")
            .args(["-euc", &script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("PROGRAM", PROGRAM)
            .env("GITHUB_TOKEN", "ghp_S3cr3t")
            .env("MCP_GATEWAY_URL", &self.gateway.url)
            .output()
            .unwrap()
    }
}

/// Writes what guides take to be there.
fn furnish(folder: &Path) {
    let named = ["huggingface", "aws_knowledge_base", "github"].map(|name| {
        // Nobody answers there: whether somebody does is not what guides are about.
        let auth = "{ type: bearer, required: false }";
        format!("  {name}:\n    url: http://127.0.0.1:9/{name}\n    auth: {auth}\n")
    });
    let registry = format!("providers:\n{}", named.concat());
    fs::write(folder.join("registry.yaml"), registry).unwrap();
    fs::create_dir(folder.join(".cursor")).unwrap();
    let file = r#"{"mcpServers": {"wiki": {"url": "http://127.0.0.1:9/wiki"}}}"#;
    fs::write(folder.join(".cursor/mcp.json"), file).unwrap();
}

/// What was printed, as a guide shows it.
fn as_shown(printed: &[u8], world: &World) -> String {
    let printed = String::from_utf8(printed.to_vec()).unwrap();
    let printed = printed.replace(&world.gateway.url, USUAL_URL);
    match printed.split_once("/session/") {
        Some((before, after)) => format!("{before}/session/<uuid>{}", &after[36..]),
        None => printed,
    }
}

#[test]
fn what_guides_say_to_run_runs_and_prints_what_they_show() {
    let mut compared = 0;
    for page in GUIDES.into_iter().chain(["README.md"]) {
        let blocks = blocks(page);
        let world = World::new();
        for (index, block) in blocks.iter().enumerate() {
            // README's way in is gone elsewhere; what it serves with, below.
            let ours = ["mcp-gateway keys", "id=$(mcp-gateway"];
            let is_ours = ours.iter().any(|begin| block.text.starts_with(begin));
            if block.language != "sh" || page == "README.md" && !is_ours {
                continue;
            }
            let ended = world.run(&block.text);
            assert!(ended.status.success(), "{page}: {}\n{ended:?}", block.text);
            let shown = blocks.get(index + 1);
            if let Some(shown) = shown.filter(|shown| shown.text.contains("<uuid>")) {
                let printed = as_shown(&ended.stdout, &world);
                assert_eq!(printed.trim_end(), shown.text, "{page}: {}", block.text);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 9, "each client's entry stands in a guide");
}

#[test]
fn what_guides_say_to_serve_with_serves() {
    let mut served = 0;
    for page in GUIDES.into_iter().chain(["README.md"]) {
        for block in blocks(page) {
            let text = block.text.replace("\\\n", " ");
            let serving =
                |line: &&str| line.starts_with("mcp-gateway --") && !line.ends_with("--version");
            for line in text.lines().filter(serving) {
                let folder = tempfile::tempdir().unwrap();
                furnish(folder.path());
                certify(folder.path());
                let made = Command::new(PROGRAM)
                    .args(["keys", "create", "ada"])
                    .current_dir(folder.path())
                    .env_clear()
                    .output();
                assert!(made.unwrap().status.success());
                let line = line.replace("/var/lib/mcp-gateway/", "");
                let line = line.replace("--port 8443", "");
                let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
                let arguments = [&["--port=0"], &arguments[..]].concat();
                let started = Running::start_with(folder.path(), &arguments, &[]);
                assert!(started.is_ok(), "{page}: {line}\n{:?}", started.err());
                served += 1;
            }
        }
    }
    assert!(served >= 5, "{served} ways to serve");
}

/// Writes a certificate and its key.
fn certify(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(["mcp.example.com".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

/// The words behind a program's name in a line of a shell, up to where another command begins.
fn arguments<'a>(line: &'a str, program: &str) -> Option<Vec<&'a str>> {
    let (_, behind) = line.split_once(program)?;
    let ends = |word: &&str| !["|", "&&", ";", "||", ">"].contains(word);
    Some(behind.split_whitespace().take_while(ends).collect())
}

#[test]
fn what_guides_only_show_names_verbs_flags_files_and_routes_that_exist() {
    let mut shown = 0;
    for page in GUIDES.into_iter().chain(["README.md"]) {
        let blocks = blocks(page);
        let ours = ["sh", "shell"];
        let lines = blocks
            .iter()
            .filter(|block| ours.contains(&block.language.as_str()))
            .flat_map(|block| block.text.lines());
        let whole = text(page);
        // With the fences gone, what stands between two marks is code.
        let prose = whole.replace("```", "");
        let code: Vec<&str> = prose.split('`').skip(1).step_by(2).collect();
        let spans = code.into_iter().filter(|span| !span.contains('\n'));
        for line in lines.chain(spans) {
            let line = line.trim();
            let begins = ["mcp-gateway ", "sudo -u mcp-gateway mcp-gateway "];
            let program = begins.iter().find(|begin| line.starts_with(**begin));
            let program = program.copied().or_else(|| {
                let runs = [
                    "compose run --rm gateway ",
                    "exec gateway /usr/local/bin/mcp-gateway ",
                ];
                runs.into_iter().find(|run| line.contains(run))
            });
            if let Some(words) = program.and_then(|program| arguments(line, program)) {
                // Where words stand for others, or for several, README's table is meant.
                if !line.contains("\\|") && !line.contains('…') && !line.ends_with('\\') {
                    assert_takes(&words);
                    shown += 1;
                }
            }
            if line.starts_with("--") && page != "README.md" {
                assert_flag(line.split([' ', '=']).next().unwrap());
            }
            for word in line.split([' ', '"', '\'']) {
                if let Some(path) = word.strip_prefix(USUAL_URL) {
                    assert_route(path.trim_end_matches([',', ';']));
                }
                if word.starts_with("deploy/") {
                    assert!(root().join(word).exists(), "{page}: {word}");
                }
            }
        }
    }
    assert!(shown > 50, "{shown} commands");
}

/// Fails unless the gateway serves something at a path.
fn assert_route(path: &str) {
    let segments = |path: &str| -> Vec<String> {
        let path = path.split('?').next().unwrap();
        path.split('/').map(str::to_owned).collect()
    };
    let asked = segments(path);
    let is_served = api::ROUTES.iter().any(|route| {
        let known = segments(route.template);
        let fits = |(known, asked): (&String, &String)| known == asked || known.starts_with('{');
        known.len() == asked.len() && known.iter().zip(&asked).all(fits)
    });
    assert!(is_served || path.is_empty(), "nothing is served at {path}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn what_guides_say_to_write_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("registry.yaml");
    let mut read = 0;
    for page in GUIDES {
        for block in blocks(page) {
            match block.language.as_str() {
                "yaml" => {
                    fs::write(&file, &block.text).unwrap();
                    let mut check = Command::new(PROGRAM);
                    let check = check.arg("check").current_dir(folder.path()).env_clear();
                    let told = check.output().unwrap();
                    assert!(told.status.success(), "{page}: {}\n{told:?}", block.text);
                }
                "json" => drop(serde_json::from_str::<serde_json::Value>(&block.text).unwrap()),
                "toml" => drop(block.text.parse::<toml_edit::DocumentMut>().unwrap()),
                "sh" | "shell" | "text" => continue,
                other => panic!("{page}: nobody reads a block of {other}"),
            }
            read += 1;
        }
    }
    assert!(read > 10, "{read} snippets");
}

/// The anchors of a page's headings.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn what_guides_link_to_exists() {
    for page in GUIDES {
        let whole = text(page);
        for link in between(&whole, "](", ")") {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let place: PathBuf = match file {
                "" => root().join(page),
                file => root().join("docs").join(file),
            };
            let linked = fs::read_to_string(&place);
            let linked = linked.unwrap_or_else(|_| panic!("{page}: {link}"));
            let is_there = anchor.is_empty() || anchors(&linked).iter().any(|one| one == anchor);
            assert!(is_there, "{page}: {link}");
        }
    }
    let readme = text("README.md");
    for page in GUIDES {
        assert!(
            readme.contains(&format!("]({page})")),
            "README leads to {page}"
        );
    }
}
