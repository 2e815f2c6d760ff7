//! Secrets at rest: sealed with XChaCha20-Poly1305 and bound to the place they are stored in.
//!
//! A sealed secret is `format (1) | key id (8) | nonce (24) | ciphertext and tag`. The place is
//! authenticated with it: copied to another row or column, it does not open.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use uuid::Uuid;

use super::{error::StoreError, key::SealingKey, ring::KeyRing};

/// The first byte of a sealed secret. Another layout gets another number.
const FORMAT: u8 = 1;
const NONCE_LENGTH: usize = 24;

/// Why a stored secret cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    /// It was sealed with another key than the gateway has now.
    #[error(
        "the credential was sealed with another key: bring back the GATEWAY_SECRET_KEY or the key file that the gateway had (an old key goes into GATEWAY_OLD_SECRET_KEYS), or give the session a new credential with PATCH"
    )]
    OtherKey,
    /// It was changed, cut, or moved to another place.
    #[error(
        "the stored credential is damaged: restore a backup, or give the session a new credential with PATCH"
    )]
    Damaged,
}

/// Where a sealed secret is stored.
#[derive(Debug)]
pub(super) struct Place(String);

impl Place {
    /// The credential a session brought for a backend.
    pub(super) fn credential(session: Uuid, backend: &str) -> Self {
        Self(format!("session_servers|{session}/{backend}|credential"))
    }

    /// A backend's own MCP session id; nil is our default MCP session.
    pub(super) fn backend_session(session: Uuid, mcp_session: Uuid, backend: &str) -> Self {
        let row = format!("{session}/{mcp_session}/{backend}");
        Self(format!("links|{row}|backend_session"))
    }

    /// What the gateway puts into a client's hands, bound to what the client may use it for.
    fn in_hands(purpose: &str) -> Self {
        Self(format!("in_hands|{purpose}"))
    }

    fn holding<'a>(&'a self, content: &'a [u8]) -> Payload<'a, 'a> {
        Payload {
            msg: content,
            aad: self.0.as_bytes(),
        }
    }
}

/// Which key a sealed secret names; `None` for what is no sealed secret of this format.
pub(super) fn key_id(sealed: &[u8]) -> Option<[u8; SealingKey::ID_LENGTH]> {
    let (&format, rest) = sealed.split_first()?;
    let id = rest.first_chunk::<{ SealingKey::ID_LENGTH }>()?;
    (format == FORMAT).then_some(*id)
}

impl SealingKey {
    /// Seals a secret for a place.
    pub(super) fn seal(&self, secret: &SecretString, place: &Place) -> Result<Vec<u8>, StoreError> {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::Sealing)?;
        let content = XChaCha20Poly1305::new(self.bytes().into())
            .encrypt(
                &XNonce::from(nonce),
                place.holding(secret.expose_secret().as_bytes()),
            )
            .map_err(|_| StoreError::Sealing)?;
        Ok([&[FORMAT], &self.id()[..], &nonce, &content].concat())
    }

    /// Opens what was sealed for a place.
    pub(super) fn unseal(&self, sealed: &[u8], place: &Place) -> Result<SecretString, UnsealError> {
        let damaged = UnsealError::Damaged;
        if key_id(sealed).ok_or(damaged)? != self.id() {
            return Err(UnsealError::OtherKey);
        }
        let sealed = sealed.get(1 + Self::ID_LENGTH..).ok_or(damaged)?;
        let (nonce, content) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(damaged)?;
        let opened = XChaCha20Poly1305::new(self.bytes().into())
            .decrypt(&XNonce::from(*nonce), place.holding(content))
            .map_err(|_| damaged)?;
        let opened = Zeroizing::new(opened);
        let text = std::str::from_utf8(&opened).map_err(|_| damaged)?;
        Ok(SecretString::from(text))
    }
}

/// Seals what clients carry for the gateway, so that they can neither read nor change it. A clone is
/// another handle of the same keys.
///
/// What an old key sealed opens for as long as that key is there.
#[derive(Debug, Clone)]
pub struct Sealer(Arc<KeyRing>);

impl Sealer {
    pub(super) const fn new(keys: Arc<KeyRing>) -> Self {
        Self(keys)
    }

    /// A sealer with a key of its own.
    #[cfg(test)]
    pub(crate) fn of(key: SealingKey) -> Self {
        Self::new(Arc::new(key.into()))
    }

    /// Seals a text for a purpose, as characters that are safe anywhere.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers to give.
    pub fn seal(&self, purpose: &str, text: &str) -> Result<String, StoreError> {
        let sealed = self.0.seal(&text.into(), &Place::in_hands(purpose))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what was sealed for the same purpose; `None` for anything else.
    #[must_use]
    pub fn open(&self, purpose: &str, sealed: &str) -> Option<SecretString> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        self.0.unseal(&sealed, &Place::in_hands(purpose)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: &str) -> SealingKey {
        SealingKey::parse(&byte.repeat(32).into()).unwrap()
    }

    fn opened(result: Result<SecretString, UnsealError>) -> Result<String, UnsealError> {
        result.map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn a_secret_opens_in_its_place_only() {
        let session = Uuid::from_u128(7);
        let place = Place::credential(session, "a");
        let sealed = key("11").seal(&"hf_token".into(), &place).unwrap();
        assert_eq!(
            opened(key("11").unseal(&sealed, &place)),
            Ok("hf_token".to_owned())
        );
        for elsewhere in [
            Place::credential(session, "b"),
            Place::credential(Uuid::from_u128(8), "a"),
            Place::backend_session(session, Uuid::nil(), "a"),
        ] {
            let result = opened(key("11").unseal(&sealed, &elsewhere));
            assert_eq!(result, Err(UnsealError::Damaged));
        }
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let place = Place::credential(Uuid::from_u128(7), "a");
        let sealed = key("11").seal(&"hf_token".into(), &place).unwrap();
        let result = opened(key("22").unseal(&sealed, &place));
        assert_eq!(result, Err(UnsealError::OtherKey));
        for length in [0, 1, 9, 33, sealed.len() - 1] {
            let result = opened(key("11").unseal(&sealed[..length], &place));
            assert_eq!(result, Err(UnsealError::Damaged), "{length} bytes");
        }
        for index in (0..1).chain(9..sealed.len()) {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            let result = opened(key("11").unseal(&changed, &place));
            assert_eq!(result, Err(UnsealError::Damaged), "byte {index}");
        }
    }

    #[test]
    fn what_clients_carry_opens_for_its_purpose_only() {
        let seals = Sealer::of(key("11"));
        let sealed = seals.seal("this", "text").unwrap();
        let open = |purpose, sealed: &str| {
            let opened = seals.open(purpose, sealed);
            opened.map(|text| text.expose_secret().to_owned())
        };
        assert_eq!(open("this", &sealed).as_deref(), Some("text"));
        assert_eq!(open("that", &sealed), None);
        for length in 0..sealed.len() {
            assert_eq!(open("this", &sealed[..length]), None, "{length}");
        }
        let other = Sealer::of(key("22"));
        assert!(other.open("this", &sealed).is_none());
    }

    #[test]
    fn sealing_twice_gives_two_texts() {
        let place = Place::credential(Uuid::from_u128(7), "a");
        let seal = || key("11").seal(&"hf_token".into(), &place).unwrap();
        assert_ne!(seal(), seal());
    }
}
