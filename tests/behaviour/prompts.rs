//! Prompts: listed under public names, filled in by the backend that has them.

use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program};

/// A prompt whose public name has no room in 64 characters, nor would its dots be taken.
fn long_name() -> String {
    format!("{}with.dots and spaces", "compose_".repeat(8))
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    for pairing in Pairing::all() {
        let script = pairing
            .script()
            .prompt(r#"{"name":"own","title":"Own","com.example/x":[ 1.0 ]}"#);
        let world = pairing.stand(script, Program::named("x").capable()).await;
        let client = &world.client;
        let prompts = client.prompts().await;
        assert_eq!(
            names(&prompts),
            ["it.greet", "it.exact_prompt", "it.ask_prompt", "it.own"]
        );
        assert_eq!(prompts[0]["arguments"][0]["required"], true);
        assert_eq!(prompts[3]["com.example/x"], json!([1.0]));

        let greeting = client.prompt("it.greet", json!({"name": "Ada"})).await;
        let greeting = greeting.result();
        let text = &greeting["messages"][0]["content"]["text"];
        assert_eq!(text, "Say hello to Ada!");
        let is_complete = greeting["resultType"] == "complete";
        assert_eq!(is_complete, pairing.has_modern_client());
        let own = client.prompt("it.own", json!({"a": "é"})).await.result();
        assert_eq!(own["messages"][0]["content"]["text"], r#"{"a":"é"}"#);

        let lacking = client.prompt("it.greet", json!({})).await.error();
        let said = (lacking.code, lacking.message.as_str());
        assert_eq!(said, (-32602, "greet lacks the argument name"));
        let unknown = client.prompt("it.none", json!({})).await.error();
        assert_eq!(
            (unknown.code, unknown.message.as_str()),
            (-32602, "Unknown prompt: none")
        );
        let stranger = client.prompt("other.greet", json!({})).await.error();
        assert_eq!(stranger.code, -32602);
        assert!(stranger.message.contains("other.greet"), "{stranger:?}");
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn prompts_are_named_as_the_session_says() {
    for pairing in Pairing::eras() {
        let long = long_name();
        let script = pairing.script().prompt(&json!({"name": long}).to_string());
        let world = pairing.stand(script, Program::named("x")).await;
        for naming in ["auto", "dot", "underscores", "none"] {
            let request = json!({"servers": ["it"], "naming": naming});
            let session = world.gateway.create_session(&request).await;
            let client = Client::speaking(pairing.client, &session.endpoint).await;
            let names = client.prompt_names().await;
            let (short, rest) = (names[0].as_str(), names[3].as_str());
            match naming {
                "none" => assert_eq!((short, rest), ("greet", long.as_str())),
                "underscores" => {
                    assert_eq!(short, "it__greet");
                    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
                    assert!(rest.len() <= 64 && rest.chars().all(allowed), "{rest}");
                }
                _ => assert_eq!((short, rest), ("it.greet", format!("it.{long}").as_str())),
            }
            for name in [short, rest] {
                let arguments = json!({"name": "Ada"});
                client.prompt(name, arguments.clone()).await.result();
                let asked = world.backend.requests_of("prompts/get");
                let own = if name == short { "greet" } else { &long };
                assert_eq!(asked.last().unwrap().params()["name"], own, "{naming}");
            }
        }
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn each_prompt_is_filled_in_by_the_backend_whose_name_it_bears() {
    for pairing in Pairing::eras() {
        let prompt = r#"{"name":"same"}"#;
        let scripts = vec![
            ("one", pairing.script().prompt(prompt)),
            ("two", pairing.script().prompt(prompt)),
            ("none", pairing.script().without_prompts()),
        ];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let listed = world.client.request("prompts/list", json!({})).await;
        let listed = listed.result();
        assert_eq!(listed["prompts"].as_array().unwrap().len(), 8);
        assert_eq!(listed["prompts"][3]["name"], "one.same");
        // Whoever has no prompts is missing from no list of them.
        assert!(listed["_meta"].get("mcp-gateway/missing").is_none());
        for (index, name) in ["one.same", "two.same"].into_iter().enumerate() {
            let arguments = json!({"whose": name});
            world.client.prompt(name, arguments).await.result();
            let got = world.backends[index].requests_of("prompts/get");
            assert_eq!(got.len(), 1);
            assert_eq!(got[0].params()["arguments"]["whose"], name);
        }
        let lacking = world.client.prompt("none.same", json!({})).await;
        assert_eq!(lacking.error().code, -32601);
    }
}

fn names(prompts: &[Value]) -> Vec<&str> {
    let names = prompts.iter().map(|it| it["name"].as_str().unwrap());
    names.collect()
}
