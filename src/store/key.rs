//! The key that secrets are sealed with: from the environment, or from a file beside the database.

use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
};

use base64::engine::{
    Engine,
    general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString, zeroize::Zeroizing};
use sha2::{Digest, Sha256};

use super::file;

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
    /// The most that is read of a key file: a key and some white space.
    const FILE_BYTES_MAX: u16 = 256;

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

    /// Reads the key file of a database that is there already.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] if there is none, else as [`Self::from_file_or_new`].
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        if matches!(path.try_exists(), Ok(false)) {
            let path = path.to_owned();
            return Err(KeyError::Missing { path });
        }
        Self::from_file_or_new(path)
    }

    /// Reads the key file, or makes one with a new key if there is none.
    ///
    /// A new file is readable by its owner only and on the disk before this returns; an existing
    /// one is never overwritten, not even by a process that starts at the same moment.
    ///
    /// # Errors
    ///
    /// [`KeyError::Exposed`] if others may read the file, [`KeyError::FileFormat`] if it holds
    /// no key, [`KeyError::File`] if it can be neither read nor made.
    pub fn from_file_or_new(path: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_file(path)?;
                File::open(path).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        if let Some(mode) = file::exposed_mode(&file.metadata().map_err(failed)?) {
            let path = path.to_owned();
            return Err(KeyError::Exposed { path, mode });
        }
        let mut text = Zeroizing::new(String::with_capacity(Self::FILE_BYTES_MAX.into()));
        file.take(Self::FILE_BYTES_MAX.into())
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::parse(&SecretString::from(text.as_str())).map_err(|_| KeyError::FileFormat {
            path: path.to_owned(),
        })
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
        "{path} holds no key (64 hex digits, or base64 of 32 bytes); bring the right file back, or remove it to have a new one made: what the old key sealed is lost then"
    )]
    FileFormat {
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

/// Makes the file under another name first: a file with the right name always holds a whole key,
/// however the process ends.
fn make_file(path: &Path) -> Result<(), KeyError> {
    let mut bytes = SecretBox::<[u8; SealingKey::LENGTH]>::default();
    getrandom::fill(bytes.expose_secret_mut()).map_err(KeyError::Random)?;
    let draft = draft_of(path)?;
    place(&draft, path, &bytes).map_err(|source| KeyError::File {
        path: path.to_owned(),
        source,
    })
}

fn draft_of(path: &Path) -> Result<PathBuf, KeyError> {
    let suffix = getrandom::u64().map_err(KeyError::Random)?;
    let mut draft = OsString::from(path);
    draft.push(format!(".{suffix:016x}.new"));
    Ok(draft.into())
}

fn place(draft: &Path, path: &Path, key: &SecretBox<[u8; SealingKey::LENGTH]>) -> io::Result<()> {
    let mut text = Zeroizing::new(String::with_capacity(2 * SealingKey::LENGTH + 1));
    for byte in key.expose_secret() {
        write!(text, "{byte:02x}").map_err(io::Error::other)?;
    }
    text.push('\n');
    let mut file = file::private().write(true).create_new(true).open(draft)?;
    let placed = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        // Unlike a rename, a link never replaces what is there.
        .and_then(|()| fs::hard_link(draft, path));
    fs::remove_file(draft)?;
    match placed {
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        placed => placed?,
    }
    file::sync_folder_of(path)
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

    #[test]
    fn a_new_key_file_is_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db.key");
        let made = SealingKey::from_file_or_new(&path).unwrap();
        let read = SealingKey::from_file_or_new(&path).unwrap();
        assert_eq!(made.bytes(), read.bytes());
        assert_eq!(file::exposed_mode(&fs::metadata(&path).unwrap()), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft");

        let other = SealingKey::from_file_or_new(&folder.path().join("other.key")).unwrap();
        assert_ne!(made.bytes(), other.bytes());
        assert_ne!(made.id(), other.id());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        SealingKey::from_file_or_new(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = SealingKey::from_file_or_new(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_file_without_a_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let mut file = file::private()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        file.write_all(b"half a k").unwrap();
        let error = SealingKey::from_file_or_new(&path).unwrap_err();
        assert!(matches!(error, KeyError::FileFormat { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"half a k");
    }

    #[test]
    fn processes_that_start_together_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| SealingKey::from_file_or_new(&path).unwrap()))
                .collect();
            starts.into_iter().map(|s| s.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.bytes() == keys[0].bytes()));
    }
}
