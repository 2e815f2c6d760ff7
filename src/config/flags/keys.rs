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
    List,
    /// Take an API key back; a gateway that runs refuses it within a second or two
    Revoke {
        /// What the key is called in the list
        #[arg(value_name = "NAME")]
        name: Name,
    },
}
