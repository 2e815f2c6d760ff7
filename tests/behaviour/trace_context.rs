//! Trace context: whatever a client says of its trace, the backend that serves it hears.

use serde_json::{Value, json};

use crate::world::{Pairing, Program};

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
