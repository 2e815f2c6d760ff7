//! The `keys` command: what it can do with keys.

use clap::Subcommand;

/// What to do with the keys of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum KeysCommand {
    /// Seal all that is stored with another sealing key; the gateway must be stopped
    ///
    /// With a key file a new key is made, and the old ones leave the file at the end. With
    /// GATEWAY_SECRET_KEY, set that to a new key and GATEWAY_OLD_SECRET_KEYS to the old one first.
    /// Killed at any moment, nothing is lost: run it again.
    Rotate,
}
