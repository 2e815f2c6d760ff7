//! A stored session is changed wholly or not at all, and one that nobody uses goes.

use std::{sync::Arc, time::Duration};

use sea_orm::ConnectionTrait as _;
use secrecy::SecretString;
use uuid::Uuid;

use super::{Home, Store, link, mcp_session, server, session, shown};
use crate::{
    mcp::{name::Naming, tool_filter::ToolFilter},
    store::{Change, ServerChange, SessionChange, StoreError, Unused},
};

fn change(id: Uuid, servers: &[(&str, Change<&str>)]) -> SessionChange {
    let servers = servers.iter().map(|(backend, credential)| ServerChange {
        backend: backend.parse().unwrap(),
        credential: match credential {
            Change::Keep => Change::Keep,
            Change::To(secret) => Change::To(secret.map(SecretString::from)),
        },
        tools: Change::Keep,
    });
    SessionChange {
        id,
        name: Change::Keep,
        naming: None,
        idle_expiry: Change::Keep,
        servers: servers.collect(),
        removed: Vec::new(),
        unlinked: Vec::new(),
        used_ms: 0,
    }
}

/// The name, and each server with its credential.
async fn stored(store: &Store, id: Uuid) -> (Option<String>, Vec<(String, Option<String>)>) {
    let stored = store.session(id).await.unwrap().unwrap();
    let servers = stored.servers.iter().map(|it| {
        let credential = it.credential.as_ref().unwrap();
        let secret = shown(credential.as_ref()).map(str::to_owned);
        (it.backend.to_string(), secret)
    });
    (stored.name, servers.collect())
}

#[tokio::test]
async fn what_is_changed_is_changed_and_the_rest_is_kept() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![
        server("a", Some("1")),
        server("b", Some("2")),
        server("c", Some("3")),
    ]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let mcp = mcp_session(id, 1);
    let mcp_id = mcp.id;
    store.put_mcp_session(mcp).await.unwrap();
    for backend in ["a", "b", "c"] {
        for own in [None, Some(mcp_id)] {
            store.put_link(link(id, own, backend)).await.unwrap();
        }
    }
    let mut wanted = change(
        id,
        &[
            ("d", Change::To(Some("4"))),
            ("c", Change::Keep),
            ("a", Change::To(Some("5"))),
        ],
    );
    wanted.name = Change::To(Some("n".to_owned()));
    wanted.removed = vec!["b".parse().unwrap()];
    wanted.unlinked = vec!["a".parse().unwrap(), "b".parse().unwrap()];
    store.change_session(wanted).await.unwrap();
    store.close().await;

    let store = home.open().await;
    let servers = [("d", "4"), ("c", "3"), ("a", "5")];
    let servers = servers.map(|(name, secret)| (name.to_owned(), Some(secret.to_owned())));
    assert_eq!(
        stored(&store, id).await,
        (Some("n".to_owned()), servers.to_vec())
    );
    let links = store.session(id).await.unwrap().unwrap().links;
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|link| link.backend.as_str() == "c"));

    let names: Vec<_> = ["c", "d"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    let links = async || store.session(id).await.unwrap().unwrap().links.len();
    let other = session(Vec::new()).id;
    store.forget_links(Some(other), &names).await.unwrap();
    assert_eq!(links().await, 2, "those are another session's");
    store.forget_links(None, &names).await.unwrap();
    assert_eq!(links().await, 0);

    let mut nothing = change(
        id,
        &[
            ("d", Change::To(None)),
            ("c", Change::Keep),
            ("a", Change::Keep),
        ],
    );
    nothing.name = Change::To(None);
    store.change_session(nothing).await.unwrap();
    let (name, servers) = stored(&store, id).await;
    assert_eq!((name, servers[0].1.as_deref()), (None, None));
}

#[tokio::test]
async fn a_deleted_session_does_not_come_back_by_a_change() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", None)]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let wanted = || change(id, &[("a", Change::To(Some("1")))]);
    // In any order of the two.
    let (changed, deleted) = tokio::join!(store.change_session(wanted()), store.delete_session(id));
    assert!(deleted.unwrap());
    assert!(matches!(changed, Ok(()) | Err(StoreError::Gone)));
    let gone = store.change_session(wanted()).await;
    assert!(matches!(gone, Err(StoreError::Gone)), "{gone:?}");
    assert!(store.session(id).await.unwrap().is_none());
    assert_eq!(store.count_sessions().await.unwrap(), []);
}

#[tokio::test]
async fn only_a_session_that_is_idle_still_is_deleted_for_it() {
    let home = Home::new();
    let store = home.open().await;
    let mut ids = Vec::new();
    for last_used_ms in [1, 2, 3] {
        let mut record = session(vec![server("a", Some("1"))]);
        record.last_used_ms = last_used_ms;
        ids.push(record.id);
        store.create_session(record).await.unwrap();
    }
    let unused = Unused {
        since_ms: Some(3),
        now_ms: 10,
    };
    let idle = store.idle_sessions(unused, 10).await.unwrap();
    let mut idle: Vec<_> = idle.into_iter().map(|(id, _)| id).collect();
    idle.sort_by_key(|id| ids.iter().position(|it| it == id));
    assert_eq!(idle, ids[..2]);
    store.touch(vec![(ids[1], 5)]).await.unwrap();
    let delete = |index: usize| store.delete_idle_session(ids[index], unused);
    assert!(delete(0).await.unwrap());
    assert!(!delete(0).await.unwrap());
    assert!(!delete(1).await.unwrap(), "it was used meanwhile");
    assert!(!delete(2).await.unwrap());
    assert_eq!(store.count_sessions().await.unwrap(), [(None, 2)]);
}

#[tokio::test]
async fn what_a_session_chose_is_kept_and_changed() {
    let home = Home::new();
    let store = home.open().await;
    let filter = |deny: &str| Arc::new(ToolFilter::new(None, &[deny.to_owned()]).unwrap());
    let mut record = session(vec![server("a", None), server("b", None)]);
    record.servers[0].tools = Some(filter("x*"));
    record.idle_expiry = Some(Duration::from_secs(9));
    let id = record.id;
    store.create_session(record).await.unwrap();
    let mut wanted = change(id, &[("a", Change::Keep), ("b", Change::Keep)]);
    wanted.servers[1].tools = Change::To(Some(filter("y?")));
    wanted.naming = Some(Naming::Dot);
    store.change_session(wanted).await.unwrap();
    store.close().await;

    let store = home.open().await;
    let read = store.session(id).await.unwrap().unwrap();
    let tools = read.servers.iter().map(|it| it.tools.clone());
    assert!(tools.eq([Some(filter("x*")), Some(filter("y?"))]));
    assert_eq!(
        (read.naming, read.idle_expiry),
        (Naming::Dot, Some(Duration::from_secs(9)))
    );
    let mut wanted = change(id, &[("a", Change::Keep), ("b", Change::Keep)]);
    wanted.servers[0].tools = Change::To(None);
    wanted.idle_expiry = Change::To(None);
    store.change_session(wanted).await.unwrap();
    let read = store.session(id).await.unwrap().unwrap();
    assert_eq!(
        (read.servers[0].tools.clone(), read.idle_expiry),
        (None, None)
    );

    // A filter that this version cannot read shows no tool of its server.
    let intruder = home.intruder().await;
    let statement = "UPDATE session_servers SET tools = '{\"only\": []}' WHERE backend = 'b'";
    intruder.execute_unprepared(statement).await.unwrap();
    let read = store.session(id).await.unwrap().unwrap();
    let names = read.servers.iter().map(|it| it.backend.as_str());
    assert!(names.eq(["a"]));
}

#[tokio::test]
async fn a_session_says_itself_for_how_long_it_lives_unused() {
    let home = Home::new();
    let store = home.open().await;
    let mut ids = Vec::new();
    for (last_used_ms, expiry_ms) in [(1, None), (1, Some(5)), (1, Some(6)), (2, Some(5))] {
        let mut record = session(Vec::new());
        record.last_used_ms = last_used_ms;
        record.idle_expiry = expiry_ms.map(Duration::from_millis);
        ids.push(record.id);
        store.create_session(record).await.unwrap();
    }
    let unused = |since_ms| Unused {
        since_ms,
        now_ms: 7,
    };
    let idle = store.idle_sessions(unused(None), 10).await.unwrap();
    let idle: Vec<_> = idle.into_iter().map(|(id, _)| id).collect();
    assert_eq!(idle, [ids[1]]);
    let delete = |index: usize, since_ms| store.delete_idle_session(ids[index], unused(since_ms));
    assert!(!delete(2, None).await.unwrap());
    assert!(delete(1, None).await.unwrap());
    assert!(
        delete(2, Some(2)).await.unwrap(),
        "the gateway's own limit holds, too"
    );
    assert!(!delete(3, Some(2)).await.unwrap());
}
