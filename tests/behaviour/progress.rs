//! Progress: of whatever request asks for it, under the client's own token.

use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program, client::Answer};

/// Tokens of every kind, raw; the second big one is more than a double holds.
const TOKENS: [&str; 7] = [
    r#""a token""#,
    r#""\u00e9 \"q\"""#,
    r#""""#,
    "7",
    "-1",
    "0",
    "9007199254740993",
];

/// The tokens of the progress that came, raw, and the steps.
fn told(answer: &Answer) -> Vec<(String, Value)> {
    let progress = answer.events.iter().filter(|event| {
        // At the end of its steps `progress` logs.
        event.method().as_deref() == Some("notifications/progress")
    });
    let told = progress.map(|event| {
        let params = event.json()["params"].take();
        (
            params["progressToken"].to_string(),
            params["progress"].clone(),
        )
    });
    told.collect()
}

#[tokio::test]
async fn progress_is_told_under_tokens_of_every_kind() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let requests = [
            (
                "tools/call",
                r#""name":"it.progress","arguments":{"steps":2}"#,
                2,
            ),
            (
                "prompts/get",
                r#""name":"it.greet","arguments":{"name":"Ada"}"#,
                1,
            ),
            ("resources/read", r#""uri":"fake://text""#, 1),
        ];
        for (method, rest, steps) in requests {
            for token in TOKENS {
                let params = format!(r#"{{"_meta":{{"progressToken":{token}}},{rest}}}"#);
                let answer = world.client.request_raw(method, &params).await;
                answer.result();
                let token: Value = serde_json::from_str(token).unwrap();
                let expected: Vec<_> = (1..=steps)
                    .map(|step| (token.to_string(), json!(step)))
                    .collect();
                assert_eq!(told(&answer), expected, "{method}");
            }
            let answer = world
                .client
                .request_raw(method, &format!("{{{rest}}}"))
                .await;
            assert_eq!(told(&answer), [], "nobody asked for it");
        }
        let heard = world.backend.requests_of("tools/call");
        let tokens = heard.iter().filter_map(|it| {
            let token = it.params()["_meta"]["progressToken"].to_string();
            (token != "null").then_some(token)
        });
        let mut tokens: Vec<String> = tokens.collect();
        let made = tokens.len();
        tokens.sort();
        tokens.dedup();
        assert_eq!((made, tokens.len()), (7, 7), "unique at the backend");
    }
}

#[tokio::test]
async fn progress_in_every_revision_says_what_its_backend_says() {
    for pairing in Pairing::revisions() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let params = json!({
            "name": "it.progress", "arguments": {"steps": 3}, "_meta": {"progressToken": "t"},
        });
        let answer = world.client.request("tools/call", params).await;
        assert_eq!(answer.text(), "3 steps");
        assert_eq!(told(&answer).len(), 3);
        let first = answer.events[0].json()["params"].take();
        let whole = json!({"progressToken": "t", "progress": 1, "total": 3, "message": "step 1"});
        assert_eq!(first, whole);
    }
}

#[tokio::test]
async fn equal_tokens_of_two_clients_do_not_meet() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let other = Client::speaking(pairing.client, &world.session.endpoint).await;
        let call = |steps: u32| {
            json!({
                "name": "it.progress", "arguments": {"steps": steps, "gated": true},
                "_meta": {"progressToken": 1},
            })
        };
        let one = world.client.request_as("77", "tools/call", call(2));
        let two = other.request_as("77", "tools/call", call(5));
        let stepping = async {
            let both = |it: &crate::world::FakeBackend| it.executions("progress") == 2;
            world.backend.until("both calls", both).await;
            for _ in 0..7 {
                world.backend.step();
            }
        };
        let (one, two, ()) = tokio::join!(one, two, stepping);
        for (answer, steps) in [(one, 2), (two, 5)] {
            assert_eq!(answer.text(), format!("{steps} steps"));
            let steps: Vec<_> = (1..=steps).map(|it| ("1".to_owned(), json!(it))).collect();
            assert_eq!(told(&answer), steps);
        }
    }
}
