//! What a person does at a terminal with a gateway that runs: sessions, and entries for clients.
//!
//! It speaks HTTP with the gateway, as any program may, and knows nothing that the API does not tell. A credential or a
//! key is never an argument: it is read from an environment variable or a file, or asked for unseen.

mod credentials;
mod entry;
mod failure;
mod gateway;
mod printing;
mod session;

pub use self::{entry::run as entry, failure::Failure, session::run as session};
