//! The gateway between real MCP clients and real MCP servers, as people run them, and before the official conformance
//! suite.
//!
//! The foreign parts are npm and `PyPI` packages, pinned in `node/` and `python/`; [`install`] fetches them below the
//! target directory on first use. Where Node or Python is missing a test says that it was skipped; with `CI=true` in
//! the environment it fails instead. What the gateway does with broken, hostile or merely odd counterparts is shown
//! elsewhere, with fakes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod client;
mod conformance;
mod desk;
mod direct;
mod gateway;
mod inspector;
mod install;
mod mcp_remote;
mod process;
mod quickstart;
mod rust_client;
mod scripted_client;
mod server;
mod through_gateway;
mod traces;
#[path = "../support/world.rs"]
#[expect(dead_code, unused_imports, reason = "others have more of the world")]
mod world;
