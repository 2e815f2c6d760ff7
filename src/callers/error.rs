//! Why callers cannot be told apart, or their keys not changed; each with the remedy.

use std::{io, path::PathBuf};

use super::{key_file::Mistake, name::Name, tokens::TokensError};
use crate::limits::CALLERS_BYTES_MAX;

/// Why the callers file is of no use, or was not changed.
#[derive(Debug, thiserror::Error)]
pub enum CallersError {
    /// It is there, and cannot be read.
    #[error(
        "cannot read the callers file {}; let the gateway's user read it, or name another with --callers or CALLERS_PATH",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It was named, and is not there.
    #[error(
        "there is no callers file {}; make it with: mcp-gateway keys create NAME --callers {}",
        path.display(), path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// Others could make keys for themselves.
    #[error(
        "others may write to the callers file {} (its mode is {mode:o}); run: chmod 600 {}",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is far larger than any such file.
    #[error(
        "the callers file {} has more than {CALLERS_BYTES_MAX} bytes; name another with --callers or CALLERS_PATH",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Mistake(Mistake),
    /// It could not be written.
    #[error(
        "cannot write the callers file {}; run this as a user who may write to its folder",
        path.display()
    )]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is a key of that name.
    #[error(
        "there is a key {name} already; choose another name, or revoke it first: mcp-gateway keys revoke {name}"
    )]
    NameTaken {
        /// The name.
        name: Name,
    },
    /// There is no key of that name.
    #[error("there is no key {name} in {}; mcp-gateway keys list shows what there is", path.display())]
    NoSuchKey {
        /// The name.
        name: Name,
        /// The file.
        path: PathBuf,
    },
    /// What checks tokens is of no use.
    #[error("tokens cannot be checked")]
    Tokens(#[source] TokensError),
    /// The system has no randomness to make a key of.
    #[error("cannot make a key")]
    Random(#[source] getrandom::Error),
}
