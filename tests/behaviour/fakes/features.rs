//! The features of the protocol, each in every revision that has it.

use serde_json::{Value, json};

use super::{LEGACY, REVISIONS, capable};
use crate::world::{Answers, Client, FakeBackend, client::MODERN};

#[tokio::test]
async fn resources_are_listed_and_read() {
    for revision in REVISIONS {
        for answers in [Answers::Json, Answers::Sse] {
            let script = FakeBackend::speaking(revision).answers(answers);
            let backend = script
                .resource(r#"{"uri":"own://one","name":"one"}"#)
                .template(r#"{"uriTemplate":"own://many/{id}","name":"many"}"#)
                .page_size(2)
                .start();
            let client = capable(revision, &backend).await;
            let uris = client.resource_uris().await;
            assert_eq!((uris.len(), uris[5].as_str()), (6, "own://one"));
            assert_eq!(backend.requests_of("resources/list").len(), 3);
            let templates = client.templates().await;
            assert_eq!(templates[1]["uriTemplate"], "own://many/{id}");
            let widget = &client.resources().await[4];
            assert_eq!(widget["_meta"]["ui"]["prefersBorder"], true);

            let text = client.read("fake://text").await.result();
            assert_eq!(text["contents"][0]["text"], "plain words");
            let blob = client.read("fake://blob").await.result();
            assert_eq!(blob["contents"][0]["blob"], "AP/+ew==");
            let html = client.read("ui://fake/widget").await.result();
            let app = &html["contents"][0];
            assert_eq!(app["mimeType"], "text/html;profile=mcp-app");
            assert!(app["_meta"]["ui"]["csp"].is_object());
            let item = client.read("own://many/7").await.result();
            assert_eq!(item["contents"][0]["text"], "own://many/7");
            let missing = client.read("fake://nowhere").await.error();
            let code = if revision == MODERN { -32602 } else { -32002 };
            assert_eq!(missing.code, code);
            assert_eq!(missing.data["uri"], "fake://nowhere");
        }
    }
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    for revision in REVISIONS {
        let script = FakeBackend::speaking(revision).prompt(r#"{"name":"own"}"#);
        let backend = script.page_size(3).start();
        let client = capable(revision, &backend).await;
        let names = client.prompt_names().await;
        assert_eq!(names, ["greet", "exact_prompt", "ask_prompt", "own"]);
        assert_eq!(client.prompts().await[0]["arguments"][0]["required"], true);
        let prompt = client
            .prompt("greet", json!({"name": "Ada"}))
            .await
            .result();
        assert_eq!(
            prompt["messages"][0]["content"]["text"],
            "Say hello to Ada!"
        );
        assert_eq!(client.prompt("greet", json!({})).await.error().code, -32602);
        let own = client.prompt("own", json!({"a": "b"})).await.result();
        assert_eq!(own["messages"][0]["content"]["text"], r#"{"a":"b"}"#);
        assert_eq!(client.prompt("none", json!({})).await.error().code, -32602);
    }
}

#[tokio::test]
async fn arguments_are_completed() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let prompt = json!({"type": "ref/prompt", "name": "greet"});
        let template = json!({"type": "ref/resource", "uri": "fake://items/{id}"});
        for reference in [&prompt, &template] {
            let proposed = client
                .complete(reference.clone(), "name", "A")
                .await
                .result();
            assert_eq!(proposed["completion"]["values"], json!(["A-one", "A-two"]));
        }
        let seen = backend.requests_of("completion/complete");
        assert_eq!(seen[1].params()["ref"], template);
        let unknown = json!({"type": "ref/prompt", "name": "none"});
        let refused = client.complete(unknown, "name", "A").await;
        assert_eq!(refused.error().code, -32602);
    }
}

#[tokio::test]
async fn log_messages_below_the_level_are_not_sent() {
    for revision in REVISIONS {
        let backend = FakeBackend::speaking(revision).start();
        let client = capable(revision, &backend).await;
        let silent = if revision == MODERN { 0 } else { 8 };
        let logged = client.call("log", json!({})).await;
        assert_eq!(logged.events.len(), silent, "without a level");
        client.set_log_level("error").await;
        let logged = client.call("log", json!({})).await;
        let levels = logged
            .events
            .iter()
            .map(|it| it.json()["params"]["level"].take());
        let urgent = ["error", "critical", "alert", "emergency"];
        assert!(levels.eq(urgent.map(Value::from)), "{logged:?}");
        if revision != MODERN {
            assert_eq!(backend.log_levels(), ["error"]);
            let other = capable(revision, &backend).await;
            assert_eq!(other.call("log", json!({})).await.events.len(), 8);
        }
    }
    let backend = FakeBackend::legacy().start();
    let client = capable(LEGACY, &backend).await;
    let odd = json!({"level": "loud"});
    assert_eq!(
        client.request("logging/setLevel", odd).await.error().code,
        -32602
    );
}

#[tokio::test]
async fn what_no_revision_knows_passes() {
    for revision in REVISIONS {
        let more = json!({"com.example/x": {"y": 1.5}, "tools": {"z": true}});
        let backend = FakeBackend::speaking(revision).capabilities(more).start();
        let client = capable(revision, &backend).await;
        let declared = if revision == MODERN {
            client.request("server/discover", json!({})).await.result()
        } else {
            client.opening().clone()
        };
        let declared = &declared["capabilities"];
        assert_eq!(declared["com.example/x"]["y"], 1.5);
        assert_eq!(declared["tools"], json!({"listChanged": true, "z": true}));

        let params = json!({"q": [1, null], "name": "x"});
        let echo = client
            .request("com.example/echo", params.clone())
            .await
            .result();
        assert_eq!(echo["params"]["q"], params["q"]);
        let murmur = client.call("murmur", json!({})).await;
        let heard = &murmur.events[0];
        assert_eq!(heard.method().unwrap(), "notifications/com.example/murmur");
        assert!(
            heard
                .raw()
                .contains(r#""z":1.50,"a":[10000000000000000000000001,null]"#)
        );
    }
}

#[tokio::test]
async fn what_a_backend_lacks_it_does_not_serve() {
    for revision in REVISIONS {
        let script = FakeBackend::speaking(revision).without_prompts();
        let backend = script.without_resources().start();
        let client = capable(revision, &backend).await;
        let status = if revision == MODERN { 404 } else { 200 };
        for method in ["prompts/list", "resources/list", "resources/templates/list"] {
            let refused = client.request(method, json!({})).await;
            assert_eq!((refused.status, refused.error().code), (status, -32601));
        }
        let read = client.read("fake://text").await;
        assert_eq!((read.status, read.error().code), (status, -32601));
    }
}

#[tokio::test]
async fn every_tool_can_be_listed() {
    let backend = FakeBackend::modern().all_tools().start();
    let names = Client::modern(&backend.url()).tool_names().await;
    assert_eq!(names.len(), 20);
    assert_eq!(names[19], "task_only");
}
