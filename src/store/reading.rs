//! Reading records back: rows checked, secrets unsealed.
//!
//! A row that cannot be read is reported and left out; it is never deleted.

use std::{collections::HashMap, str::FromStr, sync::Arc, time::Duration};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait,
    FromQueryResult, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, TransactionTrait,
};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    entity::{link, mcp_session, server, session},
    error::StoreError,
    record::{LinkRecord, McpSessionRecord, SessionSummary, StoredServer, StoredSession, Unused},
    ring::KeyRing,
    sealing::Place,
};
use crate::mcp::name::BackendName;

/// The most sessions of a page: bounds what a listing holds in memory.
pub(super) const PAGE_MAX: u64 = 1000;

/// A session with all that belongs to it, as of one moment.
pub(super) async fn stored_session(
    database: &DatabaseConnection,
    keys: &KeyRing,
    id: Uuid,
) -> Result<Option<StoredSession>, StoreError> {
    let moment = database.begin().await?;
    let session = session_at(&moment, keys, id).await;
    // Also if nothing was found: a connection that comes back within a transaction is replaced.
    moment.commit().await?;
    session
}

async fn session_at(
    moment: &DatabaseTransaction,
    keys: &KeyRing,
    id: Uuid,
) -> Result<Option<StoredSession>, StoreError> {
    let found = session::Entity::find_by_id(id).into_query();
    let Some(row) = moment.query_one(&found).await? else {
        return Ok(None);
    };
    let row = session::Model::from_query_result(&row, "").map_err(unreadable)?;
    let servers = server::Entity::find()
        .filter(server::Column::SessionId.eq(id))
        .order_by_asc(server::Column::Position);
    let mcp_sessions = mcp_session::Entity::find()
        .filter(mcp_session::Column::SessionId.eq(id))
        .order_by_asc(mcp_session::Column::CreatedMs)
        .order_by_asc(mcp_session::Column::Id);
    let links = link::Entity::find()
        .filter(link::Column::SessionId.eq(id))
        .order_by_asc(link::Column::McpSessionId)
        .order_by_asc(link::Column::Backend);
    Ok(Some(StoredSession {
        id,
        owner: row.owner.map(Arc::from),
        name: row.name,
        naming: readable(&row.naming, "naming")?,
        idle_expiry: row.idle_expiry_ms.map(readable_ms).transpose()?,
        servers: records(moment, servers, |row| stored_server(row, keys)).await?,
        created_ms: row.created_ms,
        last_used_ms: row.last_used_ms,
        mcp_sessions: records(moment, mcp_sessions, mcp_session_record).await?,
        links: records(moment, links, |row| link_record(row, keys)).await?,
    }))
}

#[derive(FromQueryResult)]
struct IdRow {
    id: Uuid,
}

/// The ids after one, in order.
pub(super) async fn session_ids(
    database: &impl ConnectionTrait,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Uuid>, StoreError> {
    let page = page(after, limit).select_only().column(session::Column::Id);
    records(database, page, |row: IdRow| Ok(row.id)).await
}

/// The ids of the sessions used since a moment, the latest first.
pub(super) async fn recent_session_ids(
    database: &impl ConnectionTrait,
    used_since_ms: i64,
    limit: u64,
) -> Result<Vec<Uuid>, StoreError> {
    let recent = session::Entity::find()
        .filter(session::Column::LastUsedMs.gte(used_since_ms))
        .order_by_desc(session::Column::LastUsedMs)
        .limit(limit.min(PAGE_MAX))
        .select_only()
        .column(session::Column::Id);
    records(database, recent, |row: IdRow| Ok(row.id)).await
}

/// The ids of sessions that have MCP sessions which were last used before a moment.
pub(super) async fn with_idle_mcp_sessions(
    database: &impl ConnectionTrait,
    unused_since_ms: i64,
    limit: u64,
) -> Result<Vec<Uuid>, StoreError> {
    let idle = mcp_session::Entity::find()
        .filter(mcp_session::Column::LastUsedMs.lt(unused_since_ms))
        .limit(limit.min(PAGE_MAX))
        .select_only()
        .distinct()
        .column_as(mcp_session::Column::SessionId, "id");
    records(database, idle, |row: IdRow| Ok(row.id)).await
}

/// Ids and owners of sessions that nobody used for too long.
pub(super) async fn idle_sessions(
    database: &impl ConnectionTrait,
    unused: Unused,
    limit: u64,
) -> Result<Vec<(Uuid, Option<Arc<str>>)>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        owner: Option<String>,
    }
    let idle = session::Entity::find()
        .filter(unused.condition())
        .limit(limit.min(PAGE_MAX))
        .select_only()
        .column(session::Column::Id)
        .column(session::Column::Owner);
    records(database, idle, |row: Row| {
        Ok((row.id, row.owner.map(Arc::from)))
    })
    .await
}

/// The sessions after one, in order of their ids, as of one moment.
pub(super) async fn summaries(
    database: &DatabaseConnection,
    owner: Option<&str>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<SessionSummary>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        session_id: Uuid,
        backend: String,
    }
    let moment = database.begin().await?;
    let page = page(after, limit).apply_if(owner, |page, owner| {
        page.filter(session::Column::Owner.eq(owner))
    });
    let sessions: Vec<session::Model> = records(&moment, page, Ok).await?;
    let ids = sessions.iter().map(|session| session.id);
    let servers = server::Entity::find()
        .select_only()
        .columns([server::Column::SessionId, server::Column::Backend])
        .filter(server::Column::SessionId.is_in(ids))
        .order_by_asc(server::Column::Position);
    let servers = records(&moment, servers, |row: Row| {
        Ok((row.session_id, readable(&row.backend, "backend")?))
    })
    .await?;
    moment.commit().await?;

    let mut backends: HashMap<Uuid, Vec<BackendName>> = HashMap::new();
    for (session, backend) in servers {
        backends.entry(session).or_default().push(backend);
    }
    let summary = |session: session::Model| SessionSummary {
        id: session.id,
        owner: session.owner.map(Arc::from),
        name: session.name,
        servers: backends.remove(&session.id).unwrap_or_default(),
        created_ms: session.created_ms,
        last_used_ms: session.last_used_ms,
    };
    Ok(sessions.into_iter().map(summary).collect())
}

/// Whose a session is.
pub(super) async fn owner(
    database: &impl ConnectionTrait,
    id: Uuid,
) -> Result<Option<Option<Arc<str>>>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        owner: Option<String>,
    }
    let found = session::Entity::find_by_id(id)
        .select_only()
        .column(session::Column::Owner);
    let rows = records(database, found, |row: Row| Ok(row.owner.map(Arc::from))).await?;
    Ok(rows.into_iter().next())
}

/// How many sessions each owner has stored.
pub(super) async fn count_sessions(
    database: &impl ConnectionTrait,
) -> Result<Vec<(Option<Arc<str>>, u64)>, StoreError> {
    #[derive(FromQueryResult)]
    struct Row {
        owner: Option<String>,
        sessions: i64,
    }
    let counts = session::Entity::find()
        .select_only()
        .column(session::Column::Owner)
        .column_as(session::Column::Id.count(), "sessions")
        .group_by(session::Column::Owner);
    records(database, counts, |row: Row| {
        let sessions = u64::try_from(row.sessions).unwrap_or_default();
        Ok((row.owner.map(Arc::from), sessions))
    })
    .await
}

fn page(after: Option<Uuid>, limit: u64) -> Select<session::Entity> {
    session::Entity::find()
        .apply_if(after, |page, id| page.filter(session::Column::Id.gt(id)))
        .order_by_asc(session::Column::Id)
        .limit(limit.min(PAGE_MAX))
}

/// Runs a query and makes records of the rows that can be read.
async fn records<E: EntityTrait, Row: FromQueryResult, Record>(
    database: &impl ConnectionTrait,
    query: Select<E>,
    record: impl Fn(Row) -> Result<Record, StoreError>,
) -> Result<Vec<Record>, StoreError> {
    let rows = database.query_all(&query.into_query()).await?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        match Row::from_query_result(&row, "")
            .map_err(unreadable)
            .and_then(&record)
        {
            Ok(record) => records.push(record),
            Err(error) => {
                let table = E::default().table_name().to_owned();
                tracing::warn!(%error, table, "left out a row of {table} that cannot be read");
            }
        }
    }
    Ok(records)
}

fn stored_server(row: server::Model, keys: &KeyRing) -> Result<StoredServer, StoreError> {
    let place = Place::credential(row.session_id, &row.backend);
    Ok(StoredServer {
        backend: readable(&row.backend, "backend")?,
        credential: row
            .credential
            .map(|sealed| keys.unseal(&sealed, &place))
            .transpose(),
        // Without its filter a server would offer more than it may: it is left out.
        tools: row
            .tools
            .map(|text| serde_json::from_str(&text).map(Arc::new))
            .transpose()
            .map_err(unreadable)?,
    })
}

fn mcp_session_record(row: mcp_session::Model) -> Result<McpSessionRecord, StoreError> {
    Ok(McpSessionRecord {
        id: row.id,
        session: row.session_id,
        revision: readable(&row.revision, "revision")?,
        client_info: row.client_info.map(json).transpose()?,
        capabilities: row.capabilities.map(json).transpose()?,
        wants: row.wants.map(json).transpose()?,
        created_ms: row.created_ms,
        last_used_ms: row.last_used_ms,
    })
}

/// A link whose secrets do not open, or that does not say of which provider it is, is of no use: the backend would take
/// us for someone else, or might be another. Left out, it costs a fresh handshake.
fn link_record(row: link::Model, keys: &KeyRing) -> Result<LinkRecord, StoreError> {
    let place = Place::backend_session(row.session_id, row.mcp_session_id, &row.backend);
    let secrets = row
        .backend_session
        .map(|sealed| keys.unseal(&sealed, &place))
        .transpose()
        .map_err(unreadable)?;
    let (provider, backend_session) = secrets
        .and_then(|secrets| LinkRecord::read_secrets(&secrets))
        .ok_or_else(|| unreadable("it does not say of which provider it is"))?;
    Ok(LinkRecord {
        session: row.session_id,
        mcp_session: (!row.mcp_session_id.is_nil()).then_some(row.mcp_session_id),
        backend: readable(&row.backend, "backend")?,
        revision: readable(&row.revision, "revision")?,
        provider,
        backend_session,
        discovery: json(row.discovery)?,
    })
}

fn readable<T: FromStr<Err: std::fmt::Display>>(text: &str, column: &str) -> Result<T, StoreError> {
    text.parse()
        .map_err(|error| unreadable(format!("{column}: {error}")))
}

fn readable_ms(milliseconds: i64) -> Result<Duration, StoreError> {
    let milliseconds = u64::try_from(milliseconds).map_err(unreadable)?;
    Ok(Duration::from_millis(milliseconds))
}

fn json(text: String) -> Result<Box<RawValue>, StoreError> {
    RawValue::from_string(text).map_err(unreadable)
}

fn unreadable(detail: impl std::fmt::Display) -> StoreError {
    StoreError::Unreadable {
        detail: detail.to_string(),
    }
}
