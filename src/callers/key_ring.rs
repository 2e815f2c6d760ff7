//! The API keys in force: read by every request without a lock, replaced as a whole when the file changes.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwapOption;

use super::{
    Caller,
    error::CallersError,
    key::{KeyHash, KeyId},
    key_file::KeyFile,
};

/// The keys of one callers file.
pub(super) struct KeyRing {
    path: PathBuf,
    /// Nothing while there is no file, and never nothing again.
    held: ArcSwapOption<HashMap<KeyId, Held>>,
}

/// One key, and whom it lets in.
struct Held {
    hash: KeyHash,
    caller: Caller,
}

impl KeyRing {
    /// Reads the file, there or not.
    ///
    /// # Errors
    ///
    /// When it is of no use.
    pub(super) fn read(path: &Path) -> Result<Self, CallersError> {
        let file = KeyFile::read(path)?;
        Ok(Self {
            path: path.to_owned(),
            held: ArcSwapOption::new(file.map(|file| Arc::new(held(file)))),
        })
    }

    /// Reads the file again. Whatever is wrong with it leaves the keys as they are: a mistake, or a file that is gone,
    /// must neither let anybody in nor lock everybody out.
    pub(super) fn read_again(&self) {
        let path = self.path.display();
        match KeyFile::read(&self.path) {
            Ok(Some(file)) => {
                let held = held(file);
                let keys = held.len();
                self.held.store(Some(Arc::new(held)));
                tracing::info!(keys, "read the callers file {path} again");
            }
            Ok(None) if self.is_in_force() => tracing::error!(
                "the callers file {path} is gone; its keys stay in force until it is back, or the gateway starts again"
            ),
            Ok(None) => {}
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "the callers file {path} changed nothing");
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is, or was, a file.
    pub(super) fn is_in_force(&self) -> bool {
        self.held.load().is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.held.load().as_ref().map_or(0, |held| held.len())
    }

    /// Whom a key lets in. It takes as long for an unknown id as for a wrong secret.
    pub(super) fn find(&self, id: KeyId, hash: &KeyHash) -> Option<Caller> {
        let held = self.held.load();
        let found = held.as_ref().and_then(|held| held.get(&id));
        let expected = found.map_or(&KeyHash::NONE, |held| &held.hash);
        let is_it = hash.is(expected);
        found.filter(|_| is_it).map(|held| held.caller.clone())
    }
}

fn held(file: KeyFile) -> HashMap<KeyId, Held> {
    let held = file.keys.into_iter().map(|entry| {
        let caller = Caller::of_key(entry.caller(), entry.operator);
        let hash = entry.sha256;
        (entry.id, Held { hash, caller })
    });
    held.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::callers::{Keys, key::id_of};

    fn find(ring: &KeyRing, key: &str) -> Option<Caller> {
        ring.find(id_of(key)?, &KeyHash::of(key))
    }

    #[test]
    fn a_key_lets_its_caller_in_and_a_changed_one_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        let ada = Some("ada".parse().unwrap());
        let key = Keys::of(&path)
            .create("laptop".parse().unwrap(), ada, true)
            .unwrap();
        let key = key.expose_secret();
        let ring = KeyRing::read(&path).unwrap();
        assert_eq!(
            find(&ring, key),
            Some(Caller::of_key(&"ada".parse().unwrap(), true))
        );
        let last = if key.ends_with('A') { "B" } else { "A" };
        let changed = format!("{}{last}", &key[..key.len() - 1]);
        assert_eq!(find(&ring, &changed), None);
    }

    #[test]
    fn a_file_that_is_broken_or_gone_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        let ring = KeyRing::read(&path).unwrap();
        ring.read_again();
        assert!(!ring.is_in_force());

        let key = Keys::of(&path)
            .create("ada".parse().unwrap(), None, false)
            .unwrap();
        ring.read_again();
        assert!(find(&ring, key.expose_secret()).is_some());

        fs::write(&path, "keys: [").unwrap();
        ring.read_again();
        assert!(find(&ring, key.expose_secret()).is_some());

        fs::remove_file(&path).unwrap();
        ring.read_again();
        assert!(ring.is_in_force() && find(&ring, key.expose_secret()).is_some());
    }

    #[test]
    fn a_file_without_keys_is_in_force_and_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        fs::write(&path, "keys: []").unwrap();
        let ring = KeyRing::read(&path).unwrap();
        assert!(ring.is_in_force() && ring.len() == 0);
        let nobody = format!("mcpgw_0123456789abcdef_{}", "A".repeat(43));
        assert_eq!(find(&ring, &nobody), None);
    }
}
