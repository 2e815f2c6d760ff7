//! README's way in, as a new user goes it: each command of its first two sections, in order, to the letter.
//!
//! Only what a test must not do is another: what cargo would build is there already, and ports are free ones.

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tokio::time::{self, Instant};

use crate::{desk::Desk, install::Node, process::Process, world::place::Place};

/// Only ends a test that hangs.
const START_DEADLINE: Duration = Duration::from_mins(5);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// What README has on the left, which may be taken on this machine.
const PORTS: [&str; 2] = ["8000", "3001"];

/// A fenced block of README.
struct Block {
    language: String,
    text: String,
}

fn text(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The blocks between two headings.
fn blocks(from: &str, to: &str) -> Vec<Block> {
    let readme = text("README.md");
    let (_, section) = readme.split_once(from).unwrap();
    let (section, _) = section.split_once(to).unwrap();
    let fenced = section.split("```").skip(1).step_by(2);
    let block = |fenced: &str| {
        let (language, text) = fenced.split_once('\n').unwrap();
        Block {
            language: language.to_owned(),
            text: text.to_owned(),
        }
    };
    fenced.map(block).collect()
}

/// A clone of the repository, in which a person sits.
struct Clone {
    desk: Desk,
    /// Where the gateway and the server listen.
    places: [Place; 2],
    /// What a shell keeps of the blocks before.
    exports: String,
    serving: Option<Process>,
    servers: Vec<Process>,
}

impl Clone {
    fn new(node: &Node) -> Self {
        let places = [Place::new(), Place::new()];
        let mut desk = Desk::new();
        // How long the gateway waits for its backends is none of README's words here, and the machine may stand still.
        for limit in [
            "CONNECT_TIMEOUT",
            "HANDSHAKE_TIMEOUT",
            "INITIALIZE_DEADLINE",
        ] {
            desk.set(limit, "1m");
        }
        let port = places[0].address().port();
        let program = env!("CARGO_BIN_EXE_mcp-gateway");
        // `cargo run --release` and perhaps `-- demo`.
        let run = format!("exec '{program}' \"$@\" --port {port}");
        desk.install("cargo", &format!("shift 2\ntest $# = 0 || shift\n{run}"));
        // It is where cargo puts it, and nowhere else.
        let built = desk.home().join("target/release");
        fs::create_dir_all(&built).unwrap();
        fs::rename(
            desk.home().join("bin/mcp-gateway"),
            built.join("mcp-gateway"),
        )
        .unwrap();
        let everything = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
        let everything = node.script(everything);
        desk.install(
            "npx",
            &format!("shift 2\nexec node '{}' \"$@\"", everything.display()),
        );
        let clone = Self {
            desk,
            places,
            exports: String::new(),
            serving: None,
            servers: Vec::new(),
        };
        // Nobody outside is asked.
        let mut registry = clone.here(&text("registry.yaml"));
        while let Some((before, after)) = registry.split_once("\n    url: https://") {
            let (_, after) = after.split_once('\n').unwrap();
            registry = format!("{before}\n    url: http://127.0.0.1:9/mcp\n{after}");
        }
        clone.desk.write("registry.yaml", &registry);
        clone
    }

    /// README's words with this machine's ports.
    fn here(&self, words: &str) -> String {
        let places = PORTS.into_iter().zip(&self.places);
        places.fold(words.to_owned(), |words, (usual, place)| {
            let port = place.address().port();
            words
                .replace(&format!("127.0.0.1:{usual}"), &format!("127.0.0.1:{port}"))
                .replace(&format!("PORT={usual}"), &format!("PORT={port}"))
        })
    }

    /// Does what a block says: what was printed, by now or to the end.
    async fn does(&mut self, block: &Block) -> String {
        let line = self.here(&block.text);
        if line.contains("npx ") {
            let server = self.starts(&line, "listening on port").await;
            self.servers.push(server);
            return String::new();
        }
        if line.contains("cargo run") {
            // One gateway a port.
            if let Some(mut before) = self.serving.take() {
                before.kill().await;
            }
            let last = if line.contains("demo") {
                "Stop it with Ctrl-C"
            } else {
                "Or open http"
            };
            let gateway = self.starts(&line, last).await;
            let printed = gateway.stdout();
            self.serving = Some(gateway);
            return printed;
        }
        let url = format!("http://{}", self.places[0].address());
        // Told by the variable, as somebody does whose gateway is not at the usual port.
        self.desk.set("MCP_GATEWAY_URL", &url);
        let printed = self.desk.run(&format!("{}{line}", self.exports)).await.out;
        let exports = line.lines().filter(|line| line.starts_with("export "));
        exports.for_each(|line| self.exports.extend([line, "\n"]));
        printed
    }

    /// Starts what goes on, and waits until it says so.
    async fn starts(&self, line: &str, words: &str) -> Process {
        let mut command = self.desk.command("sh");
        command.args(["-euc", line]);
        let mut process = Process::start_at(line, command, self.desk.home());
        let deadline = Instant::now() + START_DEADLINE;
        while !format!("{}{}", process.stdout(), process.stderr()).contains(words) {
            assert!(!process.has_ended(), "{line}");
            assert!(Instant::now() < deadline, "{line}: no {words:?}");
            time::sleep(POLL_EVERY).await;
        }
        process
    }
}

/// A text with a mark in place of each id.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| uuid::Uuid::try_parse(word).is_ok();
    let parts = text.split_inclusive(['/', '"', '\n', ' ']);
    let part = |part: &str| {
        let end = part.len() - part.chars().last().map_or(0, char::len_utf8);
        if is_id(&part[..end]) {
            format!("<uuid>{}", &part[end..])
        } else {
            part.to_owned()
        }
    };
    parts.map(part).collect()
}

/// The members of an object, and of those in it, without what they hold.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
        Value::Array(list) => list.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn the_way_in_can_be_gone_to_the_letter() {
    let Some(node) = Node::installed() else {
        return;
    };
    let mut clone = Clone::new(&node);
    let blocks = blocks("\n## 60 seconds to Claude\n", "\n## Run, test, measure\n");
    let mut printed = String::new();
    let mut compared = 0;
    for block in &blocks {
        if block.language == "sh" {
            printed = clone.does(block).await;
            continue;
        }
        let shown = clone.here(&block.text);
        let printed = without_ids(&printed);
        let is_there = match block.language.as_str() {
            "text" => printed == shown,
            // An entry is what was printed; of several answers, one has the same members.
            _ if shown.contains("mcpServers") => printed == shown,
            _ => {
                let shown: Value = serde_json::from_str(&shown).unwrap();
                let answers = serde_json::Deserializer::from_str(&printed).into_iter::<Value>();
                answers.flatten().any(|told| shape(&told) == shape(&shown))
            }
        };
        assert!(is_there, "README shows\n{shown}\nand this came\n{printed}");
        compared += 1;
    }
    assert_eq!((blocks.len(), compared), (13, 5));
}
