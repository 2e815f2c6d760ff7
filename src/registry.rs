//! The providers that sessions may choose from: `registry.yaml`, read and checked at start and when it changes.
//!
//! Nothing here uses the network, and nothing reads the environment: who loads a registry says
//! where a name's value comes from.

mod auth;
mod current;
mod file;
mod finding;
mod reading;
mod reserved;
mod secret;
mod spec;
mod tree;

use std::{
    collections::HashMap,
    fmt, fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::{
    auth::{AuthSpec, CredentialError},
    current::{CurrentRegistry, Differences, Move},
    finding::Finding,
    reserved::reason as why_reserved,
    secret::Source,
    spec::{Defaults, Protocol, ProviderSpec, Retries, Timeouts},
};
use crate::{limits, mcp::name::BackendName};

/// Where the value of an environment variable comes from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Every provider of one registry file, checked.
#[derive(Debug, Clone)]
pub struct Registry {
    providers: Vec<Arc<ProviderSpec>>,
    by_name: HashMap<BackendName, usize>,
    warnings: Vec<Finding>,
}

impl Registry {
    /// Reads a registry file, and the secrets it points to.
    ///
    /// # Errors
    ///
    /// [`RegistryError`] if the file cannot be read, or with every mistake in it.
    pub fn load(
        path: &Path,
        defaults: &Defaults,
        environment: Lookup<'_>,
    ) -> Result<Self, RegistryError> {
        let unreadable = |source| RegistryError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let size_max = limits::REGISTRY_BYTES_MAX;
        let mut text = String::new();
        fs::File::open(path)
            .map_err(unreadable)?
            .take(size_max as u64 + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() > size_max {
            return Err(RegistryError::TooLarge {
                path: path.to_owned(),
            });
        }
        Self::parse(&text, path, defaults, environment)
    }

    /// Checks the text of a registry file; `path` names it in messages and is where relative
    /// `file:` paths start.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Mistakes`], with at most [`limits::REGISTRY_MISTAKES_MAX`] of them.
    pub fn parse(
        text: &str,
        path: &Path,
        defaults: &Defaults,
        environment: Lookup<'_>,
    ) -> Result<Self, RegistryError> {
        let outcome = file::check(text, path, defaults, environment);
        if !outcome.mistakes.is_empty() {
            return Err(RegistryError::Mistakes(Mistakes(outcome.mistakes)));
        }
        let by_name = outcome
            .providers
            .iter()
            .enumerate()
            .map(|(index, provider)| (provider.name.clone(), index))
            .collect();
        Ok(Self {
            providers: outcome.providers.into_iter().map(Arc::new).collect(),
            by_name,
            warnings: outcome.warnings,
        })
    }

    /// The provider of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<ProviderSpec>> {
        self.providers.get(*self.by_name.get(name)?)
    }

    /// Every provider, in the order of the file.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<ProviderSpec>> {
        self.providers.iter()
    }

    /// Every provider's name, in the order of the file.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = &BackendName> {
        self.providers.iter().map(|provider| &provider.name)
    }

    /// How many providers there are: at least one.
    #[must_use]
    #[expect(
        clippy::len_without_is_empty,
        reason = "a registry without providers is refused when read"
    )]
    pub fn len(&self) -> usize {
        self.providers.len()
    }

    /// What may surprise an operator, though it does not stop the start: a default credential that
    /// is not there, a credential sent in the clear.
    #[must_use]
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }
}

/// Why there is no registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file is not there, or is not text.
    #[error(
        "cannot read the registry {}; name another file with --registry or REGISTRY_PATH",
        path.display()
    )]
    Unreadable {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is far larger than any registry.
    #[error(
        "the registry {} has more than {} bytes; name another file with --registry or REGISTRY_PATH",
        path.display(),
        limits::REGISTRY_BYTES_MAX
    )]
    TooLarge {
        /// The file that was asked for.
        path: PathBuf,
    },
    /// The file says what cannot be.
    #[error("{0}")]
    Mistakes(Mistakes),
}

/// Every mistake found in a registry file, in its order; shown one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(Vec<Finding>);

impl Mistakes {
    /// Each mistake with its place and its remedy.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{mistake}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
