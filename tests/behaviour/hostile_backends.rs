//! What a backend may do wrong without costing more than the call it does it to.

use std::{fs, time::Duration};

use mcp_gateway::limits::{CHANGES_IN_FLIGHT, HEARD_IN_FLIGHT};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    LATEST_LEGACY, MODERN, TIMED_OUT, UNAVAILABLE,
    world::{
        Answers, Client, FakeBackend, Fault, Gateway, List, Says, Wanted, eventually,
        fake_backend::Script, gateway::Session,
    },
};

const EVENTS: &str = "text/event-stream";
const MIB: usize = 1024 * 1024;

fn eras() -> [Script; 2] {
    [FakeBackend::legacy(), FakeBackend::modern()]
}

async fn one(script: Script, entry: &str) -> (FakeBackend, Gateway, Session) {
    let backend = script.start();
    let gateway = Gateway::setup()
        .provider_with("it", &backend, entry)
        .start();
    let session = gateway.session(&["it"]).await;
    (backend, gateway, session)
}

/// Bytes that the gateway has in memory.
fn resident(gateway: &Gateway) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", gateway.process_id())).unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// An answer that holds this as the text of an event stream.
fn events(text: &str) -> Says {
    Says::json(200, text).with("content-type", EVENTS)
}

#[tokio::test]
async fn what_is_no_answer_fails_its_call_and_says_what_it_was() {
    let result = r#"{"content":[]}"#;
    let odd: Vec<(Fault, &str)> = vec![
        (
            Says::json(200, "{}")
                .with("content-encoding", "gzip")
                .into(),
            "a compressed body",
        ),
        (
            Says::json(200, "{}").with("content-encoding", "br").into(),
            "a compressed body",
        ),
        (
            events("data: {}\n\n")
                .with("content-encoding", "zstd")
                .into(),
            "a compressed body",
        ),
        (
            Says::json(
                200,
                &format!(r#"{{"jsonrpc":"2.0","id":"{{id}}","result":{result}}}"#),
            )
            .into(),
            "the answer to another request",
        ),
        (
            Says::json(
                200,
                &format!(r#"{{"jsonrpc":"2.0","id":{{id}}.0,"result":{result}}}"#),
            )
            .into(),
            "something that is not JSON-RPC",
        ),
        (
            Says::json(200, "")
                .body(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":\"\xff\"}}".to_vec())
                .into(),
            "something that is not JSON-RPC",
        ),
        (
            events("")
                .body(b"data: {\"x\":\"\xff\"}\n\n".to_vec())
                .into(),
            "an event stream that is not UTF-8",
        ),
        (Says::json(200, "{}").flooded(500).into(), "it"),
        (
            Says::json(200, "{}")
                .with("content-type", "text/plain")
                .into(),
            "neither JSON nor",
        ),
    ];
    for script in eras() {
        let (backend, _gateway, session) = one(script, "retries: { attempts: 0 }").await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            for (fault, words) in &odd {
                backend.inject(fault.clone().on("tools/call").times(1));
                let error = client.call("it.count", json!({})).await.error();
                assert_eq!(error.code, UNAVAILABLE, "{fault:?}: {error:?}");
                assert!(error.message.contains(words), "{fault:?}: {error:?}");
                client.call("it.echo", json!({})).await.result();
            }
        }
        for request in backend.requests() {
            assert_eq!(request.header("accept-encoding"), Some("identity"));
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_given_twice_is_heard_once() {
    for (script, more) in eras().into_iter().zip(["", r#""resultType":"complete","#]) {
        let answer = |text: &str| {
            let content = format!(r#"[{{"type":"text","text":"{text}"}}]"#);
            format!(
                r#"data: {{"jsonrpc":"2.0","id":{{id}},"result":{{{more}"content":{content}}}}}"#
            )
        };
        let twice = [answer("first"), answer("second"), String::new()].join("\n\n");
        let (backend, _gateway, session) = one(script, "").await;
        for revision in [LATEST_LEGACY, MODERN] {
            let client = Client::speaking(revision, &session.endpoint).await;
            backend.inject(Fault::from(events(&twice)).on("tools/call").times(1));
            assert_eq!(client.call("it.count", json!({})).await.text(), "first");
            client.call("it.echo", json!({})).await.result();
        }
    }
}

#[tokio::test]
async fn answers_that_are_nested_too_deep_are_refused_whatever_their_size() {
    for answers in [Answers::Json, Answers::Sse] {
        for (script, more) in eras().into_iter().zip(["", r#""resultType":"complete","#]) {
            let (backend, _gateway, session) = one(script.answers(answers), "").await;
            for revision in [LATEST_LEGACY, MODERN] {
                let client = Client::speaking(revision, &session.endpoint).await;
                for filling in [0, 100_000] {
                    let nested = |levels: usize| {
                        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
                        let filling = "x".repeat(filling);
                        format!(
                            r#"{{{more}"content":[],"deep":{open}{close},"filling":"{filling}"}}"#
                        )
                    };
                    // The scripted client itself reads no more than 128.
                    backend.set_exact(&nested(100));
                    client.call("it.exact", json!({})).await.result_raw();
                    backend.set_exact(&nested(513));
                    let answer = client
                        .open("tools/call", r#"{"name":"it.exact","arguments":{}}"#)
                        .await;
                    let error = answer.finish().await.error();
                    assert!(error.message.contains("nested too deep"), "{error:?}");
                    client.call("it.echo", json!({})).await.result();
                }
            }
        }
    }
}

#[tokio::test]
async fn streams_without_an_end_end_and_fill_no_memory() {
    let endless = |kind, begins, goes_on: &str| Fault::Endless {
        kind,
        begins,
        goes_on: goes_on.to_owned(),
        pause: Duration::ZERO,
    };
    let line = "x".repeat(64 * 1024);
    let comment = format!(": {line}\n");
    let data = format!("data: {line}\n");
    let name = format!("event: {line}\n\n");
    let heard =
        "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/com.example/x\"}\n\n".repeat(100);
    let cases = [
        (endless(EVENTS, "data: ", &line), UNAVAILABLE),
        (endless(EVENTS, "", &comment), UNAVAILABLE),
        (endless(EVENTS, "", &data), UNAVAILABLE),
        // Lively for ever: only the time of a call ends these.
        (endless(EVENTS, "", &name), TIMED_OUT),
        (endless(EVENTS, "", &heard), TIMED_OUT),
    ];
    let (backend, gateway, session) = one(FakeBackend::legacy(), "timeouts: { call: 6s }").await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    let before = resident(&gateway);
    for (fault, code) in cases {
        backend.inject(fault.on("tools/call").times(1));
        let answer = client.call("it.count", json!({})).await;
        let error = answer.error();
        // On a slow machine the time is over first.
        assert!([code, TIMED_OUT].contains(&error.code), "{error:?}");
        client.is_served("it.echo").await;
    }
    let after = resident(&gateway);
    assert!(after < before + 320 * MIB, "{before} bytes, then {after}");
}

#[tokio::test]
async fn a_body_that_only_drips_is_ended_by_the_time_of_a_call() {
    let drip = |kind, begins, goes_on: &str| Fault::Endless {
        kind,
        begins,
        goes_on: goes_on.to_owned(),
        pause: Duration::from_millis(50),
    };
    let head = r#"{"jsonrpc":"2.0","id":{id},"result":{"content":[{"type":"text","text":""#;
    for script in eras() {
        let (backend, _gateway, session) = one(script, "timeouts: { idle: 1s, call: 2s }").await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        for fault in [
            drip("application/json", head, "x"),
            drip(EVENTS, "data: ", "x"),
            drip(EVENTS, "", ":\n"),
        ] {
            client.is_served("it.echo").await;
            backend.inject(fault.clone().on("tools/call").times(1));
            let error = client.call("it.count", json!({})).await.error();
            assert_eq!(error.code, TIMED_OUT, "{fault:?}: {error:?}");
        }
        client.is_served("it.echo").await;
    }
}

#[tokio::test]
async fn silence_at_any_stage_of_opening_costs_only_who_wants_that_backend() {
    // Both accept connections and say nothing: one should begin with TLS, one with an answer.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mute.local_addr().unwrap();
    let _accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = mute.accept().await {
            held.push(stream);
        }
    });
    let honest = FakeBackend::legacy().start();
    // One limit each: of two that are over together either may be told.
    let quick =
        |limit: &str| format!("timeouts: {{ {limit}: 500ms }}\n        retries: {{ attempts: 0 }}");
    let gateway = Gateway::setup()
        .entry("tls", &format!("https://{address}/mcp"), &quick("connect"))
        .entry(
            "mute",
            &format!("http://{address}/mcp"),
            &quick("handshake"),
        )
        .provider("honest", &honest)
        .start();
    let session = gateway.session(&["tls", "mute", "honest"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        client.call("honest.echo", json!({})).await.result();
        for (name, words) in [
            ("tls", "did not accept a connection in time"),
            ("mute", "it sent nothing for 500ms"),
        ] {
            let error = client
                .call(&format!("{name}.echo"), json!({}))
                .await
                .error();
            assert_eq!(error.code, UNAVAILABLE);
            assert!(error.message.contains(words), "{error:?}");
        }
        assert_eq!(client.tool_names().await.len(), 9, "the honest one's");
    }
}

#[tokio::test]
async fn requests_of_a_backend_that_reads_no_answers_leave_most_unanswered() {
    // As long as the backend takes none of them, no answer ends.
    let (backend, _gateway, session) =
        one(FakeBackend::legacy(), "timeouts: { handshake: 5m }").await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut hearing = client.changes(Wanted::lists()).await;
    backend
        .until("the gateway to listen", |it| it.listeners() > 0)
        .await;
    client.call("it.echo", json!({})).await.result();
    backend.inject(Fault::Hold);
    let ping = |id: &str| {
        backend.announce(&format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"ping"}}"#
        ));
    };
    let answers = |to: &str| {
        let requests = backend.requests();
        let ids = requests.iter().filter_map(|it| it.id());
        ids.filter(|id| id.starts_with(&format!("\"{to}"))).count()
    };
    for number in 0..2000 {
        ping(&format!("flood-{number}"));
    }
    backend.announce_change(List::Prompts);
    hearing.next_of("notifications/prompts/list_changed").await;
    eventually("some answers", async || answers("flood-") > 0).await;
    assert!(answers("flood-") <= 64, "{}", answers("flood-"));
    backend.release();
    client.call("it.echo", json!({})).await.result();
    // None of the others need have ended before that call.
    eventually("a later answer", async || {
        ping("later");
        answers("later") > 0
    })
    .await;
}

#[tokio::test]
async fn nothing_is_fetched_from_where_a_backend_points() {
    for script in eras() {
        let thief = FakeBackend::legacy().start();
        let backend = script.start();
        let gateway = Gateway::setup()
            .provider_with(
                "it",
                &backend,
                "auth: { type: bearer }
                retries: { attempts: 0 }",
            )
            .start();
        let request = json!({"servers": ["it"], "credentials": {"it": {"token": "secret"}}});
        let session = gateway.create_session(&request).await;
        let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
        client.call("it.echo", json!({})).await.result();
        backend
            .until("the gateway to listen", |it| it.listeners() > 0)
            .await;
        // Whatever is asked for now, streams and farewells included, is elsewhere.
        backend.inject(Fault::Redirect(thief.url()));
        backend.end_streams();
        client.call("it.count", json!({})).await.error();
        let before = backend.requests().len();
        backend
            .until("another try to listen", |it| it.requests().len() > before)
            .await;
        backend.clear_faults();
        let challenge = format!(
            r#"Bearer resource_metadata="{0}/.well-known/oauth-protected-resource", realm="{0}""#,
            thief.url()
        );
        let refusal = Says::json(401, "").with("www-authenticate", &challenge);
        let refusal = refusal.with("link", &format!("<{}>; rel=\"preload\"", thief.url()));
        backend.inject(Fault::from(refusal).on("tools/call").times(1));
        let answer = client.call("it.count", json!({})).await;
        assert!(answer.error().message.contains("refused the bearer token"));
        assert!(!answer.body_text().contains(&thief.url()));
        backend.inject(Fault::Redirect(thief.url()));
        let status = gateway
            .delete(&format!("/session/{}", session.id))
            .await
            .status;
        assert_eq!(status, 204);
        if backend.sessions_open() > 0 {
            let farewell =
                |it: &FakeBackend| it.requests().iter().any(|it| it.http_method == "DELETE");
            backend.until("a farewell", farewell).await;
        }
        assert_eq!(thief.requests().len(), 0);
        assert!(!gateway.logs().contains(&thief.url()));
    }
}

#[tokio::test]
async fn a_flood_of_what_is_about_no_call_does_not_fill_memory() {
    // 125 MiB: far more than may wait for the session, and for a client that reads nothing meanwhile.
    const FLOOD: usize = 1_000;
    const LENGTH: usize = MIB / 8;
    let (backend, gateway, session) = one(FakeBackend::legacy(), "").await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let mut changes = client.changes(Wanted::lists()).await;
    client.call("it.echo", json!({})).await.result();
    backend
        .until("somebody to listen", |it| it.listeners() > 0)
        .await;
    let before = resident(&gateway);
    let filling = "x".repeat(LENGTH);
    for _ in 0..FLOOD {
        backend.announce(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"error","data":"{filling}"}}}}"#
        ));
    }
    // Behind all of it; the client's own stream may have been closed to it by then.
    backend.announce_change(List::Tools);
    let listed = |it: &FakeBackend| it.requests_of("tools/list").len() > 1;
    backend.until("a list for the last one", listed).await;
    while changes
        .next_or_end()
        .await
        .is_some_and(|it| !it.raw().contains("list_changed"))
    {}
    let after = resident(&gateway);
    let waiting = HEARD_IN_FLIGHT.bytes + CHANGES_IN_FLIGHT.bytes;
    let most = before + waiting + 64 * MIB;
    assert!(after < most, "{before} bytes, then {after}");
    client.call("it.echo", json!({})).await.result();
}
