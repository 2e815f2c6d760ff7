//! One MCP endpoint for many MCP servers.
//!
//! The rooms, from the client's edge to the backend's (ARCHITECTURE.md draws them):
//! `front` speaks with clients, `session` joins them with `backend`, which speaks with MCP
//! servers. `store`, `routing` and `registry` serve the session; `mcp` holds the protocol's
//! words. A room uses only the rooms to the right of it or below it.

pub mod app;
pub mod audit;
mod backend;
pub mod callers;
pub mod channel;
pub mod clients;
pub mod config;
pub mod console;
mod every;
pub mod example;
mod files;
pub mod front;
pub mod in_place;
pub mod lanes;
pub mod limits;
pub mod mcp;
pub mod metrics;
pub mod pieces;
pub mod registry;
pub mod routing;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod traces;
pub mod watch;
