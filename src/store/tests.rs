//! The store on real files: what is kept, what is refused, what a failure leaves behind.

mod changing;
mod opening;
mod reading;
mod records;
mod rotation;
mod writing;

use std::{fs, path::PathBuf};

use sea_orm::{Database, DatabaseConnection, sqlx::sqlite::SqliteConnectOptions};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use tempfile::TempDir;
use uuid::Uuid;

use super::{
    KeyRing, LinkRecord, McpSessionRecord, SealingKey, ServerRecord, SessionRecord, Store,
    StoreError,
};
use crate::mcp::{name::Naming, version::Revision};

/// A folder with a database in it, gone at the end of the test.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("gateway.db")
    }

    /// The database, or one of its side files.
    fn file(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("gateway.db{suffix}"))
    }

    fn url(&self, mode: &str) -> String {
        format!("sqlite://{}?mode={mode}", self.database().display())
    }

    async fn try_open(&self) -> Result<Store, StoreError> {
        Store::open(&self.url("rwc"), key("11")).await
    }

    async fn open(&self) -> Store {
        self.try_open().await.unwrap()
    }

    /// A copy of what there would be if the process were killed now.
    fn as_if_killed(&self) -> Self {
        let copy = Self::new();
        for suffix in ["", "-wal"] {
            fs::copy(self.file(suffix), copy.file(suffix)).unwrap();
        }
        copy
    }

    async fn open_tuned(
        &self,
        tune: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
    ) -> Store {
        let url = self.url("rwc");
        Store::open_tuned(&url, key("11").into(), tune)
            .await
            .unwrap()
    }

    /// A connection that obeys none of the store's rules.
    async fn intruder(&self) -> DatabaseConnection {
        Database::connect(self.url("rwc")).await.unwrap()
    }
}

fn key(byte: &str) -> SealingKey {
    SealingKey::parse(&byte.repeat(32).into()).unwrap()
}

fn server(backend: &str, credential: Option<&str>) -> ServerRecord {
    ServerRecord {
        backend: backend.parse().unwrap(),
        credential: credential.map(SecretString::from),
        tools: None,
    }
}

fn session(servers: Vec<ServerRecord>) -> SessionRecord {
    SessionRecord {
        id: Uuid::new_v4(),
        owner: None,
        name: None,
        naming: Naming::Auto,
        idle_expiry: None,
        servers,
        created_ms: 1,
        last_used_ms: 1,
    }
}

fn mcp_session(session: Uuid, last_used_ms: i64) -> McpSessionRecord {
    McpSessionRecord {
        id: Uuid::new_v4(),
        session,
        revision: Revision::V2025_06_18,
        client_info: None,
        capabilities: None,
        wants: None,
        created_ms: 1,
        last_used_ms,
    }
}

fn link(session: Uuid, mcp_session: Option<Uuid>, backend: &str) -> LinkRecord {
    LinkRecord {
        session,
        mcp_session,
        backend: backend.parse().unwrap(),
        revision: Revision::V2025_11_25,
        provider: "fingerprint".into(),
        backend_session: None,
        discovery: json("{}"),
    }
}

async fn count(store: &Store) -> u64 {
    let counts = store.count_sessions().await.unwrap();
    counts.into_iter().map(|(_, sessions)| sessions).sum()
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

fn shown(secret: Option<&SecretString>) -> Option<&str> {
    secret.map(ExposeSecret::expose_secret)
}
