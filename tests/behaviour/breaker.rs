//! A provider that is gone costs nobody any time, and one session's troubles are nobody else's.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

use crate::{
    LATEST_LEGACY, MODERN, UNAVAILABLE,
    world::{Client, FakeBackend, Fault, Gateway, eventually, gateway::Session},
};

/// Signs that a provider is gone are many; nothing is tried twice, so that each call gives one.
const ONCE: &str = "retries: { attempts: 0 }";

/// What every call says while the provider is gone.
const GONE: &str = "it is out of reach for every session";

/// Some sessions of one provider, each with its client, open.
async fn sessions(gateway: &Gateway, count: usize) -> Vec<(Session, Client)> {
    let open = (0..count).map(|number| async move {
        let session = gateway.session(&["it"]).await;
        let revision = if number % 2 == 0 {
            LATEST_LEGACY
        } else {
            MODERN
        };
        let client = Client::speaking(revision, &session.endpoint).await;
        client.is_served("it.echo").await;
        (session, client)
    });
    join_all(open).await
}

/// Calls until the provider is known to be gone.
async fn find_it_gone(clients: &[(Session, Client)]) {
    eventually("the provider to be known as gone", async || {
        let calls = clients
            .iter()
            .map(|(_, client)| client.call("it.count", json!({})));
        let answers = join_all(calls).await;
        answers.iter().all(|it| it.error().message.contains(GONE))
    })
    .await;
}

async fn described(gateway: &Gateway, session: &Session) -> Value {
    let answer = gateway.get(&format!("/session/{}", session.id)).await;
    answer.json()["servers"][0].take()
}

#[tokio::test]
async fn calls_to_a_provider_that_is_gone_fail_at_once_and_one_probe_brings_it_back() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let backend = script().start();
        let gateway = Gateway::setup().provider_with("it", &backend, ONCE).start();
        let open = sessions(&gateway, 4).await;
        backend.go_down().await;
        find_it_gone(&open).await;

        // Back, but so that nothing is answered: the next probe hangs.
        backend.inject(Fault::Hold);
        let before = backend.requests().len();
        backend.come_back();
        let probed = |it: &FakeBackend| it.requests().len() > before;
        backend.until("a probe", probed).await;
        for (session, client) in &open {
            let answer = client.call("it.count", json!({})).await;
            let error = answer.error();
            assert_eq!(error.code, UNAVAILABLE);
            assert!(
                error.message.starts_with("backend it is unavailable: "),
                "{error:?}"
            );
            assert!(error.message.contains(GONE), "{error:?}");
            assert!(error.message.contains("tried again"), "{error:?}");
            let described = described(&gateway, session).await;
            assert_eq!(described["state"], "waiting");
            assert!(described["last_error"].as_str().unwrap().contains(GONE));
            assert!(described["retry_in_ms"].is_u64(), "{described}");
        }
        // A new session opens, though that backend says nothing, and is not the next to try.
        let late = gateway.session(&["it"]).await;
        let client = Client::legacy(&late.endpoint, LATEST_LEGACY).await;
        let error = client.call("it.count", json!({})).await.error();
        assert!(error.message.contains(GONE), "{error:?}");
        // All of that while one probe was under way, of one session.
        assert!(
            methods_since(&backend, before).len() <= 1,
            "{:?}",
            methods_since(&backend, before)
        );

        backend.release();
        for client in open.iter().map(|(_, client)| client).chain([&client]) {
            client.is_served("it.echo").await;
        }
        assert_eq!(backend.executions("count"), 0, "no call was kept for later");
        eventually("both to be told in the log", async || {
            let logs = gateway.logs();
            logs.contains("is gone for every session") && logs.contains("is back for every session")
        })
        .await;
    }
}

/// What came since, streams for announcements apart: those are no calls, and wait for themselves.
fn methods_since(backend: &FakeBackend, before: usize) -> Vec<String> {
    let requests = backend.requests().split_off(before);
    let methods = requests.iter().filter_map(|it| it.method());
    let is_call = |method: &&str| *method != "subscriptions/listen";
    methods.filter(is_call).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_backend_that_was_silent_is_not_waited_for_a_second_time() {
    for script in [FakeBackend::legacy, FakeBackend::modern] {
        let backend = script().start();
        let gateway = Gateway::setup()
            .provider_with(
                "it",
                &backend,
                "timeouts: { idle: 2s }
                retries: { attempts: 0 }",
            )
            .start();
        // One session alone: that is too little to say that nobody is served.
        let open = sessions(&gateway, 1).await;
        let (session, client) = &open[0];
        backend.inject(Fault::Hold);
        client.call("it.count", json!({})).await.error();
        let path = format!("/session/{}", session.id);
        eventually("the silence to be noticed", async || {
            gateway.get(&path).await.json()["servers"][0]["state"] != "ready"
        })
        .await;
        // The next try is under way, and hangs.
        let before = backend.requests().len();
        backend
            .until("a try", |it| !methods_since(it, before).is_empty())
            .await;
        let calls = backend.requests_of("tools/call").len();
        for _ in 0..5 {
            let error = client.call("it.count", json!({})).await.error();
            assert!(error.message.contains("sent nothing"), "{error:?}");
        }
        let after = backend.requests_of("tools/call").len();
        assert_eq!(after, calls, "none of them was sent");
        backend.release();
        client.is_served("it.echo").await;
    }
}

#[tokio::test]
async fn a_refused_credential_and_slow_tools_of_one_session_are_no_matter_to_another() {
    join_all(
        [FakeBackend::legacy, FakeBackend::modern].map(async |script| {
            let backend = script().demands_bearer("right").start();
            let entry = "auth: { type: bearer }
            timeouts: { connect: 5m, handshake: 5m, idle: 10s, call: 5m }
            retries: { attempts: 0 }";
            let gateway = Gateway::setup()
                .provider_with("it", &backend, entry)
                .start();
            let session = async |token: &str| {
                let request = json!({"servers": ["it"], "credentials": {"it": {"token": token}}});
                let session = gateway.create_session(&request).await;
                Client::legacy(&session.endpoint, LATEST_LEGACY).await
            };
            let (wrong, slow, other) = (
                session("wrong").await,
                session("right").await,
                session("right").await,
            );
            // More than it takes to say that nobody is served.
            let waits = join_all((0..15).map(|_| slow.call("it.wait", json!({}))));
            for answer in waits.await {
                let error = answer.error();
                assert!(
                    error.message.contains("did not answer in time"),
                    "{error:?}"
                );
            }
            for _ in 0..15 {
                let error = wrong.call("it.echo", json!({})).await.error();
                assert!(
                    error.message.contains("refused the bearer token"),
                    "{error:?}"
                );
                other.call("it.echo", json!({})).await.result();
            }
            // Nor what a proxy says of what one session does.
            for _ in 0..15 {
                backend.inject(Fault::status(504).on("tools/call").times(1));
                slow.call("it.count", json!({})).await.error();
            }
            for _ in 0..15 {
                backend.inject(Fault::ResetBeforeHeaders.on("tools/call").times(1));
                slow.call("it.count", json!({})).await.error();
            }
            other.call("it.echo", json!({})).await.result();
            assert!(!gateway.logs().contains("is gone for every session"));
        }),
    )
    .await;
}

#[tokio::test]
async fn a_port_that_nobody_answers_is_left_alone_by_all_sessions() {
    // It accepts nothing and refuses nothing: its backlog is full.
    let silent = Silent::new().await;
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("other", &backend)
        .entry(
            "it",
            &silent.url(),
            "timeouts: { connect: 300ms, handshake: 20s }
            retries: { attempts: 0 }",
        )
        .start();
    let open = (0..4).map(|_| async {
        let session = gateway.session(&["it", "other"]).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        (session, client)
    });
    let open = join_all(open).await;
    find_it_gone(&open).await;
    for (_, client) in &open {
        let error = client.call("it.count", json!({})).await.error();
        assert!(
            error.message.contains("accept a connection in time"),
            "{error:?}"
        );
        client.call("other.echo", json!({})).await.result();
    }
}

/// A listener whose queue of connections is full, so that further ones hear nothing.
struct Silent {
    address: std::net::SocketAddr,
    _held: (TcpListener, Vec<TcpStream>),
}

impl Silent {
    async fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        // Whoever is not answered at once never is.
        let patience = Duration::from_millis(300);
        while let Ok(connected) = timeout(patience, TcpStream::connect(address)).await {
            queued.push(connected.unwrap());
        }
        Self {
            address,
            _held: (listener, queued),
        }
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}
