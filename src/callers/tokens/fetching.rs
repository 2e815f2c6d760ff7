//! Gets an authorization server's key set: from its address, at a bounded pace, or from a file.

use std::{
    error::Error,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use reqwest::{Client, StatusCode, redirect::Policy};
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::{sleep, timeout},
};
use url::Url;

use super::{Tokens, key_set::KeySet};
use crate::limits::{
    KEY_SET_BYTES_MAX, KEY_SET_EVERY, KEY_SET_PAUSE, KEY_SET_RETRY, KEY_SET_WAITERS_MAX,
    KEY_SET_WITHIN,
};

/// Why a key set could not be read; what was known before stays in force.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The file cannot be read.
    #[error("cannot read the key set {}; name another with --jwks or JWKS", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The address does not answer as it should.
    #[error("{url} gave no key set: {reason}")]
    Fetch {
        /// The address.
        url: Url,
        /// Why.
        reason: String,
    },
    /// What was read is something else, or far too large.
    #[error(
        "{place} holds no key set of at most {KEY_SET_BYTES_MAX} bytes; it is JSON with a list of keys"
    )]
    NotAKeySet {
        /// The file or the address.
        place: String,
    },
    /// There is no HTTP client to be had.
    #[error("cannot speak HTTPS")]
    Client(#[source] reqwest::Error),
}

/// Reads a key set from a file.
///
/// # Errors
///
/// When it cannot be read or is something else.
pub(super) fn read_file(path: &Path) -> Result<KeySet, TokensError> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| {
            let most = KEY_SET_BYTES_MAX as u64 + 1;
            file.take(most).read_to_end(&mut text)
        })
        .map_err(|source| TokensError::File {
            path: path.to_owned(),
            source,
        })?;
    parse(&text, || path.display().to_string())
}

fn parse(text: &[u8], place: impl Fn() -> String) -> Result<KeySet, TokensError> {
    let wrong = || TokensError::NotAKeySet { place: place() };
    if text.len() > KEY_SET_BYTES_MAX {
        return Err(wrong());
    }
    KeySet::parse(text).map_err(|_| wrong())
}

/// Fetches a key set in the background: at once, then now and then, and sooner when a token has a key that is not
/// in it, but never faster than [`KEY_SET_PAUSE`] allows.
pub(super) struct Fetching {
    client: Client,
    url: Url,
    wanted: Arc<Notify>,
    /// How many attempts have ended.
    ended: watch::Sender<u64>,
    /// So that made-up tokens cannot have any number of requests wait.
    waiters: Semaphore,
}

impl Fetching {
    pub(super) fn new(url: Url) -> Result<Self, TokensError> {
        let client = Client::builder()
            .user_agent(concat!("mcp-gateway/", env!("CARGO_PKG_VERSION")))
            // The keys are worth as much as the address that was configured.
            .redirect(Policy::none())
            .no_proxy()
            .timeout(KEY_SET_WITHIN)
            .pool_max_idle_per_host(0)
            .build()
            .map_err(TokensError::Client)?;
        Ok(Self {
            client,
            url,
            wanted: Arc::default(),
            ended: watch::Sender::new(0),
            waiters: Semaphore::new(KEY_SET_WAITERS_MAX),
        })
    }

    /// Begins; ends when nobody holds the tokens any more.
    pub(super) fn begin(&self, tokens: &Arc<Tokens>) {
        let (tokens, wanted) = (Arc::downgrade(tokens), Arc::clone(&self.wanted));
        tokio::spawn(async move {
            while let Some(learned) = attempt(&tokens).await {
                sleep(KEY_SET_PAUSE).await;
                let idle = if learned {
                    KEY_SET_EVERY
                } else {
                    KEY_SET_RETRY
                };
                tokio::select! {
                    () = wanted.notified() => {}
                    () = sleep(idle) => {}
                }
            }
        });
    }

    /// Has the set fetched, and waits until `enough`, or until that has no prospect.
    pub(super) async fn until(&self, enough: impl Fn() -> bool) {
        let Ok(_place) = self.waiters.try_acquire() else {
            return;
        };
        let mut ended = self.ended.subscribe();
        let fetched = async {
            // The attempt that is under way may be older than the key; the one after it is not.
            for _ in 0..2 {
                self.wanted.notify_one();
                let is_over = ended.changed().await.is_err();
                if is_over || enough() {
                    return;
                }
            }
        };
        // Without the key the token is refused, in time.
        let _in_vain = timeout(KEY_SET_PAUSE + KEY_SET_WITHIN, fetched).await;
    }

    async fn fetch(&self) -> Result<KeySet, TokensError> {
        let failed = |reason| TokensError::Fetch {
            url: self.url.clone(),
            reason,
        };
        let request = self.client.get(self.url.clone());
        let request = request.header("accept", "application/json");
        let mut response = request.send().await.map_err(|error| failed(told(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(failed(format!("it answers {}", response.status())));
        }
        let mut text = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| failed(told(&error)))?
        {
            text.extend_from_slice(&part);
            if text.len() > KEY_SET_BYTES_MAX {
                break;
            }
        }
        parse(&text, || self.url.to_string())
    }
}

/// Fetches once, and tells whether anything came of it; `None` when there is nobody to fetch for.
async fn attempt(tokens: &Weak<Tokens>) -> Option<bool> {
    let tokens = tokens.upgrade()?;
    let fetching = tokens.fetching.as_ref()?;
    let fetched = fetching.fetch().await;
    let learned = fetched.is_ok();
    tokens.learn(fetched);
    fetching.ended.send_modify(|ended| *ended += 1);
    Some(learned)
}

/// An error with its causes, without the address, which stands beside it.
fn told(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() {
        format!(
            "no answer within {}",
            humantime::format_duration(KEY_SET_WITHIN)
        )
    } else {
        "it cannot be reached".to_owned()
    };
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::Instant;

    use super::*;
    use crate::callers::tokens::{KeySetPlace, TokenSettings};

    /// Tokens whose issuer has no keys: every fetch fails, at once.
    fn tokens() -> Arc<Tokens> {
        let settings = TokenSettings {
            issuer: "https://login.example.com".to_owned(),
            audiences: vec!["gateway".to_owned()],
            // Neither HTTP nor HTTPS: nobody is asked, so that no time passes but the clock's of the test.
            key_set: KeySetPlace::Url("nowhere:keys".parse().unwrap()),
            scopes: Vec::new(),
            operator_scope: None,
        };
        Tokens::start(settings, watch::Sender::new(())).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_keys_are_named_there_is_a_pause_between_two_fetches() {
        let tokens = tokens();
        let fetching = tokens.fetching.as_ref().unwrap();
        let mut ended = fetching.ended.subscribe();
        let started = Instant::now();
        ended.changed().await.unwrap();
        assert_eq!(started.elapsed(), Duration::ZERO, "the first comes at once");
        for fetches in (1..20).step_by(2) {
            assert_eq!(*ended.borrow_and_update(), fetches);
            let asked = Instant::now();
            // As many at once as may wait: they share what they wait for.
            let asking = (0..KEY_SET_WAITERS_MAX).map(|_| fetching.until(|| false));
            join_all(asking).await;
            // Two fetches that were wanted all the time, each after its pause, and long before it is due anyway.
            let lasted = asked.elapsed();
            assert!(lasted >= KEY_SET_PAUSE * 2, "{lasted:?}");
            assert!(lasted < KEY_SET_RETRY, "{lasted:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_requests_wait_for_a_fetch_and_no_more() {
        let tokens = tokens();
        let fetching = tokens.fetching.as_ref().unwrap();
        let asking = (0..KEY_SET_WAITERS_MAX + 3).map(async |_| {
            let asked = Instant::now();
            fetching.until(|| false).await;
            asked.elapsed()
        });
        let lasted = join_all(asking).await;
        let refused = lasted.iter().filter(|it| it.is_zero()).count();
        assert_eq!(refused, 3, "{lasted:?}");
    }
}
