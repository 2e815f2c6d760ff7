//! Every sealed secret of the database, a page at a time: looked at, or sealed anew.
//!
//! A page is one transaction, so that a process that is killed has sealed each row the one way or the
//! other.

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, TransactionTrait, sea_query::Expr,
};
use uuid::Uuid;

use super::{
    super::{
        entity::{link, server},
        error::StoreError,
        ring::KeyRing,
        sealing::{Place, UnsealError},
    },
    Rotation, Unopened,
};
use crate::limits::RESEALED_AT_ONCE_MAX;

/// What is done with what is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Walk {
    /// Nothing: `resealed` counts what would be.
    Look,
    /// What an old key sealed is sealed with the present one.
    Reseal,
}

/// A row's key in its table. Credentials have no MCP session.
type Key = (Uuid, Uuid, String);

/// Walks the credentials that sessions brought.
pub(super) async fn credentials(
    database: &DatabaseConnection,
    keys: &KeyRing,
    walk: Walk,
    done: &mut Rotation,
) -> Result<(), StoreError> {
    use server::Column::{Backend, Credential, SessionId};
    let mut last: Option<Key> = None;
    loop {
        let moment = database.begin().await?;
        let mut page = server::Entity::find()
            .filter(Credential.is_not_null())
            .order_by_asc(SessionId)
            .order_by_asc(Backend)
            .limit(RESEALED_AT_ONCE_MAX);
        if let Some((session, _, backend)) = &last {
            let same = Condition::all()
                .add(SessionId.eq(*session))
                .add(Backend.gt(backend.as_str()));
            page = page.filter(Condition::any().add(SessionId.gt(*session)).add(same));
        }
        let rows = moment.query_all(&page.into_query()).await?;
        let is_last = rows.is_empty();
        for row in rows {
            let session: Uuid = row.try_get("", "session_id")?;
            let backend: String = row.try_get("", "backend")?;
            let sealed: Vec<u8> = row.try_get("", "credential")?;
            let place = Place::credential(session, &backend);
            let met = (session, backend.as_str());
            if let Some(anew) = done.meet(keys, met, &sealed, &place)?
                && walk == Walk::Reseal
            {
                server::Entity::update_many()
                    .col_expr(Credential, Expr::value(anew))
                    .filter(SessionId.eq(session))
                    .filter(Backend.eq(backend.as_str()))
                    .exec(&moment)
                    .await?;
            }
            last = Some((session, Uuid::nil(), backend));
        }
        moment.commit().await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Walks the ids of backends' own MCP sessions.
pub(super) async fn backend_sessions(
    database: &DatabaseConnection,
    keys: &KeyRing,
    walk: Walk,
    done: &mut Rotation,
) -> Result<(), StoreError> {
    use link::Column::BackendSession;
    let mut last: Option<Key> = None;
    loop {
        let moment = database.begin().await?;
        let rows = links_after(last.as_ref(), &moment).await?;
        let is_last = rows.is_empty();
        for (key, sealed) in rows {
            let (session, mcp_session, backend) = &key;
            let place = Place::backend_session(*session, *mcp_session, backend);
            let met = (*session, backend.as_str());
            if let Some(anew) = done.meet(keys, met, &sealed, &place)?
                && walk == Walk::Reseal
            {
                link::Entity::update_many()
                    .col_expr(BackendSession, Expr::value(anew))
                    .filter(link::Column::SessionId.eq(*session))
                    .filter(link::Column::McpSessionId.eq(*mcp_session))
                    .filter(link::Column::Backend.eq(backend.as_str()))
                    .exec(&moment)
                    .await?;
            }
            last = Some(key);
        }
        moment.commit().await?;
        if is_last {
            return Ok(());
        }
    }
}

async fn links_after(
    last: Option<&Key>,
    moment: &DatabaseTransaction,
) -> Result<Vec<(Key, Vec<u8>)>, StoreError> {
    use link::Column::{Backend, BackendSession, McpSessionId, SessionId};
    let mut page = link::Entity::find()
        .filter(BackendSession.is_not_null())
        .order_by_asc(SessionId)
        .order_by_asc(McpSessionId)
        .order_by_asc(Backend)
        .limit(RESEALED_AT_ONCE_MAX);
    if let Some((session, mcp_session, backend)) = last {
        let in_mcp_session = Condition::all()
            .add(McpSessionId.eq(*mcp_session))
            .add(Backend.gt(backend.as_str()));
        let later = Condition::any()
            .add(McpSessionId.gt(*mcp_session))
            .add(in_mcp_session);
        let in_session = Condition::all().add(SessionId.eq(*session)).add(later);
        page = page.filter(Condition::any().add(SessionId.gt(*session)).add(in_session));
    }
    let rows = moment.query_all(&page.into_query()).await?;
    rows.into_iter()
        .map(|row| {
            let key = (
                row.try_get("", "session_id")?,
                row.try_get("", "mcp_session_id")?,
                row.try_get("", "backend")?,
            );
            Ok((key, row.try_get("", "backend_session")?))
        })
        .collect()
}

impl Rotation {
    /// Counts a secret; gives it sealed anew where an old key sealed it.
    fn meet(
        &mut self,
        keys: &KeyRing,
        (session, backend): (Uuid, &str),
        sealed: &[u8],
        place: &Place,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        // Opened all the same: the present key's own may be damaged.
        let secret = match keys.unseal(sealed, place) {
            Ok(secret) => secret,
            Err(error) => {
                self.note_unopened(session, backend, error);
                return Ok(None);
            }
        };
        if keys.is_current(sealed) {
            self.current += 1;
            return Ok(None);
        }
        self.resealed += 1;
        keys.seal(&secret, place).map(Some)
    }

    fn note_unopened(&mut self, session: Uuid, backend: &str, error: UnsealError) {
        self.unopened.push(Unopened {
            session,
            backend: backend.to_owned(),
            error,
        });
    }
}
