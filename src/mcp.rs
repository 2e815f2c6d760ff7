//! The protocol's words, free of I/O: messages, revisions, headers, errors, names.
//!
//! Everything here is version-neutral or plain fact about a revision; what an era *does* lives in
//! the adapters of the two edges.

pub mod name;
pub mod version;
