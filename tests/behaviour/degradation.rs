//! A backend that is down, slow or back: told wherever a client, or a person, may look.

use serde_json::{Value, json};

use crate::{
    QUICK,
    world::{
        Answers, Client, FakeBackend, Fault, Gateway, List, Pairing, Program, Wanted,
        client::Changes, eventually, gateway::Session,
    },
};

const MISSING: &str = "mcp-gateway/missing";

/// Two backends of which the first is down when the session is made.
struct Half {
    down: FakeBackend,
    _up: FakeBackend,
    gateway: Gateway,
    session: Session,
}

/// What is told of backends has the same form whichever form their answers have.
fn pairings() -> impl Iterator<Item = Pairing> {
    let eras = Pairing::eras().into_iter();
    eras.filter(|it| it.answers == Answers::Json)
}

async fn half(pairing: Pairing) -> Half {
    let [down, up] = [(); 2].map(|()| pairing.script().start());
    down.go_down().await;
    let gateway = Gateway::setup()
        .provider_with("down", &down, QUICK)
        .provider("up", &up)
        .start();
    let session = gateway.session(&["down", "up"]).await;
    Half {
        down,
        _up: up,
        gateway,
        session,
    }
}

impl Half {
    /// How the first backend stands.
    async fn server(&self) -> Value {
        let path = format!("/session/{}", self.session.id);
        self.gateway.get(&path).await.json()["servers"][0].take()
    }

    /// The same, once a try has failed and the next one is waited for.
    async fn waiting(&self) -> Value {
        let mut server = Value::Null;
        eventually("a pause between two tries", async || {
            server = self.server().await;
            server["state"] == "waiting"
        })
        .await;
        server
    }

    async fn client(&self, pairing: Pairing) -> Client {
        Client::speaking(pairing.client, &self.session.endpoint).await
    }
}

async fn instructions(client: &Client, pairing: Pairing) -> String {
    let opening = if pairing.has_modern_client() {
        client.request("server/discover", json!({})).await.result()
    } else {
        client.opening().clone()
    };
    opening["instructions"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// The next messages up to the one of this method.
async fn methods_until(changes: &mut Changes, last: &str) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let message = changes.next().await.json();
        let is_last = message["method"] == last;
        heard.push(message);
        if is_last {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_backend_that_is_down_is_named_in_every_list() {
    for pairing in pairings() {
        let half = half(pairing).await;
        let client = half.client(pairing).await;
        for (method, member) in [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ] {
            let list = client.request(method, json!({})).await.result();
            assert!(!list[member].as_array().unwrap().is_empty(), "{method}");
            let missing = list["_meta"][MISSING].as_object().unwrap();
            assert_eq!(missing.keys().collect::<Vec<_>>(), ["down"], "{method}");
            let reason = missing["down"].as_str().unwrap();
            assert!(reason.contains("refused"), "{reason}");
            if pairing.has_modern_client() {
                assert_eq!(list["ttlMs"], 0, "what lacks a part is not kept");
            }
        }
        half.down.come_back();
        eventually("a whole list", async || {
            let list = client.request("prompts/list", json!({})).await.result();
            list["_meta"].get(MISSING).is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn a_backend_that_is_down_shows_in_the_session_and_the_instructions() {
    for pairing in pairings() {
        let half = half(pairing).await;
        let client = half.client(pairing).await;
        let told = instructions(&client, pairing).await;
        assert!(
            told.contains("# down") && told.contains("refused"),
            "{told}"
        );
        let server = half.waiting().await;
        assert!(server["retry_in_ms"].is_u64(), "{server}");
        let error = server["last_error"].as_str().unwrap();
        assert!(error.contains("refused"), "{error}");
        half.down.come_back();
        eventually("it to be ready", async || {
            half.server().await["state"] == "ready"
        })
        .await;
        let again = half.client(pairing).await;
        let told = instructions(&again, pairing).await;
        assert!(!told.contains("# down"), "{told}");
    }
}

#[tokio::test]
async fn a_slow_backend_is_named_and_does_not_hold_up_the_opening() {
    for pairing in pairings() {
        let [slow, up] = [(); 2].map(|()| pairing.script().start());
        slow.inject(Fault::Hold);
        let gateway = Gateway::setup()
            .provider("slow", &slow)
            .provider("up", &up)
            .argument("--initialize-deadline=300ms")
            .start();
        let session = gateway.session(&["slow", "up"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        let told = instructions(&client, pairing).await;
        assert!(told.contains("# slow") && told.contains("slow to answer"));
        let path = format!("/session/{}", session.id);
        let state = gateway.get(&path).await.json()["servers"][0]["state"].take();
        assert_eq!(state, "connecting");
        client.call("up.echo", json!({})).await.result();
        slow.release();
        client.call("slow.echo", json!({})).await.result();
        let state = gateway.get(&path).await.json()["servers"][0]["state"].take();
        assert_eq!(state, "ready");
    }
}

#[tokio::test]
async fn the_return_of_a_backend_is_told() {
    for pairing in pairings() {
        let half = half(pairing).await;
        let client = half.client(pairing).await;
        let missing = client.tool_names().await;
        assert_eq!((missing.len(), missing[0].as_str()), (9, "up.echo"));
        let mut changes = client.changes(Wanted::lists()).await;
        half.down.come_back();
        let mut kinds = Vec::new();
        let mut logged = Vec::new();
        while kinds.len() < 3 || (logged.is_empty() && !pairing.has_modern_client()) {
            let message = changes.next().await.json();
            match message["method"].as_str().unwrap() {
                "notifications/message" => logged.push(message["params"].clone()),
                kind => kinds.push(kind.to_owned()),
            }
        }
        kinds.sort();
        let all = ["prompts", "resources", "tools"];
        assert_eq!(
            kinds,
            all.map(|it| format!("notifications/{it}/list_changed"))
        );
        if pairing.has_modern_client() {
            assert_eq!(logged, [Value::Null; 0], "nobody asked for log messages");
        } else {
            let expected = json!({
                "level": "info", "logger": "mcp-gateway", "data": "backend down is back",
            });
            assert_eq!(logged, [expected]);
        }
        assert_eq!(client.tool_names().await.len(), 18);
        client.call("down.echo", json!({})).await.result();
    }
}

#[tokio::test]
async fn the_loss_of_a_backend_is_told() {
    for pairing in pairings() {
        // It has no prompts: of those nobody needs to hear.
        let falling = pairing.script().without_prompts().start();
        let up = pairing.script().start();
        let gateway = Gateway::setup()
            .provider_with("falling", &falling, QUICK)
            .provider("up", &up)
            .start();
        let session = gateway.session(&["falling", "up"]).await;
        let client = Client::speaking(pairing.client, &session.endpoint).await;
        assert_eq!(client.tool_names().await.len(), 18);
        client.call("falling.echo", json!({})).await.result();
        let mut changes = client.changes(Wanted::lists()).await;
        falling.go_down().await;
        let refused = client.call("falling.echo", json!({})).await.error();
        assert_eq!(refused.code, crate::UNAVAILABLE);
        assert!(refused.message.contains("falling"), "{refused:?}");
        let heard = if pairing.has_modern_client() {
            // Only what it asked for; the order is that of the kinds.
            methods_until(&mut changes, "notifications/resources/list_changed").await
        } else {
            methods_until(&mut changes, "notifications/message").await
        };
        let methods: Vec<_> = heard.iter().map(|it| it["method"].clone()).collect();
        for kind in ["tools", "resources"] {
            let told = json!(format!("notifications/{kind}/list_changed"));
            assert!(methods.contains(&told), "{methods:?}");
        }
        let prompts = json!("notifications/prompts/list_changed");
        assert!(!methods.contains(&prompts), "{methods:?}");
        if !pairing.has_modern_client() {
            let told = &heard.last().unwrap()["params"];
            assert_eq!(
                (&told["level"], &told["logger"]),
                (&json!("warning"), &json!("mcp-gateway"))
            );
            let words = told["data"].as_str().unwrap();
            assert!(words.contains("falling is unavailable"), "{words}");
        }
        assert_eq!(client.tool_names().await.len(), 9);
        let path = format!("/session/{}", session.id);
        eventually("a pause between two tries", async || {
            let server = gateway.get(&path).await.json()["servers"][0].take();
            server["state"] == "waiting"
        })
        .await;
    }
}

#[tokio::test]
async fn a_client_that_wants_errors_only_is_not_told_of_a_loss_by_log() {
    for pairing in pairings() {
        if pairing.has_modern_client() {
            continue; // it hears no log messages but on the streams of its requests
        }
        let scripts = vec![("falling", pairing.script()), ("up", pairing.script())];
        let world = pairing.stand_among(scripts, Program::named("x")).await;
        let client = &world.client;
        client.call("falling.echo", json!({})).await.result();
        client.set_log_level("error").await;
        let mut changes = client.changes(Wanted::lists()).await;
        world.backends[0].go_down().await;
        client.call("falling.echo", json!({})).await.error();
        world.backends[1].add(List::Prompts, r#"{"name":"new"}"#);
        let path = format!("/session/{}", world.session.id);
        world.gateway.delete(&path).await;
        let mut methods = Vec::new();
        while let Some(message) = changes.next_or_end().await {
            methods.push(message.method().unwrap());
        }
        let log = "notifications/message".to_owned();
        assert!(!methods.contains(&log), "{methods:?}");
    }
}
