//! What changes of a session that is stored: all of it together, or its end when nobody uses it.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    Store,
    entity::server,
    error::StoreError,
    in_ms,
    operation::{ChangedServer, Chosen, Operation},
    reading,
    record::{Change, SessionChange, Unused},
    sealing::Place,
    tools,
};
use crate::mcp::name::{BackendName, Naming};

impl Store {
    /// Changes a session: all of it, or nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if it was deleted.
    pub async fn change_session(&self, change: SessionChange) -> Result<(), StoreError> {
        let names = |backends: Vec<BackendName>| backends.iter().map(ToString::to_string).collect();
        let mut servers = Vec::with_capacity(change.servers.len());
        for (position, server) in (0..).zip(change.servers) {
            let place = Place::credential(change.id, server.backend.as_str());
            let seal = |secret| self.keys.seal(&secret, &place);
            let (changes_credential, credential) = match server.credential {
                Change::Keep => (false, None),
                Change::To(credential) => (true, credential),
            };
            let (changes_tools, offered) = match server.tools {
                Change::Keep => (false, None),
                Change::To(filter) => (true, filter),
            };
            let row = server::Model {
                session_id: change.id,
                backend: server.backend.to_string(),
                position,
                credential: credential.map(seal).transpose()?,
                tools: offered.as_deref().map(tools).transpose()?,
            };
            servers.push(ChangedServer {
                row,
                changes_credential,
                changes_tools,
            });
        }
        let change = Operation::ChangeSession {
            id: change.id,
            chosen: Chosen {
                name: change.name,
                naming: change.naming.map(Naming::as_str),
                idle_expiry_ms: match change.idle_expiry {
                    Change::Keep => Change::Keep,
                    Change::To(expiry) => Change::To(expiry.map(in_ms)),
                },
            },
            servers,
            removed: names(change.removed),
            unlinked: names(change.unlinked),
            used_ms: change.used_ms,
        };
        self.write(change).await.map(drop)
    }

    /// Forgets what connections with some backends learned, those of one session or of all: it would be said to another
    /// server.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn forget_links(
        &self,
        session: Option<Uuid>,
        backends: &[BackendName],
    ) -> Result<(), StoreError> {
        let backends = backends.iter().map(ToString::to_string).collect();
        let forget = Operation::ForgetLinks { session, backends };
        self.write(forget).await.map(drop)
    }

    /// Deletes a session that nobody used for too long; says whether it was there, and idle still.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn delete_idle_session(&self, id: Uuid, unused: Unused) -> Result<bool, StoreError> {
        let delete = Operation::DeleteIdleSession { id, unused };
        Ok(self.write(delete).await? > 0)
    }

    /// Lists sessions of which MCP sessions were last used before a moment, at most 1,000.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn with_idle_mcp_sessions(
        &self,
        unused_since_ms: i64,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        reading::with_idle_mcp_sessions(&self.reading, unused_since_ms, limit).await
    }

    /// Lists ids and owners of some sessions that nobody used for too long, at most 1,000.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn idle_sessions(
        &self,
        unused: Unused,
        limit: u64,
    ) -> Result<Vec<(Uuid, Option<Arc<str>>)>, StoreError> {
        reading::idle_sessions(&self.reading, unused, limit).await
    }
}
