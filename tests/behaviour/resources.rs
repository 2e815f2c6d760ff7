//! Resources: listed under their own URIs, read from whoever has them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Client, Fault, List, Pairing, Program, client::Answer, pairing::Several};

/// A result of `exact` that speaks of a resource.
fn speaking_of(uri: &str, pairing: Pairing) -> String {
    let kind = if pairing.has_modern_backend() {
        r#""resultType":"complete","#
    } else {
        ""
    };
    // Links to resources exist since 2025-06-18; what holds one exists always.
    format!(
        r#"{{{kind}"content":[{{"type":"resource","resource":{{"uri":"{uri}","text":"see there"}}}}]}}"#
    )
}

fn is_not_found(answer: &Answer, uri: &str, pairing: Pairing) {
    let error = answer.error();
    let code = if pairing.has_modern_client() {
        -32602
    } else {
        -32002
    };
    assert_eq!((error.code, &error.data["uri"]), (code, &json!(uri)));
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn resources_and_templates_are_listed_and_read() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let client = &world.client;
        let listed = client.resources().await;
        let uris: Vec<_> = listed.iter().map(|it| it["uri"].clone()).collect();
        assert_eq!(
            uris,
            [
                "fake://text",
                "fake://blob",
                "fake://exact",
                "fake://ask",
                "ui://fake/widget"
            ]
        );
        assert_eq!(listed[0]["annotations"]["priority"], 0.5);
        let templates = client.templates().await;
        assert_eq!(templates[0]["uriTemplate"], "fake://items/{id}");

        let text = client.read("fake://text").await.result();
        assert_eq!(text["contents"][0]["text"], "plain words");
        let blob = client.read("fake://blob").await.result();
        assert_eq!(blob["contents"][0]["blob"], "AP/+ew==");
        let item = client.read("fake://items/%C3%A4%207").await.result();
        assert_eq!(item["contents"][0]["uri"], "fake://items/%C3%A4%207");
        let is_complete = item["resultType"] == "complete";
        assert_eq!(is_complete, pairing.has_modern_client());
        let missing = client.read("fake://nowhere").await;
        is_not_found(&missing, "fake://nowhere", pairing);
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

/// Two backends, of which the second has one more resource and template.
async fn two(pairing: Pairing) -> Several {
    let second = pairing
        .script()
        .resource(r#"{"uri":"second://one","name":"one"}"#)
        .template(r#"{"uriTemplate":"second://many/{id}","name":"many"}"#);
    let scripts = vec![("one", pairing.script()), ("two", second)];
    pairing.stand_among(scripts, Program::named("x")).await
}

fn reads(world: &Several, at: usize) -> Vec<Value> {
    let reads = world.backends[at].requests_of("resources/read");
    reads.iter().map(|it| it.params()["uri"].clone()).collect()
}

#[tokio::test]
async fn a_uri_of_two_backends_is_read_at_either() {
    for pairing in Pairing::eras() {
        let world = two(pairing).await;
        let uris = world.client.resource_uris().await;
        let alias = "mcp-gateway://two/fake://text";
        assert_eq!((uris.len(), uris[5].as_str()), (11, alias));
        assert_eq!(uris[10], "second://one");
        for uri in ["fake://text", alias] {
            let read = world.client.read(uri).await.result();
            let contents = &read["contents"][0];
            assert_eq!(contents["text"], "plain words");
        }
        assert_eq!(reads(&world, 0), ["fake://text"]);
        assert_eq!(reads(&world, 1), ["fake://text"]);
        // An alias can be read even where none is needed.
        world
            .client
            .read("mcp-gateway://one/fake://text")
            .await
            .result();
        assert_eq!(reads(&world, 0).len(), 2);
        let nobodys = "mcp-gateway://three/fake://text";
        is_not_found(&world.client.read(nobodys).await, nobodys, pairing);
        let missing = world.client.read("mcp-gateway://two/fake://no").await;
        assert!([-32602, -32002].contains(&missing.error().code));
    }
}

#[tokio::test]
async fn a_uri_is_read_by_what_was_listed() {
    for pairing in Pairing::eras() {
        let world = two(pairing).await;
        world.client.resources().await;
        world.client.templates().await;
        for uri in ["second://one", "second://many/7"] {
            let read = world.client.read(uri).await.result();
            assert_eq!(read["contents"][0]["text"], uri);
        }
        assert_eq!(reads(&world, 1), ["second://one", "second://many/7"]);
        assert_eq!(reads(&world, 0), [""; 0], "nobody else was asked");
    }
}

#[tokio::test]
async fn a_uri_nobody_listed_is_looked_for_in_order() {
    for pairing in Pairing::eras() {
        let world = two(pairing).await;
        for _ in 0..2 {
            let read = world.client.read("second://many/7").await.result();
            assert_eq!(read["contents"][0]["text"], "second://many/7");
        }
        assert_eq!(reads(&world, 0).len(), 1, "asked once");
        is_not_found(
            &world.client.read("no://where").await,
            "no://where",
            pairing,
        );
    }
}

#[tokio::test]
async fn a_uri_seen_in_a_result_is_read_where_it_was_seen() {
    for pairing in Pairing::eras() {
        let world = two(pairing).await;
        world.client.resources().await;
        // Both have it, and neither said so.
        for backend in &world.backends {
            backend.add(List::Resources, r#"{"uri":"late://1","name":"late"}"#);
        }
        world.backends[1].set_exact(&speaking_of("late://1", pairing));
        world.client.call("two.exact", json!({})).await.result();
        let read = world.client.read("late://1").await.result();
        assert_eq!(read["contents"][0]["text"], "late://1");
        assert_eq!(reads(&world, 1), ["late://1"]);
        assert_eq!(reads(&world, 0), [""; 0]);
    }
}

#[tokio::test]
async fn a_backend_without_resources_is_not_asked_for_one() {
    for pairing in Pairing::eras() {
        let scripts = vec![
            ("one", pairing.script().without_resources()),
            ("two", pairing.script()),
        ];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        // One that nobody has met yet may have anything.
        world.client.call("one.echo", json!({})).await.result();
        let uris = world.client.resource_uris().await;
        assert_eq!((uris.len(), uris[0].as_str()), (5, "fake://text"));
        world.client.read("fake://items/1").await.result();
        assert!(world.backends[0].requests_of("resources/list").is_empty());
        assert_eq!(reads(&world, 0), [""; 0]);
    }
}

#[tokio::test]
async fn a_backend_that_turns_out_to_have_no_resources_hides_no_error_of_others() {
    for pairing in Pairing::eras() {
        let scripts = vec![
            ("one", pairing.script()),
            ("two", pairing.script().without_resources()),
        ];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        for method in ["initialize", "server/discover"] {
            let late = Fault::Delay(Duration::from_millis(300));
            world.backends[1].inject(late.on(method));
        }
        let session = world.gateway.session(&["one", "two"]).await;
        // A modern client asks before anybody knows what the second backend has.
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        is_not_found(&client.read("no://where").await, "no://where", pairing);
    }
}
