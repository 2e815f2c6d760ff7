//! The sessions as one caller sees them: the only way to any of them.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    callers::Caller,
    registry::ProviderSpec,
    store::{ServerRecord, SessionRecord},
};

use super::{
    NewSession, PatchError, Presence, SessionDescription, SessionListing, SessionPatch, SessionRef,
    Sessions, SessionsError, clock::now_ms, supervisor::SupervisorMessage,
};

/// What somebody wants of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To call its tools.
    Use,
    /// To know how it stands.
    See,
}

/// Who looks for a session, and what for.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    caller: Caller,
    wish: Wish,
}

impl Asker {
    /// Whether there is, for whoever asks, a session of that owner.
    pub(super) fn may_have(&self, owner: Option<&str>) -> bool {
        match self.wish {
            Wish::Use => self.caller.may_use(owner),
            Wish::See => self.caller.may_see(owner),
        }
    }
}

/// The sessions of one caller. Those of others do not exist here, but for an operator, who may list, describe and
/// delete them.
#[derive(Clone)]
pub struct SessionsView {
    sessions: Sessions,
    caller: Caller,
}

impl Sessions {
    /// Finds a session to be used by a caller, as [`SessionsView::find`] does: what each request asks needs no view of its own
    /// where the session is awake.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn find(
        &self,
        id: Uuid,
        caller: &Caller,
    ) -> Result<Option<SessionRef>, SessionsError> {
        let awake = self.0.directory.get(id);
        match awake.filter(|session| caller.may_use(session.owner())) {
            // Boxed: of one that is awake nothing is waited for.
            None => Box::pin(self.seen_by(caller).find(id)).await,
            awake => Ok(awake),
        }
    }
}

impl SessionsView {
    pub(super) const fn new(sessions: Sessions, caller: Caller) -> Self {
        Self { sessions, caller }
    }

    /// Finds a session to be used, and wakes it if it sleeps; `None` when there is none for this caller.
    ///
    /// # Errors
    ///
    /// When its row cannot be read, or it died too often.
    pub async fn find(&self, id: Uuid) -> Result<Option<SessionRef>, SessionsError> {
        self.open(id, Wish::Use).await
    }

    async fn open(&self, id: Uuid, wish: Wish) -> Result<Option<SessionRef>, SessionsError> {
        let caller = self.caller.clone();
        let asker = Asker { caller, wish };
        let found = match self.sessions.0.directory.get(id) {
            // Boxed: of a session that is awake nothing is waited for.
            None => match Box::pin(self.sessions.open(id, Some(asker.clone()))).await {
                Err(error @ SessionsError::Store(_)) if self.may_hear(id, &asker).await => {
                    return Err(error);
                }
                Err(SessionsError::Store(_)) => None,
                opened => opened?,
            },
            found => found,
        };
        Ok(found.filter(|session| asker.may_have(session.owner())))
    }

    /// Whether whoever asks may hear that a session could not be read: not of somebody else's. Where the store tells
    /// nothing at all, everybody hears the same of every id.
    async fn may_hear(&self, id: Uuid, asker: &Asker) -> bool {
        let owner = self.sessions.0.store.owner(id).await;
        owner.map_or(true, |owner| {
            owner.is_some_and(|owner| asker.may_have(owner.as_deref()))
        })
    }

    /// The longest that a session may live unused, where the gateway bounds that.
    #[must_use]
    pub fn idle_expiry_max(&self) -> Option<Duration> {
        self.sessions.0.session_idle_ttl
    }

    /// Makes a session of this caller. It is durable when this returns, and its backends are being connected to.
    ///
    /// # Errors
    ///
    /// When it could not be stored, or there are too many.
    pub async fn create(&self, new: NewSession) -> Result<Uuid, SessionsError> {
        let owner = self.caller.name().cloned();
        let place = self.sessions.0.quota.take(&owner)?;
        let id = Uuid::new_v4();
        let now = now_ms();
        let servers = new.servers.into_iter().map(|server| ServerRecord {
            backend: server.backend,
            credential: server.credential,
            tools: server.tools,
        });
        let record = SessionRecord {
            id,
            owner,
            name: new.name,
            naming: new.naming,
            idle_expiry: new.idle_expiry,
            servers: servers.collect(),
            created_ms: now,
            last_used_ms: now,
        };
        let create = |reply| SupervisorMessage::Create {
            record,
            place,
            reply,
        };
        self.sessions.ask(create).await??;
        Ok(id)
    }

    /// Deletes a session and what it holds open; tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn delete(&self, id: Uuid) -> Result<bool, SessionsError> {
        // Awake, it tells its backends. One that cannot be woken is deleted all the same.
        let awake = self.open(id, Wish::See).await.ok().flatten();
        let owner = match &awake {
            Some(session) => Some(session.owner().map(Arc::from)),
            None => self.sessions.0.store.owner(id).await?,
        };
        let Some(owner) = owner.filter(|owner| self.caller.may_see(owner.as_deref())) else {
            return Ok(false);
        };
        let delete = |reply| SupervisorMessage::Delete { id, owner, reply };
        self.sessions.ask(delete).await?
    }

    /// Changes a session, and tells how it stands then. What it is from now on is durable when this
    /// returns; calls on their way to a connection whose credential changed go on over that.
    ///
    /// # Errors
    ///
    /// [`PatchError`]; nothing is changed then.
    pub async fn patch(
        &self,
        id: Uuid,
        patch: SessionPatch,
    ) -> Result<SessionDescription, PatchError> {
        let session = self.find(id).await?.ok_or(PatchError::Gone)?;
        if let Some(answer) = session.patch(patch).await {
            return answer;
        }
        // Deleted, if it is not there any more.
        match self.find(id).await? {
            None => Err(PatchError::Gone),
            Some(_) => Err(SessionsError::Interrupted.into()),
        }
    }

    /// Whether a provider answers, as far as that is known; has it looked at if that is old.
    #[must_use]
    pub fn presence(&self, provider: &Arc<ProviderSpec>) -> Presence {
        self.sessions.0.clients.presence(provider).into()
    }

    /// Tells how a session stands; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When its row cannot be read.
    pub async fn describe(&self, id: Uuid) -> Result<Option<SessionDescription>, SessionsError> {
        let Some(session) = self.open(id, Wish::See).await? else {
            return Ok(None);
        };
        Ok(session.describe().await.ok())
    }

    /// Lists stored sessions after an id, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the store failed.
    pub async fn list(
        &self,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<SessionListing>, SessionsError> {
        let owner = self.caller.name().filter(|_| !self.caller.is_operator());
        let listed = self
            .sessions
            .0
            .store
            .sessions(owner.map(AsRef::as_ref), after, limit);
        let listings = listed.await?.into_iter().map(|summary| SessionListing {
            id: summary.id,
            owner: summary.owner,
            name: summary.name,
            servers: summary.servers,
            created_ms: summary.created_ms,
            last_used_ms: summary.last_used_ms,
        });
        // Whatever the store was asked for: what comes out is what this caller may see.
        let seen = listings.filter(|listing| self.caller.may_see(listing.owner.as_deref()));
        Ok(seen.collect())
    }
}
