//! The connection that writes, kept from batch to batch.
//!
//! A pool asks a connection that comes back whether it lives: a way to the database's thread and back, for which the next
//! batch would wait.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement, Values,
    sqlx::{
        self, AssertSqlSafe, Executor, Sqlite, SqlitePool, pool::PoolConnection, query, query_with,
    },
};
use sea_query_sqlx::SqlxValues;

use super::together::joined;

/// The one connection of a pool, which is there for nobody else until it is given back.
pub(super) struct Held {
    pool: SqlitePool,
    connection: Option<PoolConnection<Sqlite>>,
}

impl Held {
    /// That of a database; it is not taken yet.
    pub(super) fn of(database: &DatabaseConnection) -> Self {
        Self {
            pool: database.get_sqlite_connection_pool().clone(),
            connection: None,
        }
    }

    /// Runs statements, all of them or none, and makes them durable. With both ends of their transaction they go one way to
    /// the database's thread, which is most of what they cost.
    ///
    /// # Errors
    ///
    /// What the database refuses; then it is as it was, and the connection given back.
    pub(super) async fn run(&mut self, statements: Vec<Statement>) -> Result<(), DbErr> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(self.pool.acquire().await.map_err(not_there)?),
        };
        // One alone is a transaction.
        let are_several = statements.len() > 1;
        let results_wanted = statements.len() + if are_several { 2 } else { 0 };
        let Statement {
            mut sql, values, ..
        } = joined(statements, DbBackend::Sqlite);
        if are_several {
            sql = format!("BEGIN IMMEDIATE; {sql}; COMMIT");
        }
        let values = SqlxValues(values.unwrap_or(Values(Vec::new())));
        let mut results = connection.execute_many(query_with(AssertSqlSafe(sql), values));
        let mut count = 0;
        let error = loop {
            match results.try_next().await {
                Ok(Some(_)) => count += 1,
                // The last one is the commit's.
                Ok(None) if count == results_wanted => return Ok(()),
                // Its thread died on the way, which looks like an end.
                Ok(None) => break sqlx::Error::WorkerCrashed,
                Err(error) => break error,
            }
        };
        drop(results);
        let has_begun = are_several && count > 0;
        if has_begun && let Err(error) = query("ROLLBACK").execute(&mut **connection).await {
            // SQLite was faster, or cannot: either way the next one finds no transaction under way.
            tracing::debug!(%error, "rolled back already");
            connection.close_on_drop();
        }
        self.give_back();
        Err(DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error))))
    }

    /// Gives it back: for whoever else writes, or to be looked at.
    pub(super) fn give_back(&mut self) {
        self.connection = None;
    }
}

/// As sea-orm has it.
fn not_there(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        error => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))),
    }
}
