//! The key that secrets are sealed with: from the environment, or from a file beside the database.

use std::{
    fmt::{self, Write as _},
    io,
    path::PathBuf,
};

use base64::engine::{
    Engine,
    general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

/// A 256-bit key. Its bytes are wiped when it is dropped and never shown.
pub struct SealingKey {
    bytes: SecretBox<[u8; Self::LENGTH]>,
    id: [u8; Self::ID_LENGTH],
}

impl SealingKey {
    /// Bytes of a key.
    pub(super) const LENGTH: usize = 32;
    /// Bytes of a key's id; enough that two keys of one gateway never share it by accident.
    pub(super) const ID_LENGTH: usize = 8;
    /// Characters of a key as the gateway writes it.
    pub(super) const TEXT_LENGTH: usize = 2 * Self::LENGTH;

    /// Reads a key as 64 hex digits, or as base64 (either alphabet) of 32 bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Format`] for any other text.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let text = text.expose_secret().trim();
        from_hex(text)
            .or_else(|| from_base64(text))
            .map(Self::new)
            .ok_or(KeyError::Format)
    }

    /// Makes a key of the system's randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if it has none to give.
    pub(super) fn generate() -> Result<Self, KeyError> {
        let mut bytes = SecretBox::<[u8; Self::LENGTH]>::default();
        getrandom::fill(bytes.expose_secret_mut()).map_err(KeyError::Random)?;
        Ok(Self::new(bytes))
    }

    /// Writes the key as [`parse`](Self::parse) reads it, at the end of a text that has room for it.
    pub(super) fn write_to(&self, text: &mut Zeroizing<String>) {
        for byte in self.bytes() {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
    }

    /// The key itself, for the cipher.
    pub(super) fn bytes(&self) -> &[u8; Self::LENGTH] {
        self.bytes.expose_secret()
    }

    /// Tells keys apart without telling anything of the key.
    pub(super) fn id(&self) -> [u8; Self::ID_LENGTH] {
        self.id
    }

    fn new(bytes: SecretBox<[u8; Self::LENGTH]>) -> Self {
        let mut id = [0; Self::ID_LENGTH];
        let hash = Sha256::digest(bytes.expose_secret());
        id.copy_from_slice(&hash[..Self::ID_LENGTH]);
        Self { bytes, id }
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealingKey([REDACTED])")
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is no key.
    #[error(
        "GATEWAY_SECRET_KEY must be 64 hex digits, or base64 of 32 bytes; make one with: openssl rand -hex 32"
    )]
    Format,
    /// The key file holds something else.
    #[error(
        "line {line} of {path} is no key (64 hex digits, or base64 of 32 bytes); bring the right file back; if it is lost for good, put a new key in its place (openssl rand -hex 32): what the old one sealed is lost then"
    )]
    FileFormat {
        /// The key file.
        path: PathBuf,
        /// The first line that is none, counted from 1.
        line: usize,
    },
    /// One of the old keys is none.
    #[error(
        "key {number} of GATEWAY_OLD_SECRET_KEYS is no key (64 hex digits, or base64 of 32 bytes); write each key that GATEWAY_SECRET_KEY had, with commas between them"
    )]
    OldFormat {
        /// Which one, counted from 1.
        number: usize,
    },
    /// There are more keys than a ring holds.
    #[error(
        "there are more than {limit} sealing keys; run `mcp-gateway keys rotate`, then leave out those that nothing is sealed with any more"
    )]
    TooMany {
        /// How many there may be.
        limit: usize,
    },
    /// There is no key file whose key could be changed.
    #[error(
        "there is no key file {path}: nothing was sealed with it, so there is no key to change"
    )]
    NoFile {
        /// The key file.
        path: PathBuf,
    },
    /// There is no key file, but a database that was made with one.
    #[error(
        "{path} is missing, but there is a database already: bring the key file back, since a new key reads no credential of any session; if it is lost for good, make a new one with: (umask 077; openssl rand -hex 32 > {path}) and create the sessions that hold credentials anew"
    )]
    Missing {
        /// Where the key file was looked for.
        path: PathBuf,
    },
    /// Others may read the key file, so the key may be known.
    #[error("{path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The key file can be neither read nor made.
    #[error("cannot use the key file {path}")]
    File {
        /// The key file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system has no randomness to make a key of.
    #[error("cannot make a key")]
    Random(#[source] getrandom::Error),
}

fn from_hex(text: &str) -> Option<SecretBox<[u8; SealingKey::LENGTH]>> {
    if text.len() != 2 * SealingKey::LENGTH || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let mut key = SecretBox::<[u8; SealingKey::LENGTH]>::default();
    for (index, byte) in key.expose_secret_mut().iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(key)
}

fn from_base64(text: &str) -> Option<SecretBox<[u8; SealingKey::LENGTH]>> {
    [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
        .iter()
        .find_map(|alphabet| {
            let bytes = Zeroizing::new(alphabet.decode(text).ok()?);
            let mut key = SecretBox::<[u8; SealingKey::LENGTH]>::default();
            if bytes.len() != SealingKey::LENGTH {
                return None;
            }
            key.expose_secret_mut().copy_from_slice(&bytes);
            Some(key)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SealingKey, KeyError> {
        SealingKey::parse(&text.into())
    }

    #[test]
    fn a_key_reads_the_same_from_hex_and_base64() {
        let bytes = [0xfb; 32];
        let hex = "fb".repeat(32);
        for text in [
            hex.to_uppercase(),
            format!(" {hex}\n"),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ] {
            assert_eq!(parse(&text).unwrap().bytes(), &bytes, "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused_with_the_way_to_make_one() {
        let too_long = STANDARD.encode([7; 33]);
        let not_hex = format!("+{}", "1".repeat(63));
        for text in ["", "secret", &"0".repeat(63), &not_hex, &too_long] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains("openssl rand -hex 32"), "{text}");
        }
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key = parse(&"5e".repeat(32)).unwrap();
        assert_eq!(format!("{key:?}"), "SealingKey([REDACTED])");
    }
}
