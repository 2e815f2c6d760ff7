//! The keys of a gateway: the first seals, all of them open.
//!
//! What is sealed names its key, so a key may go as soon as nothing names it any more.

use std::{fmt, path::Path};

use secrecy::{ExposeSecret, SecretString};

use super::{
    error::StoreError,
    key::{KeyError, SealingKey},
    key_file,
    sealing::{Place, UnsealError, key_id},
};

/// The keys that secrets are sealed with: never none, and each once.
pub struct KeyRing(Vec<SealingKey>);

impl KeyRing {
    /// Keys of one ring: each is one more that a thief may have.
    pub(super) const KEYS_MAX: usize = 16;

    /// A ring of a key that seals, and of old ones, separated by commas, that only open.
    ///
    /// # Errors
    ///
    /// When one of them is no key, or there are too many.
    pub fn given(sealing: &SecretString, old: Option<&SecretString>) -> Result<Self, KeyError> {
        Self::new(vec![SealingKey::parse(sealing)?]).with_old(old)
    }

    /// The ring that a file keeps, which is made with a new key if there is none; `old` as in
    /// [`given`](Self::given).
    ///
    /// # Errors
    ///
    /// [`KeyError::Exposed`] if others may read the file, [`KeyError::FileFormat`] if it holds
    /// something else, [`KeyError::File`] if it can be neither read nor made; for `old` as above.
    pub fn from_file_or_new(path: &Path, old: Option<&SecretString>) -> Result<Self, KeyError> {
        Self::new(key_file::read_or_make(path)?).with_old(old)
    }

    /// The ring that a file keeps, for a database that is there already; `old` as in
    /// [`given`](Self::given).
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if there is no such file, else as [`Self::from_file_or_new`].
    pub fn from_file(path: &Path, old: Option<&SecretString>) -> Result<Self, KeyError> {
        if matches!(path.try_exists(), Ok(false)) {
            let path = path.to_owned();
            return Err(KeyError::Missing { path });
        }
        Self::from_file_or_new(path, old)
    }

    /// A ring of keys, of which there is one at least.
    pub(super) fn new(keys: Vec<SealingKey>) -> Self {
        let mut ring = Self(Vec::with_capacity(keys.len()));
        for key in keys {
            ring.add(key);
        }
        ring
    }

    /// The same, with old keys behind its own.
    pub(super) fn with_old(mut self, old: Option<&SecretString>) -> Result<Self, KeyError> {
        let old = old.map(ExposeSecret::expose_secret).unwrap_or_default();
        let texts = old.split(',').map(str::trim);
        for (number, text) in (1..).zip(texts).filter(|(_, text)| !text.is_empty()) {
            let key = SealingKey::parse(&SecretString::from(text))
                .map_err(|_| KeyError::OldFormat { number })?;
            self.add(key);
        }
        if self.0.len() > Self::KEYS_MAX {
            return Err(KeyError::TooMany {
                limit: Self::KEYS_MAX,
            });
        }
        Ok(self)
    }

    /// The same, with a key before the others that seals from now on.
    pub(super) fn led_by(mut self, key: SealingKey) -> Result<Self, KeyError> {
        self.0.insert(0, key);
        self.with_old(None)
    }

    /// The keys, the one that seals first.
    pub(super) fn keys(&self) -> &[SealingKey] {
        &self.0
    }

    /// Whether there are keys besides the one that seals.
    #[must_use]
    pub fn has_old(&self) -> bool {
        self.0.len() > 1
    }

    /// Whether this was sealed with the key that seals now.
    pub(super) fn is_current(&self, sealed: &[u8]) -> bool {
        key_id(sealed).is_some_and(|id| self.0.first().is_some_and(|key| key.id() == id))
    }

    /// Seals a secret for a place, with the first key.
    pub(super) fn seal(&self, secret: &SecretString, place: &Place) -> Result<Vec<u8>, StoreError> {
        let first = self.0.first().ok_or(StoreError::Sealing)?;
        first.seal(secret, place)
    }

    /// Opens what was sealed for a place, with the key that it names.
    pub(super) fn unseal(&self, sealed: &[u8], place: &Place) -> Result<SecretString, UnsealError> {
        let id = key_id(sealed).ok_or(UnsealError::Damaged)?;
        let key = self.0.iter().find(|key| key.id() == id);
        key.ok_or(UnsealError::OtherKey)?.unseal(sealed, place)
    }

    fn add(&mut self, key: SealingKey) {
        if self.0.iter().all(|known| known.id() != key.id()) {
            self.0.push(key);
        }
    }
}

impl From<SealingKey> for KeyRing {
    fn from(key: SealingKey) -> Self {
        Self::new(vec![key])
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyRing([REDACTED]; {})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn text(byte: &str) -> SecretString {
        byte.repeat(32).into()
    }

    fn place() -> Place {
        Place::credential(Uuid::from_u128(7), "a")
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let old = KeyRing::given(&text("11"), None).unwrap();
        let before = old.seal(&"hf_token".into(), &place()).unwrap();
        let keys: SecretString = format!("{}, {}", "33".repeat(32), "11".repeat(32)).into();
        let ring = KeyRing::given(&text("22"), Some(&keys)).unwrap();
        let opened = ring.unseal(&before, &place()).unwrap();
        assert_eq!(opened.expose_secret(), "hf_token");
        assert!(!ring.is_current(&before) && ring.has_old());

        let after = ring.seal(&"hf_token".into(), &place()).unwrap();
        assert!(ring.is_current(&after));
        assert_eq!(
            old.unseal(&after, &place()).err(),
            Some(UnsealError::OtherKey)
        );
    }

    #[test]
    fn a_wrong_old_key_is_told_by_its_number_alone() {
        let keys: SecretString = format!("{},hunter2", "33".repeat(32)).into();
        let error = KeyRing::given(&text("22"), Some(&keys)).unwrap_err();
        assert!(matches!(error, KeyError::OldFormat { number: 2 }));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        for nothing in ["", " ", ",", "22"] {
            let nothing = SecretString::from(nothing.repeat(32));
            // Empty, or the key that seals once more.
            let ring = KeyRing::given(&text("22"), Some(&nothing));
            assert!(!ring.unwrap().has_old());
        }
    }

    #[test]
    fn a_ring_has_room_for_so_many_keys_only() {
        let many = (1..=KeyRing::KEYS_MAX).map(|number| format!("{number:02x}").repeat(32));
        let many = SecretString::from(many.collect::<Vec<_>>().join(","));
        let error = KeyRing::given(&text("ff"), Some(&many)).unwrap_err();
        assert!(matches!(error, KeyError::TooMany { limit: 16 }));
    }
}
