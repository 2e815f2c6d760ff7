//! A stored session is changed wholly or not at all, and one that nobody uses goes.

use secrecy::SecretString;
use uuid::Uuid;

use super::{Home, Store, link, mcp_session, server, session, shown};
use crate::store::{Change, ServerChange, SessionChange, StoreError};

fn change(id: Uuid, servers: &[(&str, Change<&str>)]) -> SessionChange {
    let servers = servers.iter().map(|(backend, credential)| ServerChange {
        backend: backend.parse().unwrap(),
        credential: match credential {
            Change::Keep => Change::Keep,
            Change::To(secret) => Change::To(secret.map(SecretString::from)),
        },
    });
    SessionChange {
        id,
        name: Change::Keep,
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
    let idle = store.idle_sessions(3, 10).await.unwrap();
    let mut idle: Vec<_> = idle.into_iter().map(|(id, _)| id).collect();
    idle.sort_by_key(|id| ids.iter().position(|it| it == id));
    assert_eq!(idle, ids[..2]);
    store.touch(vec![(ids[1], 5)]).await.unwrap();
    let delete = |index: usize| store.delete_idle_session(ids[index], 3);
    assert!(delete(0).await.unwrap());
    assert!(!delete(0).await.unwrap());
    assert!(!delete(1).await.unwrap(), "it was used meanwhile");
    assert!(!delete(2).await.unwrap());
    assert_eq!(store.count_sessions().await.unwrap(), [(None, 2)]);
}
