//! The writer: what is committed together, what fails alone, what a full disk leaves behind.

use std::{fs, time::Duration};

use futures_util::{future::join_all, poll};
use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait};

use super::*;

/// Counts the commits in a database's write-ahead log: the frames that carry a database size.
///
/// Layout: <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
fn commits(home: &Home) -> usize {
    let log = fs::read(home.file("-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let page = number(8) as usize;
    let salt = &log[16..24];
    let frames = (32..log.len()).step_by(24 + page);
    frames
        .take_while(|at| &log[at + 8..at + 16] == salt)
        .filter(|at| number(at + 4) != 0)
        .count()
}

fn records(count: usize) -> Vec<SessionRecord> {
    (0..count)
        .map(|_| session(vec![server("a", Some("token"))]))
        .collect()
}

#[tokio::test]
async fn sixty_four_creators_share_few_commits() {
    let home = Home::new();
    let store = home.open().await;
    let before = commits(&home);
    let records = records(64);
    let ids: Vec<_> = records.iter().map(|record| record.id).collect();
    let creates = records.into_iter().map(|r| store.create_session(r));
    for created in join_all(creates).await {
        created.unwrap();
    }
    let shared = commits(&home) - before;
    assert!((1..=4).contains(&shared), "{shared} commits");

    let copy = home.as_if_killed();
    let reopened = copy.open().await;
    for id in ids {
        assert!(reopened.session(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn an_operation_that_fails_fails_alone() {
    let home = Home::new();
    let store = home.open().await;
    let twice = session(vec![server("a", None)]);
    let torn = session(vec![server("a", None), server("a", None)]);
    store.create_session(twice.clone()).await.unwrap();
    let before = commits(&home);
    let good = records(8);
    let mut batch = good.clone();
    batch.insert(0, twice.clone());
    batch.insert(4, torn.clone());
    batch.push(twice);
    let creates = batch.into_iter().map(|r| store.create_session(r));
    let results = join_all(creates).await;

    for (index, result) in results.iter().enumerate() {
        if [0, 4, 10].contains(&index) {
            assert!(matches!(result, Err(StoreError::Duplicate)), "{result:?}");
        } else {
            assert!(result.is_ok(), "{index}: {result:?}");
        }
    }
    assert_eq!(commits(&home) - before, 1, "the good ones together");
    for record in good {
        let kept = store.session(record.id).await.unwrap().unwrap();
        assert_eq!(kept.servers.len(), 1);
    }
    assert!(store.session(torn.id).await.unwrap().is_none());
}

#[tokio::test]
async fn operations_keep_their_order() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![]);
    let id = record.id;
    let opened = mcp_session(id, 1);
    let (created, put, deleted, again) = tokio::join!(
        store.create_session(record.clone()),
        store.put_mcp_session(opened),
        store.delete_session(id),
        store.create_session(record),
    );
    created.unwrap();
    put.unwrap();
    assert!(deleted.unwrap());
    again.unwrap();
    let kept = store.session(id).await.unwrap().unwrap();
    assert!(kept.mcp_sessions.is_empty());
}

#[tokio::test]
async fn mcp_sessions_that_come_and_go_at_once_keep_what_each_was_promised() {
    let home = Home::new();
    let store = home.open().await;
    let record = session(vec![]);
    let id = record.id;
    store.create_session(record).await.unwrap();
    let old: Vec<_> = (0..4).map(|_| mcp_session(id, 1)).collect();
    let puts = old.iter().map(|it| store.put_mcp_session(it.clone()));
    assert!(join_all(puts).await.iter().all(Result::is_ok));
    let before = commits(&home);

    let (new, brief) = (mcp_session(id, 2), mcp_session(id, 2));
    let (homeless, gone) = (mcp_session(Uuid::new_v4(), 2), old[0].id);
    let (new_id, brief_id) = (new.id, brief.id);
    let (homeless, unlinked, again, results) = tokio::join!(
        store.put_mcp_session(homeless),
        store.put_link(link(id, Some(Uuid::new_v4()), "a")),
        store.delete_mcp_session(Uuid::new_v4()),
        async {
            tokio::join!(
                store.put_mcp_session(new),
                store.put_link(link(id, Some(new_id), "a")),
                store.delete_mcp_session(gone),
                store.put_mcp_session(brief),
                store.put_link(link(id, Some(brief_id), "a")),
                store.delete_mcp_session(brief_id),
                store.put_link(link(id, None, "a")),
            )
        },
    );
    assert!(matches!(homeless, Err(StoreError::Gone)), "{homeless:?}");
    assert!(matches!(unlinked, Err(StoreError::Gone)), "{unlinked:?}");
    again.unwrap();
    let (put, linked, deleted, came, stayed, went, default) = results;
    for result in [put, linked, deleted, came, stayed, went, default] {
        result.unwrap();
    }
    assert_eq!(commits(&home) - before, 1);

    let kept = store.session(id).await.unwrap().unwrap();
    let mut there: Vec<Uuid> = kept.mcp_sessions.iter().map(|it| it.id).collect();
    let mut wanted: Vec<Uuid> = old[1..].iter().map(|it| it.id).chain([new_id]).collect();
    there.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(there, wanted);
    let mut links: Vec<_> = kept.links.iter().map(|it| it.mcp_session).collect();
    links.sort_unstable();
    assert_eq!(links, [None, Some(new_id)]);
}

#[tokio::test]
async fn a_write_is_done_even_if_nobody_waits() {
    let home = Home::new();
    let store = home.open().await;
    let (left, next) = (session(vec![]), session(vec![]));
    let id = left.id;
    {
        let mut create = Box::pin(store.create_session(left));
        assert!(poll!(&mut create).is_pending());
    }
    store.create_session(next).await.unwrap();
    assert!(store.session(id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_store_did_what_waited_and_refuses_the_rest() {
    let home = Home::new();
    let store = home.open().await;
    let waiting = records(100);
    let ids: Vec<_> = waiting.iter().map(|record| record.id).collect();
    let creates = join_all(waiting.into_iter().map(|r| store.create_session(r)));
    let closing = store.clone().close();
    let (results, ()) = tokio::join!(creates, closing);
    for result in results {
        result.unwrap();
    }
    assert!(!home.file("-wal").exists(), "all is in the database itself");

    let late = store.create_session(session(vec![])).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    let read = store.session(ids[0]).await;
    assert!(matches!(read, Err(StoreError::Closed)), "{read:?}");
    let ping = store.ping().await;
    assert!(matches!(ping, Err(StoreError::Closed)), "{ping:?}");
    store.close().await;

    let store = home.open().await;
    assert_eq!(count(&store).await, 100);
}

#[tokio::test]
async fn a_locked_database_is_said_to_be_busy() {
    let home = Home::new();
    let impatient = Duration::from_millis(20);
    let store = home
        .open_tuned(|options| options.busy_timeout(impatient))
        .await;
    let intruder = home.intruder().await;
    let alone = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
        ..TransactionOptions::default()
    };
    let lock = intruder.begin_with_options(alone).await.unwrap();
    // One statement, several in one piece, and what is run step by step.
    let (record, whole) = (session(vec![]), session(vec![server("a", None)]));
    for refused in [
        store.create_session(record.clone()).await,
        store.create_session(whole.clone()).await,
        store.delete_session(record.id).await.map(drop),
    ] {
        assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    }
    let creates = [record.clone(), whole.clone()].map(|r| store.create_session(r));
    for refused in join_all(creates).await {
        assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
    }
    assert!(store.session(record.id).await.unwrap().is_none());

    lock.rollback().await.unwrap();
    for record in [record, whole] {
        store.create_session(record.clone()).await.unwrap();
        assert!(store.session(record.id).await.unwrap().is_some());
        assert!(store.delete_session(record.id).await.unwrap());
    }
}

/// No error leaves a transaction behind, in which what is answered for afterwards would be lost.
#[tokio::test]
async fn what_is_written_after_an_error_is_on_the_disk() {
    let home = Home::new();
    let store = home.open().await;
    let kept = session(vec![server("a", None)]);
    let id = kept.id;
    store.create_session(kept.clone()).await.unwrap();
    for round in 1..=3 {
        // Several statements, of which the first fails, and then the second.
        let twice = store.create_session(kept.clone()).await;
        assert!(matches!(twice, Err(StoreError::Duplicate)), "{twice:?}");
        store.put_mcp_session(mcp_session(id, 1)).await.unwrap();
        let torn = session(vec![server("a", None), server("a", None)]);
        let torn = store.create_session(torn).await;
        assert!(matches!(torn, Err(StoreError::Duplicate)), "{torn:?}");
        store.put_mcp_session(mcp_session(id, 1)).await.unwrap();
        // One statement; and one that is run by itself.
        let homeless = store.put_mcp_session(mcp_session(Uuid::new_v4(), 1)).await;
        assert!(matches!(homeless, Err(StoreError::Gone)), "{homeless:?}");
        let brief = session(vec![server("a", None)]);
        store.create_session(brief.clone()).await.unwrap();
        assert!(store.delete_session(brief.id).await.unwrap());
        let wanted = store.put_wants(Uuid::new_v4(), None).await;
        assert!(matches!(wanted, Err(StoreError::Gone)), "{wanted:?}");
        store.put_mcp_session(mcp_session(id, 1)).await.unwrap();

        let copy = home.as_if_killed();
        let reopened = copy.open().await;
        assert_eq!(count(&reopened).await, 1);
        let found = reopened.session(id).await.unwrap().unwrap();
        assert_eq!(found.mcp_sessions.len(), 3 * round);
    }
}

/// SQLite's own limit stands in for the disk's: it ends in the same way.
#[tokio::test]
async fn a_full_disk_is_an_error_and_costs_nothing_stored() {
    let home = Home::new();
    let store = home
        .open_tuned(|options| options.pragma("max_page_count", "60"))
        .await;
    let first = session(vec![]);
    let mut kept = vec![first.id];
    let opened = mcp_session(first.id, 1);
    let client = opened.id;
    store.create_session(first).await.unwrap();
    store.put_mcp_session(opened).await.unwrap();
    let refused = loop {
        let mut record = session(vec![server("a", Some("token"))]);
        record.name = Some("n".repeat(5000));
        let id = record.id;
        match store.create_session(record).await {
            Ok(()) => kept.push(id),
            Err(error) => break (id, error),
        }
    };
    assert!(matches!(refused.1, StoreError::Full(_)), "{:?}", refused.1);
    assert!(kept.len() > 1);
    assert!(store.session(refused.0).await.unwrap().is_none());

    let batch = records(64).into_iter().map(|mut record| {
        record.name = Some("n".repeat(5000));
        store.create_session(record)
    });
    for refused in join_all(batch).await {
        assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    }
    for id in &kept {
        assert!(store.session(*id).await.unwrap().is_some());
    }
    // And by what is not run in one piece.
    let much = Some(json(&format!("{:?}", "n".repeat(50_000))));
    let refused = store.put_wants(client, much).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    store.put_wants(client, None).await.unwrap();

    // SQLite ended the transaction by itself. An error and a commit later it must be seen that the
    // connection knows: or else the commit ends nothing, and what it answered for is lost.
    let freed = kept.pop().unwrap();
    assert!(store.delete_session(freed).await.unwrap());
    let mut small = session(vec![server("a", None)]);
    small.id = kept[0];
    let twice = store.create_session(small.clone()).await;
    assert!(matches!(twice, Err(StoreError::Duplicate)), "{twice:?}");
    small.id = Uuid::new_v4();
    kept.push(small.id);
    store.create_session(small).await.unwrap();
    for id in &kept {
        assert!(store.session(*id).await.unwrap().is_some());
    }
    store.close().await;

    let store = home.open().await;
    assert_eq!(count(&store).await, kept.len() as u64);
}
