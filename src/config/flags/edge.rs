//! The flags of the edge towards clients: what stands before the gateway, and what connections may cost.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help, where backticks would stand as they are"
)]

use clap::Args;
use ipnet::IpNet;

use crate::config::values;

#[derive(Debug, Args)]
#[command(next_help_heading = "Connections of clients")]
pub(in crate::config) struct Edge {
    /// Proxy before the gateway that is believed what it says of a client (Forwarded,
    /// X-Forwarded-For, -Proto, -Host): an address, or a network such as 10.0.0.0/8. Repeat it, or
    /// separate several by commas
    #[arg(long, global = true, env = "TRUSTED_PROXIES", value_name = "ADDRESS")]
    #[arg(value_delimiter = ',', value_parser = values::network)]
    pub(in crate::config) trusted_proxy: Vec<IpNet>,
}
