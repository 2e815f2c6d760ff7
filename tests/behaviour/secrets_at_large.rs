//! One long run with everything that can go wrong, and then a search: no secret of it lies anywhere, in
//! any encoding, with the log as talkative as it can be.

use std::path::Path;

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        Client, FakeBackend, Fault, Gateway, Program, Wanted,
        client::Answer,
        gateway::{HttpAnswer, Session},
        spellings::found,
    },
};

const TOKEN: &str = r#"tok+5e2f/1c9a"8b7d%6e\4f"#;
const NEXT_TOKEN: &str = "nxt+9d8e/7f6a'5b4c&3d<2e>";
const API_KEY: &str = "key=0a1b?2c3d#4e5f~6071+x";
const DEFAULT: &str = "def-77aa88bb99cc00dd";
const WRONG: &str = "bad-1234567890abcdef";
const HEADER: &str = "hdr-0011223344556677";
const ARGUMENT: &str = "arg-feedfacecafebeef";
const MISPLACED: &str = "mis-8877665544332211";

/// What is never to be seen anywhere.
const SECRETS: [&str; 6] = [TOKEN, NEXT_TOKEN, API_KEY, DEFAULT, WRONG, HEADER];

/// Every crate by name, for a directive of its own outranks what the gateway holds back.
const EVERYTHING: &str = "trace,hyper=trace,hyper_util=trace,h2=trace,reqwest=trace,rustls=trace,\
                          ractor=trace,sqlx=trace,sea_orm=trace,sea_orm_migration=trace,warp=trace,\
                          mcp_gateway=trace";

/// All that came out of the gateway but for its log and its files.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn http(&mut self, what: &str, answer: &HttpAnswer) {
        let text = format!("{:?} {}", answer.headers, answer.text);
        self.0.push((what.to_owned(), text.into_bytes()));
    }

    fn mcp(&mut self, what: &str, answer: &Answer) {
        let mut bytes = format!("{:?} ", answer.headers).into_bytes();
        bytes.extend_from_slice(&answer.body);
        self.0.push((what.to_owned(), bytes));
    }

    fn hold(&self) {
        assert!(self.0.len() > 100, "{} answers", self.0.len());
        for (what, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(found(&SECRETS, bytes), None, "{what}: {text}");
        }
    }
}

struct World {
    backends: [FakeBackend; 3],
    gateway: Gateway,
    seen: Seen,
}

const NAMES: [&str; 3] = ["bearer", "key", "default"];

impl World {
    fn start() -> Self {
        let backends = [
            FakeBackend::legacy()
                .demands_bearer(TOKEN)
                .demands_bearer(NEXT_TOKEN)
                .start(),
            FakeBackend::modern()
                .demands_header("x-key", API_KEY)
                .start(),
            FakeBackend::legacy()
                .demands_header("x-api-key", DEFAULT)
                .start(),
        ];
        for backend in &backends {
            backend.tolerate();
        }
        let gateway = Gateway::setup()
            .provider_with("bearer", &backends[0], "auth: { type: bearer }")
            .provider_with(
                "key",
                &backends[1],
                "auth: { type: api_key, header: x-key }
                 headers: { x-team: \"env:TEAM_SECRET\" }",
            )
            .provider_with(
                "default",
                &backends[2],
                "auth: { type: api_key, default: env:DEFAULT_KEY }",
            )
            .environment("DEFAULT_KEY", DEFAULT)
            .environment("TEAM_SECRET", HEADER)
            .log_level(EVERYTHING)
            .argument("--retry-attempts=1")
            .argument("--idle-timeout=2s")
            .start();
        Self {
            backends,
            gateway,
            seen: Seen::default(),
        }
    }

    async fn session(&self) -> Session {
        let request = request(TOKEN);
        self.gateway.create_session(&request).await
    }

    /// Calls everything once, and looks at the session.
    async fn call_all(&mut self, session: &Session, what: &str) {
        for revision in [LATEST_LEGACY, MODERN] {
            let program = Program::named("x").lenient();
            let client = program.speaking(revision, &session.endpoint).await;
            for name in NAMES {
                let arguments = json!({"secret": ARGUMENT});
                let answer = client.call(&format!("{name}.echo"), arguments).await;
                self.seen.mcp(what, &answer);
            }
            for method in ["tools/list", "prompts/list", "resources/list"] {
                let answer = client.request(method, json!({})).await;
                self.seen.mcp(method, &answer);
            }
        }
        self.look(session, what).await;
    }

    async fn look(&mut self, session: &Session, what: &str) {
        let paths = ["/sessions", "/openapi.json", "/readyz", "/healthz"];
        let own = format!("/session/{}", session.id);
        for path in paths.into_iter().chain([own.as_str()]) {
            let answer = self.gateway.get(path).await;
            self.seen.http(&format!("{what}: GET {path}"), &answer);
        }
    }

    /// Everything that a backend can do wrong, to calls and to handshakes.
    async fn fail(&mut self, session: &Session) {
        let faults = || {
            [
                Fault::Html,
                Fault::BrokenJson,
                Fault::WrongId,
                Fault::Garbage,
                Fault::TruncatedSse,
                Fault::ResetBeforeHeaders,
                Fault::ResetAfterHeaders,
                Fault::ResetMidBody,
                Fault::status(401),
                Fault::status(403),
                Fault::status(429),
                Fault::status(500),
                Fault::status(502),
                Fault::Redirect("http://127.0.0.1:9/".to_owned()),
                Fault::Quote(200),
                Fault::Quote(400),
                Fault::Quote(401),
                Fault::Quote(404),
                Fault::Quote(500),
                Fault::Quote(503),
                Fault::QuoteOnStream,
            ]
        };
        for revision in [LATEST_LEGACY, MODERN] {
            for fault in faults() {
                let what = format!("{revision}, {fault:?}");
                for (name, backend) in NAMES.into_iter().zip(&self.backends) {
                    let program = Program::named("x").lenient();
                    let client = program.speaking(revision, &session.endpoint).await;
                    // The first of them may go into a renewal.
                    backend.inject(fault.clone().on("tools/call").times(2));
                    let arguments = json!({"secret": ARGUMENT});
                    let answer = client.call(&format!("{name}.echo"), arguments).await;
                    self.seen.mcp(&what, &answer);
                    backend.clear_faults();
                    let listed = client.request("tools/list", json!({})).await;
                    self.seen.mcp(&what, &listed);
                }
            }
        }
        for fault in [Fault::Quote(200), Fault::Quote(400), Fault::Quote(500)] {
            let what = format!("at the handshake: {fault:?}");
            for backend in &self.backends {
                backend.inject(fault.clone());
            }
            let other = self.session().await;
            self.call_all(&other, &what).await;
            for backend in &self.backends {
                backend.clear_faults();
            }
            let path = format!("/session/{}", other.id);
            assert_eq!(self.gateway.delete(&path).await.status, 204);
        }
    }

    /// Requests with a credential where none belongs.
    async fn misplace(&mut self, session: &Session) {
        for body in [
            json!({"servers": ["bearer"], "credentials": {"bearer": {"token": [MISPLACED]}}}),
            json!({"servers": ["bearer"], "credentials": {"bearer": MISPLACED}}),
            json!({"servers": ["bearer"], "credentials": {"bearer": {(MISPLACED): "x"}}}),
            json!({"servers": ["bearer"], "credentials": [MISPLACED]}),
            json!({"servers": ["bearer"], "credentials": {"bearer": {"token": format!("Bearer {MISPLACED}")}}}),
            json!({"servers": ["bearer"], "credentials": {"bearer": {"token": format!("{MISPLACED}\n")}}}),
            json!({"servers": ["key"], "credentials": {"key": {"api_key": MISPLACED, "key": MISPLACED}}}),
            json!({"servers": ["bearer"], "credentials": {"key": {"api_key": MISPLACED}}}),
            json!({"servers": {"bearer": MISPLACED}}),
            json!(MISPLACED),
        ] {
            let text = body.to_string();
            let twice = format!(r#"{{"credentials": {text}, "credentials": {text}}}"#);
            for text in [&text, &text[..text.len() - 1], &twice] {
                let own = format!("/session/{}", session.id);
                let paths = [
                    (http::Method::POST, "/create-session"),
                    (http::Method::PATCH, &own),
                ];
                for (method, path) in paths {
                    let request = self.gateway.request(method, path);
                    let request = request.header("content-type", "application/json");
                    let answer = self.gateway.send(request.body(text.to_owned())).await;
                    assert_eq!(answer.status, 400, "{text}: {answer:?}");
                    let bytes = answer.text.as_bytes();
                    assert_eq!(found(&[MISPLACED], bytes), None, "{text}: {answer:?}");
                }
            }
        }
    }

    fn search_log(&self) {
        let logs = self.gateway.logs();
        assert!(
            logs.contains("TRACE"),
            "the log is as talkative as it can be"
        );
        let secrets = SECRETS.into_iter().chain([ARGUMENT, MISPLACED]);
        let secrets: Vec<&str> = secrets.collect();
        // Line by line only where there is one to be found: the log is long.
        let leak = found(&secrets, logs.as_bytes()).and_then(|_| {
            let mut lines = logs.lines();
            lines.find(|line| found(&secrets, line.as_bytes()).is_some())
        });
        assert_eq!(leak, None);
    }

    fn search_files(&self, keys: &[String]) {
        let secrets: Vec<&str> = SECRETS.into_iter().chain([ARGUMENT, MISPLACED]).collect();
        let mut searched = Vec::new();
        for entry in std::fs::read_dir(self.gateway.folder()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(found(&secrets, &bytes), None, "{name}");
            if name != "gateway.db.key" {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                assert_eq!(found(&keys, &bytes), None, "{name}");
            }
            searched.push(name);
        }
        assert!(searched.contains(&"gateway.db".to_owned()), "{searched:?}");
    }

    fn keys(&self) -> Vec<String> {
        let path: &Path = &self.gateway.folder().join("gateway.db.key");
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn request(token: &str) -> Value {
    json!({"servers": NAMES, "credentials": {"bearer": {"token": token}, "key": {"api_key": API_KEY}}})
}

#[tokio::test]
async fn no_secret_of_a_long_run_lies_anywhere_in_any_encoding() {
    let mut world = World::start();
    let session = world.session().await;
    let listener = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let stream = listener.changes(Wanted::lists()).await;
    world.call_all(&session, "at first").await;
    world.fail(&session).await;
    world.misplace(&session).await;
    let refused = world.gateway.create_session(&request(WRONG)).await;
    world.call_all(&refused, "refused").await;

    let path = format!("/session/{}", session.id);
    let body = json!({"credentials": {"bearer": {"token": NEXT_TOKEN}}});
    let changed = world.gateway.patch(&path, &body).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    world.seen.http("PATCH", &changed);
    world.call_all(&session, "changed").await;
    let mut keys = world.keys();
    // With the log of the database's last changes beside it.
    world.search_files(&keys);
    world.gateway.kill();
    world.search_files(&keys);
    drop(stream);

    let output = world.gateway.command(&["keys", "rotate"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    for text in [&output.stdout, &output.stderr] {
        assert_eq!(found(&SECRETS, text), None);
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        assert_eq!(found(&keys, text), None);
    }
    keys.extend(world.keys());
    world.gateway.restart();
    world.call_all(&session, "after a restart").await;
    world.search_files(&keys);
    world.gateway.stop();
    world.search_files(&keys);
    world.search_log();
    let logs = world.gateway.logs();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(
        found(&keys, logs.as_bytes()),
        None,
        "a sealing key is in the log"
    );
    world.seen.hold();
}
