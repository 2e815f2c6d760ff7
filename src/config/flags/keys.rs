//! The `keys` command: what it can do with keys.

use clap::Subcommand;

use crate::callers::Name;

/// What to do with the keys of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum KeysCommand {
    /// Make an API key and print it, this once; the file keeps only its hash
    Create {
        /// What the key is called in the list, such as ada-laptop
        #[arg(value_name = "NAME")]
        name: Name,
        /// Whom the key lets in, and whose sessions it opens; several keys may belong to one caller
        /// [default: the key's name]
        #[arg(long, value_name = "CALLER")]
        caller: Option<Name>,
        /// Let the caller list and delete everybody's sessions, too
        #[arg(long)]
        operator: bool,
    },
    /// List the API keys: names, callers, roles and when they were made
    List {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Take an API key back; a gateway that runs refuses it within a second or two
    Revoke {
        /// What the key is called in the list
        #[arg(value_name = "NAME")]
        name: Name,
    },
    /// Seal all that is stored with another sealing key; the gateway must be stopped
    ///
    /// With a key file a new key is made, and the old ones leave the file at the end. With
    /// GATEWAY_SECRET_KEY, set that to a new key and GATEWAY_OLD_SECRET_KEYS to the old one first.
    /// Killed at any moment, nothing is lost: run it again.
    Rotate,
}
