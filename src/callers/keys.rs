//! What `mcp-gateway keys` does to the callers file.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use secrecy::{ExposeSecret as _, SecretString};

use super::{
    error::CallersError,
    key::{self, KeyHash},
    key_file::{KeyEntry, KeyFile, lock},
    name::Name,
};

/// The API keys of one callers file.
#[derive(Debug)]
pub struct Keys {
    path: PathBuf,
}

/// A key as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedKey {
    /// What it is called.
    pub name: Name,
    /// Whom it lets in.
    pub caller: Name,
    /// Whether that is an operator.
    pub operator: bool,
    /// When it was made.
    pub created: String,
}

impl Keys {
    /// The keys of this file, there or not.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let path = path.to_owned();
        Self { path }
    }

    /// Makes a key for a caller. Its text is nowhere else: show it, and forget it.
    ///
    /// # Errors
    ///
    /// When there is a key of that name, or the file is of no use or cannot be written.
    pub fn create(
        &self,
        name: Name,
        caller: Option<Name>,
        operator: bool,
    ) -> Result<SecretString, CallersError> {
        let _lock = lock(&self.path)?;
        let mut file = KeyFile::read(&self.path)?.unwrap_or_default();
        if file.keys.iter().any(|entry| entry.name == name) {
            return Err(CallersError::NameTaken { name });
        }
        let (key, id) = key::generate().map_err(CallersError::Random)?;
        file.keys.push(KeyEntry {
            name,
            caller,
            operator,
            id,
            sha256: KeyHash::of(key.expose_secret()),
            created: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        });
        file.write(&self.path)?;
        Ok(key)
    }

    /// Lists the keys, in the order they were made.
    ///
    /// # Errors
    ///
    /// When the file is of no use.
    pub fn list(&self) -> Result<Vec<ListedKey>, CallersError> {
        let file = KeyFile::read(&self.path)?.unwrap_or_default();
        let listed = |entry: KeyEntry| ListedKey {
            caller: entry.caller().clone(),
            name: entry.name,
            operator: entry.operator,
            created: entry.created,
        };
        Ok(file.keys.into_iter().map(listed).collect())
    }

    /// Takes a key back.
    ///
    /// # Errors
    ///
    /// When there is no such key, or the file is of no use or cannot be written.
    pub fn revoke(&self, name: &Name) -> Result<(), CallersError> {
        let _lock = lock(&self.path)?;
        let mut file = KeyFile::read(&self.path)?.unwrap_or_default();
        let before = file.keys.len();
        file.keys.retain(|entry| entry.name != *name);
        if file.keys.len() == before {
            return Err(CallersError::NoSuchKey {
                name: name.clone(),
                path: self.path.clone(),
            });
        }
        // Without its last key the file stays: it says that callers are authenticated.
        file.write(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_made_at_once_are_all_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let keys = Keys::of(&path);
                scope.spawn(move || {
                    keys.create(format!("k{number}").parse().unwrap(), None, false)
                        .unwrap()
                });
            }
        });
        assert_eq!(Keys::of(&path).list().unwrap().len(), 8);
    }

    #[test]
    fn the_file_of_the_last_key_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        let keys = Keys::of(&path);
        let name: Name = "ada".parse().unwrap();
        keys.create(name.clone(), None, true).unwrap();
        keys.revoke(&name).unwrap();
        assert!(path.exists() && keys.list().unwrap().is_empty());
        assert!(matches!(
            keys.revoke(&name),
            Err(CallersError::NoSuchKey { .. })
        ));
    }
}
