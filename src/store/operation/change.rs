//! What changes of a session's own rows, and which sessions nobody used for too long.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
    sea_query::{Expr, ExprTrait as _, OnConflict},
};
use uuid::Uuid;

use crate::store::{
    entity::{link, server, session},
    error::StoreError,
    record::{Change, Unused},
};

/// What is to be another of a session itself.
#[derive(Debug)]
pub(in crate::store) struct Chosen {
    pub(in crate::store) name: Change<String>,
    pub(in crate::store) naming: Option<&'static str>,
    pub(in crate::store) idle_expiry_ms: Change<i64>,
}

/// A server of a changed session, with what of it is another; else what is stored stays.
#[derive(Debug)]
pub(in crate::store) struct ChangedServer {
    pub(in crate::store) row: server::Model,
    pub(in crate::store) changes_credential: bool,
    pub(in crate::store) changes_tools: bool,
}

/// Gives a session another name, naming or life, as far as that is wanted. Only what is there is changed, whatever
/// else is: a session that was deleted does not come back.
pub(super) async fn choose(
    id: Uuid,
    chosen: &Chosen,
    database: &impl ConnectionTrait,
) -> Result<(), StoreError> {
    use session::Column;
    let here = session::Entity::find_by_id(id);
    if here.count(database).await? == 0 {
        return Err(StoreError::Gone);
    }
    let mut changed = Vec::new();
    if let Change::To(name) = &chosen.name {
        changed.push((Column::Name, Expr::value(name.clone())));
    }
    if let Some(naming) = chosen.naming {
        changed.push((Column::Naming, Expr::value(naming)));
    }
    if let Change::To(expiry) = chosen.idle_expiry_ms {
        changed.push((Column::IdleExpiryMs, Expr::value(expiry)));
    }
    if changed.is_empty() {
        return Ok(());
    }
    let update = session::Entity::update_many().filter(Column::Id.eq(id));
    changed
        .into_iter()
        .fold(update, |update, (column, value)| {
            update.col_expr(column, value)
        })
        .exec(database)
        .await?;
    Ok(())
}

impl Unused {
    /// Which rows it speaks of.
    pub(in crate::store) fn condition(&self) -> Condition {
        use session::Column;
        let since = self
            .since_ms
            .map(|since_ms| Column::LastUsedMs.lt(since_ms));
        let lived = Expr::col(Column::LastUsedMs).add(Expr::col(Column::IdleExpiryMs));
        let own = Condition::all()
            // Found by their index, the few there are.
            .add(Column::IdleExpiryMs.gt(0))
            .add(lived.lt(self.now_ms));
        Condition::any().add_option(since).add(own)
    }
}

pub(super) async fn change_servers(
    id: Uuid,
    servers: &[ChangedServer],
    removed: &[String],
    database: &impl ConnectionTrait,
) -> Result<(), StoreError> {
    use server::Column;
    server::Entity::delete_many()
        .filter(Column::SessionId.eq(id))
        .filter(Column::Backend.is_in(removed.iter().map(String::as_str)))
        .exec(database)
        .await?;
    for ChangedServer {
        row,
        changes_credential,
        changes_tools,
    } in servers
    {
        let mut changed = vec![Column::Position];
        changed.extend(changes_credential.then_some(Column::Credential));
        changed.extend(changes_tools.then_some(Column::Tools));
        let or_update = OnConflict::columns([Column::SessionId, Column::Backend])
            .update_columns(changed)
            .to_owned();
        server::Entity::insert(row.clone().into_active_model())
            .on_conflict(or_update)
            .exec_without_returning(database)
            .await?;
    }
    Ok(())
}

/// Forgets what a session's connections with some backends learned, or those of all sessions.
pub(super) async fn unlink(
    session: Option<Uuid>,
    backends: &[String],
    database: &impl ConnectionTrait,
) -> Result<u64, StoreError> {
    let of_session = session.map(|id| link::Column::SessionId.eq(id));
    link::Entity::delete_many()
        .filter(Condition::all().add_option(of_session))
        .filter(link::Column::Backend.is_in(backends.iter().map(String::as_str)))
        .exec(database)
        .await?;
    Ok(1)
}
