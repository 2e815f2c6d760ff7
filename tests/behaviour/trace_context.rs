//! Trace context: whatever a client says of its trace, the backend that serves it hears. Where the gateway makes spans of
//! its own, the backend's belong below those.

use serde_json::{Value, json};

use std::net::TcpListener;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Answers, FakeBackend, Gateway, Pairing, Program},
};

/// W3C Trace Context and Baggage, with an odd entry of each kind.
const TRACE: [(&str, &str); 3] = [
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
    ("baggage", "userId=Am%C3%A9lie,serverNode=DF%2028;ttl=1"),
];

#[tokio::test]
async fn trace_context_reaches_the_backend_untouched() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let meta: Value = TRACE
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(*value)))
            .collect();
        for (method, mut params) in [
            ("tools/call", json!({"name": "it.echo", "arguments": {}})),
            (
                "prompts/get",
                json!({"name": "it.greet", "arguments": {"name": "A"}}),
            ),
            ("resources/read", json!({"uri": "fake://text"})),
        ] {
            params["_meta"] = meta.clone();
            world.client.request(method, params).await.result();
            let heard = world.backend.requests_of(method).pop().unwrap();
            for (key, value) in TRACE {
                assert_eq!(heard.params()["_meta"][key], value, "{method}");
                // What a client says is the backend's to know, and no header's.
                assert_eq!(heard.header(key), None);
            }
        }
    }
}

#[tokio::test]
async fn trace_context_in_headers_goes_on_in_headers_if_it_is_one() {
    for pairing in Pairing::eras() {
        let program = Program::named("x").carrying(&TRACE);
        let world = pairing.stand(pairing.script(), program).await;
        world.client.call("it.echo", json!({})).await.result();
        let heard = world.backend.requests_of("tools/call").pop().unwrap();
        for (key, value) in TRACE {
            assert_eq!(heard.header(key), Some(value));
            assert_eq!(heard.params()["_meta"][key], Value::Null);
        }
        let long = "x".repeat(10_000);
        for wrong in [
            "00-nonsense",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            &long,
        ] {
            let mut wrong_ones = TRACE;
            wrong_ones[0].1 = wrong;
            let program = Program::named("x").carrying(&wrong_ones);
            let client = program
                .speaking(pairing.client, &world.session.endpoint)
                .await;
            client.call("it.echo", json!({})).await.result();
            let heard = world.backend.requests_of("tools/call").pop().unwrap();
            for (key, _) in TRACE {
                assert_eq!(heard.header(key), None, "{wrong}");
            }
        }
    }
}

/// The trace and the span of a `traceparent`.
fn place(traceparent: &str) -> (&str, &str) {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    assert_eq!(sizes, [2, 32, 16, 2], "{traceparent}");
    assert_eq!((parts[0], parts[3]), ("00", "01"));
    (parts[1], parts[2])
}

#[tokio::test]
async fn calls_go_on_below_spans_of_the_gateway_and_a_collector_that_is_silent_holds_up_nothing() {
    // It takes connections, and never says a word.
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = format!("http://{}", collector.local_addr().unwrap());
    let backends = [FakeBackend::legacy(), FakeBackend::modern()];
    let backends = backends.map(|script| script.answers(Answers::Sse).start());
    let mut gateway = Gateway::setup()
        .provider("legacy", &backends[0])
        .provider("modern", &backends[1])
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)
        .start();
    let session = gateway.session(&["legacy", "modern"]).await;
    let (sent_trace, sent_span) = place(TRACE[0].1);
    for revision in [LATEST_LEGACY, MODERN] {
        let program = || Program::named("x");
        let by_header = program().carrying(&TRACE);
        let by_header = by_header.speaking(revision, &session.endpoint).await;
        let by_meta = program().speaking(revision, &session.endpoint).await;
        for (name, backend) in ["legacy", "modern"].into_iter().zip(&backends) {
            let call = |meta: Value| json!({"name": format!("{name}.echo"), "arguments": {}, "_meta": meta});
            let heard = || {
                let heard = backend.requests_of("tools/call").pop().unwrap();
                let told = heard.header("traceparent").unwrap().to_owned();
                assert_eq!(heard.params()["_meta"]["traceparent"], told);
                let state = heard.header("tracestate").map(str::to_owned);
                (told, state, heard)
            };
            let meta = json!({"traceparent": TRACE[0].1, "tracestate": TRACE[1].1, "x": 1.0});
            for (client, meta) in [(&by_header, json!({})), (&by_meta, meta)] {
                client.request("tools/call", call(meta)).await.result();
                let (told, state, _) = heard();
                let (trace, span) = place(&told);
                assert_eq!(trace, sent_trace);
                assert_ne!(span, sent_span);
                assert_eq!(state.as_deref(), Some(TRACE[1].1));
            }
            // What is no trace begins none, and goes nowhere.
            let nonsense = json!({"traceparent": "nonsense", "tracestate": "a=1", "x": 1.0});
            by_meta.request("tools/call", call(nonsense)).await.result();
            let (told, state, heard) = heard();
            assert_ne!(place(&told).0, sent_trace);
            assert_eq!(state, None);
            let meta = &heard.params()["_meta"];
            assert_eq!(
                (&meta["tracestate"], &meta["x"]),
                (&Value::Null, &json!(1.0))
            );
        }
        by_meta.tool_names().await;
    }
    gateway.stop();
    let logs = gateway.logs();
    assert!(logs.contains("spans are lost on their way"), "{logs}");
}

#[tokio::test]
async fn traces_of_calls_at_once_do_not_mix() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let call = |number: u32| {
            let trace = format!("00-{number:032x}-{number:016x}-01");
            json!({
                "name": "it.echo", "arguments": {"number": number},
                "_meta": {"traceparent": trace},
            })
        };
        let calls = (1..20).map(|number| world.client.request("tools/call", call(number)));
        for answer in futures_util::future::join_all(calls).await {
            answer.result();
        }
        let heard = world.backend.requests_of("tools/call");
        assert_eq!(heard.len(), 19);
        for request in heard {
            let params = request.params();
            let number = params["arguments"]["number"].as_u64().unwrap();
            let trace = format!("00-{number:032x}-{number:016x}-01");
            assert_eq!(params["_meta"]["traceparent"], trace);
        }
    }
}
