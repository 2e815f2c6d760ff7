//! Completion: of a prompt's or a template's argument, at the backend whose it is.

use serde_json::json;

use crate::world::{Client, Pairing, Program};

const VALUES: [&str; 2] = ["A-one", "A-two"];

#[tokio::test]
async fn arguments_of_prompts_and_templates_are_completed() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let client = &world.client;
        let template = json!({"type": "ref/resource", "uri": "fake://items/{id}"});
        // Whether or not anything was listed before.
        for _ in 0..2 {
            let prompt = json!({"type": "ref/prompt", "name": "it.greet"});
            for reference in [prompt, template.clone()] {
                let answer = client.complete(reference, "name", "A").await.result();
                assert_eq!(answer["completion"]["values"], json!(VALUES));
                assert_eq!(answer["completion"]["total"], 2);
            }
            client.templates().await;
        }
        let asked = world.backend.requests_of("completion/complete");
        let references: Vec<_> = asked.iter().map(|it| it.params()["ref"].clone()).collect();
        let own = json!({"type": "ref/prompt", "name": "greet"});
        assert_eq!(
            references,
            [own.clone(), template.clone(), own, template.clone()]
        );

        let params = json!({
            "ref": template, "argument": {"name": "id", "value": "7"},
            "context": {"arguments": {"day": "1.0"}}, "com.example/x": [1.0],
        });
        client
            .request("completion/complete", params.clone())
            .await
            .result();
        let asked = world.backend.requests_of("completion/complete");
        let asked = asked.last().unwrap().params();
        for member in ["context", "argument", "com.example/x"] {
            assert_eq!(asked[member], params[member]);
        }
        for name in ["it.none", "other.greet"] {
            let unknown = json!({"type": "ref/prompt", "name": name});
            let refused = client.complete(unknown, "name", "A").await;
            assert_eq!(refused.error().code, -32602);
        }
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn completion_goes_to_the_backend_that_has_the_prompt_or_template() {
    for pairing in Pairing::eras() {
        let two = pairing
            .script()
            .template(r#"{"uriTemplate":"own://{id}","name":"own"}"#);
        let scripts = vec![("one", pairing.script()), ("two", two)];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let client = &world.client;
        let templates = client.templates().await;
        let uris: Vec<_> = templates
            .iter()
            .map(|it| it["uriTemplate"].clone())
            .collect();
        let alias = "mcp-gateway://two/fake://items/{id}";
        assert_eq!(uris, ["fake://items/{id}", alias, "own://{id}"]);
        for (uri, at, own) in [
            ("fake://items/{id}", 0, "fake://items/{id}"),
            (alias, 1, "fake://items/{id}"),
            ("own://{id}", 1, "own://{id}"),
        ] {
            let reference = json!({"type": "ref/resource", "uri": uri});
            client.complete(reference, "id", "A").await.result();
            let asked = world.backends[at].requests_of("completion/complete");
            assert_eq!(asked.last().unwrap().params()["ref"]["uri"], own);
        }
        let prompt = json!({"type": "ref/prompt", "name": "two.greet"});
        client.complete(prompt, "name", "A").await.result();
        let heard = |at: usize| world.backends[at].requests_of("completion/complete").len();
        assert_eq!((heard(0), heard(1)), (1, 3));
    }
}

#[tokio::test]
async fn a_template_never_listed_is_completed_by_who_has_it() {
    for pairing in Pairing::eras() {
        let two = pairing
            .script()
            .template(r#"{"uriTemplate":"own://{id}","name":"own"}"#);
        let scripts = vec![("one", pairing.script()), ("two", two)];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let reference = json!({"type": "ref/resource", "uri": "own://{id}"});
        let answer = world.client.complete(reference, "id", "A").await.result();
        assert_eq!(answer["completion"]["values"], json!(VALUES));
        let nobodys = json!({"type": "ref/resource", "uri": "nobodys://{id}"});
        let refused = world.client.complete(nobodys, "id", "A").await.error();
        assert_eq!(refused.code, -32602);
    }
}

#[tokio::test]
async fn a_shortened_prompt_is_completed_under_its_own_name() {
    for pairing in Pairing::eras() {
        let long = "compose_".repeat(12);
        let script = pairing.script().prompt(&json!({"name": long}).to_string());
        let world = pairing.stand(script, Program::named("x")).await;
        let request = json!({"servers": ["it"], "naming": "underscores"});
        let session = world.gateway.create_session(&request).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        let names = client.prompt_names().await;
        let reference = json!({"type": "ref/prompt", "name": names[3]});
        let answer = client.complete(reference, "a", "A").await.result();
        assert_eq!(answer["completion"]["values"], json!(VALUES));
        let asked = world.backend.requests_of("completion/complete");
        assert_eq!(asked[0].params()["ref"]["name"], long);
    }
}
