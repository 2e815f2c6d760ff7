//! The file that keys are kept in: one a line, the first of them seals.
//!
//! It is whole on the disk at every moment, however the process ends: a new one is written under
//! another name first.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use secrecy::{SecretString, zeroize::Zeroizing};

use super::{
    key::{KeyError, SealingKey},
    ring::KeyRing,
};
use crate::files;

/// The most that is read of a key file: as many keys as a ring holds, and some white space.
const BYTES_MAX: usize = KeyRing::KEYS_MAX * 2 * SealingKey::TEXT_LENGTH;

/// Reads a key file, or makes one with a new key if there is none.
///
/// A new file is readable by its owner only and on the disk before this returns; an existing one is
/// never overwritten, not even by a process that starts at the same moment.
pub(super) fn read_or_make(path: &Path) -> Result<Vec<SealingKey>, KeyError> {
    let failed = |source| failed(path, source);
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make(path)?;
            File::open(path).map_err(failed)?
        }
        opened => opened.map_err(failed)?,
    };
    keys(path, file)
}

/// Reads a key file that must be there.
pub(super) fn read(path: &Path) -> Result<Vec<SealingKey>, KeyError> {
    match File::open(path) {
        Ok(file) => keys(path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(KeyError::NoFile {
            path: path.to_owned(),
        }),
        Err(error) => Err(failed(path, error)),
    }
}

/// Puts other keys into a key file that is there, with its owner and on the disk when this returns.
pub(super) fn replace(path: &Path, keys: &[SealingKey]) -> Result<(), KeyError> {
    let failed = |source| failed(path, source);
    // What a link leads to is replaced, not the link.
    let path = fs::canonicalize(path).map_err(failed)?;
    // Of one name, so that nothing is left of a run that was killed. Whoever writes it holds the
    // database's lock.
    let mut draft = OsString::from(&path);
    draft.push(".new");
    let draft = PathBuf::from(draft);
    // Nearly always there is none.
    let _ = fs::remove_file(&draft);
    let placed = write(&draft, keys)
        .and_then(|file| files::give_to_owner_of(&file, &path))
        .and_then(|()| fs::rename(&draft, &path))
        .and_then(|()| files::sync_folder_of(&path));
    if placed.is_err() {
        // It may not be there at all.
        let _ = fs::remove_file(&draft);
    }
    placed.map_err(failed)
}

fn keys(path: &Path, file: File) -> Result<Vec<SealingKey>, KeyError> {
    let failed = |source| failed(path, source);
    if let Some(mode) = files::exposed_mode(&file.metadata().map_err(failed)?) {
        let path = path.to_owned();
        return Err(KeyError::Exposed { path, mode });
    }
    let mut text = Zeroizing::new(String::with_capacity(BYTES_MAX));
    file.take(BYTES_MAX as u64)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let format = |line| KeyError::FileFormat {
        path: path.to_owned(),
        line,
    };
    let lines = (1..).zip(text.lines());
    let keys = lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            SealingKey::parse(&SecretString::from(line)).map_err(|_| format(number))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(format(1));
    }
    Ok(keys)
}

fn make(path: &Path) -> Result<(), KeyError> {
    let failed = |source| failed(path, source);
    let draft = draft_of(path)?;
    write(&draft, &[SealingKey::generate()?]).map_err(failed)?;
    // Unlike a rename, a link never replaces what is there.
    let placed = fs::hard_link(&draft, path);
    fs::remove_file(&draft).map_err(failed)?;
    match placed {
        // Another process was faster: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        placed => placed.map_err(failed)?,
    }
    files::sync_folder_of(path).map_err(failed)
}

fn write(draft: &Path, keys: &[SealingKey]) -> io::Result<File> {
    let room = keys.len() * (SealingKey::TEXT_LENGTH + 1);
    let mut text = Zeroizing::new(String::with_capacity(room));
    for key in keys {
        key.write_to(&mut text);
        text.push('\n');
    }
    let mut file = files::private().write(true).create_new(true).open(draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

fn draft_of(path: &Path) -> Result<PathBuf, KeyError> {
    let suffix = getrandom::u64().map_err(KeyError::Random)?;
    let mut draft = OsString::from(path);
    draft.push(format!(".{suffix:016x}.new"));
    Ok(draft.into())
}

fn failed(path: &Path, source: io::Error) -> KeyError {
    KeyError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(path: &Path) -> SealingKey {
        let mut keys = read_or_make(path).unwrap();
        assert_eq!(keys.len(), 1);
        keys.pop().unwrap()
    }

    #[test]
    fn a_new_key_file_is_private_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db.key");
        let (made, read) = (one(&path), one(&path));
        assert_eq!(made.bytes(), read.bytes());
        assert_eq!(files::exposed_mode(&fs::metadata(&path).unwrap()), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft");

        let other = one(&folder.path().join("other.key"));
        assert_ne!(made.bytes(), other.bytes());
        assert_ne!(made.id(), other.id());
    }

    #[test]
    fn several_keys_stand_in_a_file_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = one(&path);
        let second = SealingKey::generate().unwrap();
        let ids = [second.id(), first.id()];
        replace(&path, &[second, first]).unwrap();
        let read = read(&path).unwrap();
        assert_eq!(read.iter().map(SealingKey::id).collect::<Vec<_>>(), ids);
        assert_eq!(files::exposed_mode(&fs::metadata(&path).unwrap()), None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft");
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_replaced_and_not_the_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("key"), folder.path().join("link"));
        one(&file);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, &[SealingKey::generate().unwrap()]).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(one(&file).id(), one(&link).id());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        one(&path);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_or_make(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o640, .. }));
        assert!(error.to_string().contains("chmod 600"));
    }

    #[test]
    fn a_key_file_with_a_line_that_is_no_key_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let key = "11".repeat(32);
        for (text, wrong) in [
            ("half a k".to_owned(), 1),
            (String::new(), 1),
            (format!("{key}\n\nhalf a k\n"), 3),
        ] {
            let _ = fs::remove_file(&path);
            let mut made = files::private();
            let mut file = made.write(true).create_new(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let error = read_or_make(&path).unwrap_err();
            assert!(matches!(error, KeyError::FileFormat { line, .. } if line == wrong));
            assert!(!error.to_string().contains("half"));
            assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn only_a_file_that_is_there_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(&folder.path().join("key")).unwrap_err();
        assert!(matches!(error, KeyError::NoFile { .. }));
    }

    #[test]
    fn processes_that_start_together_get_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| one(&path))).collect();
            starts.into_iter().map(|s| s.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key.bytes() == keys[0].bytes()));
    }
}
