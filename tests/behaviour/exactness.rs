//! Results cross the gateway byte for byte, however odd and however large.

use serde_json::{Value, json};

use crate::world::{Answers, Client, FakeBackend, List, Pairing, Program, client::Answer};

/// Members of a result that a parser would change: numbers as nobody writes them, escapes, spaces
/// within values, keys in no order, two nested keys of one name.
const ODD: &str = r#""z":1.0,"a":12345678901234567890,"big":10000000000000000000000001,"e":1e2,"E":-0.0E+1,"_meta":{ "k" : [1.50, null] , "com.example/x":{}},"ä":"\u00e9\/\ud83d\ude00","twice":{"k":1,"k":2}"#;

/// What each kind of result must have, oddly spelled, too.
const KINDS: [(Kind, &str); 3] = [
    (
        Kind::Tool,
        r#""content":[ {"type":"text","text":"\u0000\u00e9","future":1.0} ]"#,
    ),
    (Kind::Prompt, r#""messages":[ ]"#),
    (
        Kind::Resource,
        r#""contents":[ {"uri":"fake://exact","text":"\u00e9"} ]"#,
    ),
];

/// What a result of the modern era has besides.
const MODERN: &str = r#""resultType":"complete","ttlMs":7,"cacheScope":"public""#;

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tool,
    Prompt,
    Resource,
}

impl Kind {
    fn set(self, backend: &FakeBackend, result: &str) {
        match self {
            Self::Tool => backend.set_exact(result),
            Self::Prompt => backend.set_exact_prompt(result),
            Self::Resource => backend.set_exact_resource(result),
        }
    }

    async fn get(self, client: &Client) -> Answer {
        match self {
            Self::Tool => client.call("it.exact", json!({})).await,
            Self::Prompt => client.prompt("it.exact_prompt", json!({})).await,
            Self::Resource => client.read("fake://exact").await,
        }
    }

    /// What the gateway puts before a legacy backend's result for a modern client.
    fn front(self) -> &'static str {
        match self {
            Self::Resource => r#""resultType":"complete","ttlMs":0,"cacheScope":"private","#,
            _ => r#""resultType":"complete","#,
        }
    }
}

/// What a backend answers with these members, and what its client must get.
fn both(kind: Kind, members: &str, pairing: Pairing) -> (String, String) {
    let plain = format!("{{{members}}}");
    let modern = format!("{{{MODERN},{members}}}");
    match (pairing.has_modern_client(), pairing.has_modern_backend()) {
        (true, true) => (modern.clone(), modern),
        (true, false) => (plain.clone(), format!("{{{}{members}}}", kind.front())),
        (false, true) => (modern, plain),
        (false, false) => (plain.clone(), plain),
    }
}

#[tokio::test]
async fn odd_results_of_all_kinds_keep_their_bytes() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        for (kind, members) in KINDS {
            let members = format!("{ODD},{members}");
            let (answered, expected) = both(kind, &members, pairing);
            kind.set(&world.backend, &answered);
            let got = kind.get(&world.client).await;
            assert_eq!(got.result_raw(), expected, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn odd_arguments_reach_the_backend_as_they_are() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let arguments = format!("{{{ODD}}}");
        let params = format!(r#"{{"name":"it.echo","arguments":{arguments}}}"#);
        let answer = world.client.request_raw("tools/call", &params).await;
        let heard = world.backend.requests_of("tools/call").pop().unwrap();
        let heard = String::from_utf8(heard.body.to_vec()).unwrap();
        assert!(heard.contains(&arguments), "{heard}");
        let echoed = format!(r#""structuredContent":{arguments}"#);
        assert!(answer.result_raw().contains(&echoed), "{answer:?}");
    }
}

#[tokio::test]
async fn large_results_keep_their_bytes() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        for (kind, members) in KINDS {
            // What comes last is no less exact than what comes first.
            let padding = "0123456789é\\n\\u00e9".repeat(6_000);
            let members = format!(r#"{ODD},{members},"padding":"{padding}","n":1.0"#);
            let (answered, expected) = both(kind, &members, pairing);
            assert!(answered.len() > 100_000);
            kind.set(&world.backend, &answered);
            let got = kind.get(&world.client).await.result_raw();
            assert!(got == expected, "{kind:?} of {} bytes", answered.len());
        }
    }
}

#[tokio::test]
async fn huge_results_keep_their_bytes() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        for (kind, members) in KINDS {
            let padding = "0123456789abcde\\n".repeat(650_000);
            let members = format!(r#"{members},"padding":"{padding}","n":1.0"#);
            let (answered, expected) = both(kind, &members, pairing);
            assert!(answered.len() > 10_000_000);
            kind.set(&world.backend, &answered);
            let got = kind.get(&world.client).await.result_raw();
            assert!(got == expected, "{kind:?} of {} bytes", answered.len());
        }
    }
}

#[tokio::test]
async fn schemas_are_listed_as_they_are() {
    let schema = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"b":{"$ref":"#/$defs/Node"},"a":{"anyOf":[{"type":"null"},{"const":1.0},{"const":12345678901234567890}]}},"$defs":{"Node":{"type":"object","properties":{"next":{"$ref":"#/$defs/Node"}}, "x-more":1e2}},"additionalProperties":false}"##;
    let rest = format!(
        r#""title":"\u00e9","inputSchema":{schema},"outputSchema":{schema},"annotations":{{"readOnlyHint":true,"x":1e2}},"_meta":{{"a/b":[ 1.0 ]}},"future":{{ }}"#
    );
    for pairing in Pairing::all() {
        let tool = format!(r#"{{"name":"t",{rest}}}"#);
        let script = pairing.script().tool(&tool);
        let world = pairing.stand(script, Program::named("x")).await;
        let listed = world.client.request("tools/list", json!({})).await;
        let expected = format!(r#"{{"name":"it.t",{rest}}}"#);
        assert!(listed.result_raw().contains(&expected), "{listed:?}");
        let resource =
            r#"{"uri":"odd://1","name":"n","size":1.0e3,"future":[ 1.50 ],"_meta":{"k":-0.0}}"#;
        world.backend.add(List::Resources, resource);
        let listed = world.client.request("resources/list", json!({})).await;
        assert!(listed.result_raw().contains(resource), "{listed:?}");
        let template = r#"{"uriTemplate":"odd://{+id}{?q*}","name":"n","future":1e2}"#;
        world.backend.add(List::Templates, template);
        let listed = world.client.request("resources/templates/list", json!({}));
        let listed = listed.await;
        assert!(listed.result_raw().contains(template), "{listed:?}");
    }
}

#[tokio::test]
async fn errors_of_a_backend_keep_their_bytes() {
    let error = r#"{"code":-32050,"message":"no \u00e9","data":{"z":1.0,"big":12345678901234567890,"k":[ null ]},"future":1e2}"#;
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let params = format!(r#"{{"name":"it.fail","arguments":{error}}}"#);
        let answer = world.client.request_raw("tools/call", &params).await;
        let response = answer.response.as_ref().unwrap();
        assert!(response.raw().contains(error), "{response:?}");
    }
}

#[tokio::test]
async fn a_modern_result_that_does_not_say_its_kind_is_complete() {
    for pairing in Pairing::eras() {
        if !pairing.has_modern_backend() {
            continue; // results of the legacy era have no kinds
        }
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        for padding in [String::new(), "p".repeat(200_000)] {
            for (kind, members) in KINDS {
                let members =
                    format!(r#"{members},"padding":"{padding}","nested":{{"resultType":"x"}}"#);
                kind.set(&world.backend, &format!("{{{members}}}"));
                let got = kind.get(&world.client).await;
                let front = if pairing.has_modern_client() {
                    kind.front()
                } else {
                    ""
                };
                // What passes on while it arrives shows at its end only that it does not say so.
                let in_parts = !padding.is_empty() && pairing.answers == Answers::Json;
                let expected = match front.strip_suffix(',') {
                    Some(back) if in_parts => format!("{{{members},{back}}}"),
                    _ => format!("{{{front}{members}}}"),
                };
                assert!(got.result_raw() == expected, "{kind:?}");
                // One that says so anywhere is left as it is.
                let late = format!("{{{members},{MODERN}}}");
                kind.set(&world.backend, &late);
                let got = kind.get(&world.client).await;
                if pairing.has_modern_client() {
                    assert!(got.result_raw() == late, "{kind:?}");
                } else {
                    assert!(got.result_raw() == format!("{{{members}}}"), "{kind:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_id_is_echoed_to_the_letter() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let call = || json!({"name": "it.echo", "arguments": {"a": Value::Null}});
        for id in [r#""\u0061é\/""#, "9007199254740993", "0", "-7", r#""""#] {
            let answer = world.client.request_as(id, "tools/call", call()).await;
            assert_eq!(answer.id().unwrap(), id);
            answer.result();
        }
    }
}
