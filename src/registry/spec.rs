//! A provider as checked: what the rest of the gateway knows of it.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderMap;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::auth::AuthSpec;
use crate::mcp::{name::BackendName, version::Revision};

/// One MCP server that a session may choose.
#[derive(Debug, Clone)]
pub struct ProviderSpec {
    /// Its name in the registry, in sessions, and in front of its tools.
    pub name: BackendName,
    /// Its MCP endpoint: `http` or `https`, without user, password or fragment.
    pub url: Url,
    /// What it offers, for people.
    pub description: Option<String>,
    /// The credential it takes.
    pub auth: AuthSpec,
    /// Headers sent with each request; their values are marked sensitive. Never one that the
    /// gateway, HTTP or MCP sets.
    pub headers: HeaderMap,
    /// How long to wait for it.
    pub timeouts: Timeouts,
    /// How often and how soon to try again.
    pub retries: Retries,
    /// The revision to speak with it.
    pub protocol: Protocol,
}

impl ProviderSpec {
    /// Whether connections with the one are as good as connections with the other.
    #[must_use]
    pub fn is_met_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.url == other.url
            && self.auth.is_the_same(&other.auth)
            && self.headers == other.headers
            && self.timeouts == other.timeouts
            && self.retries == other.retries
            && self.protocol == other.protocol
    }

    /// Tells one server, met as whom and how, from every other: what was agreed upon with it may be said to no other.
    ///
    /// Made of secrets, among others: it is written nowhere but sealed.
    #[must_use]
    pub fn fingerprint(&self) -> SecretString {
        let protocol = match self.protocol {
            Protocol::Auto => "auto",
            Protocol::Pinned(revision) => revision.as_str(),
        };
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            // With its length: no two lists of parts are one text.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(self.url.as_str().as_bytes());
        add(protocol.as_bytes());
        self.auth.parts().into_iter().for_each(&mut add);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let mut headers: Vec<_> = headers.collect();
        headers.sort_unstable();
        for (name, value) in headers {
            add(name);
            add(value);
        }
        URL_SAFE_NO_PAD.encode(hash.finalize()).into()
    }
}

/// How long to wait for a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the era to be found out and for the handshake.
    pub handshake: Duration,
    /// While it works on a call and sends nothing.
    pub idle: Duration,
    /// For a call altogether.
    pub call: Duration,
}

/// How often and how soon to send again what may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// How many times after the first; 0 for never.
    pub attempts: u32,
    /// The wait before the first retry; each further one doubles it. At most `max`.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
}

/// What holds for a provider whose entry does not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Defaults {
    /// How long to wait.
    pub timeouts: Timeouts,
    /// How often to try.
    pub retries: Retries,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            handshake: Duration::from_secs(5),
            idle: Duration::from_mins(1),
            call: Duration::from_mins(10),
        }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(100),
            max: Duration::from_secs(2),
        }
    }
}

/// Which revision a backend speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// Found out by asking.
    #[default]
    Auto,
    /// This one, unasked.
    Pinned(Revision),
}
