//! What is kept of each record, and what goes with what.

use sea_orm::{EntityTrait, PaginatorTrait};

use super::*;
use crate::store::entity;

#[tokio::test]
async fn everything_survives_a_reopen() {
    let home = Home::new();
    let store = home.open().await;
    let mut given = session(vec![
        server("zebra", Some("tøken ✓")),
        server("ant", None),
        server("mouse", Some("")),
    ]);
    given.name = Some("Ünïcode".to_owned());
    given.naming = Naming::Underscores;
    (given.created_ms, given.last_used_ms) = (1_700_000_000_123, i64::MAX);
    store.create_session(given.clone()).await.unwrap();
    let mut opened = mcp_session(given.id, 5);
    opened.client_info = Some(json(r#"{ "name":"claude-ai",  "n": 1.0e2 }"#));
    opened.capabilities = Some(json(r#"{"b":{}, "a":12345678901234567890123}"#));
    opened.wants = Some(json(r#"{"level":"info"}"#));
    store.put_mcp_session(opened.clone()).await.unwrap();
    let mut own = link(given.id, Some(opened.id), "ant");
    own.backend_session = Some("backend-session-1".into());
    own.discovery = json(r#"{"z": 1, "instructions" : "\u00e4"}"#);
    store.put_link(own.clone()).await.unwrap();
    let default = link(given.id, None, "zebra");
    store.put_link(default.clone()).await.unwrap();
    store.close().await;

    let store = home.open().await;
    let kept = store.session(given.id).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.name), (given.id, given.name));
    assert_eq!(kept.naming, Naming::Underscores);
    assert_eq!(
        (kept.created_ms, kept.last_used_ms),
        (given.created_ms, i64::MAX)
    );
    let servers: Vec<_> = kept
        .servers
        .iter()
        .map(|s| {
            (
                s.backend.as_str(),
                shown(s.credential.as_ref().unwrap().as_ref()),
            )
        })
        .collect();
    let expected = [
        ("zebra", Some("tøken ✓")),
        ("ant", None),
        ("mouse", Some("")),
    ];
    assert_eq!(servers, expected);

    let [mcp] = &kept.mcp_sessions[..] else {
        panic!("one MCP session");
    };
    assert_eq!((mcp.id, mcp.session), (opened.id, given.id));
    assert_eq!((mcp.created_ms, mcp.last_used_ms), (1, 5));
    assert_eq!(mcp.revision, opened.revision);
    let bytes = |value: &Option<Box<RawValue>>| value.as_ref().map(|raw| raw.get().to_owned());
    assert_eq!(bytes(&mcp.client_info), bytes(&opened.client_info));
    assert_eq!(bytes(&mcp.capabilities), bytes(&opened.capabilities));
    assert_eq!(bytes(&mcp.wants), bytes(&opened.wants));

    assert_eq!(kept.links.len(), 2);
    for (kept, given) in kept.links.iter().zip([default, own]) {
        assert_eq!(kept.session, given.session);
        assert_eq!(kept.mcp_session, given.mcp_session);
        assert_eq!(kept.backend, given.backend);
        assert_eq!(kept.revision, given.revision);
        let (kept_id, given_id) = (&kept.backend_session, &given.backend_session);
        assert_eq!(shown(kept_id.as_ref()), shown(given_id.as_ref()));
        assert_eq!(shown(Some(&kept.provider)), shown(Some(&given.provider)));
        assert_eq!(kept.discovery.get(), given.discovery.get());
    }
}

#[tokio::test]
async fn a_session_takes_with_it_all_that_belongs_to_it() {
    let home = Home::new();
    let store = home.open().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let record = session(vec![server("a", Some("t")), server("b", None)]);
        let opened = mcp_session(record.id, 1);
        ids.push(record.id);
        store.create_session(record).await.unwrap();
        store.put_mcp_session(opened.clone()).await.unwrap();
        store.put_link(link(ids[0], None, "a")).await.unwrap();
        let own = link(opened.session, Some(opened.id), "b");
        store.put_link(own).await.unwrap();
    }
    assert!(store.delete_session(ids[0]).await.unwrap());
    assert!(!store.delete_session(ids[0]).await.unwrap());
    assert!(store.session(ids[0]).await.unwrap().is_none());
    store.close().await;

    let intruder = home.intruder().await;
    let left = [
        entity::session::Entity::find().count(&intruder).await,
        entity::server::Entity::find().count(&intruder).await,
        entity::mcp_session::Entity::find().count(&intruder).await,
        entity::link::Entity::find().count(&intruder).await,
    ];
    assert_eq!(left.map(Result::unwrap), [1, 2, 1, 1]);
}

#[tokio::test]
async fn an_mcp_session_takes_with_it_its_links_only() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", None)]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let (first, second) = (mcp_session(id, 1), mcp_session(id, 1));
    for opened in [&first, &second] {
        store.put_mcp_session(opened.clone()).await.unwrap();
        let own = link(id, Some(opened.id), "a");
        store.put_link(own).await.unwrap();
    }
    store.put_link(link(id, None, "a")).await.unwrap();

    store.delete_mcp_session(first.id).await.unwrap();
    store.delete_mcp_session(Uuid::nil()).await.unwrap();
    let kept = store.session(id).await.unwrap().unwrap();
    let mcp: Vec<_> = kept.mcp_sessions.iter().map(|mcp| mcp.id).collect();
    assert_eq!(mcp, [second.id]);
    let links: Vec<_> = kept.links.iter().map(|link| link.mcp_session).collect();
    assert_eq!(links, [None, Some(second.id)]);
}

#[tokio::test]
async fn putting_again_replaces() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", None)]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let mut opened = mcp_session(id, 1);
    let mut own = link(id, Some(opened.id), "a");
    own.backend_session = Some("old".into());
    store.put_mcp_session(opened.clone()).await.unwrap();
    store.put_link(own.clone()).await.unwrap();

    opened.revision = Revision::V2025_11_25;
    (opened.created_ms, opened.last_used_ms) = (9, 9);
    own.backend_session = Some("new".into());
    own.revision = Revision::V2026_07_28;
    store.put_mcp_session(opened).await.unwrap();
    store.put_link(own).await.unwrap();

    let kept = store.session(id).await.unwrap().unwrap();
    let [mcp] = &kept.mcp_sessions[..] else {
        panic!("one MCP session");
    };
    assert_eq!(mcp.revision, Revision::V2025_11_25);
    assert_eq!((mcp.created_ms, mcp.last_used_ms), (1, 9));
    let [link] = &kept.links[..] else {
        panic!("one link");
    };
    assert_eq!(shown(link.backend_session.as_ref()), Some("new"));
    assert_eq!(link.revision, Revision::V2026_07_28);
}

#[tokio::test]
async fn nothing_is_stored_for_what_was_deleted() {
    let home = Home::new();
    let store = home.open().await;
    let (ours, theirs) = (session(vec![]), session(vec![]));
    let (ours_id, theirs_id) = (ours.id, theirs.id);
    store.create_session(ours).await.unwrap();
    store.create_session(theirs).await.unwrap();
    let opened = mcp_session(theirs_id, 1);
    store.put_mcp_session(opened.clone()).await.unwrap();

    let no_session = store.put_mcp_session(mcp_session(Uuid::new_v4(), 1)).await;
    let no_session_link = store.put_link(link(Uuid::new_v4(), None, "a")).await;
    let unknown = link(ours_id, Some(Uuid::new_v4()), "a");
    let no_mcp_session = store.put_link(unknown).await;
    let foreign = link(ours_id, Some(opened.id), "a");
    let foreign_mcp_session = store.put_link(foreign).await;
    for refused in [
        no_session,
        no_session_link,
        no_mcp_session,
        foreign_mcp_session,
    ] {
        assert!(matches!(refused, Err(StoreError::Gone)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_use_is_noted_but_never_moved_back() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let opened = mcp_session(id, 10);
    store.put_mcp_session(opened.clone()).await.unwrap();

    let gone = Uuid::new_v4();
    store.touch(vec![(gone, 99), (id, 50)]).await.unwrap();
    store.touch(vec![(id, 40)]).await.unwrap();
    let uses = vec![(opened.id, 60), (opened.id, 55), (gone, 1)];
    store.touch_mcp_sessions(uses).await.unwrap();

    let kept = store.session(id).await.unwrap().unwrap();
    assert_eq!(kept.last_used_ms, 50);
    assert_eq!(kept.mcp_sessions[0].last_used_ms, 60);
}

#[tokio::test]
async fn unused_mcp_sessions_expire_with_their_links() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", None)]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    store.put_link(link(id, None, "a")).await.unwrap();
    let opened = [5, 10, 15].map(|used_ms| mcp_session(id, used_ms));
    for mcp in &opened {
        store.put_mcp_session(mcp.clone()).await.unwrap();
        let own = link(id, Some(mcp.id), "a");
        store.put_link(own).await.unwrap();
    }
    assert_eq!(store.expire_mcp_sessions(10).await.unwrap(), 1);
    assert_eq!(store.expire_mcp_sessions(10).await.unwrap(), 0);
    let kept = store.session(id).await.unwrap().unwrap();
    assert_eq!(kept.mcp_sessions.len(), 2);
    assert_eq!(kept.links.len(), 3);
    assert!(kept.mcp_sessions.iter().all(|mcp| mcp.id != opened[0].id));
    assert!(
        kept.links
            .iter()
            .all(|l| l.mcp_session != Some(opened[0].id))
    );
}
