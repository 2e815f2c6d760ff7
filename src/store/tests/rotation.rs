//! Another sealing key: what is sealed anew, what is kept, and that no moment is without a way back.

use std::{fs, path::Path};

use secrecy::SecretString;
use uuid::Uuid;

use super::{Home, KeyRing, Store, link, mcp_session, server, session, shown};
use crate::store::{Rotation, RotationError, StoreError, UnsealError};

const TOKENS: [&str; 3] = ["tok-1", "tok-2", "tok-3"];

fn key_text(byte: &str) -> SecretString {
    byte.repeat(32).into()
}

impl Home {
    fn key_file(&self) -> std::path::PathBuf {
        self.file(".key")
    }

    async fn open_by_file(&self) -> Store {
        let keys = KeyRing::from_file_or_new(&self.key_file(), None).unwrap();
        Store::open(&self.url("rwc"), keys).await.unwrap()
    }

    async fn rotate(&self) -> Rotation {
        let url = self.url("rwc");
        Rotation::of_file(&url, &self.key_file(), None)
            .await
            .unwrap()
    }

    /// The ids of the keys in the key file.
    fn keys(&self) -> Vec<String> {
        let text = fs::read_to_string(self.key_file()).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// Stores a session a token, with a link that has a secret of its own.
async fn fill(store: &Store) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for token in TOKENS {
        let record = session(vec![server("a", Some(token)), server("b", None)]);
        let id = record.id;
        store.create_session(record).await.unwrap();
        let mcp = mcp_session(id, 1);
        let mcp_id = mcp.id;
        store.put_mcp_session(mcp).await.unwrap();
        for own in [None, Some(mcp_id)] {
            let mut record = link(id, own, "a");
            record.backend_session = Some(format!("{token}-session").into());
            store.put_link(record).await.unwrap();
        }
        ids.push(id);
    }
    ids
}

/// What opens of the sessions' tokens, and how many links do.
async fn opened(store: &Store, ids: &[Uuid]) -> (Vec<String>, usize) {
    let (mut tokens, mut links) = (Vec::new(), 0);
    for id in ids {
        let stored = store.session(*id).await.unwrap().unwrap();
        let token = stored.servers[0].credential.as_ref();
        tokens.extend(
            token
                .ok()
                .and_then(|it| shown(it.as_ref()).map(str::to_owned)),
        );
        links += stored
            .links
            .iter()
            .filter(|it| it.backend_session.is_some())
            .count();
    }
    (tokens, links)
}

fn holds(path: &Path, bytes: &[u8]) -> bool {
    let content = fs::read(path).unwrap_or_default();
    content.windows(bytes.len()).any(|window| window == bytes)
}

#[tokio::test]
async fn a_new_key_seals_everything_and_the_old_one_goes() {
    let home = Home::new();
    let store = home.open_by_file().await;
    let ids = fill(&store).await;
    store.close().await;
    let before = home.keys();
    let done = home.rotate().await;
    assert_eq!((done.resealed, done.current, done.dropped), (9, 0, 1));
    assert!(done.unopened.is_empty());
    let after = home.keys();
    assert_eq!((after.len(), after.contains(&before[0])), (1, false));

    // Not even an unused page, or the log, holds what the old key sealed.
    let old = crate::store::SealingKey::parse(&before[0].as_str().into()).unwrap();
    let names: Vec<_> = fs::read_dir(home.folder.path()).unwrap().collect();
    for entry in names {
        let path = entry.unwrap().path();
        assert!(!holds(&path, &old.id()), "{}", path.display());
        assert!(!holds(&path, before[0].as_bytes()), "{}", path.display());
    }
    let store = home.open_by_file().await;
    let all = TOKENS.map(str::to_owned).to_vec();
    assert_eq!(opened(&store, &ids).await, (all, 6));
}

#[tokio::test]
async fn a_change_that_was_cut_short_is_finished_by_the_next_run() {
    let home = Home::new();
    let store = home.open_by_file().await;
    let ids = fill(&store).await;
    store.close().await;
    // As it is between the new key in the file and the first secret sealed with it.
    let old = home.keys().remove(0);
    let new = "7a".repeat(32);
    fs::write(home.key_file(), format!("{new}\n{old}\n")).unwrap();
    let store = home.open_by_file().await;
    let all = TOKENS.map(str::to_owned).to_vec();
    assert_eq!(opened(&store, &ids).await, (all.clone(), 6));
    let late = session(vec![server("a", Some("late"))]);
    let late_id = late.id;
    store.create_session(late).await.unwrap();
    store.close().await;

    let done = home.rotate().await;
    assert_eq!((done.resealed, done.current, done.dropped), (9, 1, 1));
    assert_eq!(home.keys(), [new], "no further key was made");
    let store = home.open_by_file().await;
    assert_eq!(opened(&store, &ids).await, (all, 6));
    assert_eq!(opened(&store, &[late_id]).await.0, ["late"]);
}

#[tokio::test]
async fn what_no_key_opens_is_left_and_keeps_the_old_keys() {
    let home = Home::new();
    let store = home.open_by_file().await;
    let ids = fill(&store).await;
    store.close().await;
    let stranger = KeyRing::given(&key_text("33"), None).unwrap();
    let store = Store::open(&home.url("rwc"), stranger).await.unwrap();
    let lost = session(vec![server("c", Some("lost"))]);
    let lost_id = lost.id;
    store.create_session(lost).await.unwrap();
    store.close().await;

    let old = home.keys();
    for round in 1..=2 {
        let done = home.rotate().await;
        assert_eq!((done.resealed, done.dropped), (9, 0), "round {round}");
        let [unopened] = &done.unopened[..] else {
            panic!("{:?}", done.unopened)
        };
        assert_eq!(
            (unopened.session, unopened.backend.as_str()),
            (lost_id, "c")
        );
        assert_eq!(unopened.error, UnsealError::OtherKey);
        let keys = home.keys();
        assert_eq!(
            keys.len(),
            1 + round,
            "a new key each time, and the old ones"
        );
        assert_eq!(keys.last(), old.last());
    }
    // With the key that it was sealed with, it is sealed anew as well, and the others go.
    let url = home.url("rwc");
    let done = Rotation::of_file(&url, &home.key_file(), Some(&key_text("33"))).await;
    assert_eq!(done.unwrap().dropped, 2);
    let store = home.open_by_file().await;
    let (tokens, links) = opened(&store, &ids).await;
    assert_eq!((tokens.len(), links), (3, 6));
    assert_eq!(opened(&store, &[lost_id]).await.0, ["lost"]);
}

#[tokio::test]
async fn keys_that_are_kept_elsewhere_are_changed_by_their_owner() {
    let home = Home::new();
    let one = KeyRing::given(&key_text("11"), None).unwrap();
    let store = Store::open(&home.url("rwc"), one).await.unwrap();
    let ids = fill(&store).await;
    store.close().await;
    let both = KeyRing::given(&key_text("22"), Some(&key_text("11"))).unwrap();
    let done = Rotation::of_given(&home.url("rw"), &both).await.unwrap();
    assert_eq!((done.resealed, done.unopened.len()), (9, 0));
    assert!(!home.key_file().exists());
    let other = KeyRing::given(&key_text("22"), None).unwrap();
    let store = Store::open(&home.url("rwc"), other).await.unwrap();
    let (tokens, links) = opened(&store, &ids).await;
    assert_eq!((tokens.len(), links), (3, 6));
}

#[tokio::test]
async fn a_key_is_changed_only_where_no_gateway_runs() {
    let home = Home::new();
    let store = home.open_by_file().await;
    fill(&store).await;
    let before = home.keys();
    let url = home.url("rwc");
    let refused = Rotation::of_file(&url, &home.key_file(), None).await;
    let error = refused.unwrap_err();
    assert!(matches!(error, RotationError::Running { .. }), "{error}");
    assert!(error.to_string().contains("stop it, run this again"));
    assert_eq!(home.keys(), before);
}

#[tokio::test]
async fn a_database_or_a_key_file_that_is_not_there_is_not_made() {
    let home = Home::new();
    let url = home.url("rwc");
    let refused = Rotation::of_file(&url, &home.key_file(), None).await;
    assert!(matches!(
        refused,
        Err(RotationError::Store(StoreError::Missing { .. }))
    ));
    assert!(!home.database().exists());
    home.open().await.close().await;
    let refused = Rotation::of_file(&url, &home.key_file(), None).await;
    assert!(matches!(refused, Err(RotationError::Key(_))));
    assert!(!home.key_file().exists());
}

#[tokio::test]
async fn more_secrets_than_one_transaction_takes_are_all_sealed_anew() {
    let home = Home::new();
    let store = home.open_by_file().await;
    let names: Vec<String> = (0..60).map(|number| format!("s{number}")).collect();
    for _ in 0..20 {
        let servers = names.iter().map(|name| server(name, Some("tok")));
        let record = session(servers.collect());
        let id = record.id;
        store.create_session(record).await.unwrap();
        for name in &names[..30] {
            let mut record = link(id, None, name);
            record.backend_session = Some("s".into());
            store.put_link(record).await.unwrap();
        }
    }
    store.close().await;
    assert_eq!(home.rotate().await.resealed, 20 * 90);
    let done = home.rotate().await;
    assert_eq!((done.resealed, done.current), (20 * 90, 0));
}
