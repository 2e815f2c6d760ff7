//! The page in a real browser, before the real gateway and scripted backends.
//!
//! `node/page.mjs` drives one Chromium for all there is to show and says of each part whether it holds; here stands the
//! world it meets. Chromium is the machine's own; its driver is installed below the target directory on first use. Where
//! Node or Chromium is missing the test says that it was skipped; with `CI=true` in the environment it fails instead.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../real/install.rs"]
#[expect(dead_code, reason = "it installs more for others")]
mod install;
#[path = "../support/world.rs"]
#[expect(dead_code, unused_imports, reason = "others have more of the world")]
mod world;

use std::{
    fs, io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures_util::FutureExt as _;
use install::{Failure, OLDEST_NODE, at_least, copy, install_npm_packages, or_skipped};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
    time::timeout,
};
use world::{FakeBackend, Fault, Gateway, List, place::Place};

/// Only ends a test that hangs: all parts together take a fortieth of it on a machine that has nothing else to do.
const DEADLINE: Duration = Duration::from_mins(15);
/// The tools whose forms are filled in.
const ORDER: &str = r##"{
    "name": "order", "title": "Order a meal", "description": "Takes an order of any kind and repeats it.",
    "annotations": {"destructiveHint": true},
    "inputSchema": {
        "type": "object", "required": ["dish", "portions", "address"],
        "properties": {
            "dish": {"type": "string", "title": "Dish", "description": "What to cook", "minLength": 2},
            "portions": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
            "price": {"type": "number"},
            "hot": {"type": "boolean"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "extras": {"type": "array", "items": {"type": "string", "enum": ["salt", "pepper"]}},
            "notes": {"type": "array", "items": {"type": "string"}},
            "address": {"$ref": "#/$defs/address"},
            "anything": {}
        },
        "$defs": {"address": {"type": "object", "required": ["street"], "properties": {"street": {"type": "string"}, "floor": {"type": ["integer", "null"]}}}}
    }
}"##;

/// A tool whose schema goes round in circles: a form of all of it would never end.
const MAZE: &str = r##"{
    "name": "maze",
    "inputSchema": {"type": "object", "properties": {
        "a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"$ref": "#"}, "d": {"$ref": "#"}, "e": {"$ref": "#"},
        "f": {"$ref": "#"}, "g": {"$ref": "#"}, "h": {"$ref": "#"}, "i": {"$ref": "#"}, "word": {"type": "string"}
    }}
}"##;

/// The script with what it needs, and the browser it drives.
struct Browser {
    script: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    fn found() -> Result<Self, Failure> {
        at_least("node", 0, OLDEST_NODE)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let chromium = std::env::split_paths(&path)
            .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)))
            .find(|program| program.is_file())
            .ok_or("there is no chromium in PATH; install the package chromium")?;
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/node");
        let folder = install_npm_packages("page", &sources)?;
        for file in fs::read_dir(&sources)? {
            let file = file?.path();
            if file.extension().is_some_and(|extension| extension == "mjs") {
                copy(&file, &folder)?;
            }
        }
        let script = folder.join("page.mjs");
        Ok(Self { script, chromium })
    }

    /// Has it meet a world: whether all parts hold, and what it says of each.
    async fn meet(&self, world: &mut World) -> (bool, String) {
        let home = tempfile::tempdir().unwrap();
        let mut node = Command::new("node")
            .arg(&self.script)
            .env("CHROMIUM", &self.chromium)
            .env("HOME", home.path())
            .current_dir(home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Chromium ends when the pipe does that it is driven through.
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = node.stdin.take().unwrap();
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let mut stderr = node.stderr.take().unwrap();
        let complaints = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.unwrap();
            text
        });
        let met = async {
            let mut said = String::new();
            let mut answer = world.described().to_string();
            loop {
                stdin.write_all(format!("{answer}\n").as_bytes()).await?;
                let asked = loop {
                    let Some(line) = lines.next_line().await? else {
                        return Ok((node.wait().await?.success(), said));
                    };
                    match line.strip_prefix("do ") {
                        Some(what) => break what.to_owned(),
                        None => said = format!("{said}{line}\n"),
                    }
                };
                answer = world.act(&asked).await.to_string();
            }
        };
        let ended: Result<io::Result<(bool, String)>, _> = timeout(DEADLINE, met).await;
        let ended = ended.unwrap_or_else(|_| panic!("the browser is not done after {DEADLINE:?}"));
        let (holds, said) = ended.unwrap();
        (holds, said + &complaints.await.unwrap())
    }
}

/// Two gateways and what stands behind them. A part of the script may have it do something.
struct World {
    kitchen: FakeBackend,
    locked: FakeBackend,
    /// One whose tools change, and that goes away.
    larder: FakeBackend,
    /// One whose address has nothing at its path.
    _astray: FakeBackend,
    /// Where there is no server at all.
    _away: Place,
    open: Gateway,
    guarded: Gateway,
}

impl World {
    fn new() -> Self {
        let kitchen = FakeBackend::legacy().tool(ORDER).tool(MAZE).all_tools();
        let (kitchen, larder) = (
            kitchen.start(),
            FakeBackend::legacy().without_prompts().start(),
        );
        let locked = FakeBackend::legacy().demands_bearer("the-right-token");
        let locked = locked.start();
        // Nobody listens there while this holds it.
        let held = Place::new();
        let away = format!("http://{}/mcp", held.address());
        let astray = FakeBackend::legacy().start();
        astray.inject(Fault::status(404));
        let token = "description: Opens with a token\nauth: { type: bearer, obtain: https://example.com/tokens }";
        let setup = || {
            Gateway::setup()
                .provider_with(
                    "kitchen",
                    &kitchen,
                    "description: Orders, questions and progress",
                )
                .provider_with("locked", &locked, token)
        };
        let open = setup()
            .entry("away", &away, "description: A server that is down")
            .provider_with("astray", &astray, "description: Something at another path")
            .provider("larder", &larder)
            .start();
        let guarded = setup().caller("ada").operator("olga").start();
        Self {
            kitchen,
            locked,
            larder,
            _astray: astray,
            _away: held,
            open,
            guarded,
        }
    }

    /// What the script has to know of it.
    fn described(&self) -> Value {
        json!({
            "open": self.open.url(""),
            "guarded": self.guarded.url(""),
            "keys": {"ada": self.guarded.key("ada"), "olga": self.guarded.key("olga")},
            "token": "the-right-token",
        })
    }

    /// Does what the script asks for: whether that came about.
    async fn act(&mut self, what: &str) -> bool {
        // What fails here fails the part that wants it, which has more to say.
        let done = AssertUnwindSafe(self.carry_out(what)).catch_unwind();
        done.await.is_ok()
    }

    async fn carry_out(&mut self, what: &str) {
        let (verb, with) = what.split_once(": ").unwrap_or((what, ""));
        match verb {
            "the larder offers another tool" => {
                let tool = json!({"name": with, "inputSchema": {"type": "object"}});
                self.larder.add_tool(&tool.to_string());
                self.larder.announce_change(List::Tools);
            }
            "the kitchen is called" => {
                let called = |kitchen: &FakeBackend| {
                    let calls = kitchen.requests_of("tools/call");
                    calls.iter().any(|call| call.params()["name"] == with)
                };
                self.kitchen.until(what, called).await;
            }
            "the larder goes down" => self.larder.go_down().await,
            "the larder comes back" => self.larder.come_back(),
            "the larder is listened to on streams" => {
                let count: usize = with.parse().unwrap();
                let listened = |larder: &FakeBackend| larder.listeners() == count;
                self.larder.until(what, listened).await;
            }
            "the gateway is killed" => self.open.kill(),
            "the gateway starts again" => self.open.restart(),
            _ => panic!("the script asks for: {what}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_build_watch_and_try_sessions_on_the_page() {
    let Some(browser) = or_skipped(Browser::found()) else {
        return;
    };
    let mut world = World::new();
    let (holds, said) = browser.meet(&mut world).await;
    assert!(holds, "{said}");
    let parts = said.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(parts >= 10, "{said}");
    for (backend, words) in [
        (&world.kitchen, "the kitchen"),
        (&world.locked, "the locked one"),
        (&world.larder, "the larder"),
    ] {
        assert_eq!(backend.complaints(), [""; 0], "{words}");
    }
    let guarded = &world.guarded;
    for key in ["ada", "olga"] {
        assert!(
            !guarded.logs().contains(guarded.key(key)),
            "a key in the log"
        );
    }
}
