//! What outlives the process: sessions with their sealed credentials, MCP sessions, and what
//! connections learned of their backends.
//!
//! A write that returned `Ok` is on the disk. No decision of the protocol is made here, and no
//! actor is known. Reads come from a few connections of their own and never wait for a write.

mod changing;
mod entity;
mod error;
mod held;
mod key;
mod key_file;
mod lock;
mod open;
mod operation;
mod reading;
mod record;
mod ring;
mod rotation;
mod sealing;
mod together;
mod writer;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use sea_orm::{DatabaseConnection, sqlx::sqlite::SqliteConnectOptions};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::mcp::tool_filter::ToolFilter;

use self::{
    entity::{link, mcp_session, server, session},
    operation::Operation,
    sealing::Place,
    writer::{Request, Write},
};
pub use self::{
    error::StoreError,
    key::{KeyError, SealingKey},
    record::{
        Change, LinkRecord, McpSessionRecord, ServerChange, ServerRecord, SessionChange,
        SessionRecord, SessionSummary, StoredServer, StoredSession, Unused,
    },
    ring::KeyRing,
    rotation::{Rotation, RotationError, Unopened},
    sealing::{Sealer, UnsealError},
};

/// The open database. A clone is another handle of the same.
///
/// A write is queued for the one writer and done in order with the others, even if its future is
/// dropped meanwhile. [`StoreError::Closed`] out of a write means that it may not have been done;
/// any other error means that it was not.
#[derive(Debug, Clone)]
pub struct Store {
    queue: mpsc::Sender<Request>,
    reading: DatabaseConnection,
    keys: Arc<KeyRing>,
}

impl Store {
    /// Opens the database, makes it first if the URL ends with `?mode=rwc`, and migrates it.
    ///
    /// Needs a tokio runtime, where the writer lives.
    ///
    /// # Errors
    ///
    /// [`StoreError::Url`], [`Missing`](StoreError::Missing), [`InUse`](StoreError::InUse),
    /// [`Newer`](StoreError::Newer), [`Foreign`](StoreError::Foreign),
    /// [`Damaged`](StoreError::Damaged), [`ReadOnly`](StoreError::ReadOnly),
    /// [`File`](StoreError::File) and what the database refuses.
    /// A database that is refused is not changed.
    pub async fn open(url: &str, keys: impl Into<KeyRing>) -> Result<Self, StoreError> {
        Self::open_tuned(url, keys.into(), std::convert::identity).await
    }

    async fn open_tuned(
        url: &str,
        keys: KeyRing,
        tune: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions,
    ) -> Result<Self, StoreError> {
        let opened = open::open(url, tune).await?;
        Ok(Self {
            reading: opened.reading.clone(),
            keys: Arc::new(keys),
            queue: writer::start(opened),
        })
    }

    /// The same store with other keys: those that were read once it was open and nobody else could change them.
    #[must_use]
    pub fn under(self, keys: KeyRing) -> Self {
        Self {
            keys: Arc::new(keys),
            ..self
        }
    }

    /// Says whether a URL names a database that holds something already.
    #[must_use]
    pub fn is_there(url: &str) -> bool {
        open::is_there(url)
    }

    /// Seals what clients carry for the gateway, under the same keys as what is stored.
    #[must_use]
    pub fn sealer(&self) -> Sealer {
        Sealer::new(Arc::clone(&self.keys))
    }

    /// Stores a new session with its backends.
    ///
    /// # Errors
    ///
    /// [`StoreError::Duplicate`] if the id, or one backend of it, is there already.
    pub async fn create_session(&self, record: SessionRecord) -> Result<(), StoreError> {
        let session = session::Model {
            id: record.id,
            owner: record.owner.as_deref().map(str::to_owned),
            name: record.name,
            naming: record.naming.as_str().to_owned(),
            created_ms: record.created_ms,
            last_used_ms: record.last_used_ms,
            idle_expiry_ms: record.idle_expiry.map(in_ms),
        };
        let mut servers = Vec::with_capacity(record.servers.len());
        for (position, server) in (0..).zip(record.servers) {
            let place = Place::credential(record.id, server.backend.as_str());
            let seal = |secret| self.keys.seal(&secret, &place);
            servers.push(server::Model {
                session_id: record.id,
                backend: server.backend.to_string(),
                position,
                credential: server.credential.map(seal).transpose()?,
                tools: server.tools.as_deref().map(tools).transpose()?,
            });
        }
        let create = Operation::CreateSession { session, servers };
        self.write(create).await.map(drop)
    }

    /// Deletes a session and all that belongs to it; says whether it was there.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn delete_session(&self, id: Uuid) -> Result<bool, StoreError> {
        let deleted = self.write(Operation::DeleteSession(id)).await?;
        Ok(deleted > 0)
    }

    /// Reads a session and all that belongs to it, as of one moment.
    ///
    /// A server, MCP session or link that cannot be read is logged and left out.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if the session's own row cannot be read.
    pub async fn session(&self, id: Uuid) -> Result<Option<StoredSession>, StoreError> {
        reading::stored_session(&self.reading, &self.keys, id).await
    }

    /// Lists session ids in order, those after `after`, at most 1,000 at once.
    ///
    /// A page may be shorter than `limit`: the end is an empty page.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn session_ids(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        reading::session_ids(&self.reading, after, limit).await
    }

    /// Lists the ids of the sessions used since a moment, the latest first, at most 1,000.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn recent_session_ids(
        &self,
        used_since_ms: i64,
        limit: u64,
    ) -> Result<Vec<Uuid>, StoreError> {
        reading::recent_session_ids(&self.reading, used_since_ms, limit).await
    }

    /// Lists sessions as [`session_ids`](Self::session_ids) does, without their credentials: everybody's, or those of
    /// one owner.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn sessions(
        &self,
        owner: Option<&str>,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        reading::summaries(&self.reading, owner, after, limit).await
    }

    /// Tells whose a session is; `None` where there is none.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn owner(&self, id: Uuid) -> Result<Option<Option<Arc<str>>>, StoreError> {
        reading::owner(&self.reading, id).await
    }

    /// Counts the sessions of each owner, and those of nobody.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn count_sessions(&self) -> Result<Vec<(Option<Arc<str>>, u64)>, StoreError> {
        reading::count_sessions(&self.reading).await
    }

    /// Stores an MCP session, or what changed of it; its session and `created_ms` never change.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if its session was deleted.
    pub async fn put_mcp_session(&self, record: McpSessionRecord) -> Result<(), StoreError> {
        let row = mcp_session::Model {
            id: record.id,
            session_id: record.session,
            revision: record.revision.as_str().to_owned(),
            client_info: record.client_info.map(text),
            capabilities: record.capabilities.map(text),
            wants: record.wants.map(text),
            created_ms: record.created_ms,
            last_used_ms: record.last_used_ms,
        };
        self.write(Operation::PutMcpSession(row)).await.map(drop)
    }

    /// Stores what the client of an MCP session wants to hear, in the place of what it wanted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if the MCP session ended.
    pub async fn put_wants(
        &self,
        mcp_session: Uuid,
        wants: Option<Box<RawValue>>,
    ) -> Result<(), StoreError> {
        let wants = wants.map(text);
        let put = Operation::PutWants { mcp_session, wants };
        self.write(put).await.map(drop)
    }

    /// Deletes an MCP session and its links.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn delete_mcp_session(&self, id: Uuid) -> Result<(), StoreError> {
        self.write(Operation::DeleteMcpSession(id)).await.map(drop)
    }

    /// Stores what a connection learned, in the place of what it knew.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if its session or MCP session was deleted.
    pub async fn put_link(&self, record: LinkRecord) -> Result<(), StoreError> {
        let mcp_session = record.mcp_session.unwrap_or(Uuid::nil());
        let place = Place::backend_session(record.session, mcp_session, record.backend.as_str());
        let secrets = record.secrets();
        let row = link::Model {
            session_id: record.session,
            mcp_session_id: mcp_session,
            backend: record.backend.to_string(),
            revision: record.revision.as_str().to_owned(),
            backend_session: Some(self.keys.seal(&secrets, &place)?),
            discovery: text(record.discovery),
        };
        self.write(Operation::PutLink(row)).await.map(drop)
    }

    /// Notes when sessions were last used, in one transaction. A use is never moved back.
    ///
    /// Other writes wait meanwhile: some 1,000 at once are a good portion.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn touch(&self, used: Vec<(Uuid, i64)>) -> Result<(), StoreError> {
        self.write(Operation::Touch(used)).await.map(drop)
    }

    /// Notes when MCP sessions were last used, as [`touch`](Self::touch) does.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn touch_mcp_sessions(&self, used: Vec<(Uuid, i64)>) -> Result<(), StoreError> {
        let touch = Operation::TouchMcpSessions(used);
        self.write(touch).await.map(drop)
    }

    /// Deletes the MCP sessions last used before a moment, with their links; says how many.
    ///
    /// # Errors
    ///
    /// What the database refuses.
    pub async fn expire_mcp_sessions(&self, unused_since_ms: i64) -> Result<u64, StoreError> {
        self.write(Operation::ExpireMcpSessions { unused_since_ms })
            .await
    }

    /// Says whether the database answers and the writer lives.
    ///
    /// # Errors
    ///
    /// [`StoreError::Closed`] without a writer; what the database refuses.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.queue.is_closed() {
            return Err(StoreError::Closed);
        }
        self.session_ids(None, 1).await.map(drop)
    }

    /// Finishes the writes that wait, writes all back into the database file, and releases it.
    ///
    /// Other handles get [`StoreError::Closed`] from then on.
    pub async fn close(self) {
        let (closer, ended) = oneshot::channel();
        if self.queue.send(Request::Close(closer)).await.is_ok() {
            // An error says that the writer is gone: closed as well.
            let _ = ended.await;
        }
    }

    async fn write(&self, operation: Operation) -> Result<u64, StoreError> {
        let (answer, answered) = oneshot::channel();
        let write = Request::Write(Write { operation, answer });
        self.queue
            .send(write)
            .await
            .map_err(|_| StoreError::Closed)?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// The longest that is stored is bounded far below what fits.
fn in_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn tools(filter: &ToolFilter) -> Result<String, StoreError> {
    serde_json::to_string(filter).map_err(|error| StoreError::Unreadable {
        detail: error.to_string(),
    })
}

fn text(json: Box<RawValue>) -> String {
    Box::<str>::from(json).into_string()
}
