//! The real gateway, as a process.

pub mod callers;
mod log;

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Instant,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    Authority, FakeBackend, GLANCE, PATIENCE,
    client::{http_client, http_client_trusting},
    place::Place,
    within,
};

use log::Log;

const ANNOUNCEMENT: &str = "://127.0.0.1:";

/// Limits that no standstill of the machine reaches: a test of one of them says so, by a flag, a variable or in its
/// provider's entry. Otherwise a slow machine would have requests given up and sent again that a test counts.
const CALM: [(&str, &str); 8] = [
    ("CONNECT_TIMEOUT", "5m"),
    ("HANDSHAKE_TIMEOUT", "5m"),
    ("IDLE_TIMEOUT", "5m"),
    ("INITIALIZE_DEADLINE", "1m"),
    ("HEADER_TIMEOUT", "5m"),
    ("BODY_TIMEOUT", "5m"),
    ("WRITE_TIMEOUT", "5m"),
    ("DRAIN_TIMEOUT", "5m"),
];

/// What a gateway is told before it starts.
pub struct Setup {
    registry: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log_level: String,
    callers: Vec<callers::Wanted>,
    files: Vec<(String, String)>,
    https: Option<HttpsFiles>,
}

/// What a gateway serves HTTPS with, and whom its clients trust.
struct HttpsFiles {
    certificate: PathBuf,
    key: PathBuf,
    trusted: reqwest::Certificate,
}

impl Setup {
    /// Puts a file into its folder before it starts.
    pub fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Adds a provider without credentials.
    pub fn provider(self, name: &str, backend: &FakeBackend) -> Self {
        self.provider_with(name, backend, "")
    }

    /// Adds a provider with more lines of its entry, such as `auth: { type: bearer }`.
    pub fn provider_with(self, name: &str, backend: &FakeBackend, more: &str) -> Self {
        self.entry(name, &backend.url(), more)
    }

    /// Adds a provider at any address.
    pub fn entry(mut self, name: &str, url: &str, more: &str) -> Self {
        writeln!(self.registry, "  {name}:\n    url: {url}").unwrap();
        for line in more.lines().map(str::trim).filter(|line| !line.is_empty()) {
            writeln!(self.registry, "    {line}").unwrap();
        }
        self
    }

    /// Adds a command-line argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets an environment variable.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves HTTPS with what this authority wrote down.
    pub fn https(mut self, authority: &Authority) -> Self {
        self.https = Some(HttpsFiles {
            certificate: authority.certificate_path(),
            key: authority.key_path(),
            trusted: authority.trusted(),
        });
        self
    }

    /// Logs this much; `debug` unless said otherwise.
    pub fn log_level(mut self, level: &str) -> Self {
        level.clone_into(&mut self.log_level);
        self
    }

    /// Starts the process; returns when it listens.
    pub fn start(self) -> Gateway {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("registry.yaml"), &self.registry).unwrap();
        for (name, text) in &self.files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let http = match &self.https {
            Some(https) => http_client_trusting(&https.trusted),
            None => http_client(),
        };
        let mut gateway = Gateway {
            setup: self,
            folder,
            http,
            place: Place::new(),
            process: None,
            log: Log::new(),
            keys: HashMap::new(),
        };
        gateway.make_keys();
        gateway.run();
        gateway
    }
}

/// A running gateway with a database and a registry of its own.
///
/// Dropping it kills the process; if the test failed, what it logged is printed.
pub struct Gateway {
    setup: Setup,
    folder: TempDir,
    http: reqwest::Client,
    place: Place,
    process: Option<Child>,
    log: Log,
    /// The API keys of callers by name.
    keys: HashMap<String, String>,
}

/// What `POST /create-session` made.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// The full URL of its MCP endpoint.
    pub endpoint: String,
}

/// An answer of the REST API.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub text: String,
}

impl HttpAnswer {
    /// The body as a tree. Fails the test if it is no JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// A header's value, if it came and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Gateway {
    /// A gateway to be told of providers.
    pub fn setup() -> Setup {
        Setup {
            registry: "providers:\n".to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log_level: "debug".to_owned(),
            callers: Vec::new(),
            files: Vec::new(),
            https: None,
        }
    }

    /// A gateway with these providers, none of which wants a credential.
    pub fn with(providers: &[(&str, &FakeBackend)]) -> Self {
        let setup = providers
            .iter()
            .fold(Self::setup(), |setup, (name, backend)| {
                setup.provider(name, backend)
            });
        setup.start()
    }

    /// A URL of this gateway.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.setup.https.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}{path}", self.address())
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.place.address()
    }

    /// Where its database and registry lie.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All it logged so far, over restarts: what it wrote before it answered is in it.
    pub fn logs(&self) -> String {
        self.log.text()
    }

    /// Makes a session of these servers, without credentials.
    pub async fn session(&self, servers: &[&str]) -> Session {
        self.create_session(&serde_json::json!({"servers": servers}))
            .await
    }

    /// Makes a session. Fails the test if the gateway refuses.
    pub async fn create_session(&self, request: &Value) -> Session {
        let answer = self.post("/create-session", request).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        Session {
            id: body["session_id"].as_str().unwrap().to_owned(),
            endpoint: self.url(body["mcp_endpoint"].as_str().unwrap()),
        }
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> HttpAnswer {
        self.send(self.http.get(self.url(path))).await
    }

    /// POSTs JSON to a path.
    pub async fn post(&self, path: &str, body: &Value) -> HttpAnswer {
        self.post_text(path, &body.to_string()).await
    }

    /// POSTs any text to a path, as JSON.
    pub async fn post_text(&self, path: &str, body: &str) -> HttpAnswer {
        let request = self.http.post(self.url(path));
        let request = request.header("content-type", "application/json");
        self.send(request.body(body.to_owned())).await
    }

    /// Sends a `PATCH` with JSON to a path.
    pub async fn patch(&self, path: &str, body: &Value) -> HttpAnswer {
        let request = self.http.patch(self.url(path));
        let request = request.header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    /// DELETEs a path.
    pub async fn delete(&self, path: &str) -> HttpAnswer {
        self.send(self.http.delete(self.url(path))).await
    }

    /// Begins a request of any kind to a path; [`Self::send`] sends it.
    pub fn request(&self, method: http::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    /// Sends a request and reads its whole answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> HttpAnswer {
        within("an answer of the REST API", async {
            let response = request.send().await.unwrap();
            HttpAnswer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                text: response.text().await.unwrap(),
            }
        })
        .await
    }

    /// Changes its environment from the next start on.
    pub fn set_environment(&mut self, name: &str, value: &str) {
        self.setup.environment.retain(|(known, _)| known != name);
        self.setup
            .environment
            .push((name.to_owned(), value.to_owned()));
    }

    /// Takes a variable out of its environment from the next start on.
    pub fn unset_environment(&mut self, name: &str) {
        self.setup.environment.retain(|(known, _)| known != name);
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("a running gateway").id()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a running gateway");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again on the same port, database and registry, killing it first if it runs.
    pub fn restart(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        self.run();
    }

    /// Asks it to end (SIGTERM) and demands that it ends well.
    pub fn stop(&mut self) {
        self.ask_to_stop();
        let status = self.wait_for_end();
        assert!(status.success(), "the gateway ended with {status}");
    }

    /// Sends SIGTERM and returns at once.
    pub fn ask_to_stop(&self) {
        let id = self.process.as_ref().expect("a running gateway").id();
        let status = Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .unwrap();
        assert!(status.success(), "kill -TERM ended with {status}");
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running gateway");
        let begun = Instant::now();
        loop {
            if let Some(status) = process.try_wait().unwrap() {
                return status;
            }
            if begun.elapsed() > PATIENCE {
                process.kill().unwrap();
                process.wait().unwrap();
                panic!("the gateway did not end within {PATIENCE:?}");
            }
            thread::sleep(GLANCE);
        }
    }

    /// The command that works on its database and registry, to be run while it is stopped.
    pub fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.configured();
        command.args(verb);
        command
    }

    /// Sends SIGHUP, which asks it to read its files again.
    pub fn hang_up(&self) {
        let id = self.process_id();
        let status = Command::new("kill")
            .args(["-HUP", &id.to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Starts it again and returns at once, before it listens.
    pub fn launch(&mut self) {
        let _announced = self.spawn();
    }

    fn run(&mut self) {
        let listening = self.spawn();
        let port = listening
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("the gateway does not say where it listens"));
        assert_eq!(port, self.address().port(), "where it listens");
    }

    fn spawn(&mut self) -> mpsc::Receiver<u16> {
        let mut command = self.configured();
        let mut process = command.stderr(self.log.to_write()).spawn().unwrap();
        let listening = announced_port(process.stdout.take().unwrap());
        self.process = Some(process);
        listening
    }

    fn configured(&self) -> Command {
        let database = self.file("gateway.db");
        let registry = self.file("registry.yaml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-gateway"));
        command.args([
            "--host",
            "127.0.0.1",
            "--port",
            &self.address().port().to_string(),
        ]);
        // A demo has its own.
        if !self
            .setup
            .arguments
            .iter()
            .any(|argument| argument == "demo")
        {
            let database = format!("sqlite://{}?mode=rwc", database.display());
            command.args(["--database-url", &database]);
            command.arg("--registry").arg(&registry);
        }
        command
            .args(["--log-level", &self.setup.log_level])
            .args(&self.setup.arguments);
        if let Some(https) = &self.setup.https {
            command.arg("--tls-cert").arg(&https.certificate);
            command.arg("--tls-key").arg(&https.key);
        }
        command
            // Nothing of the machine's settings may leak in.
            .env_clear()
            // A test may look for the line of what was just answered.
            .env("LOG_DELAY", "0s")
            .envs(CALM)
            .envs(self.setup.environment.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Gateway {
    #[expect(
        clippy::print_stderr,
        reason = "the log of a failed test belongs in its report"
    )]
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            eprintln!("--- the gateway logged:\n{}---", self.logs());
        }
    }
}

/// Reads standard output to its end, and sends the port when it is announced.
fn announced_port(stdout: impl std::io::Read + Send + 'static) -> mpsc::Receiver<u16> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Some((_, rest)) = line.split_once(ANNOUNCEMENT) else {
                continue;
            };
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            if let Ok(port) = rest[..digits].parse() {
                // Nobody listens for a second announcement.
                let _ = sender.send(port);
            }
        }
    });
    receiver
}
