//! Real clients at a gateway that authenticates its callers: with a key as README tells, and by an OAuth login.

use serde_json::{Value, json};

use crate::{
    client::{Client, text},
    gateway::Gateway,
    install::Node,
    mcp_remote::McpRemote,
    scripted_client::ScriptedClient,
    server::Server,
};

fn registry(server: &Server) -> String {
    format!("providers:\n  open:\n    url: {}\n", server.url())
}

async fn adds(client: &mut impl Client) {
    let tools = client.tools().await;
    assert!(tools.contains(&"open.add".to_owned()), "{tools:?}");
    let added = client.call("open.add", json!({"a": 2, "b": 3})).await;
    assert_eq!(text(&added.unwrap()), "5");
}

#[tokio::test]
async fn mcp_remote_gets_in_with_a_key_in_its_header() {
    let Some(node) = Node::installed() else {
        return;
    };
    let server = Server::modern(&node).await;
    let (gateway, key) = Gateway::start_with_key(&registry(&server), "ada").await;
    let endpoint = gateway
        .create_session_as(&key, json!({"servers": ["open"]}))
        .await;
    let header = ["--header", "Authorization:${AUTH_HEADER}"];
    let value = ("AUTH_HEADER", format!("Bearer {key}"));
    let mut client = McpRemote::start_with(&node, &endpoint, &header, &[value]);
    client.initialize("an application").await;
    adds(&mut client).await;
    assert!(!gateway.log().contains(&key));
}

/// Logs in with one generation of the TypeScript SDK and uses a session.
async fn logs_in(generation: &str) {
    let Some(node) = Node::installed() else {
        return;
    };
    let server = Server::modern(&node).await;
    let login = Server::authorization(&node).await;
    let issuer = login.origin();
    let gateway = Gateway::start_with(&registry(&server), |url| {
        vec![
            format!("--jwt-issuer={issuer}"),
            format!("--jwks={issuer}/jwks.json"),
            format!("--jwt-audience={url}"),
        ]
    })
    .await;
    let token = token_for(&issuer, &gateway.url()).await;
    gateway.lets_in(&token).await;
    let endpoint = gateway
        .create_session_as(&token, json!({"servers": ["open"]}))
        .await;
    let mut client = ScriptedClient::with_login(&node, &endpoint, generation);
    let seen = client.connect().await;
    assert_eq!(seen["refused"], "UnauthorizedError", "{seen}");
    assert_eq!(
        seen["authorizationServer"], issuer,
        "found by the gateway's word"
    );
    assert_eq!(
        seen["resource"], endpoint,
        "for this endpoint and nothing else"
    );
    adds(&mut client).await;
    assert!(!gateway.log().contains(&token));
}

/// A token that the user got otherwise, to make the session with.
async fn token_for(issuer: &str, resource: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{issuer}/token-for?resource={resource}");
    let text = client.get(url).send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_of_the_typescript_sdk_1_logs_in_by_oauth() {
    logs_in("1").await;
}

#[tokio::test]
async fn a_client_of_the_typescript_sdk_2_logs_in_by_oauth() {
    logs_in("2").await;
}
