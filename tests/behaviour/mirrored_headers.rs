//! Arguments that a tool's schema has repeated in headers (`x-mcp-header`).

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program};

const TOOL: &str = r#"{"name":"where","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},"on":{"type":"boolean","x-mcp-header":"On"},"deep":{"type":"object","properties":{"id":{"type":"string","x-mcp-header":"Deep-Id"}}},"plain":{"type":"string"}}}}"#;

fn tool_with(name: &str, header: &str) -> String {
    let schema = json!({
        "type": "object", "properties": {"a": {"type": "string", "x-mcp-header": header}},
    });
    json!({"name": name, "inputSchema": schema}).to_string()
}

/// Calls a tool, with these headers besides a modern client's usual ones.
async fn call(
    client: &Client,
    pairing: Pairing,
    arguments: &Value,
    headers: &[(&'static str, &str)],
) -> crate::world::client::Answer {
    let mut params = json!({"name": "it.where", "arguments": arguments});
    let mut all = headers.to_vec();
    if pairing.has_modern_client() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": crate::MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        all.extend([("mcp-method", "tools/call"), ("mcp-name", "it.where")]);
    }
    let body = json!({"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": params});
    client.post_text(&body.to_string(), &all).await
}

#[tokio::test]
async fn arguments_are_repeated_for_a_modern_backend_whoever_calls() {
    for pairing in Pairing::all() {
        let script = pairing.script().tool(TOOL);
        let program = Program::named("x").lenient();
        let world = pairing.stand(script, program).await;
        let base64 = |text: &str| format!("=?base64?{}?=", BASE64_STANDARD.encode(text));
        let cases = [
            (
                json!({"region": "eu-1", "n": 7, "on": true, "deep": {"id": "d"}, "plain": "p"}),
                vec![
                    ("mcp-param-region", "eu-1".to_owned()),
                    ("mcp-param-n", "7".to_owned()),
                    ("mcp-param-on", "true".to_owned()),
                    ("mcp-param-deep-id", "d".to_owned()),
                ],
            ),
            (
                json!({"region": "Zürich ", "plain": "p"}),
                vec![("mcp-param-region", base64("Zürich "))],
            ),
            (json!({}), vec![]),
        ];
        for (arguments, expected) in cases {
            // What a modern client has to send itself; a legacy one knows nothing of it.
            let sent: Vec<(&'static str, &str)> = expected
                .iter()
                .filter(|_| pairing.has_modern_client())
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let answer = call(&world.client, pairing, &arguments, &sent).await;
            assert_eq!(answer.result()["structuredContent"], arguments);
            let heard = world.backend.requests_of("tools/call").pop().unwrap();
            for name in ["region", "n", "on", "deep-id", "plain"] {
                let name = format!("mcp-param-{name}");
                let expected = expected.iter().find(|(it, _)| *it == name);
                let expected = expected
                    .filter(|_| pairing.has_modern_backend())
                    .map(|(_, value)| value.as_str());
                assert_eq!(heard.header(&name), expected, "{name}");
            }
        }
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn headers_that_contradict_the_arguments_are_refused() {
    for pairing in Pairing::eras() {
        if !pairing.has_modern_client() {
            continue; // a legacy client has no such headers
        }
        let script = pairing.script().tool(TOOL);
        let program = Program::named("x").lenient();
        let world = pairing.stand(script, program).await;
        world.client.tool_names().await;
        for headers in [
            vec![("mcp-param-region", "there")],
            vec![],
            vec![("mcp-param-region", "here"), ("mcp-param-n", "7")],
        ] {
            let arguments = json!({"region": "here"});
            let refused = call(&world.client, pairing, &arguments, &headers).await;
            // A modern client repeats what the schema says, whichever era the tool is of.
            assert_eq!((refused.status, refused.error().code), (400, -32020));
            assert_eq!(world.backend.executions("where"), 0);
        }
    }
}

#[tokio::test]
async fn a_tool_whose_annotations_are_wrong_is_left_out_where_it_could_not_be_called() {
    for pairing in Pairing::all() {
        let script = pairing
            .script()
            .without_tools()
            .tool(&tool_with("good", "Region"))
            .tool(&tool_with("bad", "not a header name"))
            .tool(&tool_with("empty", ""));
        let world = pairing.stand(script, Program::named("x")).await;
        let names = world.client.tool_names().await;
        if pairing.has_modern_backend() {
            assert_eq!(names, ["it.good"]);
        } else {
            assert_eq!(names, ["it.good", "it.bad", "it.empty"]);
            let bad = world.client.call("it.bad", json!({"a": "b"})).await;
            assert_eq!(bad.result()["structuredContent"]["a"], "b");
        }
    }
}
