//! `tools/call`: bytes, ids, concurrency, and what a backend gets to see.

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    CLIENTS, LATEST_LEGACY, MODERN,
    world::{Answers, Client, FakeBackend, Fault, Gateway},
};

const ODD: &str =
    r#"{"z":1.0, "a":10000000000000000000000001,"e":1e2,"é":"\u00e9\/","y":-0.0,"n":null}"#;

#[tokio::test]
async fn a_result_passes_byte_for_byte() {
    for answers in [Answers::Json, Answers::Sse] {
        let legacy = FakeBackend::legacy().answers(answers).start();
        let modern = FakeBackend::modern().answers(answers).start();
        let gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
        let session = gateway.session(&["legacy", "modern"]).await;
        let plain = format!(r#"{{"structuredContent":{ODD} ,"content":[],"x-future":[ 1 ]}}"#);
        legacy.set_exact(&plain);
        let marked =
            format!(r#"{{"structuredContent":{ODD} ,"resultType":"complete","content":[]}}"#);
        modern.set_exact(&marked);
        for revision in CLIENTS {
            let client = Client::speaking(revision, &session.endpoint).await;
            let from_legacy = client.call("legacy.exact", json!({})).await.result_raw();
            let from_modern = client.call("modern.exact", json!({})).await.result_raw();
            if revision == MODERN {
                assert_eq!(from_modern, marked);
                assert!(from_legacy.contains(ODD), "{from_legacy}");
            } else {
                assert_eq!(from_legacy, plain);
                assert!(from_modern.contains(ODD), "{from_modern}");
            }
        }
    }
}

#[tokio::test]
async fn arguments_and_unknown_params_pass_byte_for_byte() {
    let (legacy, modern) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let gateway = Gateway::with(&[("legacy", &legacy), ("modern", &modern)]);
    let session = gateway.session(&["legacy", "modern"]).await;
    for revision in CLIENTS {
        let client = Client::speaking(revision, &session.endpoint).await;
        for (name, backend) in [("legacy", &legacy), ("modern", &modern)] {
            let params =
                format!(r#"{{"name":"{name}.echo","arguments":{ODD},"x-future":{{"k":1.0}}}}"#);
            let answer = client.request_raw("tools/call", &params).await;
            assert_eq!(answer.text(), ODD);
            let seen = backend.requests_of("tools/call").pop().unwrap();
            let seen = String::from_utf8(seen.body.to_vec()).unwrap();
            assert!(seen.contains(r#""x-future":{"k":1.0}"#), "{seen}");
            assert!(seen.contains(r#""name":"echo""#), "{seen}");
        }
    }
}

#[tokio::test]
async fn meta_of_others_passes_and_meta_of_the_client_stays_its_own() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let call = json!({"name": "it.echo", "_meta": {"com.example/trace": {"n": 1}}});
        client.request("tools/call", call).await.result();
        let meta = backend.requests_of("tools/call").pop().unwrap().params()["_meta"].take();
        assert_eq!(meta["com.example/trace"], json!({"n": 1}));
        assert_eq!(
            meta["io.modelcontextprotocol/clientInfo"]["name"],
            "scripted-client"
        );
    }
}

#[tokio::test]
async fn ids_come_back_exactly_as_they_went() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        for id in [
            "0",
            "-7",
            "9007199254740993",
            r#""7""#,
            r#""a b\u00e9\"""#,
            r#""""#,
        ] {
            let params = json!({"name": "it.echo", "arguments": {}});
            let answer = client.request_as(id, "tools/call", params).await;
            assert_eq!(answer.id().as_deref(), Some(id));
            let answer = client.request_as(id, "no/such", json!({})).await;
            assert_eq!(answer.id().as_deref(), Some(id));
        }
    }
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn two_clients_with_the_same_id_never_meet() {
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let clients = [
            Client::legacy(&session.endpoint, LATEST_LEGACY).await,
            Client::legacy(&session.endpoint, LATEST_LEGACY).await,
            Client::modern(&session.endpoint),
            Client::modern(&session.endpoint),
            Client::plain(&session.endpoint),
        ];
        backend.inject(Fault::Hold.on("tools/call"));
        let calls = clients.iter().enumerate().map(async |(number, client)| {
            let params = json!({"name": "it.echo", "arguments": {"number": number}});
            client.request_as("1", "tools/call", params).await
        });
        let release = async {
            let all = |it: &FakeBackend| it.requests_of("tools/call").len() == 5;
            backend.until("five calls in flight", all).await;
            backend.release();
        };
        let (answers, ()) = tokio::join!(join_all(calls), release);
        for (number, answer) in answers.iter().enumerate() {
            assert_eq!(answer.result()["structuredContent"]["number"], number);
        }
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_slow_call_holds_up_nobody() {
    let (slow, quick) = (FakeBackend::legacy().start(), FakeBackend::modern().start());
    let gateway = Gateway::with(&[("slow", &slow), ("quick", &quick)]);
    let session = gateway.session(&["slow", "quick"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    let gated = client.call("slow.progress", json!({"steps": 1, "gated": true}));
    let others = async {
        slow.until("the slow call", |it| it.executions("progress") == 1)
            .await;
        for name in ["slow.echo", "quick.echo", "slow.count"] {
            client.call(name, json!({})).await.result();
        }
        assert_eq!(client.tool_names().await.len(), 18);
        slow.step();
    };
    let (answer, ()) = tokio::join!(gated, others);
    assert_eq!(answer.text(), "1 steps");
}

#[tokio::test]
async fn many_calls_at_once_each_get_their_own_answer() {
    let backends = [
        FakeBackend::legacy().answers(Answers::Sse).start(),
        FakeBackend::modern().start(),
    ];
    let gateway = Gateway::with(&[("a", &backends[0]), ("b", &backends[1])]);
    let session = gateway.session(&["a", "b"]).await;
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        let calls = (0..50).map(|number| {
            let name = if number % 2 == 0 { "a.echo" } else { "b.echo" };
            client.call(name, json!({"number": number}))
        });
        for (number, answer) in join_all(calls).await.iter().enumerate() {
            assert_eq!(answer.result()["structuredContent"]["number"], number);
        }
    }
    assert_eq!(backends[0].complaints(), [""; 0]);
}

#[tokio::test]
async fn a_plain_request_needs_no_handshake() {
    for backend in [FakeBackend::legacy().start(), FakeBackend::modern().start()] {
        let gateway = Gateway::with(&[("it", &backend)]);
        let session = gateway.session(&["it"]).await;
        let client = Client::plain(&session.endpoint);
        assert_eq!(client.tool_names().await.len(), 9);
        for number in 1..=3 {
            let answer = client.call("it.count", json!({})).await;
            assert_eq!(answer.text(), number.to_string());
            assert_eq!(answer.header("mcp-session-id"), None);
        }
        assert!(backend.initializations() <= 1, "they share one MCP session");
        assert_eq!(backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn an_unknown_tool_is_refused_with_what_there_is() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for name in ["echo", "nobody.echo", ""] {
        let error = client.call(name, json!({})).await.error();
        assert_eq!(error.code, -32602, "{name:?}");
        assert!(error.message.contains("it"), "{error:?}");
    }
    let nameless = client.request("tools/call", json!({})).await.error();
    assert_eq!(nameless.code, -32602);
    assert_eq!(backend.requests_of("tools/call").len(), 0);
}

#[tokio::test]
async fn arguments_are_mirrored_into_headers_where_the_schema_asks_for_it() {
    let backend = FakeBackend::modern()
        .tool(r#"{"name":"where","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"}}}}"#)
        .start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LATEST_LEGACY).await;
    for arguments in [
        json!({"region": "eu", "n": 7}),
        json!({"region": " ä\n"}),
        json!({"region": null}),
        json!({}),
    ] {
        let answer = client.call("it.where", arguments.clone()).await;
        assert_eq!(answer.result()["structuredContent"], arguments);
    }
}

#[tokio::test]
async fn headers_of_a_client_stay_with_the_gateway() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"it.echo"}}"#;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let headers = [
        ("authorization", "Bearer of-the-client"),
        ("cookie", "a=b"),
        ("x-api-key", "of-the-client"),
        ("x-forwarded-for", "10.0.0.1"),
        ("traceparent", trace),
    ];
    let client = Client::plain(&session.endpoint);
    client.post_text(body, &headers).await.result();
    let seen = backend.requests_of("tools/call").pop().unwrap();
    for (name, _) in &headers[..4] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    // Of a trace, whoever comes next is to know.
    assert_eq!(seen.header("traceparent"), Some(trace));
    let host = backend.address().to_string();
    assert_eq!(seen.header("host"), Some(host.as_str()));
}
