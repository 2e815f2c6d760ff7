//! Hints of how long, and by whom, a result may be kept.

use serde_json::{Value, json};

use crate::world::{Answers, Client, Gateway, Pairing, Program};

const LISTS: [&str; 4] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

async fn hints(client: &Client, method: &str, params: Value) -> (Value, Value) {
    let mut result = client.request(method, params).await.result();
    (result["ttlMs"].take(), result["cacheScope"].take())
}

/// The pairings of modern clients; the form of answers has no part in this.
fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.has_modern_client() && it.answers == Answers::Json)
}

#[tokio::test]
async fn a_merged_list_may_be_kept_as_briefly_as_its_briefest_part() {
    for pairing in pairings() {
        for (first, second, ttl, scope) in [
            ((60_000, "public"), (5_000, "public"), 5_000, "public"),
            ((60_000, "public"), (90_000, "private"), 60_000, "private"),
            ((0, "public"), (90_000, "public"), 0, "public"),
        ] {
            let scripts = vec![
                ("one", pairing.script().fresh_for(first.0, first.1)),
                ("two", pairing.script().fresh_for(second.0, second.1)),
            ];
            let world = pairing.stand_among(scripts, Program::named("x")).await;
            for method in &LISTS[2..] {
                let told = hints(&world.client, method, json!({})).await;
                let expected = if pairing.has_modern_backend() {
                    (json!(ttl), json!(scope))
                } else {
                    (json!(0), json!("private"))
                };
                assert_eq!(told, expected, "{method}");
            }
            for method in &LISTS[..2] {
                let (told, scope) = hints(&world.client, method, json!({})).await;
                let ttl = if pairing.has_modern_backend() { ttl } else { 0 };
                assert_eq!(told, json!(ttl), "{method}");
                // Their names depend on who asks.
                assert_eq!(scope, "private", "{method}");
            }
        }
    }
}

#[tokio::test]
async fn a_legacy_backend_makes_a_list_one_for_now() {
    for pairing in pairings() {
        if !pairing.has_modern_backend() {
            continue; // shown above
        }
        let old = Pairing {
            backend: crate::LATEST_LEGACY,
            ..pairing
        };
        let scripts = vec![("new", pairing.script()), ("old", old.script())];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        for method in LISTS {
            let told = hints(&world.client, method, json!({})).await;
            assert_eq!(told, (json!(0), json!("private")), "{method}");
        }
    }
}

#[tokio::test]
async fn what_was_listed_with_a_credential_is_private() {
    for pairing in pairings() {
        let backend = pairing.script().demands_bearer("s3cret").start();
        let gateway = Gateway::setup()
            .provider_with("it", &backend, "auth: { type: bearer }")
            .start();
        let request = json!({
            "servers": ["it"], "credentials": {"it": {"token": "s3cret"}},
        });
        let session = gateway.create_session(&request).await;
        let client = Client::modern(&session.endpoint);
        for method in LISTS {
            let (_, scope) = hints(&client, method, json!({})).await;
            assert_eq!(scope, "private", "{method}");
        }
    }
}

#[tokio::test]
async fn what_is_read_may_be_kept_as_its_backend_says() {
    for pairing in pairings() {
        let script = pairing.script().fresh_for(7, "private");
        let world = pairing.stand(script, Program::named("x")).await;
        let told = hints(
            &world.client,
            "resources/read",
            json!({"uri": "fake://text"}),
        )
        .await;
        let ttl = if pairing.has_modern_backend() { 7 } else { 0 };
        assert_eq!(told, (json!(ttl), json!("private")));
        let (ttl, scope) = hints(&world.client, "server/discover", json!({})).await;
        assert!(ttl.is_u64(), "{ttl}");
        assert_eq!(scope, "private");
        // What is done, and not found, is not kept.
        let call = json!({"name": "it.echo", "arguments": {}});
        let told = hints(&world.client, "tools/call", call).await;
        assert_eq!(told, (Value::Null, Value::Null));
    }
}

#[tokio::test]
async fn legacy_clients_are_told_nothing_of_this() {
    for pairing in Pairing::all() {
        if pairing.has_modern_client() {
            continue; // shown above
        }
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        for method in LISTS {
            let told = hints(&world.client, method, json!({})).await;
            assert_eq!(told, (Value::Null, Value::Null), "{method}");
        }
        let told = hints(
            &world.client,
            "resources/read",
            json!({"uri": "fake://text"}),
        )
        .await;
        assert_eq!(told, (Value::Null, Value::Null));
        let opening = world.client.opening();
        assert_eq!(opening.get("ttlMs").or(opening.get("cacheScope")), None);
    }
}
