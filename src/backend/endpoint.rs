//! Where a backend is and how it is treated: a provider's entry, with one session's credential.

use std::sync::Arc;

use dashmap::DashMap;
use reqwest::{Client, ClientBuilder, redirect::Policy, retry};
use secrecy::SecretString;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    channel::Room,
    limits::{
        BACKEND_LISTENERS_MAX, LISTENING_KEEP_ALIVE, NOTICES_IN_FLIGHT, PRESENCE_LOOKS_MAX,
        REPLIES_IN_FLIGHT_MAX,
    },
    mcp::{discovery::Discovery, name::BackendName},
    metrics::{Breaker, Metrics},
    registry::{AuthSpec, Protocol, ProviderSpec, Registry, Retries, Timeouts},
};

use super::{
    breaker::Witness,
    error::BackendError,
    presence::{self, Presence},
    provider::{self, Leave, Provider},
    scrub::Scrubber,
    transport::{
        call_client::CallClient,
        streamable_http::{Address, Clients, Reply, Wire},
    },
};

/// Bytes from which on a configured header's value is taken for a secret.
const SECRET_HEADER_BYTES_MIN: usize = 16;

/// One backend as one session sees it.
pub(crate) struct Endpoint {
    pub(crate) name: BackendName,
    pub(crate) wire: Wire,
    /// What all sessions know of it together.
    pub(super) provider: Arc<Provider>,
    /// As which it tells the others what it met: its session, however often its credential changes.
    pub(super) witness: Witness,
    /// A permit for each answer on its way to the backend that nobody would miss.
    pub(super) replies: Arc<Semaphore>,
    /// Room for what clients notify it of, until it is there.
    pub(super) notices: Room,
    /// A permit for each stream of announcements that the process may hold open.
    pub(crate) listeners: Arc<Semaphore>,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) protocol: Protocol,
    /// Keeps its credentials out of its errors.
    pub(crate) scrubber: Scrubber,
    /// Fires when the server leaves the session.
    pub(crate) removed: CancellationToken,
}

impl Endpoint {
    /// Puts a provider's entry and a session's credential together.
    ///
    /// # Errors
    ///
    /// When the credential fits no header, or no HTTP client can be made.
    pub(crate) fn new(
        spec: &Arc<ProviderSpec>,
        credential: Option<&SecretString>,
        clients: &HttpClients,
        witness: Witness,
    ) -> Result<Self, BackendError> {
        // A configured header may hold a secret, or a word that errors may hold.
        let long = spec
            .headers
            .values()
            .filter(|value| value.len() >= SECRET_HEADER_BYTES_MIN);
        let long = long.filter_map(|value| value.to_str().ok().map(SecretString::from));
        let mut secrets: Vec<SecretString> = long.collect();
        // A session that brings none uses the provider's own, if the registry names one.
        let secret = credential.or_else(|| spec.auth.default_secret());
        let carried = match secret {
            None => None,
            Some(secret) => {
                spec.auth
                    .header(secret)
                    .map_err(|error| BackendError::CredentialUnusable {
                        reason: format!("the session's credential {error}"),
                    })?
            }
        };
        secrets.extend(secret.cloned());
        let words = match (&spec.auth, &carried) {
            (_, None) => "to serve without a credential",
            (AuthSpec::ApiKey { .. }, Some(_)) => "the API key",
            (_, Some(_)) => "the bearer token",
        };
        let provider = clients.of(spec)?;
        Ok(Self {
            name: spec.name.clone(),
            wire: Wire::new(Arc::clone(&provider.address), carried, words),
            provider,
            witness,
            replies: Arc::new(Semaphore::new(REPLIES_IN_FLIGHT_MAX)),
            notices: Room::new(NOTICES_IN_FLIGHT),
            listeners: Arc::clone(&clients.listeners),
            timeouts: spec.timeouts,
            retries: spec.retries,
            protocol: spec.protocol,
            scrubber: Scrubber::new(secrets),
            removed: CancellationToken::new(),
        })
    }

    /// A provider as nobody's session sees it: without a credential and the registry's headers.
    pub(super) fn bare(provider: Arc<Provider>, listeners: Arc<Semaphore>) -> Self {
        let spec = Arc::clone(&provider.spec);
        let address = Arc::new(provider.address.bare());
        Self {
            name: spec.name.clone(),
            wire: Wire::new(address, None, "to serve without a credential"),
            provider,
            witness: Witness::another(),
            replies: Arc::new(Semaphore::new(REPLIES_IN_FLIGHT_MAX)),
            notices: Room::new(NOTICES_IN_FLIGHT),
            listeners,
            timeouts: spec.timeouts,
            retries: spec.retries,
            protocol: spec.protocol,
            scrubber: Scrubber::new(Vec::new()),
            removed: CancellationToken::new(),
        }
    }

    /// Tells the other sessions what something showed that has to be answered at once.
    pub(super) fn met<T>(&self, leave: Leave<'_>, outcome: &Result<T, BackendError>) {
        let sign = provider::sign_of(outcome, self.witness);
        self.provider.note(leave, sign, || match outcome {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        });
    }

    /// Tells them what the head of an answer to a call shows, or that it did not come.
    pub(super) fn met_head(&self, head: &Result<Reply, BackendError>) {
        let sign = provider::sign_of_head(head, self.witness);
        self.provider
            .note(Leave::Free, sign, || provider::cause_of_head(head));
    }
}

/// The HTTP clients of each provider, shared by all sessions, with what all of them met there: its sockets
/// are warm for each of them, and a session costs none. Nothing of a session lives in a client; credentials
/// travel with requests.
#[derive(Clone)]
pub(crate) struct HttpClients {
    providers: Arc<DashMap<BackendName, Arc<Provider>>>,
    listeners: Arc<Semaphore>,
    /// A permit for each look whether a provider answers.
    looks: Arc<Semaphore>,
    metrics: Metrics,
}

impl HttpClients {
    /// Those of a process that counts what they do there.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self {
            providers: Arc::default(),
            listeners: Arc::new(Semaphore::new(BACKEND_LISTENERS_MAX)),
            looks: Arc::new(Semaphore::new(PRESENCE_LOOKS_MAX)),
            metrics,
        }
    }

    /// Where what they do is counted.
    pub(crate) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// How the breakers of the providers stand that were met.
    pub(crate) fn breakers(&self) -> Vec<(BackendName, Breaker)> {
        let providers = self.providers.iter();
        providers
            .map(|it| (it.key().clone(), it.value().breaker()))
            .collect()
    }

    /// What a backend said of itself, as all sessions have it that it told the same.
    pub(crate) fn share(&self, backend: &BackendName, discovery: Discovery) -> Discovery {
        match self.providers.get(backend) {
            Some(provider) => provider.share_discovery(discovery),
            None => discovery,
        }
    }

    /// Lets go of those that are met in another way now, or not at all. Connections that have them keep them until
    /// they end.
    pub(crate) fn keep_those_of(&self, registry: &Registry) {
        self.providers.retain(|name, provider| {
            let now = registry.get(name.as_str());
            now.is_some_and(|spec| spec.is_met_as(&provider.spec))
        });
    }

    /// Whether a provider answers, as far as that is known; has it looked at if that is old.
    pub(crate) fn presence(&self, spec: &Arc<ProviderSpec>) -> Presence {
        match self.of(spec) {
            Ok(provider) => presence::of(&provider, &self.looks, &self.listeners),
            Err(error) => presence::judged(&error, presence::is_bare(spec)),
        }
    }

    fn of(&self, spec: &Arc<ProviderSpec>) -> Result<Arc<Provider>, BackendError> {
        if let Some(provider) = self.providers.get(&spec.name)
            && provider.spec.is_met_as(spec)
        {
            return Ok(Arc::clone(&provider));
        }
        let calls = CallClient::new(spec.timeouts.connect);
        let listening = builder(spec)
            .http1_only()
            .pool_max_idle_per_host(0)
            // Nothing is sent on such a stream, so that only this tells a lost one from a silent one.
            .tcp_keepalive(LISTENING_KEEP_ALIVE);
        let clients = Clients {
            calls: calls.map_err(BackendError::from_http)?,
            listening: listening
                .build()
                .map_err(|error| BackendError::from_http(error.into()))?,
        };
        let address = Address::new(clients, &spec.url, spec.headers.clone(), spec.timeouts.idle)?;
        let new = Arc::new(Provider::new(
            Arc::clone(spec),
            address,
            self.metrics.provider(&spec.name),
        ));
        // Of two that come at once the first gives it: there is one breaker for all.
        let mut held = self
            .providers
            .entry(spec.name.clone())
            .or_insert_with(|| Arc::clone(&new));
        if !held.spec.is_met_as(spec) {
            *held = new;
        }
        Ok(Arc::clone(&held))
    }
}

fn builder(spec: &ProviderSpec) -> ClientBuilder {
    Client::builder()
        // A redirect would carry the credential to an address the registry does not name.
        .redirect(Policy::none())
        // What is sent again is decided in one place, and counted there.
        .retry(retry::never().max_retries_per_request(0))
        .no_proxy()
        .connect_timeout(spec.timeouts.connect)
        .tcp_nodelay(true)
}
