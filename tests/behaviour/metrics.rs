//! What is counted for whoever watches the gateway, who may read it, and what never stands in it.

mod exposition;

use std::{collections::BTreeSet, path::Path};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY,
    world::{FakeBackend, Fault, Gateway, Program, eventually},
};

use exposition::Exposition;

/// Repeats are quick, and a lost provider is known as that soon.
const ENTRY: &str = "timeouts: { connect: 10s, handshake: 60s, idle: 60s, call: 60s }
    retries: { attempts: 1, base: 10ms, max: 20ms }";
/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9/mcp";

const SERVED: &str = "mcp_server_operation_duration_seconds_count";
/// By method, route and status.
const ANSWERED: &str = "http_server_request_duration_seconds_count";
const CALLED: &str = "mcp_client_operation_duration_seconds_count";

/// How many requests were answered so.
fn answered(metrics: &Exposition, [method, route, status]: [&str; 3]) -> Option<f64> {
    let labels = [
        ("http_request_method", method),
        ("http_route", route),
        ("http_response_status_code", status),
    ];
    metrics.of(ANSWERED, &labels)
}

fn assert_answers_are_counted(metrics: &Exposition) {
    let made = answered(metrics, ["POST", "/create-session", "201"]);
    assert_eq!(made, Some(11.0));
    let lost = answered(metrics, ["GET", "_other", "404"]);
    assert_eq!(lost, Some(1.0));
    let asked = answered(metrics, ["POST", "/session/{session_id}/mcp", "200"]);
    assert!(asked >= Some(7.0), "{asked:?}");
}

async fn read(gateway: &Gateway) -> Exposition {
    let answer = gateway.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    Exposition::read(&answer.text)
}

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every name in the dashboard's queries that is none of their language.
fn asked_by(dashboard: &Value, names: &mut BTreeSet<String>) {
    match dashboard {
        Value::Object(members) => {
            for (member, value) in members {
                match value
                    .as_str()
                    .filter(|_| member == "expr" || member == "query")
                {
                    Some(query) => {
                        let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                        let ours = words.filter(|word| {
                            word.starts_with("mcp_") || word.starts_with("http_server")
                        });
                        // Labels are no metrics.
                        let ours = ours.filter(|word| *word != "mcp_method_name");
                        names.extend(ours.map(str::to_owned));
                    }
                    None => asked_by(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| asked_by(item, names)),
        _ => {}
    }
}

/// Waits until so many sessions live: whoever made one has its answer before it is awake.
async fn until_all_are_awake(gateway: &Gateway, count: f64) {
    eventually("the last session to be awake", async || {
        let live = [("state", "live")];
        read(gateway).await.of("mcp_gateway_sessions", &live) == Some(count)
    })
    .await;
}

#[tokio::test]
async fn what_happened_is_counted_and_nothing_of_who_or_what_it_was() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, ENTRY)
        .entry("gone", NOWHERE, ENTRY)
        .start();
    let session = gateway.session(&["it"]).await;
    // Each finds for itself that the other one is not there.
    join_all((0..10).map(|_| gateway.session(&["gone"]))).await;
    let client = Program::named("client-that-is-not-told").lenient();
    let client = client.legacy(&session.endpoint, LATEST_LEGACY).await;

    client.call("it.echo", json!({})).await.result();
    let failing = json!({"code": -32000, "message": "x"});
    client.call("it.fail", failing).await.error();
    client.call("evil-tool\"} 77\n", json!({})).await.error();
    client.request("evil/method", json!({})).await.error();
    client
        .request(r#"evil\"} 1\nevil 1"#, json!({}))
        .await
        .error();
    assert_eq!(gateway.get("/evil/path").await.status, 404);
    backend.inject(Fault::status(429).on("tools/call").times(1));
    client.call("it.count", json!({})).await.result();
    let waits = client.open_as("4711", "tools/call", r#"{"name":"it.wait","arguments":{}}"#);
    let cancels = async {
        let waits = |it: &FakeBackend| it.executions("wait") == 1;
        backend.until("the call that waits", waits).await;
        let metrics = read(&gateway).await;
        assert_eq!(metrics.of("mcp_gateway_active_requests", &[]), Some(1.0));
        client.cancel("4711").await;
    };
    tokio::join!(waits, cancels);

    eventually("the breaker to open", async || {
        let state = [("provider", "gone"), ("state", "open")];
        read(&gateway).await.of("mcp_gateway_breaker_state", &state) == Some(1.0)
    })
    .await;
    until_all_are_awake(&gateway, 11.0).await;
    eventually("the call to be over", async || {
        read(&gateway).await.of("mcp_gateway_active_requests", &[]) == Some(0.0)
    })
    .await;
    let metrics = read(&gateway).await;
    let served = |method, error| {
        metrics.of(
            SERVED,
            &[("mcp_method_name", method), ("error_type", error)],
        )
    };
    assert_eq!(served("tools/call", ""), Some(2.0));
    assert_eq!(served("tools/call", "error"), Some(1.0));
    assert_eq!(served("tools/call", "failed"), Some(1.0));
    assert_eq!(served("initialize", ""), Some(1.0));
    assert_eq!(served("_other", "error"), Some(2.0));
    let cancelled = served("tools/call", "cancelled");
    let left = served("tools/call", "client_left");
    assert_eq!(cancelled.or(left), Some(1.0));
    let called = |error| {
        let method = ("mcp_method_name", "tools/call");
        metrics.of(CALLED, &[("provider", "it"), method, ("error_type", error)])
    };
    assert_eq!((called(""), called("error")), (Some(2.0), Some(1.0)));
    assert_answers_are_counted(&metrics);
    let of = |name, provider| metrics.of(name, &[("provider", provider)]);
    assert_eq!(of("mcp_gateway_retries_total", "it"), Some(1.0));
    assert!(of("mcp_gateway_breaker_openings_total", "gone") >= Some(1.0));
    assert_eq!(of("mcp_gateway_breaker_openings_total", "it"), Some(0.0));
    let connected = [("provider", "it"), ("state", "ready")];
    assert_eq!(metrics.of("mcp_gateway_connections", &connected), Some(1.0));
    for state in ["live", "stored"] {
        let sessions = metrics.of("mcp_gateway_sessions", &[("state", state)]);
        assert_eq!(sessions, Some(11.0), "{state}");
    }
    assert_eq!(metrics.of("mcp_gateway_mcp_sessions", &[]), Some(1.0));

    // Whatever a client chose, and whoever it is, stands in none of it.
    let id = client.mcp_session().unwrap();
    for secret in [
        "evil",
        "echo",
        "it.wait",
        "not-told",
        "4711",
        &session.id[..8],
        &id[..8],
    ] {
        assert!(!metrics.text.contains(secret), "{secret}: {}", metrics.text);
    }
    // What is told of them is true of all, and of no other.
    let mut asked = BTreeSet::new();
    let dashboard = serde_json::from_str(&file("deploy/grafana.json")).unwrap();
    asked_by(&dashboard, &mut asked);
    assert!(asked.len() > 8, "{asked:?}");
    for name in &asked {
        assert!(metrics.has(name), "the dashboard asks for {name}");
    }
    let readme = file("README.md");
    for family in metrics.families() {
        assert!(readme.contains(&format!("| `{family}` |")), "{family}");
    }
    client.delete().await;
    eventually("the MCP session to be gone", async || {
        read(&gateway).await.of("mcp_gateway_mcp_sessions", &[]) == Some(0.0)
    })
    .await;
}

#[tokio::test]
async fn operators_read_the_metrics_unless_others_are_to() {
    let backend = FakeBackend::legacy().start();
    let setup = || {
        let setup = Gateway::setup().provider("it", &backend);
        setup.caller("ada").operator("ops")
    };
    let gateway = setup().start();
    assert_eq!(gateway.get("/metrics").await.status, 401);
    let refused = gateway.get_as("ada", "/metrics").await;
    assert_eq!(refused.status, 403);
    assert!(refused.text.contains("--metrics open"), "{refused:?}");
    let seen = gateway.get_as("ops", "/metrics").await;
    let seen = Exposition::read(&seen.text);
    for status in ["401", "403"] {
        let turned_away = answered(&seen, ["GET", "/metrics", status]);
        assert_eq!(turned_away, Some(1.0), "{status}");
    }
    let posted = gateway.send_as("ops", Method::POST, "/metrics", None).await;
    assert_eq!(
        (posted.status, posted.header("allow")),
        (405, Some("GET, HEAD"))
    );

    let open = setup().argument("--metrics=open").start();
    Exposition::read(&open.get("/metrics").await.text);
    for path in ["/sessions", "/metrics/", "/metrics/x"] {
        assert_eq!(open.get(path).await.status, 401, "{path}");
    }
    let foreign = open
        .request(Method::GET, "/metrics")
        .header("host", "evil.example");
    assert_eq!(open.send(foreign).await.status, 403);

    let off = setup().argument("--metrics=off").start();
    assert_eq!(off.get_as("ops", "/metrics").await.status, 404);
}
