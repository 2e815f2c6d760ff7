//! Log messages and the level from which a client wants them.

use serde_json::{Value, json};

use crate::world::{Client, Pairing, Program, client::Answer};

/// Least urgent first.
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

fn levels(answer: &Answer) -> Vec<Value> {
    let logged = answer.events.iter().map(|event| {
        assert_eq!(event.method().unwrap(), "notifications/message");
        event.json()["params"]["level"].take()
    });
    logged.collect()
}

async fn logged(client: &Client) -> Vec<Value> {
    let answer = client.call("it.log", json!({})).await;
    assert_eq!(answer.text(), "logged");
    levels(&answer)
}

#[tokio::test]
async fn log_messages_come_on_the_calls_stream_from_the_level_asked_for() {
    for pairing in Pairing::all() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        // What a legacy server sends to who has set no level is up to it; a modern one is silent.
        let unasked = if pairing.has_modern_client() || pairing.has_modern_backend() {
            0
        } else {
            8
        };
        assert_eq!(logged(&world.client).await.len(), unasked);
        for (index, level) in LEVELS.into_iter().enumerate() {
            world.client.set_log_level(level).await;
            assert_eq!(logged(&world.client).await, LEVELS[index..], "{level}");
        }
        let answer = world.client.call("it.log", json!({})).await;
        let params = answer.events[0].json()["params"].take();
        assert_eq!(params["logger"], "fake");
        assert_eq!(params["data"], "a message of level emergency");
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn clients_of_one_session_have_levels_of_their_own() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let endpoint = &world.session.endpoint;
        let other = Client::speaking(pairing.client, endpoint).await;
        let third = Client::speaking(pairing.client, endpoint).await;
        let before = logged(&third).await;
        world.client.set_log_level("error").await;
        other.set_log_level("info").await;
        for _ in 0..2 {
            let (first, second, none) =
                tokio::join!(logged(&world.client), logged(&other), logged(&third));
            assert_eq!(first, LEVELS[4..]);
            assert_eq!(second, LEVELS[1..]);
            assert_eq!(none, before, "who asked for nothing");
        }
    }
}

#[tokio::test]
async fn a_level_outlives_the_gateway_and_the_backends_session() {
    for pairing in Pairing::eras() {
        let mut world = pairing.stand(pairing.script(), Program::named("x")).await;
        world.client.set_log_level("alert").await;
        assert_eq!(logged(&world.client).await, LEVELS[6..]);
        world.gateway.restart();
        assert_eq!(logged(&world.client).await, LEVELS[6..], "after a restart");
        world.backend.forget_sessions();
        assert_eq!(logged(&world.client).await, LEVELS[6..], "in a new session");
        if !pairing.has_modern_client() && !pairing.has_modern_backend() {
            assert_eq!(world.backend.log_levels(), ["alert"]);
        }
    }
}

#[tokio::test]
async fn a_level_that_is_none_is_refused() {
    for pairing in Pairing::eras() {
        let program = Program::named("x").lenient();
        let world = pairing.stand(pairing.script(), program).await;
        let refused = if pairing.has_modern_client() {
            world.client.set_log_level("loud").await;
            world.client.call("it.echo", json!({})).await
        } else {
            let params = json!({"level": "loud"});
            world.client.request("logging/setLevel", params).await
        };
        assert_eq!(refused.error().code, -32602);
        assert_eq!(world.backend.executions("echo"), 0);
        assert_eq!(world.backend.log_levels(), [""; 0]);
    }
}

#[tokio::test]
async fn what_a_backend_logs_by_itself_reaches_the_stream_of_its_client() {
    for pairing in Pairing::all() {
        if pairing.has_modern_client() || pairing.has_modern_backend() {
            continue; // the modern era has log messages on the streams of requests only
        }
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let mut stream = world.client.get_stream().await;
        world
            .backend
            .until("the gateway listens for the client", |it| {
                it.listeners() > 1
            })
            .await;
        world.backend.announce(
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","logger":"own","data":{"n":1.50}}}"#,
        );
        let heard = stream.next().await.unwrap();
        assert_eq!(heard.method().unwrap(), "notifications/message");
        let params = r#"{"level":"info","logger":"own","data":{"n":1.50}}"#;
        assert!(heard.raw().contains(params), "{heard:?}");
        world.client.delete().await;
        assert!(stream.next().await.is_none(), "it was told twice");
    }
}
