//! An API key: 256 random bits behind an id that is no secret, and what of it may be kept.

use std::fmt::{self, Write as _};

use base64::engine::{Engine as _, general_purpose::URL_SAFE_NO_PAD};
use secrecy::{SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What every key begins with, so that people and scanners of secrets know one.
pub(super) const PREFIX: &str = "mcpgw_";
/// Random bytes of a key.
const SECRET_BYTES: usize = 32;
/// Characters of them in base64.
const SECRET_CHARS: usize = 43;

/// The part of a key that finds its entry in the file: public, and of no use alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct KeyId([u8; Self::BYTES]);

impl KeyId {
    const BYTES: usize = 8;
    const CHARS: usize = 2 * Self::BYTES;
}

/// The SHA-256 of a whole key. A key has 256 random bits, so that a slow hash would defend nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHash([u8; 32]);

impl KeyHash {
    /// Of no key: compared with when there is no entry, so that the time tells nothing.
    pub(super) const NONE: Self = Self([0; 32]);

    pub(super) fn of(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Compares in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// Makes a key; gives its text, to be shown once, with its id.
///
/// # Errors
///
/// When the system has no randomness.
pub(super) fn generate() -> Result<(SecretString, KeyId), getrandom::Error> {
    let mut id = KeyId([0; KeyId::BYTES]);
    getrandom::fill(&mut id.0)?;
    let mut secret = Zeroizing::new([0; SECRET_BYTES]);
    getrandom::fill(secret.as_mut())?;
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_ref()));
    Ok((format!("{PREFIX}{id}_{}", encoded.as_str()).into(), id))
}

/// The id of a text that has the form of a key.
pub(super) fn id_of(text: &str) -> Option<KeyId> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (secret.len() == SECRET_CHARS).then_some(())?;
    read_hex(id).map(KeyId)
}

/// Reads lower-case hex of exactly so many bytes.
fn read_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if text.len() != 2 * BYTES || !digits {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a text cannot fail.
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&write_hex(&self.0))
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write_hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let remedy = || D::Error::custom(format!("an id is {} hex digits", Self::CHARS));
        read_hex(&text).map(Self).ok_or_else(remedy)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        // What stands there may be the key itself: it is not repeated.
        let remedy = || D::Error::custom("sha256 is the hash of a key, 64 hex digits");
        read_hex(&text).map(Self).ok_or_else(remedy)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_key_is_found_by_its_id_and_known_by_its_hash() {
        let (key, id) = generate().unwrap();
        let text = key.expose_secret();
        assert_eq!(id_of(text), Some(id));
        assert!(KeyHash::of(text).is(&KeyHash::of(text)));
        let (other, other_id) = generate().unwrap();
        assert!(id != other_id && !KeyHash::of(text).is(&KeyHash::of(other.expose_secret())));
    }

    #[test]
    fn a_key_holds_256_random_bits() {
        let (key, _) = generate().unwrap();
        let (_, secret) = key.expose_secret().rsplit_once(PREFIX).unwrap();
        let (_, secret) = secret.split_once('_').unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(secret).unwrap().len(), 32);
    }

    #[test]
    fn a_text_of_another_form_is_no_key() {
        let secret = "x".repeat(43);
        assert!(id_of(&format!("mcpgw_0123456789abcdef_{secret}")).is_some());
        for text in [
            String::new(),
            "mcpgw_".to_owned(),
            format!("mcpgw_0123456789ABCDEF_{secret}"),
            format!("mcpgw_0123456789abcde_{secret}"),
            format!("mcpgw_0123456789abcdef_{secret}x"),
            format!("other_0123456789abcdef_{secret}"),
            format!("mcpgw_0123456789abcdef{secret}"),
        ] {
            assert_eq!(id_of(&text), None, "{text}");
        }
    }
}
