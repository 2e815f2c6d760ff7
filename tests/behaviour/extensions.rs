//! What no revision of the protocol knows: capabilities, methods, notifications, members. It passes.

use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program};

async fn declared(client: &Client, pairing: Pairing) -> Value {
    let mut opening = if pairing.has_modern_client() {
        client.request("server/discover", json!({})).await.result()
    } else {
        client.opening().clone()
    };
    opening["capabilities"].take()
}

#[tokio::test]
async fn capabilities_that_nobody_knows_are_united() {
    for pairing in Pairing::all() {
        let one = json!({
            "com.example/x": {"y": 1.5, "z": {"a": 1}},
            "experimental": {"com.example/e": {"v": 1}},
            "extensions": {"com.example/ext": {"v": 1}},
        });
        let two = json!({
            "com.example/x": {"z": {"b": 2}}, "com.example/more": {},
            "experimental": {"com.example/e": {"w": 2}, "com.example/f": {}},
            "extensions": {"com.example/other": {}},
        });
        let scripts = vec![
            ("one", pairing.script().capabilities(one.clone())),
            ("two", pairing.script().capabilities(two)),
        ];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let declared = declared(&world.client, pairing).await;
        let united = json!({"y": 1.5, "z": {"a": 1, "b": 2}});
        assert_eq!(declared["com.example/x"], united);
        assert_eq!(declared["com.example/more"], json!({}));
        let experimental = json!({"com.example/e": {"v": 1}, "com.example/f": {}});
        assert_eq!(declared["experimental"], experimental, "the first is kept");
        let extensions = &declared["extensions"];
        assert_eq!(extensions["com.example/ext"], json!({"v": 1}));
        assert_eq!(extensions["com.example/other"], json!({}));
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_goes_to_the_only_backend() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let params = r#"{"q":[1.0, null],"big":12345678901234567890}"#;
        let answer = world.client.request_raw("com.example/echo", params).await;
        let raw = answer.result_raw();
        for part in [r#""q":[1.0, null]"#, r#""big":12345678901234567890"#] {
            assert!(raw.contains(part), "{part} in {raw}");
        }
        let is_complete = answer.result()["resultType"] == "complete";
        assert_eq!(is_complete, pairing.has_modern_client());
        let unknown = world.client.request("com.example/no", json!({})).await;
        let status = if pairing.has_modern_client() {
            404
        } else {
            200
        };
        assert_eq!((unknown.status, unknown.error().code), (status, -32601));
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn a_method_that_nobody_knows_goes_to_the_backend_it_names() {
    for pairing in Pairing::eras() {
        let two = pairing
            .script()
            .resource(r#"{"uri":"second://one","name":"one"}"#);
        let scripts = vec![("one", pairing.script()), ("two", two)];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let client = &world.client;
        client.resources().await;
        for (member, public, own) in [
            ("name", "two.thing", "thing"),
            ("name", "two__thing", "thing"),
            ("uri", "second://one", "second://one"),
            ("uri", "mcp-gateway://two/fake://text", "fake://text"),
            ("taskId", "two.17", "17"),
        ] {
            let params = json!({member: public, "n": 1.5});
            let echo = client.request("com.example/echo", params).await.result();
            assert_eq!(echo["params"][member], own, "{public}");
            assert_eq!(echo["params"]["n"], 1.5);
        }
        let asked = |at: usize| world.backends[at].requests_of("com.example/echo").len();
        assert_eq!((asked(0), asked(1)), (0, 5));
        for params in [
            json!({}),
            json!({"name": "three.thing"}),
            json!({"uri": "no://where"}),
        ] {
            let refused = client.request("com.example/echo", params).await;
            let status = if pairing.has_modern_client() {
                404
            } else {
                200
            };
            assert_eq!((refused.status, refused.error().code), (status, -32601));
        }
        assert_eq!((asked(0), asked(1)), (0, 5));
    }
}

#[tokio::test]
async fn notifications_that_nobody_knows_pass_on_the_calls_stream() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let murmur = world.client.call("it.murmur", json!({})).await;
        assert_eq!(murmur.text(), "murmured");
        let heard = &murmur.events[0];
        assert_eq!(heard.method().unwrap(), "notifications/com.example/murmur");
        let params =
            r#"{"z":1.50,"a":[10000000000000000000000001,null],"_meta":{"com.example/k":"v"}}"#;
        assert!(heard.raw().contains(params), "{heard:?}");
        assert_eq!(murmur.events.len(), 1);
    }
}

#[tokio::test]
async fn notifications_of_a_client_that_nobody_knows_reach_backends_that_can_take_them() {
    for pairing in Pairing::all() {
        if pairing.has_modern_client() || pairing.has_modern_backend() {
            continue; // a modern client's notification belongs to no session, nor can a modern backend tell whose it is
        }
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let params = json!({"n": 1.5});
        let method = "notifications/com.example/nod";
        assert_eq!(world.client.notify(method, params.clone()).await, 202);
        world
            .backend
            .until("the notification", |it| !it.requests_of(method).is_empty())
            .await;
        assert_eq!(world.backend.requests_of(method)[0].params(), params);
    }
}

#[tokio::test]
async fn what_a_clients_meta_holds_reaches_the_backend() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let meta = r#""_meta":{"com.example/k":{"n":1.50},"com.example/é":[null]}"#;
        let requests = [
            ("tools/call", r#""name":"it.echo","arguments":{}"#),
            (
                "prompts/get",
                r#""name":"it.greet","arguments":{"name":"A"}"#,
            ),
            ("resources/read", r#""uri":"fake://text""#),
            (
                "completion/complete",
                r#""ref":{"type":"ref/prompt","name":"it.greet"},"argument":{"name":"name","value":"A"}"#,
            ),
        ];
        for (method, rest) in requests {
            let params = format!("{{{meta},{rest}}}");
            world.client.request_raw(method, &params).await.result();
            let heard = world.backend.requests_of(method).pop().unwrap();
            let heard = heard.params()["_meta"].take();
            assert_eq!(heard["com.example/k"], json!({"n": 1.5}), "{method}");
            assert_eq!(heard["com.example/é"], json!([null]));
            let is_modern = heard
                .as_object()
                .unwrap()
                .contains_key("io.modelcontextprotocol/clientCapabilities");
            assert_eq!(is_modern, pairing.has_modern_backend());
        }
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn what_a_client_can_do_beyond_the_protocol_reaches_the_backend() {
    let extensions = json!({
        "com.example/ext": {"n": ["a"]},
        "io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]},
    });
    let capabilities = json!({
        "extensions": extensions, "experimental": {"com.example/e": {"v": 1}},
    });
    for pairing in Pairing::all() {
        let program = Program::named("x").capabilities(capabilities.clone());
        let world = pairing.stand(pairing.script(), program).await;
        world.client.call("it.echo", json!({})).await.result();
        let heard = if pairing.has_modern_backend() {
            let call = world.backend.requests_of("tools/call").pop().unwrap();
            call.params()["_meta"]["io.modelcontextprotocol/clientCapabilities"].take()
        } else {
            let openings = world.backend.requests_of("initialize");
            let mut known = openings.iter().map(|it| it.params()["capabilities"].take());
            known
                .rfind(|it| it["extensions"].is_object())
                .unwrap_or_default()
        };
        assert_eq!(heard["extensions"], extensions);
        let experimental = json!({"com.example/e": {"v": 1}});
        assert_eq!(heard["experimental"], experimental);
    }
}
