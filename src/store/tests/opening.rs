//! Which databases are opened, which are refused, and what a refusal leaves behind.

use std::{fs, time::Duration};

use sea_orm::{
    ConnectionTrait, TransactionTrait,
    sea_query::{ColumnDef, Query, Table},
};

use super::*;

/// Enough sessions for a file of many pages.
async fn fill(store: &Store, sessions: usize) -> Vec<Uuid> {
    let records: Vec<_> = (0..sessions)
        .map(|_| session(vec![server("a", Some("token")), server("b", None)]))
        .collect();
    let ids = records.iter().map(|record| record.id).collect();
    let creates = records.into_iter().map(|r| store.create_session(r));
    futures_util::future::try_join_all(creates).await.unwrap();
    ids
}

async fn assert_holds(store: &Store, ids: &[Uuid]) {
    assert_eq!(count(store).await, ids.len() as u64);
    for id in ids {
        let session = store.session(*id).await.unwrap().unwrap();
        assert_eq!(session.servers.len(), 2);
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_made_only_when_asked_for() {
    let home = Home::new();
    let error = Store::open(&home.url("rw"), key("11")).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("?mode=rwc"));
    assert_eq!(fs::read_dir(home.folder.path()).unwrap().count(), 0);

    home.open().await.close().await;
    let store = Store::open(&home.url("rw"), key("11")).await.unwrap();
    store.ping().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn no_file_of_the_database_can_be_read_by_others() {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, 1).await;
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let metadata = fs::metadata(home.file(suffix)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o777, 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_database_is_open_in_one_process_only() {
    let home = Home::new();
    let store = home.open().await;
    let error = home.try_open().await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");

    store.close().await;
    home.open().await.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn another_spelling_of_the_path_is_the_same_database() {
    let home = Home::new();
    let _store = home.open().await;
    let link = home.folder.path().join("link.db");
    std::os::unix::fs::symlink(home.database(), &link).unwrap();
    let url = format!("sqlite://{}?mode=rwc", link.display());
    let error = Store::open(&url, key("11")).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_store_that_is_dropped_releases_its_database() {
    let home = Home::new();
    let store = home.open().await;
    let ids = fill(&store, 1).await;
    drop(store);
    let reopened = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            match home.try_open().await {
                Err(StoreError::InUse { .. }) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    });
    assert_holds(&reopened.await.unwrap(), &ids).await;
}

#[tokio::test]
async fn a_database_of_a_newer_gateway_is_refused_and_kept() {
    let home = Home::new();
    home.open().await.close().await;
    let intruder = home.intruder().await;
    let later = Query::insert()
        .into_table("seaql_migrations")
        .columns(["version", "applied_at"])
        .values_panic(["m9999_later".into(), 0.into()])
        .to_owned();
    intruder.execute(&later).await.unwrap();
    intruder.close().await.unwrap();

    let before = fs::read(home.database()).unwrap();
    let error = home.try_open().await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    assert!(error.to_string().contains("m9999_later"));
    assert!(fs::read(home.database()).unwrap() == before, "changed");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_kept() {
    let home = Home::new();
    let table = Table::create()
        .table("songs")
        .col(ColumnDef::new("title").text())
        .to_owned();
    let intruder = home.intruder().await;
    intruder.execute(&table).await.unwrap();
    intruder.close().await.unwrap();

    let before = fs::read(home.database()).unwrap();
    for _ in 0..2 {
        let error = home.try_open().await.unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        let words = error.to_string();
        assert!(
            words.contains("songs") && words.contains("DATABASE_URL"),
            "{words}"
        );
        assert!(fs::read(home.database()).unwrap() == before, "changed");
    }
}

#[tokio::test]
async fn a_database_that_lacks_its_schema_gets_it() {
    let home = Home::new();
    fs::write(home.database(), b"").unwrap();
    let store = home.open().await;
    let ids = fill(&store, 3).await;
    assert_holds(&store, &ids).await;
}

#[tokio::test]
async fn a_damaged_database_is_refused_and_kept() {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, 200).await;
    store.close().await;
    let whole = fs::read(home.database()).unwrap();
    assert!(whole.len() > 20 * 4096, "a page in the middle is a page");

    let mut no_database = whole.clone();
    no_database[..16].copy_from_slice(b"something else!!");
    let mut torn = whole.clone();
    torn[whole.len() - 3 * 4096..][..4096].fill(0x5a);
    let cut = whole[..whole.len() / 2].to_vec();
    let text = b"this is a letter, not a database".repeat(40);
    for damaged in [no_database, torn, cut, text] {
        fs::write(home.database(), &damaged).unwrap();
        let error = home.try_open().await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
        assert!(fs::read(home.database()).unwrap() == damaged, "changed");
    }

    fs::write(home.database(), whole).unwrap();
    home.open().await.ping().await.unwrap();
}

/// Whoever closes such a database last writes the log back into it, unless it may only read.
#[tokio::test]
async fn a_damaged_database_keeps_its_log_too() {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, 200).await;
    store.close().await;
    let store = home.open().await;
    fill(&store, 1).await;

    let killed = Home::new();
    let mut torn = fs::read(home.database()).unwrap();
    let middle = torn.len() / 2;
    torn[middle..][..10 * 4096].fill(0x5a);
    fs::write(killed.database(), &torn).unwrap();
    fs::copy(home.file("-wal"), killed.file("-wal")).unwrap();
    let log = fs::read(killed.file("-wal")).unwrap();
    assert!(!log.is_empty());

    let error = killed.try_open().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(fs::read(killed.database()).unwrap() == torn, "changed");
    assert!(fs::read(killed.file("-wal")).unwrap() == log, "changed");
}

/// What is on the disk at a moment is what a killed process leaves: its files, copied.
#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let home = Home::new();
    let store = home.open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.extend(fill(&store, 20).await);
        let copy = Home::new();
        for suffix in ["", "-wal", "-shm"] {
            fs::copy(home.file(suffix), copy.file(suffix)).unwrap();
        }
        let reopened = copy.open().await;
        assert_holds(&reopened, &ids).await;
        reopened.close().await;
    }
}

/// A first start may be killed before the database has its write-ahead log.
#[tokio::test]
async fn a_first_start_that_was_cut_short_does_not_block_the_next() {
    let home = Home::new();
    let journalling = home.intruder().await;
    let table = Table::create()
        .table("filler")
        .col(ColumnDef::new("content").text())
        .to_owned();
    // More than the page cache holds, so that a part reaches the file before the commit.
    let transaction = journalling.begin().await.unwrap();
    transaction.execute(&table).await.unwrap();
    let filler = "x".repeat(1 << 20);
    for _ in 0..12 {
        let insert = Query::insert()
            .into_table("filler")
            .columns(["content"])
            .values_panic([filler.as_str().into()])
            .to_owned();
        transaction.execute(&insert).await.unwrap();
    }
    let copy = Home::new();
    for suffix in ["", "-journal"] {
        fs::copy(home.file(suffix), copy.file(suffix)).unwrap();
    }
    assert!(fs::metadata(copy.database()).unwrap().len() > 1 << 20);

    let store = copy.open().await;
    let ids = fill(&store, 3).await;
    assert_holds(&store, &ids).await;
    store.close().await;
    assert!(fs::metadata(copy.database()).unwrap().len() < 1 << 20);
}

/// As a gateway made it that knew no owners.
#[tokio::test]
async fn a_database_from_before_owners_keeps_its_sessions_as_nobodys() {
    let home = Home::new();
    let store = home.open().await;
    let old = session(vec![server("docs", Some("secret"))]);
    store.create_session(old.clone()).await.unwrap();
    store.close().await;
    let intruder = home.intruder().await;
    for statement in [
        "DROP INDEX sessions_by_idle_expiry",
        "ALTER TABLE sessions DROP COLUMN idle_expiry_ms",
        "ALTER TABLE session_servers DROP COLUMN tools",
        "DROP INDEX sessions_by_use",
        "DROP INDEX sessions_by_owner",
        "ALTER TABLE sessions DROP COLUMN owner",
        "DELETE FROM seaql_migrations WHERE version >= 'm0003'",
    ] {
        intruder.execute_unprepared(statement).await.unwrap();
    }
    intruder.close().await.unwrap();

    let store = home.open().await;
    let read = store.session(old.id).await.unwrap().unwrap();
    assert_eq!(read.owner, None);
    assert_eq!(
        shown(read.servers[0].credential.as_ref().unwrap().as_ref()),
        Some("secret")
    );
    assert_eq!(store.owner(old.id).await.unwrap(), Some(None));
    let new = SessionRecord {
        owner: Some("ada".into()),
        ..session(Vec::new())
    };
    store.create_session(new.clone()).await.unwrap();
    assert_eq!(store.owner(new.id).await.unwrap(), Some(new.owner));
    let of_ada = store.sessions(Some("ada"), None, 10).await.unwrap();
    assert_eq!(of_ada.len(), 1);
    assert_eq!(store.owner(Uuid::new_v4()).await.unwrap(), None);
}
