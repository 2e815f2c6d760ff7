//! What is read, in which order, and what becomes of what cannot be read.

use std::{fs, time::Duration};

use futures_util::future::join_all;
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, TransactionTrait as _, sea_query::Expr,
};

use super::*;
use crate::{
    mcp::name::BackendName,
    store::{
        UnsealError,
        entity::{link, mcp_session, session},
        open::READERS,
    },
};

#[tokio::test]
async fn a_changed_key_costs_the_secrets_and_nothing_else() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", Some("hf_token")), server("b", None)]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let mut sealed = link(id, None, "a");
    sealed.backend_session = Some("backend-session".into());
    store.put_link(sealed).await.unwrap();
    store.put_link(link(id, None, "b")).await.unwrap();
    store.close().await;

    let store = Store::open(&home.url("rw"), key("22")).await.unwrap();
    let kept = store.session(id).await.unwrap().unwrap();
    let credentials: Vec<_> = kept.servers.iter().map(|s| s.credential.as_ref()).collect();
    assert!(matches!(credentials[0], Err(UnsealError::OtherKey)));
    assert!(matches!(credentials[1], Ok(None)));
    assert!(
        kept.links.is_empty(),
        "they would be said to nobody knows whom"
    );
    store.close().await;

    let kept = home.open().await.session(id).await.unwrap().unwrap();
    let credential = kept.servers[0].credential.as_ref().unwrap();
    assert_eq!(shown(credential.as_ref()), Some("hf_token"));
    assert_eq!(kept.links.len(), 2);
}

#[tokio::test]
async fn no_file_holds_a_secret_in_the_clear() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![server("a", Some("hf_very-secret-token"))]);
    let mut sealed = link(record.id, None, "a");
    sealed.backend_session = Some("secret-backend-session".into());
    store.create_session(record).await.unwrap();
    store.put_link(sealed).await.unwrap();

    let search = || {
        let files = fs::read_dir(home.folder.path()).unwrap();
        let contents: Vec<_> = files
            .map(|f| fs::read(f.unwrap().path()).unwrap())
            .collect();
        move |text: &str| {
            let within = |content: &Vec<u8>| {
                let mut windows = content.windows(text.len());
                windows.any(|window| window == text.as_bytes())
            };
            contents.iter().any(within)
        }
    };
    let while_open = search();
    store.close().await;
    for found in [
        Box::new(while_open) as Box<dyn Fn(&str) -> bool>,
        Box::new(search()),
    ] {
        assert!(found("2025-11-25"), "the search finds what is there");
        assert!(!found("very-secret"));
        assert!(!found("secret-backend"));
    }
}

#[tokio::test]
async fn ten_thousand_sessions_are_paged_in_order() {
    let home = Home::new();
    let store = home.open().await;
    let records: Vec<_> = (0..10_000)
        .map(|_| session(vec![server("b", Some("token")), server("a", None)]))
        .collect();
    let mut ids: Vec<_> = records.iter().map(|record| record.id).collect();
    ids.sort();
    let creates = records.into_iter().map(|r| store.create_session(r));
    futures_util::future::try_join_all(creates).await.unwrap();
    store.close().await;

    let store = home.open().await;
    assert_eq!(count(&store).await, 10_000);
    let mut listed = Vec::new();
    let mut summed = Vec::new();
    loop {
        let page = store
            .session_ids(listed.last().copied(), 700)
            .await
            .unwrap();
        assert!(page.len() <= 700);
        if page.is_empty() {
            break;
        }
        listed.extend(page);
    }
    loop {
        let page = store
            .sessions(None, summed.last().copied(), u64::MAX)
            .await
            .unwrap();
        assert!(page.len() <= 1000);
        if page.is_empty() {
            break;
        }
        for summary in page {
            let servers: Vec<_> = summary.servers.iter().map(BackendName::as_str).collect();
            assert_eq!(servers, ["b", "a"]);
            summed.push(summary.id);
        }
    }
    assert_eq!(listed, ids);
    assert_eq!(summed, ids);
}

/// Sets one column of the rows where another has a value.
macro_rules! spoil {
    ($database:expr, $table:ident, $column:ident = $new:expr, where $key:ident = $value:expr) => {
        $table::Entity::update_many()
            .col_expr($table::Column::$column, Expr::value($new))
            .filter($table::Column::$key.eq($value))
            .exec($database)
            .await
            .unwrap()
    };
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_and_kept() {
    let home = Home::new();
    let store = home.open().await;
    let records = [0; 3].map(|_| session(vec![server("a", None)]));
    let [strange, torn, sound] = records.each_ref().map(|record| record.id);
    for record in records {
        store.create_session(record).await.unwrap();
    }
    let opened = [1, 2].map(|used_ms| mcp_session(sound, used_ms));
    for mcp in &opened {
        store.put_mcp_session(mcp.clone()).await.unwrap();
    }
    for backend in ["a", "b"] {
        let mut learned = link(sound, None, backend);
        learned.backend_session = Some("backend-session".into());
        store.put_link(learned).await.unwrap();
    }

    let intruder = home.intruder().await;
    spoil!(&intruder, session, Naming = "emoji", where Id = strange);
    spoil!(&intruder, session, CreatedMs = "yesterday", where Id = torn);
    spoil!(&intruder, mcp_session, Revision = "2031-01-01", where Id = opened[0].id);
    spoil!(&intruder, link, Discovery = "not JSON", where Backend = "a");
    spoil!(&intruder, link, BackendSession = vec![1_u8; 80], where Backend = "b");

    for id in [strange, torn] {
        let error = store.session(id).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
        assert!(!error.to_string().contains(&id.to_string()));
    }
    let kept = store.session(sound).await.unwrap().unwrap();
    let mcp: Vec<_> = kept.mcp_sessions.iter().map(|mcp| mcp.id).collect();
    assert_eq!(mcp, [opened[1].id]);
    assert!(kept.links.is_empty());
    let listed = store.sessions(None, None, 10).await.unwrap();
    assert!(listed.iter().any(|summary| summary.id == sound));
    assert!(listed.iter().all(|summary| summary.id != torn));

    let left = [
        session::Entity::find().count(&intruder).await,
        mcp_session::Entity::find().count(&intruder).await,
        link::Entity::find().count(&intruder).await,
    ];
    assert_eq!(left.map(Result::unwrap), [3, 2, 2]);
}

#[tokio::test]
async fn a_read_waits_for_its_connection_while_a_machine_stands_still() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let all = join_all((0..READERS).map(|_| store.reading.begin())).await;
    assert!(all.iter().all(Result::is_ok), "each connection is taken");
    let reader = store.clone();
    let read = tokio::spawn(async move { reader.session(id).await });
    // It is waiting by now.
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    drop(all);
    assert!(read.await.unwrap().unwrap().is_some());
}
