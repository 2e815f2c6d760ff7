//! Subscriptions to resources: news reach who subscribed, whatever becomes of backends and gateway.

use serde_json::{Value, json};

use crate::world::{
    Answers, Client, FakeBackend, Pairing, Program, Wanted, World,
    client::{Changes, Message},
};

const UPDATED: &str = "notifications/resources/updated";
const TEXT: &str = "fake://text";
const ITEM: &str = "fake://items/7";

/// The pairings of eras; what is announced has the same form whichever form answers have.
fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

/// A world whose backend is there: that it comes is a change, too.
async fn stand(pairing: Pairing) -> World {
    let world = pairing.stand(pairing.script(), Program::named("x")).await;
    world.client.call("it.echo", json!({})).await.result();
    // What it announces before somebody listens is heard by nobody.
    let listens = |it: &FakeBackend| it.listeners() > 0;
    world.backend.until("the gateway to listen", listens).await;
    world
}

async fn updated(changes: &mut Changes) -> Value {
    let message = changes.next_of(UPDATED).await;
    message.json()["params"]["uri"].take()
}

async fn until_subscribed(backend: &FakeBackend, uris: &[&str]) {
    backend
        .until("the subscriptions", |it| it.subscriptions() == uris)
        .await;
}

#[tokio::test]
async fn an_update_reaches_only_who_subscribed() {
    for pairing in Pairing::all() {
        let world = stand(pairing).await;
        let other = Client::speaking(pairing.client, &world.session.endpoint).await;
        let mut changes = world.client.subscribe(TEXT).await;
        let mut others = other.subscribe(ITEM).await;
        until_subscribed(&world.backend, &[ITEM, TEXT]).await;
        world.backend.announce_update(TEXT);
        world.backend.announce_update(ITEM);
        world.backend.announce_update(TEXT);
        for _ in 0..2 {
            assert_eq!(changes.next().await.json()["params"]["uri"], TEXT);
        }
        assert_eq!(others.next().await.json()["params"]["uri"], ITEM);

        world.client.unsubscribe(TEXT, changes).await;
        until_subscribed(&world.backend, &[ITEM]).await;
        world.backend.announce_update(ITEM);
        assert_eq!(others.next().await.json()["params"]["uri"], ITEM);
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn two_who_subscribed_to_the_same_do_not_take_it_from_each_other() {
    for pairing in pairings() {
        let world = stand(pairing).await;
        let other = Client::speaking(pairing.client, &world.session.endpoint).await;
        let changes = world.client.subscribe(TEXT).await;
        let mut others = other.subscribe(TEXT).await;
        world.client.unsubscribe(TEXT, changes).await;
        until_subscribed(&world.backend, &[TEXT]).await;
        world.backend.announce_update(TEXT);
        assert_eq!(updated(&mut others).await, TEXT);
        other.unsubscribe(TEXT, others).await;
        until_subscribed(&world.backend, &[]).await;
    }
}

#[tokio::test]
async fn a_part_of_a_resource_is_news_of_it() {
    for pairing in pairings() {
        let world = stand(pairing).await;
        let mut changes = world.client.subscribe(ITEM).await;
        until_subscribed(&world.backend, &[ITEM]).await;
        for uri in ["fake://items/70", "fake://items/7/part"] {
            let news = json!({"jsonrpc": "2.0", "method": UPDATED, "params": {"uri": uri, "com.example/n": 1.5}});
            world.backend.blurt(&news.to_string());
        }
        let heard = changes.next().await.json()["params"].take();
        assert_eq!(heard["com.example/n"], 1.5);
        // A legacy backend tells a client what that client's own session subscribed to.
        let expected = if pairing.has_modern_client() || pairing.has_modern_backend() {
            "fake://items/7/part"
        } else {
            "fake://items/70"
        };
        assert_eq!(heard["uri"], expected);
    }
}

#[tokio::test]
async fn an_alias_is_subscribed_to_at_its_backend() {
    for pairing in pairings() {
        let scripts = vec![("one", pairing.script()), ("two", pairing.script())];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        world.client.resources().await;
        let alias = "mcp-gateway://two/fake://text";
        let mut changes = world.client.subscribe(alias).await;
        until_subscribed(&world.backends[1], &[TEXT]).await;
        assert_eq!(world.backends[0].subscriptions(), [""; 0]);
        world.backends[0].announce_update(TEXT);
        world.backends[1].announce_update(TEXT);
        let heard = changes.next().await;
        assert_eq!(heard.json()["params"]["uri"], alias);
        let read = world.client.read(alias).await.result();
        assert_eq!(read["contents"][0]["text"], "plain words");
    }
}

#[tokio::test]
async fn subscriptions_outlive_their_backends() {
    for pairing in pairings() {
        let world = stand(pairing).await;
        let mut changes = world.client.subscribe(TEXT).await;
        until_subscribed(&world.backend, &[TEXT]).await;
        let interruptions: [&str; 3] = ["streams end", "it restarts", "it says goodbye"];
        for interruption in interruptions {
            match interruption {
                "streams end" => world.backend.end_streams(),
                "it restarts" => {
                    world.backend.go_down().await;
                    world.backend.forget_sessions();
                    world.backend.come_back();
                }
                _ => world.backend.close_subscriptions(),
            }
            // A legacy client's own link with a legacy backend has a stream of its own.
            let of_its_own = !pairing.has_modern_client() && !pairing.has_modern_backend();
            let streams = if of_its_own { 2 } else { 1 };
            let again =
                |it: &FakeBackend| it.subscriptions() == [TEXT] && it.listeners() == streams;
            world.backend.until(interruption, again).await;
            world.backend.announce_update(TEXT);
            assert_eq!(updated(&mut changes).await, TEXT, "{interruption}");
        }
    }
}

#[tokio::test]
async fn a_legacy_clients_subscription_outlives_the_gateway() {
    for pairing in pairings() {
        if pairing.has_modern_client() {
            continue; // its subscription is its stream, which a restart ends
        }
        let mut world = stand(pairing).await;
        drop(world.client.subscribe(TEXT).await);
        world.gateway.kill();
        world.backend.hear_out().await;
        world.gateway.restart();
        let mut changes = world.client.changes(Wanted::default()).await;
        until_subscribed(&world.backend, &[TEXT]).await;
        // A backend knows of it from before; the stream to tell it on comes in its own time.
        let tell = || world.backend.announce_update(TEXT);
        let heard = changes.next_updated(tell).await;
        assert_eq!(heard.json()["params"]["uri"], TEXT);
        world.client.unsubscribe(TEXT, changes).await;
        until_subscribed(&world.backend, &[]).await;
        assert_eq!(world.backend.complaints(), [""; 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_not_acknowledged() {
    for pairing in pairings() {
        let world = stand(pairing).await;
        let nowhere = "fake://nowhere";
        if pairing.has_modern_client() {
            let wanted = Wanted::lists().and_resource(nowhere).and_resource(TEXT);
            let mut changes = world.client.changes(wanted).await;
            let honoured = json!({
                "toolsListChanged": true, "promptsListChanged": true,
                "resourcesListChanged": true, "resourceSubscriptions": [TEXT],
            });
            assert_eq!(changes.acknowledged(), &honoured);
            world.backend.announce_update(TEXT);
            assert_eq!(updated(&mut changes).await, TEXT);
        } else {
            let params = json!({"uri": nowhere});
            let refused = world.client.request("resources/subscribe", params).await;
            let error = refused.error();
            assert_eq!((error.code, &error.data["uri"]), (-32002, &json!(nowhere)));
            world.client.subscribe(TEXT).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_subscribed_to_where_a_backend_tells_of_no_updates() {
    for pairing in pairings() {
        let quiet = json!({"resources": {"subscribe": null, "listChanged": true}});
        let script = pairing.script().capabilities(quiet);
        let world = pairing.stand(script, Program::named("x")).await;
        // What a backend can do is known once it was met.
        world.client.resources().await;
        if pairing.has_modern_client() {
            let changes = world.client.changes(Wanted::resource(TEXT)).await;
            assert_eq!(changes.acknowledged(), &json!({}));
        } else {
            let declared = &world.client.opening()["capabilities"]["resources"];
            assert_eq!(declared, &json!({"listChanged": true}));
            let params = json!({"uri": TEXT});
            let refused = world.client.request("resources/subscribe", params).await;
            assert!([-32601, -32602, -32002].contains(&refused.error().code));
        }
        assert_eq!(world.backend.subscriptions(), [""; 0]);
    }
}

#[tokio::test]
async fn each_message_of_a_subscription_bears_its_id_to_the_letter() {
    for pairing in pairings() {
        if !pairing.has_modern_client() {
            continue; // only the modern era has such ids
        }
        let world = stand(pairing).await;
        let params = json!({"notifications": {"resourceSubscriptions": [TEXT]}}).to_string();
        let mut streams = Vec::new();
        for id in [r#""s 1\u0061""#, "9007199254740993"] {
            let mut stream = world
                .client
                .open_as(id, "subscriptions/listen", &params)
                .await;
            let tag = format!(r#""io.modelcontextprotocol/subscriptionId":{id}"#);
            let first = stream.next().await.unwrap();
            assert!(first.raw().contains(&tag), "{first:?}");
            streams.push((stream, tag));
        }
        world.backend.announce_update(TEXT);
        for (stream, tag) in &mut streams {
            let heard: Message = stream.next().await.unwrap();
            assert_eq!(heard.method().unwrap(), UPDATED);
            assert!(heard.raw().contains(&*tag), "{heard:?}");
        }
        let path = format!("/session/{}", world.session.id);
        world.gateway.delete(&path).await;
        for (stream, tag) in &mut streams {
            let last = stream.next().await.unwrap();
            assert!(last.is_response() && last.raw().contains(&*tag), "{last:?}");
            assert!(stream.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn streams_end_well_when_the_gateway_stops() {
    for pairing in pairings() {
        let mut world = stand(pairing).await;
        let mut changes = world.client.subscribe(TEXT).await;
        world.gateway.ask_to_stop();
        if pairing.has_modern_client() {
            assert_eq!(changes.next().await.result()["resultType"], "complete");
        }
        assert!(changes.next_or_end().await.is_none());
        assert!(world.gateway.wait_for_end().success());
    }
}

#[tokio::test]
async fn who_reads_slowly_holds_up_nobody_and_misses_nothing_unawares() {
    const NEWS: usize = 600;
    let padding = "p".repeat(60_000);
    for pairing in pairings() {
        let world = stand(pairing).await;
        let sleepy = Client::speaking(pairing.client, &world.session.endpoint).await;
        let mut slow = sleepy.subscribe(TEXT).await;
        let mut changes = world.client.subscribe(TEXT).await;
        until_subscribed(&world.backend, &[TEXT]).await;
        for number in 0..NEWS {
            let params = json!({"uri": TEXT, "n": number, "padding": padding});
            let news = json!({"jsonrpc": "2.0", "method": UPDATED, "params": params});
            world.backend.announce(&news.to_string());
            assert_eq!(changes.next().await.json()["params"]["n"], number);
        }
        let echo = world.client.call("it.echo", json!({"a": 1})).await;
        assert_eq!(echo.result()["structuredContent"]["a"], 1);
        // Either all comes, or the stream ends, and who listens again looks again.
        let mut next = 0;
        while next < NEWS
            && let Some(message) = slow.next_or_end().await
            && message.method().is_some()
        {
            assert_eq!(message.json()["params"]["n"], next, "one is missing");
            next += 1;
        }
    }
}
