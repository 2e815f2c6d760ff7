//! A session belongs to who made it: for anybody else it does not exist.

use futures_util::future::join_all;
use http::Method;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    CLIENTS,
    exposure::{assert_fails, refused_by},
    world::{
        Client, FakeBackend, Fault, Gateway, Program, eventually,
        gateway::{HttpAnswer, Setup},
    },
};

fn setup(backend: &FakeBackend) -> Setup {
    Gateway::setup()
        .provider("it", backend)
        .caller("ada")
        .caller("bob")
        .operator("ops")
}

fn client_of(gateway: &Gateway, caller: &str, endpoint: &str) -> Client {
    Program::named("x")
        .showing(gateway.key(caller))
        .plain(endpoint)
}

/// All there is to an answer but its date.
fn all_of(answer: &HttpAnswer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<(String, String)> = answer
        .headers
        .iter()
        .filter(|(name, _)| *name != "date")
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text.clone())
}

/// A method, what stands behind the session's id, a body, and headers.
type Probe = (
    Method,
    &'static str,
    Option<Value>,
    Vec<(&'static str, &'static str)>,
);

/// Every way to address a session, in every manner that clients have.
fn probes() -> Vec<Probe> {
    const JSON: (&str, &str) = ("accept", "application/json, text/event-stream");
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": "it.echo", "arguments": {}}});
    let opening = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let mut modern = call.clone();
    modern["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    vec![
        (Method::GET, "", None, vec![]),
        (Method::DELETE, "", None, vec![]),
        (Method::PATCH, "", Some(json!({"name": "mine"})), vec![]),
        (Method::PATCH, "", Some(json!({"servers": ["it"]})), vec![]),
        (Method::PUT, "", None, vec![]),
        (Method::GET, "/clients", None, vec![]),
        (Method::POST, "/mcp", Some(call.clone()), vec![JSON]),
        (Method::POST, "/mcp", Some(call.clone()), vec![]),
        (Method::POST, "/mcp", Some(json!([call])), vec![JSON]),
        (Method::POST, "/mcp", Some(opening), vec![JSON]),
        (
            Method::POST,
            "/mcp",
            Some(modern),
            vec![JSON, ("mcp-protocol-version", "2026-07-28")],
        ),
        (Method::POST, "/mcp", Some(json!("nonsense")), vec![JSON]),
        (
            Method::GET,
            "/mcp",
            None,
            vec![("accept", "text/event-stream")],
        ),
        (Method::GET, "/mcp", None, vec![]),
        (Method::DELETE, "/mcp", None, vec![]),
        (Method::PUT, "/mcp", None, vec![]),
        (Method::OPTIONS, "/mcp", None, vec![]),
    ]
}

/// What was logged, without times and ids.
fn shape_of_log(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    lines
        .map(|mut line: Value| {
            for name in ["timestamp", "elapsed_ms"] {
                if let Some(members) = line.as_object_mut() {
                    members.remove(name);
                }
            }
            line
        })
        .collect()
}

/// Fails if anything that bob tries tells him this session from one that nobody ever made.
async fn assert_does_not_exist(gateway: &Gateway, session: &str, mcp_session: &str) {
    let nobodys = Uuid::new_v4().to_string();
    for (method, tail, body, headers) in probes() {
        let mut seen = Vec::new();
        for id in [session, &nobodys] {
            let logged = gateway.logs().len();
            let path = format!("/session/{id}{tail}");
            let mut request = gateway.request(method.clone(), &path);
            request = request.bearer_auth(gateway.key("bob"));
            request = request.header("mcp-session-id", mcp_session);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            if let Some(body) = &body {
                let text = body.to_string();
                request = request
                    .header("content-type", "application/json")
                    .body(text);
            }
            let answer = gateway.send(request).await;
            assert!([404, 405].contains(&answer.status), "{answer:?}");
            seen.push((all_of(&answer), shape_of_log(&gateway.logs()[logged..])));
        }
        // Waking of other sessions apart, which goes on in the background after a start.
        let of_requests = |lines: &[Value]| -> Vec<Value> {
            let lines = lines
                .iter()
                .filter(|line| line["fields"]["http.route"].is_string());
            lines.cloned().collect()
        };
        assert_eq!(seen[0].0, seen[1].0, "{method} {tail}");
        assert_eq!(
            of_requests(&seen[0].1),
            of_requests(&seen[1].1),
            "{method} {tail}"
        );
    }
}

#[tokio::test]
async fn for_others_a_session_does_not_exist() {
    let backend = FakeBackend::legacy().start();
    let setup = setup(&backend)
        .argument("--log-format=json")
        .log_level("info");
    let mut gateway = setup.start();
    let session = gateway.session_of("ada", &["it"]).await;
    let program = Program::named("x").showing(gateway.key("ada"));
    let client = program.legacy(&session.endpoint, "2025-11-25").await;
    let mcp_session = client.mcp_session().unwrap().to_owned();
    let called =
        || backend.requests_of("tools/call").len() + backend.requests_of("initialize").len();
    for sleeping in [false, true] {
        if sleeping {
            gateway.kill();
            backend.hear_out().await;
            gateway.restart();
        }
        let before = called();
        assert_does_not_exist(&gateway, &session.id, &mcp_session).await;
        assert_eq!(called(), before, "nothing reaches a backend");
    }
    // It is still there, and has not been touched.
    let client = client_of(&gateway, "ada", &session.endpoint);
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_there_for_its_owner_and_operators_alone() {
    let backend = FakeBackend::legacy().start();
    let setup = setup(&backend)
        .argument("--log-format=json")
        .log_level("info");
    let mut gateway = setup.start();
    let session = gateway.session_of("ada", &["it"]).await;
    gateway.stop();
    let database = gateway.folder().join("gateway.db");
    let database = Database::connect(format!("sqlite://{}?mode=rw", database.display())).await;
    let spoil = "UPDATE sessions SET naming = 'nonsense'";
    let database = database.unwrap();
    let spoiled = database.execute_unprepared(spoil).await.unwrap();
    assert_eq!(spoiled.rows_affected(), 1);
    database.close().await.unwrap();
    gateway.restart();
    let path = format!("/session/{}", session.id);
    let endpoint = format!("{path}/mcp");
    for (caller, path, status) in [
        ("ada", &path, 503),
        ("ada", &endpoint, 503),
        ("ops", &path, 503),
        // An operator uses its own only.
        ("ops", &endpoint, 404),
    ] {
        let answer = gateway.get_as(caller, path).await;
        assert_eq!(answer.status, status, "{caller} {path}: {answer:?}");
    }
    assert_does_not_exist(&gateway, &session.id, &Uuid::new_v4().to_string()).await;
    // Nothing of it is lost: whose it is may still delete it.
    assert_eq!(gateway.delete_as("ada", &path).await.status, 204);
    assert_eq!(gateway.get_as("ada", &path).await.status, 404);
}

#[tokio::test]
async fn an_operator_sees_and_deletes_all_but_uses_only_its_own() {
    let backend = FakeBackend::legacy().start();
    let gateway = setup(&backend).start();
    let (ada, ops) = (
        gateway.session_of("ada", &["it"]).await,
        gateway.session_of("ops", &["it"]).await,
    );
    let listed = gateway.get_as("ops", "/sessions").await.json();
    let mut owners: Vec<&str> = listed["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["owner"].as_str().unwrap())
        .collect();
    owners.sort_unstable();
    assert_eq!(owners, ["ada", "ops"]);
    let path = format!("/session/{}", ada.id);
    let described = gateway.get_as("ops", &path).await;
    assert_eq!(
        (described.status, &described.json()["owner"]),
        (200, &json!("ada"))
    );

    let endpoint = format!("/session/{}/mcp", ada.id);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (method, body) in [
        (Method::POST, Some(&call)),
        (Method::GET, None),
        (Method::DELETE, None),
    ] {
        let answer = gateway.send_as("ops", method, &endpoint, body).await;
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    // Nor may it put other credentials in the place of the owner's.
    let renaming = json!({"name": "mine"});
    let patched = gateway
        .send_as("ops", Method::PATCH, &path, Some(&renaming))
        .await;
    assert_eq!(patched.status, 404, "{patched:?}");
    let client = client_of(&gateway, "ops", &ops.endpoint);
    client.call("it.echo", json!({})).await.result();

    assert_eq!(gateway.delete_as("ops", &path).await.status, 204);
    assert_eq!(gateway.get_as("ada", &path).await.status, 404);
}

#[tokio::test]
async fn a_list_shows_a_caller_its_own() {
    let backend = FakeBackend::legacy().start();
    let gateway = setup(&backend).start();
    let mut own = Vec::new();
    for _ in 0..3 {
        own.push(gateway.session_of("ada", &["it"]).await.id);
        gateway.session_of("bob", &["it"]).await;
    }
    own.sort_unstable();
    // Page by page: what is left out must not end a page early.
    let mut listed = Vec::new();
    let mut path = "/sessions?limit=1".to_owned();
    loop {
        let page = gateway.get_as("ada", &path).await.json();
        let sessions = page["sessions"].as_array().unwrap();
        listed.extend(
            sessions
                .iter()
                .map(|it| it["session_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/sessions?limit=1&after={next}");
    }
    assert_eq!(listed, own);
    let all = gateway.get_as("ops", "/sessions").await.json();
    assert_eq!(all["sessions"].as_array().unwrap().len(), 6);
}

#[tokio::test]
async fn owners_outlive_a_restart() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = setup(&backend).start();
    let session = gateway.session_of("ada", &["it"]).await;
    gateway.restart();
    let path = format!("/session/{}", session.id);
    for (caller, status) in [("ada", 200), ("bob", 404), ("ops", 200)] {
        assert_eq!(
            gateway.get_as(caller, &path).await.status,
            status,
            "{caller}"
        );
    }
    assert_eq!(gateway.delete_as("bob", &path).await.status, 404);
    assert_eq!(gateway.get_as("ada", &path).await.status, 200);
    let client = client_of(&gateway, "ada", &session.endpoint);
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn sessions_from_before_authentication_are_the_operators() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    gateway.stop();
    gateway.make_key(&["ada"]);
    gateway.make_key(&["ops", "--operator"]);
    gateway.restart();
    let path = format!("/session/{}", session.id);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"});
    for (caller, status) in [("ada", 404), ("ops", 200)] {
        assert_eq!(gateway.get_as(caller, &path).await.status, status);
        let endpoint = format!("{path}/mcp");
        let answer = gateway
            .send_as(caller, Method::POST, &endpoint, Some(&call))
            .await;
        assert_eq!(answer.status, 404, "{caller}");
    }
    let described = gateway.get_as("ops", &path).await.json();
    assert_eq!(described["owner"], Value::Null);

    // Without authentication everything would be everybody's: only by the operator's own word.
    let made = gateway.session_of("ada", &["it"]).await;
    gateway.stop();
    std::fs::remove_file(gateway.folder().join("callers.yaml")).unwrap();
    let refused = refused_by(&mut gateway.command(&[]));
    assert_fails(
        &refused,
        &["1 session", "callers.yaml", "--callers", "--insecure"],
    );
    gateway.set_environment("INSECURE", "true");
    gateway.restart();
    for session in [session, made] {
        let client = Client::plain(&session.endpoint);
        client.call("it.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn a_caller_holds_no_more_sessions_than_it_may() {
    let backend = FakeBackend::legacy().start();
    let setup = setup(&backend).argument("--max-sessions-per-caller=2");
    let mut gateway = setup.argument("--max-sessions=4").start();
    // At once: none slips through in between.
    let asked = join_all((0..8).map(|_| gateway.try_session_of("ada", &["it"]))).await;
    let made: Vec<&HttpAnswer> = asked.iter().filter(|it| it.status == 201).collect();
    assert_eq!(made.len(), 2);
    let first = made[0].json()["session_id"].as_str().unwrap().to_owned();
    for refused in asked.iter().filter(|it| it.status != 201) {
        assert_eq!(refused.status, 429, "{refused:?}");
        assert_eq!(refused.header("retry-after"), Some("5"));
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("2 sessions") && detail.contains("delete one"),
            "{detail}"
        );
    }
    gateway.session_of("bob", &["it"]).await;
    gateway.restart();
    assert_eq!(
        gateway.try_session_of("ada", &["it"]).await.status,
        429,
        "they were counted"
    );

    // The process's own cap answers otherwise.
    gateway.session_of("bob", &["it"]).await;
    let full = gateway.try_session_of("ops", &["it"]).await;
    assert_eq!(
        (full.status, full.header("retry-after")),
        (503, Some("5")),
        "{full:?}"
    );

    let path = format!("/session/{first}");
    assert_eq!(gateway.delete_as("ada", &path).await.status, 204);
    gateway.session_of("ada", &["it"]).await;
}

#[tokio::test]
async fn without_authentication_sessions_are_capped_only_by_word() {
    let backend = FakeBackend::legacy().start();
    let setup = Gateway::setup().provider("it", &backend);
    let gateway = setup.argument("--max-sessions-per-caller=1").start();
    gateway.session(&["it"]).await;
    let refused = gateway
        .post("/create-session", &json!({"servers": ["it"]}))
        .await;
    assert_eq!(refused.status, 429);
}

#[tokio::test]
async fn a_caller_has_no_more_requests_in_flight_than_it_may() {
    let backend = FakeBackend::legacy().start();
    let gateway = setup(&backend)
        .argument("--max-requests-per-caller=1")
        .start();
    for revision in CLIENTS {
        let mut clients = Vec::new();
        for caller in ["ada", "ada", "bob"] {
            let session = gateway.session_of(caller, &["it"]).await;
            let program = Program::named("x").showing(gateway.key(caller));
            let client = program.speaking(revision, &session.endpoint).await;
            client.call("it.echo", json!({})).await.result();
            clients.push(client);
        }
        let before = backend.requests_of("tools/call").len();
        backend.inject(Fault::Hold.on("tools/call").times(1));
        let held = clients[0].call("it.echo", json!({}));
        let others = async {
            backend
                .until("the call to be held", |it| {
                    it.requests_of("tools/call").len() > before
                })
                .await;
            let refused = clients[1].call("it.echo", json!({})).await.error();
            assert_eq!(refused.code, -31003);
            assert!(
                refused.message.contains("this caller has 1 requests"),
                "{}",
                refused.message
            );
            clients[2].call("it.echo", json!({})).await.result();
            backend.release();
        };
        let (held, ()) = tokio::join!(held, others);
        held.result();
        // The place goes with the work, which ends a moment after its answer.
        eventually("a place", async || {
            let answer = clients[1].call("it.echo", json!({})).await;
            answer.status == 200 && answer.body_text().contains("result")
        })
        .await;
    }
}
