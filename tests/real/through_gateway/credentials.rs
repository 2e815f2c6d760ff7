//! Backends that demand a credential: the right one works, a wrong one is a clear error, and only theirs.

use serde_json::{Value, json};

use crate::{
    client::{Client, text},
    gateway::Gateway,
    install::{Node, Python},
    scripted_client::ScriptedClient,
    server::Server,
};

const RIGHT: &str = "right-9a7c41";
const WRONG: &str = "wrong-52be08";
const BEARER: &str = "{ type: bearer }";
const API_KEY: &str = "{ type: api_key, header: x-api-key }";

/// A guarded backend and an open one behind a gateway.
struct World {
    node: Node,
    gateway: Gateway,
    _servers: [Server; 2],
}

impl World {
    async fn start(node: Node, guarded: Server, auth: &str) -> Self {
        let open = Server::modern(&node).await;
        let registry = format!(
            "providers:\n  guarded:\n    url: {}\n    auth: {auth}\n  open:\n    url: {}\n",
            guarded.url(),
            open.url()
        );
        Self {
            node,
            gateway: Gateway::start(&registry).await,
            _servers: [guarded, open],
        }
    }

    /// A connected client of a session that brings `credential` for the guarded backend.
    async fn client(&self, credential: Value) -> ScriptedClient {
        let request =
            json!({"servers": ["guarded", "open"], "credentials": {"guarded": credential}});
        let endpoint = self.gateway.create_session(request).await;
        let mut client = ScriptedClient::typescript_1(&self.node, &endpoint);
        client.connect().await;
        client
    }

    async fn lets_in(&self, credential: Value) {
        let mut client = self.client(credential).await;
        let tools = client.tools().await;
        assert!(tools.contains(&"guarded.greet".to_owned()), "{tools:?}");
        let greeted = client
            .call("guarded.greet", json!({"name": "you"}))
            .await
            .unwrap();
        assert_eq!(text(&greeted), "Hello, you");
        self.has_kept(RIGHT);
    }

    /// The error names the backend and what it refused. The other backend works.
    async fn keeps_out(&self, credential: Value, kind: &str) {
        let mut client = self.client(credential).await;
        let tools = client.tools().await;
        assert!(tools.contains(&"open.add".to_owned()), "{tools:?}");
        assert!(!tools.contains(&"guarded.greet".to_owned()), "{tools:?}");

        let refused = client
            .call("guarded.greet", json!({"name": "you"}))
            .await
            .unwrap_err();
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("guarded"), "{message}");
        assert!(message.to_lowercase().contains(kind), "{message}");
        assert!(!refused.to_string().contains(WRONG), "{refused}");

        let added = client
            .call("open.add", json!({"a": 1, "b": 2}))
            .await
            .unwrap();
        assert_eq!(text(&added), "3");
        self.has_kept(WRONG);
    }

    fn has_kept(&self, secret: &str) {
        assert!(
            !self.gateway.log().contains(secret),
            "a credential is in the log"
        );
    }
}

#[tokio::test]
async fn a_bearer_token_opens_the_backend_that_demands_it() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let guarded = Server::with_bearer(&sdk_2, RIGHT).await;
    World::start(node, guarded, BEARER)
        .await
        .lets_in(json!({"token": RIGHT}))
        .await;
}

#[tokio::test]
async fn a_wrong_bearer_token_is_a_clear_error_naming_the_backend() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let guarded = Server::with_bearer(&sdk_2, RIGHT).await;
    World::start(node, guarded, BEARER)
        .await
        .keeps_out(json!({"token": WRONG}), "bearer")
        .await;
}

#[tokio::test]
async fn an_api_key_opens_the_backend_that_demands_it() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let guarded = Server::with_api_key(&sdk_2, RIGHT).await;
    World::start(node, guarded, API_KEY)
        .await
        .lets_in(json!({"api_key": RIGHT}))
        .await;
}

#[tokio::test]
async fn a_wrong_api_key_is_a_clear_error_naming_the_backend() {
    let (Some(node), Some(sdk_2)) = (Node::installed(), Python::with_sdk_2()) else {
        return;
    };
    let guarded = Server::with_api_key(&sdk_2, RIGHT).await;
    World::start(node, guarded, API_KEY)
        .await
        .keeps_out(json!({"api_key": WRONG}), "api key")
        .await;
}
