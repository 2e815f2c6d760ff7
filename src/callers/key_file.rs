//! The callers file: read with care, written whole or not at all.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    error::CallersError,
    key::{KeyHash, KeyId, PREFIX},
    name::Name,
};
use crate::{files, limits::CALLERS_BYTES_MAX};

const HEADING: &str = "\
# The API keys of this gateway's callers: their hashes, not the keys.
# mcp-gateway keys create|list|revoke write and read it; a gateway that runs reads it again when it changes.
";

/// What the file holds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyFile {
    #[serde(deserialize_with = "distinct")]
    pub(super) keys: Vec<KeyEntry>,
}

/// One key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    /// What it is called in the list.
    pub(super) name: Name,
    /// Whom it lets in, if that is not its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) caller: Option<Name>,
    /// Whether its caller sees and deletes everybody's sessions.
    #[serde(default)]
    pub(super) operator: bool,
    pub(super) id: KeyId,
    pub(super) sha256: KeyHash,
    /// When it was made, for people.
    #[serde(default)]
    pub(super) created: String,
}

impl KeyEntry {
    pub(super) fn caller(&self) -> &Name {
        self.caller.as_ref().unwrap_or(&self.name)
    }
}

impl KeyFile {
    /// Reads the file; `None` if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read, others may write to it, or something in it is wrong.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, CallersError> {
        let unreadable = |source| CallersError::Unreadable {
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(unreadable)?,
        };
        if let Some(mode) = writable_by_others(&file.metadata().map_err(unreadable)?) {
            let path = path.to_owned();
            return Err(CallersError::Exposed { path, mode });
        }
        let mut text = String::new();
        file.take(CALLERS_BYTES_MAX as u64 + 1)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        if text.len() > CALLERS_BYTES_MAX {
            let path = path.to_owned();
            return Err(CallersError::TooLarge { path });
        }
        Self::parse(&text, path).map(Some)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, CallersError> {
        serde_yaml::from_str(text)
            .map_err(|error| CallersError::Mistake(Mistake::new(path, &error)))
    }

    /// Puts the file in the place of the one there: whoever reads it finds the old one or the new one, whole.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<(), CallersError> {
        let unwritten = |source| CallersError::Unwritten {
            path: path.to_owned(),
            source,
        };
        let text =
            serde_yaml::to_string(self).map_err(|error| unwritten(io::Error::other(error)))?;
        // A symbolic link stays one.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = files::folder_of(&path);
        // For its owner only, as the crate makes every such file.
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(unwritten)?;
        draft
            .write_all(HEADING.as_bytes())
            .and_then(|()| draft.write_all(text.as_bytes()))
            // Root may run a command for a gateway that is not root's: it must be able to read what comes of it.
            .and_then(|()| {
                let owner = if path.exists() { &path } else { folder };
                files::give_to_owner_of(draft.as_file(), owner)
            })
            .and_then(|()| draft.as_file().sync_all())
            .map_err(unwritten)?;
        draft
            .persist(&path)
            .map_err(|error| unwritten(error.error))?;
        // Without it a power cut may bring the old file back, and a key that was revoked with it.
        files::sync_folder_of(&path).map_err(unwritten)
    }
}

/// Keeps other `keys` commands out until it is dropped: each reads, changes and writes the whole file.
///
/// # Errors
///
/// When the folder cannot be opened or locked.
pub(super) fn lock(path: &Path) -> Result<impl Sized, CallersError> {
    let locked = File::open(files::folder_of(path)).and_then(|folder| {
        folder.lock()?;
        Ok(folder)
    });
    locked.map_err(|source| CallersError::Unwritten {
        path: path.to_owned(),
        source,
    })
}

/// The permissions of a file, if they let others than its owner write: they could let themselves in.
fn writable_by_others(metadata: &fs::Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        (mode & 0o022 != 0).then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Takes a list in which no name and no id is there twice.
fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeyEntry>, D::Error> {
    struct Entries;

    impl<'de> de::Visitor<'de> for Entries {
        type Value = Vec<KeyEntry>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list of keys")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let (mut names, mut ids) = (HashSet::new(), HashSet::new());
            let mut entries: Vec<KeyEntry> = Vec::new();
            while let Some(entry) = list.next_element::<KeyEntry>()? {
                if !names.insert(entry.name.clone()) || !ids.insert(entry.id) {
                    let doubled = format!("the key {} is there twice", entry.name);
                    return Err(de::Error::custom(doubled));
                }
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_seq(Entries)
}

/// What is wrong in the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    path: PathBuf,
    place: (usize, usize),
    problem: String,
}

impl Mistake {
    fn new(path: &Path, error: &serde_yaml::Error) -> Self {
        let place = error
            .location()
            .map_or((1, 1), |location| (location.line(), location.column()));
        let text = error.to_string();
        let problem = text.split(" at line ").next().unwrap_or_default();
        Self {
            path: path.to_owned(),
            place,
            problem: scrubbed(problem),
        }
    }
}

/// Hides what looks like a key: it may stand where its hash belongs.
fn scrubbed(text: &str) -> String {
    let mut parts = text.split(PREFIX);
    let mut scrubbed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c));
        scrubbed.push_str(PREFIX);
        scrubbed.push('…');
        scrubbed.push_str(rest);
    }
    scrubbed
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            place,
            problem,
        } = self;
        let (line, column) = place;
        write!(
            formatter,
            "{}:{line}:{column}: {problem}; below keys: stands a list of name, caller, operator, id, sha256 and \
             created, as mcp-gateway keys create writes it",
            path.display()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(text: &str) -> String {
        let error = KeyFile::parse(text, Path::new("callers.yaml")).unwrap_err();
        error.to_string()
    }

    const ENTRY: &str = "
  - name: ada
    id: 0123456789abcdef
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
";

    #[cfg(unix)]
    #[test]
    #[expect(
        clippy::print_stderr,
        reason = "whoever runs it must hear what was not tested"
    )]
    fn a_file_that_is_written_anew_stays_its_owners() {
        use std::os::unix::fs::{MetadataExt as _, chown};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        let file = KeyFile::parse(&format!("keys:{ENTRY}"), &path).unwrap();
        let (user, group) = (Some(65_533), Some(65_533));
        if let Err(error) = chown(folder.path(), user, group) {
            eprintln!("NOT TESTED: only root can give files away ({error})");
            return;
        }
        file.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65_533, "its folder's");
        chown(&path, Some(65_532), group).unwrap();
        file.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().uid(), 65_532, "its own before");
    }

    #[test]
    fn what_may_be_left_out_has_its_default() {
        let file = KeyFile::parse(&format!("keys:{ENTRY}"), Path::new("x")).unwrap();
        let entry = &file.keys[0];
        assert_eq!(entry.caller().as_str(), "ada");
        assert!(!entry.operator);
        assert!(
            KeyFile::parse("keys: []", Path::new("x"))
                .unwrap()
                .keys
                .is_empty()
        );
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_a_remedy() {
        for (text, parts) in [
            (
                format!("keys:{ENTRY}    role: x\n"),
                ["callers.yaml:", "role"],
            ),
            (
                format!("keys:{ENTRY}{ENTRY}"),
                ["callers.yaml:", "ada is there twice"],
            ),
            (format!("keyz:{ENTRY}"), ["callers.yaml:1", "keyz"]),
            (
                "keys:\n  - name: a b\n".to_owned(),
                ["callers.yaml:2", "write a name"],
            ),
            (String::new(), ["callers.yaml:", "keys create"]),
            ("keys: [}".to_owned(), ["callers.yaml:1", "keys create"]),
            (ENTRY.replace("9f86", ""), ["callers.yaml:2", "keys create"]),
        ] {
            let told = mistake(&text);
            for part in parts {
                assert!(told.contains(part), "no {part:?} in {told}");
            }
            assert!(told.contains("keys create writes it"), "{told}");
        }
    }

    #[test]
    fn a_key_that_stands_where_it_should_not_is_not_repeated() {
        let key = "mcpgw_0123456789abcdef_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U";
        for text in [
            format!("keys: {key}"),
            format!("{key}: 1"),
            format!("keys:{ENTRY}    operator: {key}\n"),
            format!("keys:\n  - name: ada\n    sha256: {key}\n"),
            format!("keys:\n  - name: ada\n    id: {key}\n"),
        ] {
            let told = mistake(&text);
            assert!(!told.contains("c2Vjcm"), "{told}");
        }
    }

    #[test]
    fn a_file_is_written_for_its_owner_only_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.yaml");
        assert!(KeyFile::read(&path).unwrap().is_none());
        let file = KeyFile::parse(&format!("keys:{ENTRY}"), &path).unwrap();
        file.write(&path).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap().unwrap().keys.len(), 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
            let error = KeyFile::read(&path).unwrap_err().to_string();
            assert!(
                error.contains("620") && error.contains("chmod 600"),
                "{error}"
            );
        }
    }
}
