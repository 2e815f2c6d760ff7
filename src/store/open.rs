//! Opening the database: which file, who holds it, whether it is whole, and the connections to it.
//!
//! Nothing is written before all is checked.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use migrations::{SchemaState, migrate, schema_state};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbErr, RuntimeErr, SqlxSqliteConnector,
    sea_query::{Expr, ExprTrait as _, LikeExpr, Order, Query},
    sqlx::{
        ConnectOptions, Connection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

use super::{
    error::{Refusal, StoreError},
    lock::Lock,
};
use crate::files;

/// How long a statement waits for another program's lock, such as a backup's.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Connections that read. A read takes well below a millisecond; more would only hold memory.
pub(super) const READERS: u32 = 4;
/// What each of them keeps of the file, in SQLite's words: 256 KiB. A row is read once, when its session wakes, and the
/// system keeps the file's pages, too; with many rows stored, all of it would fill.
const READER_CACHE: &str = "-256";
/// How long a statement waits for a connection, such as one of [`READERS`], and that one to open: longer than a busy machine stands still.
const READER_WAIT: Duration = Duration::from_secs(30);

/// The table of what was migrated: every migration begins with it.
const MIGRATIONS: &str = "seaql_migrations";

/// An open database. The lock is held as long as `lock` lives.
pub(super) struct Opened {
    pub(super) lock: Lock,
    /// One connection, so one writer.
    pub(super) writing: DatabaseConnection,
    pub(super) reading: DatabaseConnection,
}

/// Opens the database a URL names, migrated to this program's schema. `tune` has the last word on
/// the writing connection's options.
pub(super) async fn open(
    url: &str,
    tune: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
) -> Result<Opened, StoreError> {
    open_at(&Location::parse(url)?, tune).await
}

/// The same for a database that is there already, whatever the URL says of making one.
pub(super) async fn open_existing(
    url: &str,
    tune: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
) -> Result<Opened, StoreError> {
    let location = Location::parse(url)?;
    let existing = Location {
        create: false,
        ..location
    };
    open_at(&existing, tune).await
}

async fn open_at(
    location: &Location,
    tune: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
) -> Result<Opened, StoreError> {
    let path = location.prepare()?;
    let lock = Lock::take(&path)?;
    lock.tell_of_a_lost_log(&path)?;
    let checked = check(&path).await?;
    let writing = options(&path)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk when it returns; in WAL mode anything less may lose it.
        .synchronous(SqliteSynchronous::Full);
    let writing = connect(tune(writing), 1)
        .await
        .map_err(|error| explain(error, &path))?;
    let state = match checked {
        Some(state) => state,
        None => examine(&writing, &path).await?,
    };
    match state {
        SchemaState::Behind => migrate(&writing).await.map_err(|e| explain(e, &path))?,
        _ => refuse_read_only(&writing, &path).await?,
    }
    let reading = options(&path)
        .read_only(true)
        .pragma("cache_size", READER_CACHE);
    let reading = connect(reading, READERS).await?;
    lock.in_use(true).map_err(|e| at(&path, e))?;
    Ok(Opened {
        lock,
        writing,
        reading,
    })
}

/// Says whether a URL names a database with something in it.
pub(super) fn is_there(url: &str) -> bool {
    Location::parse(url)
        .ok()
        .and_then(|location| fs::metadata(location.path).ok())
        .is_some_and(|metadata| metadata.len() > 0)
}

/// The file a URL names.
#[derive(Debug, PartialEq, Eq)]
struct Location {
    path: PathBuf,
    create: bool,
}

impl Location {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let refused = |reason: &str| StoreError::Url {
            reason: reason.to_owned(),
        };
        // Not repeated in the error: URLs of other databases carry passwords.
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| {
            refused("it does not start with sqlite: and no other database is supported")
        })?;
        let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
        let create = match query {
            "" | "mode=rw" => false,
            "mode=rwc" => true,
            _ => return Err(refused("the part after ? may only be mode=rw or mode=rwc")),
        };
        if matches!(name.trim_start_matches('/'), "" | ":memory:") {
            return Err(refused(
                "sessions outlive the process, so it must name a file",
            ));
        }
        let options: SqliteConnectOptions = url
            .parse()
            .map_err(|_| refused("its path cannot be read"))?;
        Ok(Self {
            path: options.get_filename().to_owned(),
            create,
        })
    }

    /// Makes the file if that is asked for, and finds its one true name: two processes must meet at
    /// the same lock however each of them spells the path.
    fn prepare(&self) -> Result<PathBuf, StoreError> {
        if self.create {
            // Made here, not by SQLite, so that others can never read it, nor its side files: these
            // get the permissions of the file.
            match files::private()
                .write(true)
                .create_new(true)
                .open(&self.path)
            {
                Ok(_) => files::sync_folder_of(&self.path).map_err(|e| at(&self.path, e))?,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at(&self.path, error)),
            }
        }
        let path = fs::canonicalize(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing {
                path: self.path.clone(),
            },
            _ => at(&self.path, error),
        })?;
        let metadata = fs::metadata(&path).map_err(|e| at(&path, e))?;
        if let Some(mode) = files::exposed_mode(&metadata) {
            let path = path.display();
            tracing::warn!(%path, "others can read the database {path} (mode {mode:o}); run: chmod 600 {path}");
        }
        Ok(path)
    }
}

pub(super) fn at(path: &Path, source: io::Error) -> StoreError {
    StoreError::File {
        path: path.to_owned(),
        source,
    }
}

/// Examines the file through a connection that cannot write, so that a file we refuse stays as it
/// was. `None`: only a connection that writes can read it, since a first start was cut short and
/// left a rollback journal.
async fn check(path: &Path) -> Result<Option<SchemaState>, StoreError> {
    let connection = match connect(options(path).read_only(true), 1).await {
        Ok(connection) => connection,
        Err(error) => return Err(explain(error, path)),
    };
    let state = match examine(&connection, path).await {
        Ok(state) => Ok(Some(state)),
        Err(StoreError::ReadOnly { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    connection.close().await?;
    state
}

/// Finds damage, another program's tables and a later version's schema. Reads the whole file, at about a gigabyte a second:
/// below 0.2 s for 10,000 sessions.
async fn examine(connection: &DatabaseConnection, path: &Path) -> Result<SchemaState, StoreError> {
    let check = Query::select()
        .column("quick_check")
        .from("pragma_quick_check")
        .limit(1)
        .to_owned();
    let found = connection
        .query_one(&check)
        .await
        .and_then(|row| row.map_or(Ok("no answer".to_owned()), |row| row.try_get_by_index(0)))
        .map_err(|error| explain(error, path))?;
    if found != "ok" {
        return Err(StoreError::Damaged {
            path: path.to_owned(),
            // SQLite writes a heading first, on a line of its own.
            detail: found.lines().collect::<Vec<_>>().join(" "),
        });
    }
    match schema_state(connection).await {
        Ok(SchemaState::Ahead { migration }) => Err(StoreError::Newer {
            path: path.to_owned(),
            migration,
        }),
        // Where no migration ever began, what is there belongs to somebody else.
        Ok(SchemaState::Behind) => match foreign(connection).await {
            Ok(None) => Ok(SchemaState::Behind),
            Ok(Some(name)) => Err(StoreError::Foreign {
                path: path.to_owned(),
                name,
            }),
            Err(error) => Err(explain(error, path)),
        },
        Ok(SchemaState::Current) => Ok(SchemaState::Current),
        Err(error) => Err(explain(error, path)),
    }
}

/// What a database holds that no gateway ever migrated; none for an empty one.
async fn foreign(connection: &DatabaseConnection) -> Result<Option<String>, DbErr> {
    let objects = Query::select()
        .column("name")
        .from("sqlite_schema")
        // SQLite's own.
        .and_where(Expr::col("name").not_like(LikeExpr::new(r"sqlite\_%").escape('\\')))
        .order_by("name", Order::Asc)
        .to_owned();
    let mut names = Vec::new();
    for row in connection.query_all(&objects).await? {
        let name: String = row.try_get_by_index(0)?;
        if name == MIGRATIONS {
            return Ok(None);
        }
        names.push(name);
    }
    Ok(names.into_iter().next())
}

fn explain(error: DbErr, path: &Path) -> StoreError {
    match Refusal::of(&error) {
        Some(Refusal::Damaged) => StoreError::Damaged {
            path: path.to_owned(),
            detail: error.to_string(),
        },
        Some(Refusal::ReadOnly) => StoreError::ReadOnly {
            path: path.to_owned(),
        },
        _ => error.into(),
    }
}

/// Writes nothing, but as a writer: SQLite opens what it may only read, and says so at the first
/// write, which would be somebody's new session.
async fn refuse_read_only(writing: &DatabaseConnection, path: &Path) -> Result<(), StoreError> {
    let none = Query::delete()
        .from_table(MIGRATIONS)
        .and_where(Expr::val(1).eq(0))
        .to_owned();
    let written = writing.execute(&none).await;
    match written.map_err(|error| explain(error, path)) {
        // Another program's lock passes.
        Err(StoreError::Busy(_)) | Ok(_) => Ok(()),
        Err(error) => Err(error),
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_WAIT)
        .disable_statement_logging()
}

async fn connect(options: SqliteConnectOptions, size: u32) -> Result<DatabaseConnection, DbErr> {
    SqlitePoolOptions::new()
        .max_connections(size)
        .acquire_timeout(READER_WAIT)
        // Whoever waited in vain says so; to have waited is no warning.
        .acquire_slow_threshold(READER_WAIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        // SQLite ends a transaction by itself when the disk is full, and sqlx goes on counting it.
        // A connection that came back within a transaction is replaced, never used again.
        .after_release(|connection, _| {
            Box::pin(std::future::ready(Ok(!connection.is_in_transaction())))
        })
        .connect_with(options)
        .await
        .map(SqlxSqliteConnector::from_sqlx_sqlite_pool)
        .map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> Option<(String, bool)> {
        let location = Location::parse(url).ok()?;
        Some((location.path.to_str()?.to_owned(), location.create))
    }

    #[test]
    fn a_url_names_a_file_and_whether_to_make_it() {
        for (url, path, create) in [
            ("sqlite://gateway.db?mode=rwc", "gateway.db", true),
            ("sqlite:gateway.db", "gateway.db", false),
            ("sqlite:///var/lib/g.db?mode=rw", "/var/lib/g.db", false),
            ("sqlite://a%3Fb.db?mode=rwc", "a?b.db", true),
        ] {
            assert_eq!(location(url), Some((path.to_owned(), create)), "{url}");
        }
    }

    #[test]
    fn a_url_that_keeps_nothing_is_refused_without_its_password() {
        for url in [
            "postgres://gateway:hunter2@127.0.0.1/gateway",
            "hunter2",
            "",
            "sqlite::memory:",
            "sqlite://:memory:",
            "sqlite://",
            "sqlite://gateway.db?mode=memory",
            "sqlite://gateway.db?mode=ro",
            "sqlite://gateway.db?cache=shared",
        ] {
            let error = Location::parse(url).unwrap_err();
            assert!(matches!(error, StoreError::Url { .. }), "{url}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
            assert!(error.to_string().contains("sqlite://gateway.db?mode=rwc"));
        }
    }
}
