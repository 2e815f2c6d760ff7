//! Who calls the gateway: API keys, tokens of an authorization server, and the callers that they stand for.
//!
//! Nothing here knows sessions, HTTP routes or MCP. A key or a token is looked at, compared and forgotten: it
//! is never logged, never stored and never sent anywhere.

mod caller;
mod error;
mod key;
mod key_file;
mod key_ring;
mod keys;
mod name;
mod pass;
mod tokens;

use std::{io, path::Path, sync::Arc};

use tokio::sync::watch;
use url::{Host, Url};

use crate::watch::Watch;

use key::KeyHash;
use key_ring::KeyRing;
use pass::Shown;
use tokens::{Tokens, Vouched};

pub use self::{
    caller::Caller,
    error::CallersError,
    key_file::Mistake,
    keys::{Keys, ListedKey},
    name::{Name, NotAName},
    pass::Pass,
    tokens::{KeySetPlace, TokenSettings, TokensError, is_audience},
};

/// Whether a URL leads to this machine, by a name that cannot lead anywhere else.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    let url = Url::parse(url).ok();
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

/// Tells callers by what they show. A clone is another handle of the same.
#[derive(Clone)]
pub struct Callers(Arc<Parts>);

/// What all handles share.
struct Parts {
    keys: KeyRing,
    tokens: Option<Arc<Tokens>>,
    /// Tells that somebody may have come or gone.
    changes: watch::Sender<()>,
}

/// Who was let in, and by what.
#[derive(Clone)]
pub struct Admitted {
    /// Who it is.
    pub caller: Caller,
    /// Whether that still holds, for what outlasts the request.
    pub pass: Pass,
}

/// Why nobody is recognised by what was shown. It says nothing that would help to show something better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unrecognised {
    /// Nothing was shown.
    Nothing,
    /// It is no key and no token that lets anybody in.
    Wrong,
    /// It is where a key would stand: the name of a variable, which a client sent as it was.
    Variable,
    /// A token that is right, but for less than a gateway's caller needs.
    TooNarrow,
    /// A token that cannot be checked: what its issuer signs with is not known yet.
    Unclear,
}

impl Callers {
    /// Reads the callers file, if it is there, and whatever checks tokens; a key set behind a URL is fetched in the
    /// background from now on.
    ///
    /// Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the callers file, or a file with the key set, is of no use.
    pub fn start(file: &Path, tokens: Option<TokenSettings>) -> Result<Self, CallersError> {
        let changes = watch::Sender::new(());
        Ok(Self(Arc::new(Parts {
            keys: KeyRing::read(file)?,
            changes: changes.clone(),
            tokens: tokens
                .map(|settings| Tokens::start(settings, changes))
                .transpose()
                .map_err(CallersError::Tokens)?,
        })))
    }

    /// Has the files read again whenever they change, until what is returned is dropped. A file that is of no use
    /// changes nothing, and neither does one that is gone.
    ///
    /// # Errors
    ///
    /// When the system gives no signal handler.
    pub fn watch(&self) -> io::Result<Watch> {
        let mut files = vec![self.0.keys.path().to_owned()];
        let key_set = self.0.tokens.as_ref().and_then(|tokens| tokens.file());
        files.extend(key_set.map(Path::to_owned));
        let callers = self.clone();
        let watch = Watch::over(files, move || callers.read_again())?;
        // What changed between the start's reading and now was seen by nobody.
        self.read_again();
        Ok(watch)
    }

    fn read_again(&self) {
        self.0.keys.read_again();
        if let Some(tokens) = &self.0.tokens {
            tokens.read_again();
        }
        self.0.changes.send_replace(());
    }

    /// Whether callers have to show something. Once they have, they have until the process ends.
    #[must_use]
    pub fn are_authenticated(&self) -> bool {
        self.0.tokens.is_some() || self.0.keys.is_in_force()
    }

    /// How many API keys let somebody in.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.0.keys.len()
    }

    /// Who issues tokens that let somebody in, and with which scopes.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenSettings> {
        self.0.tokens.as_ref().map(|tokens| tokens.settings())
    }

    /// Tells who shows this. Without authentication everybody is the anonymous caller, whatever they show.
    ///
    /// A key, or a token that was seen before, is known at once; a new token costs checking its signature, and waits
    /// for its issuer's keys if they are not known.
    ///
    /// # Errors
    ///
    /// When it is nobody.
    pub async fn recognise(&self, shown: Option<&str>) -> Result<Admitted, Unrecognised> {
        if !self.are_authenticated() {
            return Ok(self.admit(Caller::anonymous(), Shown::Nothing));
        }
        let shown = shown.ok_or(Unrecognised::Nothing)?;
        if let Some(id) = key::id_of(shown) {
            let hash = KeyHash::of(shown);
            let caller = self.0.keys.find(id, &hash).ok_or(Unrecognised::Wrong)?;
            let shown = Shown::Key {
                id,
                hash,
                caller: caller.clone(),
            };
            return Ok(self.admit(caller, shown));
        }
        if shown.starts_with("${") {
            return Err(Unrecognised::Variable);
        }
        let tokens = self.0.tokens.as_ref().ok_or(Unrecognised::Wrong)?;
        // Before it is checked: what is read meanwhile makes it one of before.
        let reading = tokens.reading();
        let Vouched { caller, until } = tokens.recognise(shown).await?;
        Ok(self.admit(caller, Shown::Token { until, reading }))
    }

    fn admit(&self, caller: Caller, shown: Shown) -> Admitted {
        let pass = Pass::new(self.clone(), shown);
        Admitted { caller, pass }
    }
}
