//! A session that nobody uses goes, if the operator wants that; one that is in use stays.

use sea_orm::{
    ConnectionTrait as _, Database,
    sea_query::{Expr, ExprTrait as _, Query},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    LATEST_LEGACY, MODERN,
    world::{Client, FakeBackend, Gateway, Wanted, eventually},
};

/// Long enough for whatever a test does with a session before it says that the session is old.
const TTL: &str = "--session-idle-ttl=12s";

/// Has the database say that these sessions were last used long ago.
async fn make_old(gateway: &Gateway, ids: &[&str]) {
    let url = format!(
        "sqlite://{}?mode=rw",
        gateway.folder().join("gateway.db").display()
    );
    let database = Database::connect(url).await.unwrap();
    let ids: Vec<Uuid> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let used = Query::update()
        .table("sessions")
        .value("last_used_ms", 1)
        .and_where(Expr::col("id").is_in(ids.iter().copied()))
        .to_owned();
    let done = database.execute(&used).await.unwrap();
    assert_eq!(done.rows_affected(), ids.len() as u64);
    database.close().await.unwrap();
}

async fn is_gone(gateway: &Gateway, id: &str) {
    let is_gone = async || !is_listed(gateway, id).await;
    eventually("the end of the session", is_gone).await;
}

async fn is_listed(gateway: &Gateway, id: &str) -> bool {
    let listed = gateway.get("/sessions").await;
    listed.text.contains(id)
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_deleted_and_one_in_use_is_not() {
    for revision in [LATEST_LEGACY, MODERN] {
        let backend = FakeBackend::legacy().start();
        let mut gateway = Gateway::setup()
            .provider("it", &backend)
            .argument(TTL)
            .start();
        let heard_of = gateway.session(&["it"]).await;
        let listener = Client::speaking(revision, &heard_of.endpoint).await;
        let _changes = listener.changes(Wanted::lists()).await;
        let busy = gateway.session(&["it"]).await;
        let client = Client::speaking(revision, &busy.endpoint).await;
        let call = tokio::spawn(async move {
            let call = client.open("tools/call", r#"{"name":"it.wait"}"#);
            call.await.finish().await
        });
        backend
            .until("the call", |it| it.executions("wait") == 1)
            .await;
        let (first, idle) = (
            gateway.session(&["it"]).await,
            gateway.session(&["it"]).await,
        );
        make_old(&gateway, &[&first.id]).await;
        is_gone(&gateway, &first.id).await;
        // Somebody has just looked. When somebody looks next, only use tells them apart.
        make_old(&gateway, &[&heard_of.id, &busy.id, &idle.id]).await;
        is_gone(&gateway, &idle.id).await;
        assert!(is_listed(&gateway, &heard_of.id).await, "{revision}");
        assert!(is_listed(&gateway, &busy.id).await, "{revision}");
        let answer = Client::modern(&idle.endpoint)
            .call("it.echo", json!({}))
            .await;
        assert_eq!(answer.status, 404);
        listener.call("it.echo", json!({})).await.result();
        call.abort();
        // It does not come back, and those that were in use are there.
        gateway.restart();
        assert!(!is_listed(&gateway, &idle.id).await);
        let answer = gateway.get(&format!("/session/{}", idle.id)).await;
        assert_eq!(answer.status, 404);
    }
}

#[tokio::test]
async fn a_session_that_sleeps_goes_when_its_time_is_over() {
    let backend = FakeBackend::modern().start();
    let mut gateway = Gateway::setup()
        .provider("it", &backend)
        .argument(TTL)
        .start();
    let session = gateway.session(&["it"]).await;
    gateway.stop();
    make_old(&gateway, &[&session.id]).await;
    gateway.restart();
    is_gone(&gateway, &session.id).await;
    let told = async || {
        gateway
            .logs()
            .contains("deleted a session that nobody used")
    };
    eventually("a word of it in the log", told).await;
    assert!(!gateway.logs().contains(&session.id));
}

#[tokio::test]
async fn a_session_goes_when_the_time_is_over_that_it_chose() {
    let backend = FakeBackend::modern().start();
    // Sessions are looked after as often as they go to sleep.
    let gateway = Gateway::setup()
        .provider("it", &backend)
        .argument("--session-dormant-after=400ms")
        .start();
    let made = async |expiry: serde_json::Value| {
        let request = json!({"servers": ["it"], "idle_expiry": expiry});
        gateway.create_session(&request).await
    };
    let (short, saved) = (made(json!("1s")).await, made(json!("1h")).await);
    let (long, unbounded) = (made(json!("1h")).await, made(json!(null)).await);
    is_gone(&gateway, &short.id).await;
    let body = json!({"idle_expiry": null});
    let changed = gateway
        .patch(&format!("/session/{}", saved.id), &body)
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    make_old(&gateway, &[&long.id, &saved.id, &unbounded.id]).await;
    is_gone(&gateway, &long.id).await;
    assert!(is_listed(&gateway, &saved.id).await && is_listed(&gateway, &unbounded.id).await);
}

#[tokio::test]
async fn without_a_limit_no_session_is_too_old() {
    let backend = FakeBackend::modern().start();
    let gateway = Gateway::with(&[("it", &backend)]);
    let session = gateway.session(&["it"]).await;
    let described = gateway.get(&format!("/session/{}", session.id)).await;
    assert_eq!(described.status, 200);
    let help = gateway.command(&["--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("default: until it is deleted"), "{help}");
}
