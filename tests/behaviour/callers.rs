//! Who may call: API keys, and what is said to whoever has none.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use http::{HeaderValue, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{FakeBackend, Gateway, List, Program, Wanted, eventually, gateway::HttpAnswer, within},
};

/// The code of a refusal for want of a caller.
const UNAUTHENTICATED: i64 = -31005;
const CHALLENGE: &str = r#"Bearer realm="mcp-gateway""#;

fn world() -> (FakeBackend, Gateway) {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .caller("ada")
        .log_level("trace")
        .start();
    (backend, gateway)
}

/// Every route that is not open to all, with a method that it takes, and one that nothing is served at.
fn guarded(session: &str) -> Vec<(Method, String)> {
    vec![
        (Method::POST, "/create-session".to_owned()),
        (Method::GET, "/sessions".to_owned()),
        (Method::GET, format!("/session/{session}")),
        (Method::PATCH, format!("/session/{session}")),
        (Method::DELETE, format!("/session/{session}")),
        (Method::GET, format!("/session/{session}/mcp")),
        (Method::POST, format!("/session/{session}/mcp")),
        (Method::DELETE, format!("/session/{session}/mcp")),
        (Method::GET, "/nothing".to_owned()),
    ]
}

#[track_caller]
fn assert_refused(answer: &HttpAnswer, path: &str, challenge: &str) {
    assert_eq!(answer.status, 401, "{path}: {answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge), "{path}");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    if path.ends_with("/mcp") {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body = answer.json();
        assert_eq!(
            (&body["jsonrpc"], &body["id"]),
            (&json!("2.0"), &Value::Null)
        );
        assert_eq!(body["error"]["code"], UNAUTHENTICATED);
    } else {
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(answer.json()["status"], 401);
    }
}

#[tokio::test]
async fn nobody_is_let_in_without_a_key() {
    let (backend, gateway) = world();
    let session = gateway.session_of("ada", &["it"]).await;
    for (method, path) in guarded(&session.id) {
        let request = gateway.request(method, &path);
        let request = request.header("content-type", "application/json");
        let answer = gateway.send(request.body("{}")).await;
        assert_refused(&answer, &path, CHALLENGE);
        assert!(
            answer.text.contains("mcp-gateway keys create"),
            "the remedy: {answer:?}"
        );
    }
    assert_eq!(
        gateway
            .get_as("ada", &format!("/session/{}", session.id))
            .await
            .status,
        200
    );
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}

#[tokio::test]
async fn what_says_nothing_of_anybody_is_open_to_all() {
    let (_backend, gateway) = world();
    for (path, status) in [
        ("/", 200),
        ("/page/main.js", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/docs", 200),
        ("/docs/swagger-ui.css", 200),
        ("/openapi.json", 200),
        // With keys alone there is nowhere to log in.
        ("/.well-known/oauth-protected-resource", 404),
        (
            "/.well-known/oauth-protected-resource/session/3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11/mcp",
            404,
        ),
        ("/.well-known/oauth-authorization-server", 404),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn a_key_is_taken_from_either_header_and_from_nowhere_else() {
    let (_backend, gateway) = world();
    let key = gateway.key("ada").to_owned();
    let get = |headers: &[(&str, String)], query: &str| {
        let path = format!("/sessions{query}");
        let request = gateway.request(Method::GET, &path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, value)
        });
        gateway.send(request)
    };
    for header in [
        ("authorization", format!("Bearer {key}")),
        ("authorization", format!("bearer  {key}")),
        ("x-api-key", key.clone()),
    ] {
        assert_eq!(get(&[header], "").await.status, 200);
    }
    let wrong = format!(r#"{CHALLENGE}, error="invalid_token""#);
    let other_id = key.replacen(&key[6..8], "zz", 1);
    let (head, last) = key.split_at(key.len() - 1);
    let last = if last == "A" { "B" } else { "A" };
    for shown in [
        format!("{head}{last}"),
        head.to_owned(),
        format!("{key}A"),
        other_id,
        key.to_uppercase(),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ] {
        for header in [
            ("authorization", format!("Bearer {shown}")),
            ("x-api-key", shown),
        ] {
            let answer = get(&[header], "").await;
            assert_refused(&answer, "/sessions", &wrong);
        }
    }
    // So do clients that are told of a variable which is not set.
    let unset = ("authorization", "Bearer ${MCP_GATEWAY_KEY}".to_owned());
    let answer = get(&[unset], "").await;
    assert_refused(&answer, "/sessions", &wrong);
    assert!(answer.text.contains("the name of a variable"), "{answer:?}");
    // Bytes that are no text are something that was shown all the same.
    let no_text = HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    let request = gateway.request(Method::GET, "/sessions");
    let answer = gateway.send(request.header("x-api-key", no_text)).await;
    assert_refused(&answer, "/sessions", &wrong);
    for (headers, query) in [
        (vec![], format!("?access_token={key}")),
        (vec![("authorization", key.clone())], String::new()),
        (
            vec![("authorization", format!("Basic {key}"))],
            String::new(),
        ),
        (
            vec![("cookie", format!("authorization={key}"))],
            String::new(),
        ),
    ] {
        assert_refused(&get(&headers, &query).await, "/sessions", CHALLENGE);
    }
    let bearer = || ("authorization", format!("Bearer {key}"));
    for twice in [[bearer(), bearer()], [bearer(), ("x-api-key", key.clone())]] {
        assert_eq!(get(&twice, "").await.status, 400);
    }
}

#[tokio::test]
async fn a_key_is_nowhere_but_with_its_caller() {
    let (backend, mut gateway) = world();
    let key = gateway.key("ada").to_owned();
    let session = gateway.session_of("ada", &["it"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let program = Program::named("x").showing(&key);
        let client = program.speaking(revision, &session.endpoint).await;
        client.call("it.echo", json!({})).await.result();
    }
    let wrong = format!("mcpgw_{}_{}", "0".repeat(16), "wrong".repeat(9));
    let wrong = &wrong[..66];
    let request = gateway.request(Method::GET, "/sessions");
    let refusal = gateway.send(request.bearer_auth(wrong)).await;
    assert_eq!(refusal.status, 401);
    assert!(!refusal.text.contains(wrong));
    let listed = gateway.ran(&["keys", "list"]);
    gateway.stop();

    let (_, secret) = key[6..].split_once('_').unwrap();
    for request in backend.requests() {
        let text = format!("{:?} {:?} {}", request.headers, request.body, request.path);
        assert!(!text.contains(secret) && !text.contains("mcpgw_"), "{text}");
    }
    let logs = gateway.logs();
    assert!(logs.contains("caller.name=\"ada\""), "it tells who called");
    assert!(logs.contains("it.echo") && !logs.contains(secret) && !logs.contains("wrongwrong"));
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("ada") && !listed.contains("mcpgw_"),
        "{listed}"
    );
    for entry in fs::read_dir(gateway.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let holds = bytes
            .windows(secret.len())
            .any(|it| it == secret.as_bytes());
        assert!(!holds, "{}", path.display());
        // Nor do people find the hash in a list.
        if path.ends_with("callers.yaml") {
            let text = String::from_utf8(bytes).unwrap();
            let (_, hash) = text.split_once("sha256: ").unwrap();
            assert!(!listed.contains(&hash[..64]));
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }
}

/// Asks for the list of sessions over a connection that stays open; gives the status.
async fn ask_over(stream: &mut TcpStream, key: &str) -> u16 {
    let request =
        format!("GET /sessions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = within("an answer", stream.read(&mut part)).await.unwrap();
        assert_ne!(read, 0, "the connection was closed");
        answer.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            return head[9..12].parse().unwrap();
        }
    }
}

#[tokio::test]
async fn a_revoked_key_lets_nobody_in_without_a_restart_nor_over_an_open_connection() {
    let (_backend, mut gateway) = world();
    let key = gateway.key("ada").to_owned();
    let address = gateway.url("").replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(ask_over(&mut stream, &key).await, 200);

    gateway.make_key(&["ada-phone", "--caller", "ada"]);
    let revoked = gateway.ran(&["keys", "revoke", "ada"]);
    assert!(
        revoked.status.success() && revoked.stdout.is_empty(),
        "{revoked:?}"
    );
    eventually("the key to be refused", async || {
        ask_over(&mut stream, &key).await == 401
    })
    .await;
    let phone = gateway.key("ada-phone").to_owned();
    assert_eq!(ask_over(&mut stream, &phone).await, 200);
}

#[tokio::test]
async fn a_stream_that_stays_open_ends_with_the_key_that_opened_it() {
    for revision in [LATEST_LEGACY, MODERN] {
        let (backend, mut gateway) = world();
        gateway.make_key(&["ada-2", "--caller", "ada"]);
        eventually("the second key", async || {
            gateway.get_as("ada-2", "/sessions").await.status == 200
        })
        .await;
        let session = gateway.session_of("ada", &["it"]).await;
        let mut streams = Vec::new();
        for key in ["ada", "ada-2"] {
            let program = Program::named("x").showing(gateway.key(key));
            let client = program.speaking(revision, &session.endpoint).await;
            client.call("it.echo", json!({})).await.result();
            streams.push((client.changes(Wanted::lists()).await, client));
        }
        assert!(gateway.ran(&["keys", "revoke", "ada"]).status.success());
        let (revoked, _) = &mut streams[0];
        within("the stream's end", async {
            while revoked.next_or_end().await.is_some() {}
        })
        .await;
        // That of the other key is still there.
        backend.announce_change(List::Prompts);
        let (kept, _) = &mut streams[1];
        kept.next_of("notifications/prompts/list_changed").await;
    }
}

#[tokio::test]
async fn keys_are_replaced_without_losing_sessions() {
    let (_backend, mut gateway) = world();
    let session = gateway.session_of("ada", &["it"]).await;
    gateway.make_key(&["ada-2", "--caller", "ada"]);
    assert!(gateway.ran(&["keys", "revoke", "ada"]).status.success());
    let path = format!("/session/{}", session.id);
    eventually("the new key", async || {
        gateway.get_as("ada-2", &path).await.status == 200
    })
    .await;
    eventually("the old key's end", async || {
        gateway.get_as("ada", &path).await.status == 401
    })
    .await;
    let client = Program::named("x")
        .showing(gateway.key("ada-2"))
        .plain(&session.endpoint);
    client.call("it.echo", json!({})).await.result();
}

#[tokio::test]
async fn a_callers_file_that_is_broken_or_gone_changes_nothing() {
    let (_backend, gateway) = world();
    let path = gateway.folder().join("callers.yaml");
    let whole = fs::read_to_string(&path).unwrap();
    let breaks: [(&str, &dyn Fn()); 3] = [
        ("callers.yaml:1:", &|| {
            fs::write(&path, "keyz: []\n").unwrap();
        }),
        ("chmod 600", &|| {
            fs::write(&path, &whole).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("is gone", &|| fs::remove_file(&path).unwrap()),
    ];
    for (told, act) in breaks {
        act();
        eventually(told, async || gateway.logs().contains(told)).await;
        assert_eq!(gateway.get("/sessions").await.status, 401, "{told}");
        assert_eq!(
            gateway.get_as("ada", "/sessions").await.status,
            200,
            "{told}"
        );
    }
    // It comes back, without the key.
    fs::write(&path, "keys: []\n").unwrap();
    eventually("the key's end", async || {
        gateway.get_as("ada", "/sessions").await.status == 401
    })
    .await;
    assert_eq!(gateway.get("/sessions").await.status, 401);
}

#[tokio::test]
async fn a_hang_up_has_the_callers_file_read_again() {
    let (_backend, gateway) = world();
    let read = || gateway.logs().matches("read the callers file").count();
    let before = read();
    let id = gateway.process_id().to_string();
    assert!(
        Command::new("kill")
            .args(["-HUP", &id])
            .status()
            .unwrap()
            .success()
    );
    eventually("the file to be read again", async || read() > before).await;
    assert_eq!(gateway.get_as("ada", "/sessions").await.status, 200);
}

#[tokio::test]
async fn the_first_key_asks_everybody_who_they_are_without_a_restart() {
    let backend = FakeBackend::legacy().start();
    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    // Nobody asks: whatever is shown means nothing.
    let request = gateway
        .request(Method::GET, "/sessions")
        .bearer_auth("anything");
    assert_eq!(gateway.send(request).await.status, 200);

    gateway.make_key(&["ada"]);
    eventually("callers to be asked", async || {
        gateway.get("/sessions").await.status == 401
    })
    .await;
    assert_eq!(gateway.get_as("ada", "/sessions").await.status, 200);
    let path = format!("/session/{}", session.id);
    assert_eq!(
        gateway.get_as("ada", &path).await.status,
        404,
        "it is nobody's"
    );
}

#[tokio::test]
async fn clients_of_every_revision_get_in_with_a_key() {
    let (_backend, gateway) = world();
    let session = gateway.session_of("ada", &["it"]).await;
    for revision in crate::CLIENTS {
        let program = Program::named("x").showing(gateway.key("ada"));
        let client = program.speaking(revision, &session.endpoint).await;
        client.call("it.echo", json!({})).await.result();
    }
}
