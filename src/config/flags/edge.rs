//! The flags of the edge towards clients: TLS, proxies before the gateway, and what connections may cost.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use ipnet::IpNet;

use crate::{config::values, limits};

#[derive(Debug, Args)]
#[command(next_help_heading = "Connections of clients")]
pub(in crate::config) struct Edge {
    /// Certificate to serve HTTPS with, in PEM, its own first, then those that vouch for it; read
    /// again when it changes, and on SIGHUP
    #[arg(long, global = true, env = "TLS_CERT", value_name = "PATH")]
    pub(in crate::config) tls_cert: Option<PathBuf>,

    /// Private key of that certificate, in PEM
    #[arg(long, global = true, env = "TLS_KEY", value_name = "PATH")]
    pub(in crate::config) tls_key: Option<PathBuf>,

    /// Proxy before the gateway that is believed what it says of a client (Forwarded,
    /// X-Forwarded-For, -Proto, -Host): an address, or a network such as 10.0.0.0/8. Repeat it, or
    /// separate several by commas
    #[arg(long, global = true, env = "TRUSTED_PROXIES", value_name = "ADDRESS")]
    #[arg(value_delimiter = ',', value_parser = values::network)]
    pub(in crate::config) trusted_proxy: Vec<IpNet>,

    /// Connections at once; further ones wait until one closes
    #[arg(long, global = true, env = "MAX_CONNECTIONS", value_name = "COUNT")]
    #[arg(default_value = "8192", value_parser = |text: &str| limits::CONNECTIONS.read(text))]
    pub(in crate::config) max_connections: u32,

    /// Connections at once from one address (of IPv6, from one /64); further ones are answered 503.
    /// Trusted proxies have no such limit, this machine half of --max-connections
    #[arg(
        long,
        global = true,
        env = "MAX_CONNECTIONS_PER_ADDRESS",
        value_name = "COUNT"
    )]
    #[arg(default_value = "512")]
    #[arg(value_parser = |text: &str| limits::CONNECTIONS_PER_ADDRESS.read(text))]
    pub(in crate::config) max_connections_per_address: u32,

    /// How long a request's headers may take to arrive
    #[arg(long, global = true, env = "HEADER_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "15s", value_parser = |text: &str| limits::HEADER_TIMEOUT.read(text))]
    pub(in crate::config) header_timeout: Duration,

    /// How long a request's body may take to arrive
    #[arg(long, global = true, env = "BODY_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "30s", value_parser = |text: &str| limits::BODY_TIMEOUT.read(text))]
    pub(in crate::config) body_timeout: Duration,

    /// How long a connection is kept open without a request
    #[arg(long, global = true, env = "KEEP_OPEN", value_name = "DURATION")]
    #[arg(default_value = "2m", value_parser = |text: &str| limits::KEEP_OPEN.read(text))]
    pub(in crate::config) keep_open: Duration,

    /// How long a client may take nothing of what is sent to it
    #[arg(long, global = true, env = "WRITE_TIMEOUT", value_name = "DURATION")]
    #[arg(default_value = "1m", value_parser = |text: &str| limits::WRITE_TIMEOUT.read(text))]
    pub(in crate::config) write_timeout: Duration,

    /// Requests at once on one HTTP/2 connection
    #[arg(long, global = true, env = "MAX_STREAMS", value_name = "COUNT")]
    #[arg(default_value = "100", value_parser = |text: &str| limits::HTTP2_STREAMS.read(text))]
    pub(in crate::config) max_streams: u32,

    /// Largest line and headers of a request
    #[arg(long, global = true, env = "MAX_HEADER_SIZE", value_name = "SIZE")]
    #[arg(default_value = "64KiB", value_parser = |text: &str| limits::HEADERS_BYTES.read(text))]
    pub(in crate::config) max_header_size: usize,

    /// Headers of one request
    #[arg(long, global = true, env = "MAX_HEADERS", value_name = "COUNT")]
    #[arg(default_value = "100", value_parser = |text: &str| limits::HEADERS.read(text))]
    pub(in crate::config) max_headers: u32,
}
