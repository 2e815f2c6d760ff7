//! What can go wrong in the store, and whose fault a refused statement is.

use std::{io, path::PathBuf};

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, SqlErr, sqlx};

/// Why the store cannot do what it was asked.
///
/// Names no session and holds no credential: safe to log and to show the operator.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `DATABASE_URL` names nothing the gateway can keep its sessions in.
    #[error("cannot use this DATABASE_URL: {reason}; one that works: sqlite://gateway.db?mode=rwc")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The URL does not ask for a new database, and there is none.
    #[error("there is no database at {path}; add ?mode=rwc to DATABASE_URL to have one made")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process holds the database's lock file.
    #[error(
        "another gateway process has {path} open; stop that one, or give this one its own DATABASE_URL"
    )]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// A later version of the gateway made, or changed, the database.
    #[error(
        "{path} was last used by a newer gateway (it holds {migration}); start that version, or restore a backup made before it; nothing was changed"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// A migration this version does not know.
        migration: String,
    },
    /// Another program's database: it holds something, and no gateway ever migrated it.
    #[error(
        "{path} is another program's database (it holds {name}); give the gateway a file of its own by DATABASE_URL; nothing was changed"
    )]
    Foreign {
        /// The database.
        path: PathBuf,
        /// What it holds: the name of a table, a view or a trigger.
        name: String,
    },
    /// The file is no SQLite database, or not a whole one.
    #[error(
        "{path} is damaged ({detail}); restore a backup, or move it away to start without sessions; nothing was changed"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// The database, a file beside it, or its folder, may only be read.
    #[error(
        "{path} cannot be written to; let the gateway's user write to it, to the files beside it and to their folder; nothing was changed"
    )]
    ReadOnly {
        /// The database.
        path: PathBuf,
    },
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A record with this id is stored already.
    #[error("a record with this id is stored already")]
    Duplicate,
    /// The session, or the MCP session, that the record belongs to is not stored (any more).
    #[error("what the record belongs to was deleted")]
    Gone,
    /// The row holds what this version cannot read; it was left as it is.
    #[error("the stored session cannot be read: {detail}; its row was left as it is")]
    Unreadable {
        /// Which column, and why.
        detail: String,
    },
    /// A secret could not be sealed, so it was not stored.
    #[error("a secret could not be sealed: the system gave no randomness, or it is too long")]
    Sealing,
    /// Another program holds the database, or too many wait for it. Later may do.
    #[error("the database is busy")]
    Busy(#[source] DbErr),
    /// The disk, or the database's quota on it, is full. Nothing was stored.
    #[error("there is no room left for the database")]
    Full(#[source] DbErr),
    /// The store was closed, or its writer ended: nothing more is stored.
    #[error("the store is closed")]
    Closed,
    /// The database refused for another reason.
    #[error("the database refused")]
    Database(#[source] DbErr),
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => return Self::Duplicate,
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => return Self::Gone,
            _ => {}
        }
        match error {
            DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Self::Closed,
            DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Self::Busy(error),
            _ => match Refusal::of(&error) {
                Some(Refusal::Busy) => Self::Busy(error),
                Some(Refusal::Full) => Self::Full(error),
                _ => Self::Database(error),
            },
        }
    }
}

/// What SQLite's primary result code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Someone else holds a lock.
    Busy,
    /// No room.
    Full,
    /// The file may only be read.
    ReadOnly,
    /// Not a database, or not a whole one.
    Damaged,
    /// Memory, disk or file system; whatever was asked would have met it.
    Environment,
    /// The statement itself, or the row it met.
    Statement,
}

impl Refusal {
    /// Reads SQLite's answer out of an error; none if the error does not come from SQLite.
    pub(super) fn of(error: &DbErr) -> Option<Self> {
        let (DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
        else {
            return None;
        };
        let sqlx::Error::Database(answer) = cause.as_ref() else {
            return None;
        };
        // The low byte is the primary code: https://www.sqlite.org/rescode.html
        let code = answer.code()?.parse::<u32>().ok()? & 0xff;
        Some(match code {
            5 | 6 => Self::Busy,
            13 => Self::Full,
            8 => Self::ReadOnly,
            11 | 26 => Self::Damaged,
            7 | 10 | 14 | 15 => Self::Environment,
            _ => Self::Statement,
        })
    }
}
