//! What is to change of a session, and what the session is then: decided here, done by its actor.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    mcp::{
        kind::ListKind,
        name::{BackendName, Naming},
        tool_filter::ToolFilter,
    },
    registry::Registry,
    store::{Change, ServerChange, SessionChange, StoreError, StoredServer},
};

use super::{
    clock::now_ms,
    describe::{SessionDescription, SessionsError},
};

/// What is to change of a session. Each value was checked by itself by whoever asks for it.
#[derive(Debug, Default)]
pub struct SessionPatch {
    /// Its name.
    pub name: Change<String>,
    /// How its tools are called from now on; `None` for as before.
    pub naming: Option<Naming>,
    /// For how long it lives unused; `To(None)` for as long as the gateway says.
    pub idle_expiry: Change<Duration>,
    /// All of its backends from now on, in order; `None` keeps those there are.
    pub servers: Option<Vec<BackendName>>,
    /// New credentials; `None` takes the session's own away.
    pub credentials: HashMap<BackendName, Option<SecretString>>,
    /// Which tools it offers of a backend; `None` for all of them.
    pub tools: HashMap<BackendName, Option<Arc<ToolFilter>>>,
}

/// How a session stands once it is changed, or why it was not.
pub(crate) type Patched = Result<SessionDescription, PatchError>;

/// Why a session was not changed. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// There is no such provider, and the session has had none.
    #[error("there is no such server")]
    NoSuchServer {
        /// Which one.
        server: BackendName,
    },
    /// There is a credential for a backend that the session would not have.
    #[error("the session has no server {server}")]
    NotAServer {
        /// Which one.
        server: BackendName,
    },
    /// There is a filter for a backend that the session would not have.
    #[error("the session has no server {server} whose tools could be chosen")]
    FilterOfNoServer {
        /// Which one.
        server: BackendName,
    },
    /// A backend needs a credential that nobody has.
    #[error("{server} needs a credential")]
    CredentialMissing {
        /// Which one.
        server: BackendName,
    },
    /// Tools keep their own names in this session, or are to keep them, which takes one backend.
    #[error("the session's naming is none, which is for one server")]
    OneServerOnly,
    /// There is no such session, or it was deleted meanwhile.
    #[error("there is no such session")]
    Gone,
    /// As many changes wait as may.
    #[error("{limit} changes of this session wait already")]
    Crowded {
        /// How many may.
        limit: usize,
    },
    /// It could not be found, or stored.
    #[error(transparent)]
    Sessions(#[from] SessionsError),
}

impl From<StoreError> for PatchError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Gone => Self::Gone,
            error => Self::Sessions(error.into()),
        }
    }
}

/// What a session will be.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) name: Change<String>,
    /// How its tools are called, if that is another way than before.
    pub(super) naming: Option<Naming>,
    pub(super) idle_expiry: Change<Duration>,
    pub(super) places: Vec<Place>,
    /// Backends that leave the session.
    pub(super) removed: Vec<BackendName>,
}

/// One backend of the session that will be.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) backend: BackendName,
    /// Where it was; `None` if it is new.
    pub(super) from: Option<usize>,
    /// Its credential from now on.
    pub(super) credential: Change<SecretString>,
    /// Which of its tools are offered from now on, if others than before.
    pub(super) tools: Change<Arc<ToolFilter>>,
    /// Whether another connection takes the place of the one there is, whatever its credential.
    pub(super) is_renewed: bool,
}

impl Place {
    /// Whether its connection goes on.
    pub(super) const fn is_kept(&self) -> bool {
        self.from.is_some() && matches!(self.credential, Change::Keep) && !self.is_renewed
    }
}

impl Plan {
    /// Puts a change and the session there is together.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(super) fn make(
        mut patch: SessionPatch,
        now: &[StoredServer],
        naming: Naming,
        registry: &Registry,
    ) -> Result<Self, PatchError> {
        let names = || now.iter().map(|server| server.backend.clone());
        let backends = patch.servers.unwrap_or_else(|| names().collect());
        if patch.naming.unwrap_or(naming) == Naming::None && backends.len() > 1 {
            return Err(PatchError::OneServerOnly);
        }
        let mut places = Vec::with_capacity(backends.len());
        for backend in backends {
            let from = now.iter().position(|server| server.backend == backend);
            let spec = registry.get(backend.as_str());
            if from.is_none() && spec.is_none() {
                return Err(PatchError::NoSuchServer { server: backend });
            }
            let given = patch.credentials.remove(&backend);
            let given = given.map_or(Change::Keep, Change::To);
            let before = from.and_then(|from| now.get(from));
            let filter = patch.tools.remove(&backend);
            let filter = filter.map_or(Change::Keep, Change::To);
            let place = Place {
                credential: credential(given, before),
                tools: tools(filter, before),
                is_renewed: false,
                from,
                backend,
            };
            let must_be_brought = spec.is_some_and(|spec| spec.auth.must_be_brought());
            if must_be_brought && matches!(place.credential, Change::To(None)) {
                let server = place.backend;
                return Err(PatchError::CredentialMissing { server });
            }
            places.push(place);
        }
        if let Some(server) = patch.credentials.into_keys().min() {
            return Err(PatchError::NotAServer { server });
        }
        if let Some(server) = patch.tools.into_keys().min() {
            return Err(PatchError::FilterOfNoServer { server });
        }
        let stays: HashSet<usize> = places.iter().filter_map(|place| place.from).collect();
        let leaves = names().enumerate().filter(|(at, _)| !stays.contains(at));
        Ok(Self {
            name: patch.name,
            naming: patch.naming.filter(|it| *it != naming),
            idle_expiry: patch.idle_expiry,
            removed: leaves.map(|(_, backend)| backend).collect(),
            places,
        })
    }

    /// The session as it is, with other connections to some of its backends, by their positions.
    pub(super) fn renewing(now: &[StoredServer], others: &HashSet<usize>) -> Self {
        let place = |(at, server): (usize, &StoredServer)| Place {
            backend: server.backend.clone(),
            from: Some(at),
            credential: Change::Keep,
            tools: Change::Keep,
            is_renewed: others.contains(&at),
        };
        Self {
            name: Change::Keep,
            naming: None,
            idle_expiry: Change::Keep,
            places: now.iter().enumerate().map(place).collect(),
            removed: Vec::new(),
        }
    }

    /// The lists that clients see otherwise than before, though the servers are the same.
    pub(super) fn changed_lists(&self) -> &'static [ListKind] {
        let filters = self.places.iter().map(|place| &place.tools);
        if self.naming.is_some() {
            &[ListKind::Tools, ListKind::Prompts]
        } else if filters.into_iter().any(|it| *it != Change::Keep) {
            &[ListKind::Tools]
        } else {
            &[]
        }
    }

    /// Whether clients see other servers than before.
    pub(super) fn changes_servers(&self) -> bool {
        let in_place = |(at, place): (usize, &Place)| place.is_kept() && place.from == Some(at);
        !self.removed.is_empty() || !self.places.iter().enumerate().all(in_place)
    }

    /// Backends whose connections do not go on: nothing of what these learned may be used again.
    pub(super) fn unlinked(&self) -> Vec<BackendName> {
        let replaced = self.places.iter().filter(|place| !place.is_kept());
        let replaced = replaced.map(|place| place.backend.clone());
        replaced.chain(self.removed.iter().cloned()).collect()
    }

    /// What is to be stored.
    pub(super) fn record(&self, session: Uuid) -> SessionChange {
        SessionChange {
            id: session,
            name: self.name.clone(),
            naming: self.naming,
            idle_expiry: self.idle_expiry.clone(),
            servers: self
                .places
                .iter()
                .map(|place| ServerChange {
                    backend: place.backend.clone(),
                    credential: place.credential.clone(),
                    tools: place.tools.clone(),
                })
                .collect(),
            removed: self.removed.clone(),
            unlinked: self.unlinked(),
            used_ms: now_ms(),
        }
    }
}

/// A backend's credential from now on.
fn credential(given: Change<SecretString>, now: Option<&StoredServer>) -> Change<SecretString> {
    match (given, now.map(|now| &now.credential)) {
        (Change::Keep, None) => Change::To(None),
        // Nothing is taken away.
        (Change::To(None), Some(Ok(None))) => Change::Keep,
        (given, _) => given,
    }
}

/// Which tools of a backend are offered from now on.
fn tools(given: Change<Arc<ToolFilter>>, now: Option<&StoredServer>) -> Change<Arc<ToolFilter>> {
    let before = now.and_then(|now| now.tools.as_ref());
    match given {
        Change::To(given) if given.as_ref() != before => Change::To(given),
        _ => Change::Keep,
    }
}

#[cfg(test)]
mod tests;
