//! Who calls the gateway: API keys, tokens of an authorization server, and the callers that they stand for.
//!
//! Nothing here knows sessions, HTTP routes or MCP. A key or a token is looked at, compared and forgotten: it
//! is never logged, never stored and never sent anywhere.

mod caller;
mod key;
mod key_file;
mod keys;
mod name;

pub use self::{
    caller::Caller,
    key_file::{CallersError, Mistake},
    keys::{Keys, ListedKey},
    name::{Name, NotAName},
};
