//! Where a backend is and how it is treated: a provider's entry, with one session's credential.

use std::sync::Arc;

use dashmap::DashMap;
use http::HeaderMap;
use reqwest::{Client, redirect::Policy};
use secrecy::SecretString;

use crate::{
    limits::{POOL_IDLE_PER_BACKEND, POOL_IDLE_TIMEOUT},
    mcp::name::BackendName,
    registry::{AuthSpec, Protocol, ProviderSpec, Retries, Timeouts},
};

use super::{error::BackendError, transport::streamable_http::Wire};

/// One backend as one session sees it.
pub(crate) struct Endpoint {
    pub(crate) name: BackendName,
    pub(crate) wire: Wire,
    pub(crate) timeouts: Timeouts,
    pub(crate) retries: Retries,
    pub(crate) protocol: Protocol,
}

impl Endpoint {
    /// Puts a provider's entry and a session's credential together.
    ///
    /// # Errors
    ///
    /// When the credential fits no header, or no HTTP client can be made.
    pub(crate) fn new(
        spec: &ProviderSpec,
        credential: Option<&SecretString>,
        clients: &HttpClients,
    ) -> Result<Self, BackendError> {
        let mut headers: HeaderMap = spec.headers.clone();
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
        let credential = match (&spec.auth, &carried) {
            (_, None) => "to serve without a credential",
            (AuthSpec::ApiKey { .. }, Some(_)) => "the API key",
            (_, Some(_)) => "the bearer token",
        };
        headers.extend(carried);
        Ok(Self {
            name: spec.name.clone(),
            wire: Wire::new(
                clients.of(spec)?,
                spec.url.clone(),
                headers,
                credential,
                spec.timeouts.idle,
            ),
            timeouts: spec.timeouts,
            retries: spec.retries,
            protocol: spec.protocol,
        })
    }
}

/// One HTTP client a provider, shared by all sessions: its sockets are warm for each of them, and a
/// session costs none. Nothing of a session lives in a client; credentials travel with requests.
#[derive(Clone, Default)]
pub(crate) struct HttpClients {
    clients: Arc<DashMap<BackendName, Client>>,
}

impl HttpClients {
    fn of(&self, spec: &ProviderSpec) -> Result<Client, BackendError> {
        if let Some(client) = self.clients.get(&spec.name) {
            return Ok(client.clone());
        }
        let client = Client::builder()
            .user_agent(concat!("mcp-gateway/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the credential to an address the registry does not name.
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(spec.timeouts.connect)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(POOL_IDLE_PER_BACKEND)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .build()
            .map_err(BackendError::from_http)?;
        self.clients.insert(spec.name.clone(), client.clone());
        Ok(client)
    }
}
