//! Spans of the gateway as a real collector has them: one for each exchange, one for each call, each where it belongs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    install,
    server::Server,
    world::{FakeBackend, Fault, Gateway, Program, client::MODERN, eventually},
};

/// What nobody may find at the collector.
const CONTENT: &str = "argument-not-to-be-told-77";
const TOKEN: &str = "tok-5e2f1c9a8b7d-not-to-be-told";

/// A span as the collector shows it.
#[derive(Debug, Default)]
struct Shown(BTreeMap<String, String>);

impl Shown {
    /// All spans that the collector has told of.
    fn all(said: &str) -> Vec<Self> {
        let spans = said.split("Span #").skip(1);
        let pair = |line: &str| {
            let (name, value) = line.trim_start_matches([' ', '-', '>']).split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let read = |text: &str| {
            // What follows are events, which have names of their own.
            let text = text.split("Events:").next().unwrap_or_default();
            Self(text.lines().filter_map(pair).collect())
        };
        spans.map(read).collect()
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    fn attribute(&self, name: &str) -> &str {
        let value = self.get(name);
        let open = value.find('(').map_or(0, |at| at + 1);
        value[open..].trim_end_matches(')')
    }
}

/// The one span of that name in a trace.
fn span<'a>(spans: &'a [Shown], trace: &str, name: &str) -> &'a Shown {
    let is_it = |span: &&Shown| span.get("Trace ID") == trace && span.get("Name") == name;
    let found: Vec<&Shown> = spans.iter().filter(is_it).collect();
    let [only] = found[..] else {
        panic!("{} spans {name} in {trace}: {spans:#?}", found.len());
    };
    only
}

fn traceparent(trace: &str, span: &str) -> String {
    format!("00-{trace}-{span}-01")
}

#[tokio::test]
async fn a_real_collector_has_an_exchange_and_its_calls_and_nothing_of_what_was_in_them() {
    let Some(program) = install::collector() else {
        return;
    };
    let collector = Server::collector(program.get_program().as_ref()).await;
    let a = FakeBackend::legacy().demands_bearer(TOKEN).start();
    let b = FakeBackend::modern().start();
    let mut gateway = Gateway::setup()
        .provider_with("a", &a, "auth: { type: bearer }")
        .provider("b", &b)
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.origin())
        .environment("OTEL_BSP_SCHEDULE_DELAY", "50")
        .environment("OTEL_SERVICE_NAME", "the-gateway-of-a-test")
        .start();
    let request = json!({"servers": ["a", "b"], "credentials": {"a": {"token": TOKEN}}});
    let session = gateway.create_session(&request).await;
    let (first, second, third) = ("a".repeat(32), "b".repeat(32), "c".repeat(32));
    let caller = "00000000000000aa";

    // A legacy client that tells by a header, and a modern one that tells in `_meta`.
    let header = traceparent(&first, caller);
    let legacy = Program::named("x").carrying(&[("traceparent", &header)]);
    let legacy = legacy.legacy(&session.endpoint, "2025-11-25").await;
    let call = |name: &str, arguments: Value, meta: Value| json!({"name": name, "arguments": arguments, "_meta": meta});
    legacy.call("a.echo", json!({"a": CONTENT})).await.result();
    let modern = Program::named("y")
        .speaking(MODERN, &session.endpoint)
        .await;
    let meta = |trace: &str| json!({"traceparent": traceparent(trace, caller), "progressToken": 1});
    let progress = call(
        "b.progress",
        json!({"steps": 3, "a": CONTENT}),
        meta(&second),
    );
    modern.request("tools/call", progress).await.result();
    let fail = json!({"code": -32000, "message": CONTENT});
    let failing = call("b.fail", fail, meta(&third));
    modern.request("tools/call", failing).await.error();
    b.inject(Fault::status(429).on("tools/call").times(1));
    modern.call("b.count", json!({})).await.result();
    legacy.tool_names().await;

    let spans = async || Shown::all(&collector.said());
    let told = [
        (&first, "tools/call a.echo", "tools/call echo", &a),
        (&second, "tools/call b.progress", "tools/call progress", &b),
        (&third, "tools/call b.fail", "tools/call fail", &b),
    ];
    eventually("the spans of all exchanges", async || {
        let spans = spans().await;
        let count = |name: &str| spans.iter().filter(|it| it.get("Name") == name).count();
        let calls = told
            .iter()
            .flat_map(|(_, exchange, call, _)| [*exchange, call]);
        // The last exchange's, and those of both backends' lists.
        let all = calls.chain(["tools/call b.count", "tools/call count"]);
        all.into_iter().all(|name| count(name) >= 1) && count("tools/list") >= 3
    })
    .await;
    gateway.stop();
    let said = collector.said();
    let spans = spans().await;

    for (trace, exchange, call, backend) in told {
        let exchange = span(&spans, trace, exchange);
        assert_eq!(exchange.get("Kind"), "SPAN_KIND_SERVER");
        assert_eq!(exchange.get("Parent ID"), caller);
        let call = span(&spans, trace, call);
        assert_eq!(call.get("Kind"), "SPAN_KIND_CLIENT");
        assert_eq!(call.get("Parent ID"), exchange.get("ID"));
        let own = traceparent(trace, call.get("ID"));
        let heard = backend.requests_of("tools/call");
        let heard = heard
            .iter()
            .filter(|it| it.header("traceparent") == Some(&own));
        let heard: Vec<_> = heard.collect();
        assert_eq!(heard.len(), 1, "{own}");
        assert_eq!(heard[0].params()["_meta"]["traceparent"], own);
        for span in [exchange, call] {
            assert_eq!(span.attribute("mcp.method.name"), "tools/call");
            assert_eq!(span.attribute("network.transport"), "tcp");
        }
    }
    let failed = span(&spans, &third, "tools/call b.fail");
    assert_eq!(failed.get("Status code"), "STATUS_CODE_ERROR");
    assert_eq!(failed.attribute("error.type"), "-32000");
    assert_eq!(failed.attribute("mcp_gateway.provider"), "b");
    let well = span(&spans, &second, "tools/call progress");
    assert_eq!(well.get("Status code"), "STATUS_CODE_UNSET");
    let shown = failed.attribute("session.id");
    assert!(shown.len() >= 4 && session.id.starts_with(shown), "{shown}");

    // What was sent again.
    assert_eq!(said.matches("Name: retry").count(), 1);
    assert!(said.contains("service.name: Str(the-gateway-of-a-test)"));
    for secret in [CONTENT, TOKEN, &session.id, legacy.mcp_session().unwrap()] {
        assert!(!said.contains(secret), "{secret} is at the collector");
    }
}
