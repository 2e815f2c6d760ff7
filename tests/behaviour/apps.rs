//! MCP Apps: tools that name a user interface, and the resources that hold it.

use serde_json::json;

use crate::world::{Client, Pairing, Program};

const UI: &str = "io.modelcontextprotocol/ui";
const WIDGET: &str = "ui://fake/widget";

fn program() -> Program {
    let can = json!({"extensions": {UI: {"mimeTypes": ["text/html;profile=mcp-app"]}}});
    Program::named("host").capabilities(can)
}

#[tokio::test]
async fn a_tool_names_its_interface_which_can_be_read() {
    let tool = r#"{"name":"show","inputSchema":{"type":"object"},"_meta":{"ui":{"resourceUri":"ui://fake/widget","visibility":["model","app"]},"ui/resourceUri":"ui://fake/widget"}}"#;
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script().tool(tool), program()).await;
        let client = &world.client;
        let tools = client.tools().await;
        let shown = tools.iter().find(|it| it["name"] == "it.show").unwrap();
        let meta = &shown["_meta"];
        assert_eq!(meta["ui"]["visibility"], json!(["model", "app"]));
        // Both spellings are in use; the resource has the URI that either names.
        for uri in [&meta["ui"]["resourceUri"], &meta["ui/resourceUri"]] {
            let read = client.read(uri.as_str().unwrap()).await.result();
            let contents = &read["contents"][0];
            assert_eq!(contents["uri"], WIDGET);
            assert_eq!(contents["mimeType"], "text/html;profile=mcp-app");
            assert_eq!(contents["text"], "<!doctype html><p>widget");
            let csp = json!({"connectDomains": ["https://api.example"]});
            assert_eq!(contents["_meta"]["ui"]["csp"], csp);
        }
        let listed = client.resources().await;
        let widget = listed.iter().find(|it| it["uri"] == WIDGET).unwrap();
        assert_eq!(widget["_meta"]["ui"]["prefersBorder"], true);
        client.call("it.show", json!({})).await.result();
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn an_app_of_either_of_two_backends_is_read_from_its_own() {
    for pairing in Pairing::eras() {
        let other =
            r#"{"uri":"ui://two/panel","name":"panel","mimeType":"text/html;profile=mcp-app"}"#;
        let scripts = vec![
            ("one", pairing.script()),
            ("two", pairing.script().resource(other)),
        ];
        let world = pairing.stand_among(scripts, program()).await;
        world.client.resources().await;
        let panel = world.client.read("ui://two/panel").await.result();
        assert_eq!(panel["contents"][0]["uri"], "ui://two/panel");
        let alias = format!("mcp-gateway://two/{WIDGET}");
        let widget = world.client.read(&alias).await.result();
        assert_eq!(widget["contents"][0]["uri"], WIDGET);
        let reads = |at: usize| world.backends[at].requests_of("resources/read").len();
        assert_eq!((reads(0), reads(1)), (0, 2));
    }
}

#[tokio::test]
async fn a_host_and_a_server_find_out_that_both_know_apps() {
    for pairing in Pairing::all() {
        let script = pairing
            .script()
            .capabilities(json!({"extensions": {UI: {}}}));
        let world = pairing.stand(script, program()).await;
        let client: &Client = &world.client;
        let opening = if pairing.has_modern_client() {
            client.request("server/discover", json!({})).await.result()
        } else {
            client.opening().clone()
        };
        assert_eq!(opening["capabilities"]["extensions"][UI], json!({}));
        client.call("it.echo", json!({})).await.result();
        let told = if pairing.has_modern_backend() {
            let call = world.backend.requests_of("tools/call").pop().unwrap();
            call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"].take()
        } else {
            let openings = world.backend.requests_of("initialize");
            openings.last().unwrap().params()["capabilities"].take()
        };
        let html = json!(["text/html;profile=mcp-app"]);
        assert_eq!(told["extensions"][UI]["mimeTypes"], html);
    }
}
