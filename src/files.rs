//! Files that only the gateway's own user may read, and making them last.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    path::Path,
};

/// Options that make a file for its owner only, where the system has such a thing.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The permissions of a file, if they let others than its owner in.
pub(crate) fn exposed_mode(metadata: &Metadata) -> Option<u32> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let mode = metadata.mode() & 0o777;
        let is_open = mode & 0o077 != 0 && !is_handed_over(mode, metadata.uid(), metadata.gid());
        is_open.then_some(mode)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Whether a file is a credential that systemd hands to one service (`LoadCredential=`): root's, and what shows as its
/// group's permission is the limit of the service's own entry in the access list.
#[cfg(unix)]
const fn is_handed_over(mode: u32, uid: u32, gid: u32) -> bool {
    mode == 0o440 && uid == 0 && gid == 0
}

/// Gives a file the owner of another: whoever runs a command as root must not take a file away from
/// the gateway.
pub(crate) fn give_to_owner_of(file: &File, other: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};

        let (now, wanted) = (file.metadata()?, other.metadata()?);
        if (now.uid(), now.gid()) != (wanted.uid(), wanted.gid()) {
            fchown(file, Some(wanted.uid()), Some(wanted.gid()))?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, other);
    Ok(())
}

/// Makes a new file's name durable: without it a power cut may lose the file, whole as it is.
pub(crate) fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

/// Where a file lies.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_systemd_hands_over_is_no_ones_but_the_services() {
        assert!(is_handed_over(0o440, 0, 0));
        for (mode, uid, gid) in [
            (0o440, 1000, 0),
            (0o440, 0, 1000),
            (0o444, 0, 0),
            (0o460, 0, 0),
        ] {
            assert!(!is_handed_over(mode, uid, gid), "{mode:o} {uid} {gid}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_permissions_of_others_expose_a_file_unless_it_was_handed_over() {
        use std::{
            fs::Permissions,
            os::unix::fs::{MetadataExt as _, PermissionsExt as _},
        };

        let file = tempfile::tempfile().unwrap();
        let exposed = |mode| {
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
            exposed_mode(&file.metadata().unwrap())
        };
        assert_eq!((exposed(0o600), exposed(0o604)), (None, Some(0o604)));
        // What root makes looks as what systemd hands over.
        let made = file.metadata().unwrap();
        let is_roots = (made.uid(), made.gid()) == (0, 0);
        assert_eq!(exposed(0o440), (!is_roots).then_some(0o440));
    }
}
