//! How bytes reach a backend: one file a wire.

pub(crate) mod call_client;
pub(crate) mod streamable_http;
