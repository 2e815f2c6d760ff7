//! What a session's owner sees of its exchanges as they happen, and what nobody sees.

use serde_json::{Value, json};

use crate::world::{FakeBackend, Gateway, Pairing, Program, within};

/// Somebody who watches a session.
struct Watcher {
    response: reqwest::Response,
    text: String,
}

impl Watcher {
    async fn of(gateway: &Gateway, id: &str) -> Self {
        let path = format!("/session/{id}/activity");
        let request = gateway.request(http::Method::GET, &path);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let text = String::new();
        Self { response, text }
    }

    /// Waits until so many exchanges were told.
    async fn told(&mut self, exchanges: usize) -> Vec<Value> {
        within("an exchange to be told", async {
            while self.text.matches("\n\n").count() < exchanges + 1 {
                let chunk = self.response.chunk().await.unwrap();
                self.text += std::str::from_utf8(&chunk.unwrap()).unwrap();
            }
        })
        .await;
        // What came of the next one may not be whole.
        let (whole, _) = self.text.rsplit_once("\n\n").unwrap();
        let data = whole.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    async fn ended(&mut self) {
        within("the end of the stream", async {
            while self.response.chunk().await.unwrap().is_some() {}
        })
        .await;
    }
}

#[tokio::test]
async fn an_owner_sees_each_exchange_as_it_ends_and_nothing_that_stood_in_it() {
    for pairing in Pairing::eras() {
        let world = pairing.stand(pairing.script(), Program::named("x")).await;
        let id = world.session.id.clone();
        let secret = json!({"code": -32000, "message": "what-only-the-backend-may-read"});
        world.client.call("it.echo", secret.clone()).await.result();
        let mut watcher = Watcher::of(&world.gateway, &id).await;
        let is_call = |done: &&Value| done["method"] == "tools/call";
        // What was before comes first; how many the client's start took is its own.
        let before = watcher.told(1).await.len();
        world.client.call("it.fail", secret).await;
        let mut told = watcher.told(before + 1).await;
        while told.iter().filter(is_call).count() < 2 {
            told = watcher.told(told.len() + 1).await;
        }
        let calls: Vec<&Value> = told.iter().filter(is_call).collect();
        assert_eq!(
            (&calls[0]["name"], &calls[0]["server"], &calls[0]["outcome"]),
            (&json!("it.echo"), &json!("it"), &json!("ok"))
        );
        assert_eq!(
            (&calls[1]["name"], &calls[1]["outcome"]),
            (&json!("it.fail"), &json!("error"))
        );
        assert!(
            calls
                .iter()
                .all(|call| call["elapsed_ms"].is_u64() && call["ago_ms"].is_u64())
        );
        assert!(!watcher.text.contains("what-only"), "{}", watcher.text);

        assert_eq!(
            world.gateway.delete(&format!("/session/{id}")).await.status,
            204
        );
        watcher.ended().await;
    }
}

#[tokio::test]
async fn nobody_but_the_owner_watches_and_the_gateways_end_ends_it() {
    let backend = FakeBackend::legacy().start();
    let setup = Gateway::setup().provider("it", &backend);
    let guarded = setup.caller("ada").caller("eve").operator("olga").start();
    let session = guarded.session_of("ada", &["it"]).await;
    let path = format!("/session/{}/activity", session.id);
    for (stranger, status) in [("eve", 404), ("olga", 404)] {
        assert_eq!(
            guarded.get_as(stranger, &path).await.status,
            status,
            "{stranger}"
        );
    }
    assert_eq!(guarded.get(&path).await.status, 401);

    let mut gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let mut watcher = Watcher::of(&gateway, &session.id).await;
    gateway.ask_to_stop();
    watcher.ended().await;
    assert!(gateway.wait_for_end().success());
}
