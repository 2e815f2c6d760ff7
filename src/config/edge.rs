//! What was told of the edge towards clients.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::flags::Edge as Flags;

/// Connections of clients: encrypted or not, through whom, and what they may cost.
#[derive(Debug, Clone)]
pub struct Edge {
    /// The certificate to serve HTTPS with, and its key; `None` for HTTP.
    pub tls: Option<TlsPaths>,
    /// Networks of the proxies that are believed what they say of a client.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections at once.
    pub connections_max: u32,
    /// Connections at once of one address.
    pub connections_per_address_max: u32,
    /// How long a request's headers may take to arrive.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive.
    pub body_timeout: Duration,
    /// How long a connection is kept open without a request.
    pub keep_open: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// Bytes of a request's line and headers.
    pub headers_bytes_max: usize,
    /// Headers of one request.
    pub headers_max: u32,
}

/// Where a certificate and its key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsPaths {
    /// The certificate, and those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TryFrom<Flags> for Edge {
    type Error = String;

    fn try_from(flags: Flags) -> Result<Self, String> {
        let tls = match (flags.tls_cert, flags.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsPaths { certificate, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(
                    "--tls-cert (TLS_CERT) is given without its key; give --tls-key (TLS_KEY), too"
                        .to_owned(),
                );
            }
            (None, Some(_)) => {
                return Err(
                    "--tls-key (TLS_KEY) is given without its certificate; give --tls-cert \
                     (TLS_CERT), too"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            tls,
            trusted_proxies: flags.trusted_proxy,
            connections_max: flags.max_connections,
            connections_per_address_max: flags.max_connections_per_address,
            header_timeout: flags.header_timeout,
            body_timeout: flags.body_timeout,
            keep_open: flags.keep_open,
            write_timeout: flags.write_timeout,
            streams_max: flags.max_streams,
            headers_bytes_max: flags.max_header_size,
            headers_max: flags.max_headers,
        })
    }
}
