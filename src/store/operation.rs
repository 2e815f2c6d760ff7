//! One change of the database, as the writer runs it within a transaction.

mod change;

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DeleteMany, EntityTrait, InsertMany,
    IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use super::{
    entity::{link, mcp_session, server, session},
    error::StoreError,
    record::Unused,
};

use change::{change_servers, choose, unlink};

pub(super) use change::{ChangedServer, Chosen};

/// A change, with its secrets sealed already.
#[derive(Debug)]
pub(super) enum Operation {
    CreateSession {
        session: session::Model,
        servers: Vec<server::Model>,
    },
    ChangeSession {
        id: Uuid,
        chosen: Chosen,
        servers: Vec<ChangedServer>,
        removed: Vec<String>,
        unlinked: Vec<String>,
        used_ms: i64,
    },
    DeleteSession(Uuid),
    /// Unless it was used since.
    DeleteIdleSession {
        id: Uuid,
        unused: Unused,
    },
    PutMcpSession(mcp_session::Model),
    /// What the client of an MCP session wants to hear: JSON.
    PutWants {
        mcp_session: Uuid,
        wants: Option<String>,
    },
    DeleteMcpSession(Uuid),
    PutLink(link::Model),
    /// Those with some backends: of one session, or of every one.
    ForgetLinks {
        session: Option<Uuid>,
        backends: Vec<String>,
    },
    /// When sessions were last used.
    Touch(Vec<(Uuid, i64)>),
    /// When MCP sessions were last used.
    TouchMcpSessions(Vec<(Uuid, i64)>),
    ExpireMcpSessions {
        unused_since_ms: i64,
    },
}

impl Operation {
    /// The session that it makes, if it makes one.
    pub(super) fn as_creation(&self) -> Option<Creation<'_>> {
        match self {
            Self::CreateSession { session, servers } => Some((session, servers)),
            _ => None,
        }
    }

    /// Runs the change; returns how many records it made, changed or deleted. After an error the
    /// transaction may hold a part of it: roll back.
    pub(super) async fn apply(&self, database: &DatabaseTransaction) -> Result<u64, StoreError> {
        match self {
            Self::CreateSession { session, servers } => {
                create(&[(session, servers)], database).await
            }
            Self::ChangeSession {
                id,
                chosen,
                servers,
                removed,
                unlinked,
                used_ms,
            } => {
                choose(*id, chosen, database).await?;
                touch(&[(*id, *used_ms)], database).await?;
                change_servers(*id, servers, removed, database).await?;
                unlink(Some(*id), unlinked, database).await
            }
            Self::DeleteSession(id) => Ok(session::Entity::delete_by_id(*id)
                .exec(database)
                .await?
                .rows_affected),
            Self::DeleteIdleSession { id, unused } => Ok(session::Entity::delete_many()
                .filter(session::Column::Id.eq(*id))
                .filter(unused.condition())
                .exec(database)
                .await?
                .rows_affected),
            Self::PutMcpSession(row) => Ok(putting_mcp_sessions(&[row])
                .exec_without_returning(database)
                .await?),
            Self::PutWants { mcp_session, wants } => {
                put_wants(*mcp_session, wants.clone(), database).await
            }
            Self::DeleteMcpSession(id) => delete_mcp_session(*id, database).await,
            Self::PutLink(row) => put_link(row, database).await,
            Self::ForgetLinks { session, backends } => unlink(*session, backends, database).await,
            Self::Touch(used) => touch(used, database).await,
            Self::TouchMcpSessions(used) => touch_mcp_sessions(used, database).await,
            Self::ExpireMcpSessions { unused_since_ms } => {
                expire_mcp_sessions(*unused_since_ms, database).await
            }
        }
    }
}

/// A session's row, and those of its servers.
pub(super) type Creation<'a> = (&'a session::Model, &'a [server::Model]);

/// Makes sessions, all of them or none.
async fn create(
    creations: &[Creation<'_>],
    database: &impl ConnectionTrait,
) -> Result<u64, StoreError> {
    let (sessions, servers) = creating(creations);
    let created = sessions.exec_without_returning(database).await?;
    if let Some(servers) = servers {
        servers.exec_without_returning(database).await?;
    }
    Ok(created)
}

/// Makes sessions, and then their servers. Each statement costs about the same however many rows it has.
pub(super) fn creating(
    creations: &[Creation<'_>],
) -> (
    InsertMany<session::ActiveModel>,
    Option<InsertMany<server::ActiveModel>>,
) {
    let (mut sessions, mut servers) = (Vec::new(), Vec::new());
    for (session, of_session) in creations {
        sessions.push((*session).clone().into_active_model());
        let rows = of_session.iter().cloned();
        servers.extend(rows.map(server::Model::into_active_model));
    }
    let sessions = session::Entity::insert_many(sessions);
    let are_servers = !servers.is_empty();
    (
        sessions,
        are_servers.then(|| server::Entity::insert_many(servers)),
    )
}

/// Stores MCP sessions, none of them twice.
pub(super) fn putting_mcp_sessions(
    rows: &[&mcp_session::Model],
) -> InsertMany<mcp_session::ActiveModel> {
    use mcp_session::Column;
    let or_update = OnConflict::column(Column::Id)
        .update_columns([
            Column::Revision,
            Column::ClientInfo,
            Column::Capabilities,
            Column::LastUsedMs,
        ])
        .to_owned();
    let rows = rows.iter().map(|row| (*row).clone().into_active_model());
    mcp_session::Entity::insert_many(rows).on_conflict(or_update)
}

/// Only what is there is changed: an MCP session that ended does not come back.
async fn put_wants(
    id: Uuid,
    wants: Option<String>,
    database: &impl ConnectionTrait,
) -> Result<u64, StoreError> {
    use mcp_session::Column;
    let changed = mcp_session::Entity::update_many()
        .col_expr(Column::Wants, Expr::value(wants))
        .filter(Column::Id.eq(id))
        .exec(database)
        .await?
        .rows_affected;
    if changed == 0 {
        return Err(StoreError::Gone);
    }
    Ok(changed)
}

async fn delete_mcp_session(id: Uuid, database: &impl ConnectionTrait) -> Result<u64, StoreError> {
    if id.is_nil() {
        // The default MCP session of every session: it has links, but no row, and never ends.
        return Ok(0);
    }
    let (links, mcp_sessions) = deleting_mcp_sessions(&[id]);
    links.exec(database).await?;
    Ok(mcp_sessions.exec(database).await?.rows_affected)
}

/// Deletes MCP sessions, their links first.
pub(super) fn deleting_mcp_sessions(
    ids: &[Uuid],
) -> (DeleteMany<link::Entity>, DeleteMany<mcp_session::Entity>) {
    let of = |column: link::Column| column.is_in(ids.iter().copied());
    let links = link::Entity::delete_many().filter(of(link::Column::McpSessionId));
    let are = mcp_session::Column::Id.is_in(ids.iter().copied());
    (links, mcp_session::Entity::delete_many().filter(are))
}

async fn put_link(row: &link::Model, database: &impl ConnectionTrait) -> Result<u64, StoreError> {
    if !have_homes(&[row], database).await? {
        return Err(StoreError::Gone);
    }
    Ok(putting_links(&[row])
        .exec_without_returning(database)
        .await?)
}

/// Stores what connections learned, each once.
pub(super) fn putting_links(rows: &[&link::Model]) -> InsertMany<link::ActiveModel> {
    use link::Column;
    let or_update = OnConflict::columns([Column::SessionId, Column::McpSessionId, Column::Backend])
        .update_columns([Column::Revision, Column::BackendSession, Column::Discovery])
        .to_owned();
    let rows = rows.iter().map(|row| (*row).clone().into_active_model());
    link::Entity::insert_many(rows).on_conflict(or_update)
}

/// Whether the MCP sessions of links are there. The schema holds the sessions' side of this; for the MCP sessions see
/// the migration.
pub(super) async fn have_homes(
    rows: &[&link::Model],
    database: &impl ConnectionTrait,
) -> Result<bool, StoreError> {
    use mcp_session::Column;
    let homes = rows.iter().map(|row| (row.mcp_session_id, row.session_id));
    let homes: BTreeSet<(Uuid, Uuid)> = homes.filter(|(id, _)| !id.is_nil()).collect();
    if homes.is_empty() {
        return Ok(true);
    }
    let there: Vec<(Uuid, Uuid)> = mcp_session::Entity::find()
        .select_only()
        .columns([Column::Id, Column::SessionId])
        .filter(Column::Id.is_in(homes.iter().map(|(id, _)| *id)))
        .into_tuple()
        .all(database)
        .await?;
    Ok(homes.iter().all(|home| there.contains(home)))
}

/// A use is never moved back: notes of it may come late, and wall clocks jump.
async fn touch(used: &[(Uuid, i64)], database: &impl ConnectionTrait) -> Result<u64, StoreError> {
    use session::Column;
    let mut touched = 0;
    for &(id, used_ms) in used {
        touched += session::Entity::update_many()
            .col_expr(Column::LastUsedMs, Expr::value(used_ms))
            .filter(Column::Id.eq(id))
            .filter(Column::LastUsedMs.lt(used_ms))
            .exec(database)
            .await?
            .rows_affected;
    }
    Ok(touched)
}

/// As [`touch`].
async fn touch_mcp_sessions(
    used: &[(Uuid, i64)],
    database: &impl ConnectionTrait,
) -> Result<u64, StoreError> {
    use mcp_session::Column;
    let mut touched = 0;
    for &(id, used_ms) in used {
        touched += mcp_session::Entity::update_many()
            .col_expr(Column::LastUsedMs, Expr::value(used_ms))
            .filter(Column::Id.eq(id))
            .filter(Column::LastUsedMs.lt(used_ms))
            .exec(database)
            .await?
            .rows_affected;
    }
    Ok(touched)
}

async fn expire_mcp_sessions(
    unused_since_ms: i64,
    database: &impl ConnectionTrait,
) -> Result<u64, StoreError> {
    use mcp_session::Column;
    let unused = Column::LastUsedMs.lt(unused_since_ms);
    let expired = mcp_session::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(unused.clone())
        .into_query();
    link::Entity::delete_many()
        .filter(link::Column::McpSessionId.in_subquery(expired))
        .exec(database)
        .await?;
    Ok(mcp_session::Entity::delete_many()
        .filter(unused)
        .exec(database)
        .await?
        .rows_affected)
}
