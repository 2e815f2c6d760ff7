//! What a person does at a terminal: sessions of a gateway that runs, entries for clients, and servers from their files.
//!
//! It speaks HTTP with the gateway, as any program may, and knows nothing that the API does not tell. A credential or a
//! key is never an argument: it is read from an environment variable or a file, or asked for unseen.

mod choice;
mod credentials;
mod entry;
mod failure;
mod gateway;
mod health;
mod import;
mod printing;
mod progress;
mod session;

pub use self::{
    entry::run as entry,
    failure::Failure,
    health::run as health,
    import::{Import, run as import},
    session::run as session,
};
pub(crate) use self::{
    printing::{Table, print, print_json},
    progress::Progress,
};
