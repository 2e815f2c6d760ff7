//! What is to change of a session, and what the session is then: decided here, done by its actor.

use std::collections::{HashMap, HashSet};

use secrecy::SecretString;
use uuid::Uuid;

use crate::{
    mcp::name::{BackendName, Naming},
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
    /// All of its backends from now on, in order; `None` keeps those there are.
    pub servers: Option<Vec<BackendName>>,
    /// New credentials; `None` takes the session's own away.
    pub credentials: HashMap<BackendName, Option<SecretString>>,
}

/// How a session stands once it is changed, or why it was not.
pub(crate) type Patched = Result<SessionDescription, PatchError>;

/// Why a session was not changed. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// There is a credential for a backend that the session would not have.
    #[error("the session has no server {server}")]
    NotAServer {
        /// Which one.
        server: BackendName,
    },
    /// A backend needs a credential that nobody has.
    #[error("{server} needs a credential")]
    CredentialMissing {
        /// Which one.
        server: BackendName,
    },
    /// Tools keep their own names in this session, which takes one backend.
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
}

impl Place {
    /// Whether its connection goes on.
    pub(super) const fn is_kept(&self) -> bool {
        self.from.is_some() && matches!(self.credential, Change::Keep)
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
        if naming == Naming::None && backends.len() > 1 {
            return Err(PatchError::OneServerOnly);
        }
        let mut places = Vec::with_capacity(backends.len());
        for backend in backends {
            let from = now.iter().position(|server| server.backend == backend);
            let given = patch.credentials.remove(&backend);
            let given = given.map_or(Change::Keep, Change::To);
            let place = Place {
                credential: credential(given, from.and_then(|from| now.get(from))),
                from,
                backend,
            };
            let spec = registry.get(place.backend.as_str());
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
        let stays: HashSet<usize> = places.iter().filter_map(|place| place.from).collect();
        let leaves = names().enumerate().filter(|(at, _)| !stays.contains(at));
        Ok(Self {
            name: patch.name,
            removed: leaves.map(|(_, backend)| backend).collect(),
            places,
        })
    }

    /// Whether clients see another session than before.
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
            servers: self
                .places
                .iter()
                .map(|place| ServerChange {
                    backend: place.backend.clone(),
                    credential: place.credential.clone(),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret;

    use super::*;
    use crate::{registry::Defaults, store::UnsealError};

    fn registry() -> Registry {
        let text = "providers: { a: { url: http://127.0.0.1:9/mcp }, \
                    b: { url: http://127.0.0.1:9/mcp, auth: { type: bearer } }, \
                    c: { url: http://127.0.0.1:9/mcp, auth: { type: bearer, required: false } } }";
        let (defaults, path) = (Defaults::default(), Path::new("registry.yaml"));
        Registry::parse(text, path, &defaults, &|_: &str| None).unwrap()
    }

    fn name(text: &str) -> BackendName {
        text.parse().unwrap()
    }

    fn now() -> Vec<StoredServer> {
        let server = |backend, credential| StoredServer {
            backend: name(backend),
            credential,
        };
        vec![
            server("a", Ok(None)),
            server("b", Err(UnsealError::OtherKey)),
            server("c", Ok(Some("old".into()))),
        ]
    }

    fn patch(servers: Option<&[&str]>, credentials: &[(&str, Option<&str>)]) -> SessionPatch {
        let credential = |(backend, secret): &(&str, Option<&str>)| {
            (name(backend), secret.map(SecretString::from))
        };
        SessionPatch {
            name: Change::Keep,
            servers: servers.map(|servers| servers.iter().map(|text| name(text)).collect()),
            credentials: credentials.iter().map(credential).collect(),
        }
    }

    fn plan(patch: SessionPatch, naming: Naming) -> Result<Plan, PatchError> {
        Plan::make(patch, &now(), naming, &registry())
    }

    /// Where each backend was, and what becomes of its credential.
    fn shown(plan: &Plan) -> Vec<(Option<usize>, Change<&str>)> {
        let places = plan.places.iter().map(|place| {
            let credential = match &place.credential {
                Change::Keep => Change::Keep,
                Change::To(secret) => Change::To(secret.as_ref().map(ExposeSecret::expose_secret)),
            };
            (place.from, credential)
        });
        places.collect()
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let plan = plan(patch(None, &[("c", Some("new"))]), Naming::Auto).unwrap();
        let kept = |at| (Some(at), Change::Keep);
        assert_eq!(
            shown(&plan),
            [kept(0), kept(1), (Some(2), Change::To(Some("new")))]
        );
        assert_eq!(plan.unlinked(), [name("c")]);
        assert!(plan.removed.is_empty() && plan.changes_servers());

        let nothing = super::Plan::make(
            SessionPatch {
                name: Change::To(None),
                ..SessionPatch::default()
            },
            &now(),
            Naming::Auto,
            &registry(),
        )
        .unwrap();
        assert!(!nothing.changes_servers() && nothing.unlinked().is_empty());
    }

    #[test]
    fn a_new_list_is_the_whole_list() {
        let servers = ["c", "a"];
        let plan = plan(patch(Some(&servers), &[("c", None)]), Naming::Auto).unwrap();
        assert_eq!(
            shown(&plan),
            [(Some(2), Change::To(None)), (Some(0), Change::Keep)]
        );
        assert_eq!(plan.removed, [name("b")]);
        assert_eq!(plan.unlinked(), [name("c"), name("b")]);
    }

    #[test]
    fn to_take_away_what_is_not_there_changes_nothing() {
        let plan = plan(patch(None, &[("a", None)]), Naming::Auto).unwrap();
        assert!(!plan.changes_servers());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |patch, naming| plan(patch, naming).unwrap_err();
        assert!(matches!(
            refused(patch(Some(&["a"]), &[("b", Some("x"))]), Naming::Auto),
            PatchError::NotAServer { server } if server == name("b")
        ));
        assert!(matches!(
            refused(patch(None, &[("b", None)]), Naming::Auto),
            PatchError::CredentialMissing { server } if server == name("b")
        ));
        assert!(matches!(
            refused(patch(Some(&["a", "c"]), &[]), Naming::None),
            PatchError::OneServerOnly
        ));
        let now = &now()[..1];
        let added = Plan::make(patch(Some(&["b"]), &[]), now, Naming::Auto, &registry());
        assert!(matches!(added, Err(PatchError::CredentialMissing { .. })));
    }
}
