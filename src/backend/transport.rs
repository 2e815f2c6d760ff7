//! How bytes reach a backend: one file a wire.

pub(crate) mod streamable_http;
