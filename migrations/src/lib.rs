//! The database's schema: one file a migration, in the order in which they are applied.
//!
//! Written for SQLite and PostgreSQL alike: no SQL text, no enum or array types, times as `i64`
//! milliseconds since 1970. A released migration never changes; a change is a new file.

mod m0001_sessions;
mod m0002_wants;
mod m0003_owners;
mod m0004_use;
mod m0005_choices;

use std::collections::HashSet;

use sea_orm_migration::{
    prelude::*,
    sea_orm::{DatabaseConnection, EntityTrait},
    seaql_migrations,
};

/// How a database's schema stands to this program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// Every migration is applied, and no other.
    Current,
    /// [`migrate`] has work to do.
    Behind,
    /// A migration was applied that this program does not know: a later version made it.
    Ahead {
        /// The first unknown migration.
        migration: String,
    },
}

/// Compares a database's schema with this program's, changing nothing.
///
/// # Errors
///
/// Whatever reading the database ended with.
pub async fn schema_state(database: &DatabaseConnection) -> Result<SchemaState, DbErr> {
    let table = Migrator::migration_table_name().to_string();
    if !SchemaManager::new(database).has_table(&table).await? {
        return Ok(SchemaState::Behind);
    }
    let applied: HashSet<String> = seaql_migrations::Entity::find()
        .all(database)
        .await?
        .into_iter()
        .map(|row| row.version)
        .collect();
    let known: HashSet<String> = Migrator::migrations()
        .iter()
        .map(|migration| migration.name().to_owned())
        .collect();
    if let Some(migration) = applied.difference(&known).min() {
        return Ok(SchemaState::Ahead {
            migration: migration.clone(),
        });
    }
    Ok(if known.is_subset(&applied) {
        SchemaState::Current
    } else {
        SchemaState::Behind
    })
}

/// Applies the migrations that are missing, each wholly or not at all.
///
/// # Errors
///
/// Whatever the database refused.
pub async fn migrate(database: &DatabaseConnection) -> Result<(), DbErr> {
    Migrator::up(database, None).await
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_sessions::Migration),
            Box::new(m0002_wants::Migration),
            Box::new(m0003_owners::Migration),
            Box::new(m0004_use::Migration),
            Box::new(m0005_choices::Migration),
        ]
    }
}
