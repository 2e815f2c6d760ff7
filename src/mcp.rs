//! The protocol's words, free of I/O: messages, revisions, headers, errors, names.
//!
//! Everything here is version-neutral or plain fact about a revision; what an era *does* lives in
//! the adapters of the two edges.

pub mod depth;
pub mod discovery;
pub mod editing;
pub mod error;
pub mod event;
pub mod failure;
pub mod header;
pub mod kind;
pub mod level;
pub mod members;
pub mod message;
pub mod meta;
pub mod method;
pub mod mirror;
pub mod name;
pub mod object;
pub mod request;
pub mod shelf;
pub mod tool;
pub mod tool_filter;
pub mod version;
