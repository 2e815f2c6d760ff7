//! An MCP server to try the gateway with, where there is no network: a few tools, prompts and resources, one tool that
//! asks its user, and one that tells its progress.
//!
//! It speaks one revision, with a handshake, on an address of this machine alone. Written out rather than taken from an
//! SDK: it is a handful of methods over what the gateway has anyway, where an SDK's server would bring some twenty
//! crates into a program that is one in the middle.

mod http;
mod legacy;
mod offer;
mod work;

use std::{io, net::Ipv4Addr};

use tokio::net::TcpListener;
use url::Url;

/// Starts it on a free port; it goes on for as long as the runtime does.
///
/// # Errors
///
/// When the system gives no port.
pub async fn start() -> io::Result<Url> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}/mcp", listener.local_addr()?);
    tokio::spawn(http::serve(listener));
    Url::parse(&address).map_err(io::Error::other)
}
