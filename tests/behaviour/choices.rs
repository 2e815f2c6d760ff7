//! What a session chooses for itself: which tools it offers of each server, and how they are called.

use serde_json::{Value, json};

use crate::{
    LATEST_LEGACY, MODERN,
    world::{
        Answers, Client, FakeBackend, Gateway, Pairing, Program, Wanted, client::Changes,
        gateway::Session, within,
    },
};

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
const GATED: &str =
    r#"{"name":"one.progress","arguments":{"steps":1,"gated":true},"_meta":{"progressToken":1}}"#;
const PROMPTS_CHANGED: &str = "notifications/prompts/list_changed";

fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

async fn change(gateway: &Gateway, session: &Session, body: Value) -> Value {
    let answer = gateway
        .patch(&format!("/session/{}", session.id), &body)
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What a client is told next, of a change of lists.
async fn told(changes: &mut Changes) -> String {
    let message = within("a change of lists", changes.next()).await;
    message.method().unwrap_or_default()
}

/// Two backends, of the first of which some tools are hidden.
async fn stand(pairing: Pairing, filter: Value) -> (Vec<FakeBackend>, Gateway, Session, Client) {
    let long = format!("secret_{}", "search_".repeat(12));
    let backends = vec![
        pairing.script().tool_named(&long).start(),
        pairing.script().start(),
    ];
    let gateway = Gateway::with(&[("one", &backends[0]), ("two", &backends[1])]);
    let request = json!({"servers": ["one", "two"], "tools": {"one": filter}});
    let session = gateway.create_session(&request).await;
    let client = Client::speaking(pairing.client, &session.endpoint).await;
    (backends, gateway, session, client)
}

#[tokio::test]
async fn a_tool_that_is_filtered_is_as_one_that_is_not_there() {
    for pairing in pairings() {
        let filter = json!({"allow": ["e*", "co?nt*", "secret_*"], "deny": ["*_again", "secret*"]});
        let (backends, gateway, session, client) = stand(pairing, filter.clone()).await;
        let names = client.tool_names().await;
        let of_one: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with("one."))
            .collect();
        assert_eq!(of_one, ["one.echo", "one.count", "one.exact"], "{pairing}");
        assert!(names.contains(&"two.wait".to_owned()) && names.contains(&"two.fail".to_owned()));
        client.call("one.echo", json!({})).await.result();
        let unknown = client.call("none.wait", json!({})).await.error();
        // Under either spelling, and though it is in another case or on another server.
        for hidden in ["one.fail", "one__fail", "one.count_again", "one.ECHO"] {
            let error = client.call(hidden, json!({})).await.error();
            let expected = unknown.message.replace("none.wait", hidden);
            assert_eq!(
                (error.code, error.message),
                (unknown.code, expected),
                "{pairing}"
            );
        }
        client.call("two.count", json!({})).await.result();
        // A client that is shown a part of a name is held to all of it.
        let short = Program::named("claude-ai");
        let short = short.speaking(pairing.client, &session.endpoint).await;
        let shown = short.tool_names().await;
        assert!(
            !shown.iter().any(|name| name.starts_with("one__secret")),
            "{shown:?}"
        );
        let open = gateway.session(&["one"]).await;
        let all = Program::named("claude-ai")
            .speaking(pairing.client, &open.endpoint)
            .await;
        let all = all.tool_names().await;
        let cut = all
            .iter()
            .find(|name| name.starts_with("one__secret"))
            .unwrap();
        let error = short.call(cut, json!({})).await.error();
        assert_eq!(error.code, unknown.code, "{error:?}");
        // Prompts are not tools.
        assert!(
            client
                .prompt_names()
                .await
                .iter()
                .any(|name| name.starts_with("one."))
        );
        let calls = backends[0].requests_of("tools/call");
        assert_eq!(calls.len(), 1, "only what is offered reached its backend");

        let described = gateway
            .get(&format!("/session/{}", session.id))
            .await
            .json();
        assert_eq!(described["tools"], json!({"one": filter}));
        assert_eq!(described["idle_expiry"], Value::Null);
    }
}

#[tokio::test]
async fn another_filter_is_told_and_outlives_kill_9() {
    for pairing in pairings() {
        let (backends, mut gateway, session, client) = stand(pairing, json!({})).await;
        client.call("one.echo", json!({})).await.result();
        client.call("two.echo", json!({})).await.result();
        assert_eq!(client.tool_names().await, client.tool_names().await);
        let mut changes = client.changes(Wanted::lists()).await;
        let wanted = json!({"two": {"deny": ["*"]}, "one": {"allow": ["progress", "echo"], "deny": ["progress"]}});
        let gated = client.open("tools/call", GATED);
        let meanwhile = async {
            let begun = |it: &FakeBackend| it.executions("progress") == 1;
            backends[0].until("the call", begun).await;
            change(&gateway, &session, json!({"tools": wanted})).await;
            assert_eq!(told(&mut changes).await, TOOLS_CHANGED, "{pairing}");
            assert_eq!(
                client.tool_names().await,
                ["one.echo"],
                "no list is shown that was kept"
            );
            client.call("one.progress", json!({})).await.error();
            backends[0].step();
        };
        let answer = async { gated.await.finish().await };
        let (answer, ()) = tokio::join!(answer, meanwhile);
        assert_eq!(
            answer.text(),
            "1 steps",
            "what was under way is not cut off"
        );
        // What changes nothing of what clients see is told to nobody: the next that is told is what does.
        change(
            &gateway,
            &session,
            json!({"tools": wanted, "idle_expiry": "1h"}),
        )
        .await;
        change(&gateway, &session, json!({"servers": ["one"]})).await;
        for _ in 0..3 {
            assert!(told(&mut changes).await.ends_with("/list_changed"));
        }
        drop(changes);

        gateway.kill();
        gateway.restart();
        assert_eq!(client.tool_names().await, ["one.echo"], "{pairing}");
        client.call("one.progress", json!({})).await.error();
        let described = gateway
            .get(&format!("/session/{}", session.id))
            .await
            .json();
        assert_eq!(described["idle_expiry"], "1h");
        assert_eq!(described["tools"], json!({"one": wanted["one"]}));
        // A filter goes with its server, and is taken away by null.
        let body = json!({"servers": ["two", "one"], "tools": {"one": null}, "idle_expiry": null});
        let described = change(&gateway, &session, body).await;
        assert_eq!(
            (&described["tools"], &described["idle_expiry"]),
            (&json!({}), &Value::Null)
        );
        let names = client.tool_names().await;
        assert!(names.contains(&"one.wait".to_owned()) && names.contains(&"two.wait".to_owned()));
    }
}

#[tokio::test]
async fn tools_and_prompts_are_called_otherwise_when_their_session_wants_it() {
    for pairing in pairings() {
        let backend = pairing.script().start();
        let gateway = Gateway::with(&[("one", &backend), ("two", &backend)]);
        let session = gateway.session(&["one"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        client.call("one.echo", json!({})).await.result();
        let mut changes = client.changes(Wanted::lists()).await;
        for (naming, prefix) in [("underscores", "one__"), ("none", ""), ("dot", "one.")] {
            let described = change(&gateway, &session, json!({"naming": naming})).await;
            assert_eq!(described["naming"], naming);
            assert_eq!(told(&mut changes).await, TOOLS_CHANGED, "{pairing}");
            assert_eq!(told(&mut changes).await, PROMPTS_CHANGED, "{pairing}");
            let echo = format!("{prefix}echo");
            assert_eq!(client.tool_names().await[0], echo);
            client.call(&echo, json!({})).await.result();
            for prompt in client.prompt_names().await {
                assert!(prompt.starts_with(prefix), "{prompt}");
            }
            if naming == "none" {
                client.call("one.echo", json!({})).await.error();
            }
        }
        client.call("echo", json!({})).await.error();
        // The own names of several servers could not be told apart.
        let path = format!("/session/{}", session.id);
        for (body, field) in [
            (
                json!({"servers": ["one", "two"], "naming": "none"}),
                Some("naming"),
            ),
            (json!({"naming": "none"}), None),
            (json!({"servers": ["one", "two"]}), Some("servers")),
            (json!({"servers": ["one", "two"], "naming": "auto"}), None),
            (json!({"naming": "none"}), Some("naming")),
        ] {
            let answer = gateway.patch(&path, &body).await;
            let refused = field.map(|field| (400, Value::from(field)));
            let found =
                (answer.status >= 400).then(|| (answer.status, answer.json()["field"].take()));
            assert_eq!(found, refused, "{body}: {answer:?}");
        }
        client.call("two.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn a_choice_that_cannot_be_is_refused_and_nothing_is_changed() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("one", &backend)
        .provider("two", &backend)
        .argument("--session-idle-ttl=1h")
        .start();
    let request =
        json!({"servers": ["one"], "tools": {"one": {"deny": ["ask"]}}, "idle_expiry": "1h"});
    let session = gateway.create_session(&request).await;
    let path = format!("/session/{}", session.id);
    let before = gateway.get(&path).await.json();
    for (body, field) in [
        (json!({"name": "n", "tools": {"two": {}}}), "tools.two"),
        (
            json!({"name": "n", "servers": ["two"], "tools": {"one": {}}}),
            "tools.one",
        ),
        (
            json!({"name": "n", "tools": {"one": {"allow": ["a", "\u{1b}"]}}}),
            "tools.one.allow[1]",
        ),
        (
            json!({"name": "n", "tools": {"one": {"allow": ["a".repeat(129)]}}}),
            "tools.one.allow[0]",
        ),
        (json!({"name": "n", "idle_expiry": "61m"}), "idle_expiry"),
        (json!({"name": "n", "idle_expiry": "0s"}), "idle_expiry"),
        (json!({"name": "n", "idle_expiry": 60}), "idle_expiry"),
    ] {
        let answer = gateway.patch(&path, &body).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["field"]),
            (400, &field.into()),
            "{body}: {problem}"
        );
        let mut create = body.clone();
        create["servers"] = create["servers"]
            .as_array()
            .map_or(json!(["one"]), |it| json!(it));
        let answer = gateway.post("/create-session", &create).await;
        assert_eq!(answer.json()["field"], field, "{body}: {answer:?}");
        let mut after = gateway.get(&path).await.json();
        after["last_used"] = before["last_used"].clone();
        after["servers"] = before["servers"].clone();
        assert_eq!(after, before, "{body}");
    }
    for revision in [LATEST_LEGACY, MODERN] {
        let client = Client::speaking(revision, &session.endpoint).await;
        client.call("one.ask", json!({})).await.error();
    }
}
