//! What is too old goes while its session sleeps, and its backends hear of it.

use sea_orm::{
    ConnectionTrait as _, Database, DatabaseConnection,
    sea_query::{Expr, ExprTrait as _, Query},
};
use serde_json::json;

use super::{LEGACY, SOON, path, until_asleep};
use crate::world::{Client, FakeBackend, Gateway, eventually};

async fn open(gateway: &Gateway) -> DatabaseConnection {
    let file = gateway.folder().join("gateway.db");
    let url = format!("sqlite://{}?mode=rw", file.display());
    Database::connect(url).await.unwrap()
}

/// Has the database say that a row was last used long ago.
async fn make_old(gateway: &Gateway, table: &'static str, id: &str) {
    let database = open(gateway).await;
    let used = Query::update()
        .table(table)
        .value("last_used_ms", 1)
        .and_where(Expr::col("id").eq(id.parse::<uuid::Uuid>().unwrap()))
        .to_owned();
    let done = database.execute(&used).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    database.close().await.unwrap();
}

async fn rows(gateway: &Gateway, table: &'static str) -> usize {
    let database = open(gateway).await;
    let all = Query::select().column("id").from(table).to_owned();
    let rows = database.query_all(&all).await.unwrap().len();
    database.close().await.unwrap();
    rows
}

#[tokio::test]
async fn an_mcp_session_expires_while_its_session_sleeps() {
    let backend = FakeBackend::legacy().start();
    let gateway = super::start(&backend);
    let session = gateway.session(&["it"]).await;
    let old = Client::legacy(&session.endpoint, LEGACY).await;
    let young = Client::legacy(&session.endpoint, LEGACY).await;
    for client in [&old, &young] {
        client.call("it.echo", json!({})).await.result();
    }
    until_asleep(&gateway, &session).await;
    let open = backend.sessions_open();
    make_old(&gateway, "mcp_sessions", old.mcp_session().unwrap()).await;
    let gone = async || rows(&gateway, "mcp_sessions").await == 1;
    eventually("its end", gone).await;
    backend
        .until("the farewell", |it| it.sessions_open() == open - 1)
        .await;
    assert_eq!(old.call("it.echo", json!({})).await.status, 404);
    young.call("it.echo", json!({})).await.result();
    assert_eq!(backend.complaints(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_deleted_while_it_sleeps() {
    let backend = FakeBackend::legacy().start();
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .argument(SOON)
        .argument("--session-idle-ttl=1h")
        .start();
    let session = gateway.session(&["it"]).await;
    let client = Client::legacy(&session.endpoint, LEGACY).await;
    client.call("it.echo", json!({})).await.result();
    let other = gateway.session(&["it"]).await;
    until_asleep(&gateway, &session).await;
    until_asleep(&gateway, &other).await;
    make_old(&gateway, "sessions", &session.id).await;
    let gone = async || rows(&gateway, "sessions").await == 1;
    eventually("its end", gone).await;
    backend
        .until("the farewells", |it| it.sessions_open() == 1)
        .await;
    assert_eq!(gateway.get(&path(&session)).await.status, 404);
    assert_eq!(client.call("it.echo", json!({})).await.status, 404);
    assert_eq!(gateway.get(&path(&other)).await.status, 200);
}
