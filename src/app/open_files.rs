//! As many sockets as the system allows: each client's connection and each call of a backend is one.

/// Raises the process's soft limit of open files to its hard one. Systems commonly set it far below, for
/// the sake of programs that cannot count so far.
#[cfg(unix)]
pub(super) fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // A system that refuses leaves it as it was: connections beyond it wait to be accepted.
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, open_files = limit.current, "the limit of open files could not be raised");
    }
}

/// Elsewhere sockets are no files.
#[cfg(not(unix))]
pub(super) const fn allow_many() {}

#[cfg(all(test, unix))]
mod tests {
    use rustix::process::{Resource, getrlimit};

    #[test]
    fn no_file_is_kept_back() {
        super::allow_many();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
