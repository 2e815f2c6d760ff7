//! Tokens of one authorization server: JWTs, checked by signature, issuer, audience and time.
//!
//! Spec: RFC 7519, RFC 8725 (asymmetric algorithms only, one key an algorithm), RFC 9068.

mod claims;
mod fetching;
mod key_set;
mod seen;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use tokio::sync::watch;
use url::Url;

use self::{
    claims::{Claims, Verdict},
    fetching::{Fetching, read_file},
    key_set::KeySet,
    seen::{Fingerprint, Seen},
};
use super::Unrecognised;
use crate::limits::{HEADER_VALUE_BYTES_MAX, TOKEN_LEEWAY};

pub use self::claims::is_audience;
pub use self::fetching::TokensError;

pub(super) use self::seen::Vouched;

/// Which tokens let somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// Who issues them: `iss`, to the letter.
    pub issuer: String,
    /// Whom they are for: one of these in `aud`. One that is a URL stands for the endpoints of sessions below it, too.
    pub audiences: Vec<String>,
    /// Where the keys are that they are signed with.
    pub key_set: KeySetPlace,
    /// Scopes that each of them must have.
    pub scopes: Vec<String>,
    /// The scope or role that makes their caller an operator; without one, none is.
    pub operator_scope: Option<String>,
}

/// Where an authorization server's JSON Web Key Set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySetPlace {
    /// Behind a URL.
    Url(Url),
    /// In a file.
    File(PathBuf),
}

/// Checks tokens, and remembers those that it checked.
pub(super) struct Tokens {
    settings: TokenSettings,
    validation: Validation,
    /// Nothing until it was read once.
    key_set: ArcSwapOption<KeySet>,
    seen: Seen,
    /// How often another one took its place.
    readings: AtomicU64,
    /// Tells those whose tokens may count no longer.
    changes: watch::Sender<()>,
    /// For a key set behind a URL.
    fetching: Option<Fetching>,
}

impl Tokens {
    /// Reads a key set from its file, or begins to fetch it.
    ///
    /// # Errors
    ///
    /// When the file is of no use, or there is no HTTP client to be had.
    pub(super) fn start(
        settings: TokenSettings,
        changes: watch::Sender<()>,
    ) -> Result<Arc<Self>, TokensError> {
        let (key_set, fetching) = match &settings.key_set {
            KeySetPlace::File(path) => (Some(Arc::new(read_file(path)?)), None),
            KeySetPlace::Url(url) => (None, Some(Fetching::new(url.clone())?)),
        };
        let tokens = Arc::new(Self {
            validation: validation(&settings.issuer),
            settings,
            key_set: ArcSwapOption::new(key_set),
            seen: Seen::default(),
            readings: AtomicU64::new(0),
            changes,
            fetching,
        });
        if let Some(fetching) = &tokens.fetching {
            fetching.begin(&tokens);
        }
        Ok(tokens)
    }

    pub(super) const fn settings(&self) -> &TokenSettings {
        &self.settings
    }

    /// Tells one key set from the next.
    pub(super) fn reading(&self) -> u64 {
        self.readings.load(Ordering::SeqCst)
    }

    /// The file that the key set is in.
    pub(super) fn file(&self) -> Option<&Path> {
        match &self.settings.key_set {
            KeySetPlace::File(path) => Some(path),
            KeySetPlace::Url(_) => None,
        }
    }

    /// Reads the key set's file again; one that is of no use changes nothing.
    pub(super) fn read_again(&self) {
        if let Some(path) = self.file() {
            self.learn(read_file(path));
        }
    }

    /// Takes over a key set that was read; or goes on with the one it has.
    fn learn(&self, read: Result<KeySet, TokensError>) {
        match read {
            Ok(key_set) => {
                let known = self.key_set.load();
                if known.as_ref().is_some_and(|known| known.is(&key_set)) {
                    return;
                }
                tracing::info!(
                    keys = key_set.len(),
                    "read the key set of {}",
                    self.settings.issuer
                );
                self.key_set.store(Some(Arc::new(key_set)));
                // A key that is gone takes its tokens with it.
                self.seen.forget();
                self.readings.fetch_add(1, Ordering::SeqCst);
                self.changes.send_replace(());
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "could not read the key set of {}",
                    self.settings.issuer
                );
            }
        }
    }

    /// Tells whose token it is.
    ///
    /// # Errors
    ///
    /// When it lets nobody in, or its key is not there to check it with.
    pub(super) async fn recognise(&self, token: &str) -> Result<Vouched, Unrecognised> {
        if token.len() > HEADER_VALUE_BYTES_MAX {
            return Err(Unrecognised::Wrong);
        }
        let fingerprint = Fingerprint::of(token);
        if let Some(vouched) = self.seen.get(&fingerprint, now()) {
            return Ok(vouched);
        }
        // Boxed: each request would hold room for it, and few need it.
        Box::pin(self.look_into(token, fingerprint)).await
    }

    /// Checks a token that is not remembered.
    async fn look_into(
        &self,
        token: &str,
        fingerprint: Fingerprint,
    ) -> Result<Vouched, Unrecognised> {
        let header = acceptable(token).ok_or(Unrecognised::Wrong)?;
        let key_set = self.key_set_for(&header).await?;
        let vouched = self.check(token, &header, &key_set)?;
        self.seen.put(fingerprint, vouched.clone(), now());
        // What was learned of a key set that is no longer in force must not be remembered. Looked at after the token
        // was put in: a new set comes into force first, and then has all be forgotten.
        let current = self.key_set.load();
        let is_current = current.as_ref().is_some_and(|it| Arc::ptr_eq(it, &key_set));
        if !is_current {
            self.seen.take_out(&fingerprint);
        }
        Ok(vouched)
    }

    /// The key set that has the token's key, or the latest without it; waits for a new one where that may help.
    async fn key_set_for(&self, header: &Header) -> Result<Arc<KeySet>, Unrecognised> {
        let has_it = |known: &Option<Arc<KeySet>>| {
            known
                .as_ref()
                .is_some_and(|known| known.find(header).is_some())
        };
        if !has_it(&self.key_set.load_full())
            && let Some(fetching) = &self.fetching
        {
            fetching.until(|| has_it(&self.key_set.load_full())).await;
        }
        self.key_set.load_full().ok_or(Unrecognised::Unclear)
    }

    fn check(
        &self,
        token: &str,
        header: &Header,
        key_set: &KeySet,
    ) -> Result<Vouched, Unrecognised> {
        let key = key_set.find(header).ok_or(Unrecognised::Wrong)?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        let claims = decode::<Claims>(token, key, &validation)
            .map_err(|_| Unrecognised::Wrong)?
            .claims;
        match claims.judge(&self.settings) {
            Verdict::Caller(caller) => Ok(Vouched {
                caller,
                until: claims.expires().saturating_add(TOKEN_LEEWAY.as_secs()),
            }),
            Verdict::TooNarrow => Err(Unrecognised::TooNarrow),
            Verdict::Wrong => Err(Unrecognised::Wrong),
        }
    }
}

/// Reads the header of a token that may be right: signed by an asymmetric algorithm, with nothing in its header
/// that has to be understood and is not.
fn acceptable(token: &str) -> Option<Header> {
    use Algorithm::{HS256, HS384, HS512};
    let header = decode_header(token).ok()?;
    // An authorization server's public key is public: as a shared secret it would let everybody in.
    let is_asymmetric = !matches!(header.alg, HS256 | HS384 | HS512);
    let is_plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
    // Not one that was made for something else, such as a logout. Spec: RFC 8725, section 3.11.
    let is_access_token = header.typ.as_deref().is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "at+jwt"].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
    });
    (is_asymmetric && is_plain && is_access_token).then_some(header)
}

fn validation(issuer: &str) -> Validation {
    let mut validation = Validation::default();
    validation.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
    validation.set_issuer(&[issuer]);
    validation.validate_nbf = true;
    validation.leeway = TOKEN_LEEWAY.as_secs();
    // Looked at with the other claims: an audience may stand for what is below it.
    validation.validate_aud = false;
    validation
}

/// Seconds since 1970, by the clock that issuers go by.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
