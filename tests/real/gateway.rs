//! The gateway's own program.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{self, Instant};

use crate::{process::Process, world::place::Place};

const START_DEADLINE: Duration = Duration::from_mins(3);
/// How long a fact may take that is asked for again and again.
const DEADLINE: Duration = Duration::from_mins(2);
const POLL_EVERY: Duration = Duration::from_millis(20);
/// How long it waits for its backends: as long as it may, because the machine may stand still. No test here is about that.
const PATIENCE: [&str; 3] = [
    "--connect-timeout=1m",
    "--handshake-timeout=1m",
    "--initialize-deadline=1m",
];

/// A running gateway with its database and registry.
pub(crate) struct Gateway {
    folder: TempDir,
    place: Place,
    process: Process,
    arguments: Vec<String>,
}

impl Gateway {
    /// Starts it.
    pub(crate) async fn start(registry: &str) -> Self {
        Self::launch_in(folder_with(registry), Place::new(), Vec::new()).await
    }

    /// Starts it with an API key of this name; gives the key, too.
    pub(crate) async fn start_with_key(registry: &str, name: &str) -> (Self, String) {
        let folder = folder_with(registry);
        let file = folder.path().join("callers.yaml");
        let made = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"))
            .args(["keys", "create", name, "--callers"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
        let arguments = vec![format!("--callers={}", file.display())];
        (Self::launch_in(folder, Place::new(), arguments).await, key)
    }

    /// Starts it with arguments that need to know its address.
    pub(crate) async fn start_with(
        registry: &str,
        arguments: impl Fn(&str) -> Vec<String>,
    ) -> Self {
        let folder = folder_with(registry);
        let place = Place::new();
        let arguments = arguments(&format!("http://{}", place.address()));
        Self::launch_in(folder, place, arguments).await
    }

    async fn launch_in(folder: TempDir, place: Place, arguments: Vec<String>) -> Self {
        let process = launch(&folder, &place, &arguments).await;
        Self {
            folder,
            place,
            process,
            arguments,
        }
    }

    /// Its address, without a slash at the end.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.place.address())
    }

    /// Creates a session and returns its MCP endpoint.
    pub(crate) async fn create_session(&self, request: Value) -> String {
        self.create(None, request).await
    }

    /// The same as a caller who has this key or token.
    pub(crate) async fn create_session_as(&self, key: &str, request: Value) -> String {
        self.create(Some(key), request).await
    }

    async fn create(&self, key: Option<&str>, request: Value) -> String {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut post = client
            .post(format!("{}/create-session", self.url()))
            .header("content-type", "application/json");
        if let Some(key) = key {
            post = post.bearer_auth(key);
        }
        let response = post.body(request.to_string()).send().await.unwrap();
        let (status, body) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 201, "{body}");
        let created: Value = serde_json::from_str(&body).unwrap();
        format!(
            "{}{}",
            self.url(),
            created["mcp_endpoint"].as_str().unwrap()
        )
    }

    /// Waits until it lets in who has this token: it may have asked for its issuer's keys while that stood still.
    pub(crate) async fn lets_in(&self, token: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let deadline = Instant::now() + DEADLINE;
        let ask = || client.get(format!("{}/sessions", self.url()));
        while ask().bearer_auth(token).send().await.unwrap().status() != 200 {
            assert!(Instant::now() < deadline, "{}", self.log());
            time::sleep(POLL_EVERY).await;
        }
    }

    /// Waits until a line of its log has all these words.
    pub(crate) async fn logs(&self, words: &[&str]) {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        let deadline = Instant::now() + DEADLINE;
        while !self.log().lines().any(has) {
            assert!(
                Instant::now() < deadline,
                "no line of the log has {words:?}"
            );
            time::sleep(POLL_EVERY).await;
        }
    }

    /// Kills it with `kill -9` and starts it again with the same database on the same port.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.process.kill().await;
        self.process = launch(&self.folder, &self.place, &self.arguments).await;
    }

    /// Everything it said and logged since it was started last.
    pub(crate) fn log(&self) -> String {
        format!("{}{}", self.process.stdout(), self.process.stderr())
    }
}

fn folder_with(registry: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("registry.yaml"), registry).unwrap();
    folder
}

/// Starts the program and waits until it tells where it listens.
async fn launch(folder: &TempDir, place: &Place, arguments: &[String]) -> Process {
    let path = |file: &str| -> PathBuf { folder.path().join(file) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
    command
        .args(["--host", "127.0.0.1"])
        .args(["--port", &place.address().port().to_string()])
        .args([
            "--database-url",
            &format!("sqlite://{}?mode=rwc", path("gateway.db").display()),
        ])
        .arg("--registry")
        .arg(path("registry.yaml"))
        .args(["--log-delay", "0s"])
        .args(PATIENCE)
        .args(arguments);
    let mut process = Process::start("the gateway", command);
    let deadline = Instant::now() + START_DEADLINE;
    let announced = format!("listening on http://{}", place.address());
    while Instant::now() < deadline {
        if process.stdout().contains(&announced) {
            return process;
        }
        assert!(!process.has_ended(), "the gateway ended at its start");
        time::sleep(POLL_EVERY).await;
    }
    panic!("the gateway does not tell where it listens after {START_DEADLINE:?}");
}
