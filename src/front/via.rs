//! The way a request came: from whose address, and under which scheme and host its client names the
//! gateway.
//!
//! What a proxy says about it is believed of the configured ones only. Anybody else could claim to
//! be anybody.

mod hops;

use std::net::{IpAddr, SocketAddr};

use http::{
    HeaderMap, HeaderValue, Request,
    header::HOST,
    uri::{Authority, Scheme},
};
use ipnet::IpNet;

/// The way a request came, in its extensions.
#[derive(Debug, Clone)]
pub struct Via {
    /// The address of the client, as far as trusted proxies tell; else of whoever connected.
    pub address: IpAddr,
    /// How the client speaks with the gateway, or with the proxy before it.
    pub scheme: Scheme,
    named: Named,
}

/// The host that a request names.
#[derive(Debug, Clone)]
enum Named {
    Nowhere,
    Header(HeaderValue),
    Line(Authority),
    Forwarded(String),
}

impl Via {
    /// The host, and the port if there is one, that the client names the gateway by.
    ///
    /// Behind [`super::origin::Gate`] it is one of those that are allowed.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        match &self.named {
            Named::Nowhere => None,
            Named::Header(value) => value.to_str().ok(),
            Named::Line(authority) => Some(authority.as_str()),
            Named::Forwarded(host) => Some(host),
        }
    }

    /// The start of every URL of the gateway as this client writes it, such as
    /// `https://mcp.example.com`; `None` when the request names no host.
    #[must_use]
    pub fn base_url(&self) -> Option<String> {
        self.host().map(|host| format!("{}://{host}", self.scheme))
    }

    /// The host that a trusted proxy says the client named, if that is how it is known.
    pub(super) fn forwarded_host(&self) -> Option<&str> {
        match &self.named {
            Named::Forwarded(host) => Some(host),
            _ => None,
        }
    }
}

/// The proxies whose word counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Trusts every address in these networks.
    #[must_use]
    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this is a trusted proxy's address.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Tells the way of a request that came over a connection from `from`, encrypted or not.
    ///
    /// Of the addresses that proxies wrote down, the client's is the rightmost that is no trusted
    /// proxy's: everything to the left of it is what the client itself says.
    #[must_use]
    pub fn via<B>(&self, from: SocketAddr, encrypted: bool, request: &Request<B>) -> Via {
        let from = from.ip().to_canonical();
        let mut via = Via {
            address: from,
            scheme: if encrypted {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            named: named(request),
        };
        if self.has(from) {
            self.believe(&mut via, request.headers());
        }
        via
    }

    fn believe(&self, via: &mut Via, headers: &HeaderMap) {
        let told = hops::read(headers, |address| self.has(address));
        via.address = told.address.unwrap_or(via.address);
        if let Some(scheme) = told.scheme {
            via.scheme = scheme;
        }
        if let Some(host) = told.host {
            via.named = Named::Forwarded(host);
        }
    }
}

fn named<B>(request: &Request<B>) -> Named {
    // HTTP/2 names the host in its request line. Where both are there, both are checked.
    if let Some(authority) = request.uri().authority() {
        return Named::Line(authority.clone());
    }
    let header = request.headers().get(HOST);
    header.map_or(Named::Nowhere, |value| Named::Header(value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two proxies of ours, one behind the other.
    fn proxies() -> TrustedProxies {
        let networks = ["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1/32"];
        TrustedProxies::new(networks.iter().map(|net| net.parse().unwrap()).collect())
    }

    fn via(from: &str, headers: &[(&str, &str)]) -> (String, String) {
        let mut request = Request::get("/").header(HOST, "localhost:8000");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let from = SocketAddr::new(from.parse().unwrap(), 40_000);
        let via = proxies().via(from, false, &request.body(()).unwrap());
        (via.address.to_string(), via.base_url().unwrap())
    }

    #[test]
    fn strangers_are_not_believed() {
        let claims = [
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "mcp.example.com"),
            (
                "forwarded",
                "for=192.0.2.1;proto=https;host=mcp.example.com",
            ),
        ];
        for from in ["198.51.100.7", "2001:db8:2::1", "127.0.0.2"] {
            let (address, base) = via(from, &claims);
            assert_eq!(address, from);
            assert_eq!(base, "http://localhost:8000");
        }
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_proxy_of_ours() {
        for (listed, client) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.66, 192.0.2.1", "192.0.2.1"),
            ("127.0.0.1, 192.0.2.66, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            ("10.2.2.2,10.1.1.1", "10.2.2.2"),
            ("192.0.2.1:5555", "192.0.2.1"),
            ("2001:db8:2::1", "2001:db8:2::1"),
            ("[2001:db8:2::1]", "2001:db8:2::1"),
            ("[2001:db8:2::1]:443", "2001:db8:2::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            // Nobody knows who is behind what cannot be read.
            ("192.0.2.1, unknown", "10.0.0.1"),
            ("192.0.2.1, nonsense, 10.1.1.1", "10.1.1.1"),
            ("", "10.0.0.1"),
        ] {
            let (address, _) = via("10.0.0.1", &[("x-forwarded-for", listed)]);
            assert_eq!(address, client, "{listed}");
            let (address, _) = via("::ffff:10.0.0.1", &[("x-forwarded-for", listed)]);
            assert_eq!(address, client, "{listed}");
        }
        let lines = [
            ("x-forwarded-for", "192.0.2.66"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(via("10.0.0.1", &lines).0, "192.0.2.1", "lines are one list");
    }

    #[test]
    fn the_standard_header_is_read_where_there_is_no_other() {
        for (text, client, base) in [
            (
                "for=192.0.2.66, for=192.0.2.1;proto=https;host=mcp.example.com, for=10.1.1.1",
                "192.0.2.1",
                "https://mcp.example.com",
            ),
            (
                "For=\"[2001:db8:2::1]:4711\" ; PROTO=https; host=\"mcp.example.com:8443\"",
                "2001:db8:2::1",
                "https://mcp.example.com:8443",
            ),
            (
                "proto=https;by=\"a,b;c\\\"d\";for=192.0.2.1",
                "192.0.2.1",
                "https://localhost:8000",
            ),
            (
                "for=192.0.2.1, for=10.1.1.1;proto=https;host=mcp.example.com",
                "192.0.2.1",
                "https://mcp.example.com",
            ),
            (
                "for=192.0.2.1, for=_hidden;proto=https",
                "10.0.0.1",
                "https://localhost:8000",
            ),
            // What the client claims of itself stands to the left of what was seen of it.
            (
                "for=192.0.2.66;proto=http;host=evil.example.net, for=192.0.2.1;proto=https;host=mcp.example.com",
                "192.0.2.1",
                "https://mcp.example.com",
            ),
            (
                "for=192.0.2.66;proto=https;host=evil.example.net, for=192.0.2.1",
                "192.0.2.1",
                "http://localhost:8000",
            ),
            ("for=unknown", "10.0.0.1", "http://localhost:8000"),
            ("nonsense", "10.0.0.1", "http://localhost:8000"),
            ("for=\"192.0.2.1", "10.0.0.1", "http://localhost:8000"),
        ] {
            let told = via("10.0.0.1", &[("forwarded", text)]);
            assert_eq!(told, (client.to_owned(), base.to_owned()), "{text}");
        }
        let torn = [
            (
                "forwarded",
                "for=192.0.2.66;proto=https;host=evil.example.net",
            ),
            ("forwarded", "for=\"192.0.2.1"),
        ];
        let told = via("10.0.0.1", &torn);
        assert_eq!(told.0, "10.0.0.1", "nobody knows who wrote the first line");
        assert_eq!(told.1, "http://localhost:8000");
        let both = [
            (
                "forwarded",
                "for=192.0.2.66;proto=https;host=evil.example.net",
            ),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        let told = via("10.0.0.1", &both);
        assert_eq!(told.0, "192.0.2.1");
        assert_eq!(told.1, "http://localhost:8000");
    }

    #[test]
    fn scheme_and_host_are_those_of_the_hop_that_met_the_client() {
        for (listed, schemes, hosts, base) in [
            (
                "192.0.2.1",
                "https",
                "mcp.example.com",
                "https://mcp.example.com",
            ),
            // One value for all hops.
            (
                "192.0.2.1, 10.1.1.1",
                "https",
                "a.example.com",
                "https://a.example.com",
            ),
            // One a hop: the client met the outer one, whatever it claimed itself.
            (
                "192.0.2.66, 192.0.2.1, 10.1.1.1",
                "http, https, http",
                "evil.example.net, a.example.com, inner",
                "https://a.example.com",
            ),
            (
                "192.0.2.1",
                "HTTPS",
                " a.example.com ",
                "https://a.example.com",
            ),
            ("192.0.2.1", "gopher", "", "http://localhost:8000"),
        ] {
            let told = via(
                "10.0.0.1",
                &[
                    ("x-forwarded-for", listed),
                    ("x-forwarded-proto", schemes),
                    ("x-forwarded-host", hosts),
                ],
            );
            assert_eq!(told.1, base, "{listed}");
        }
        let alone = via("10.0.0.1", &[("x-forwarded-proto", "http, https")]);
        assert_eq!(
            alone,
            ("10.0.0.1".to_owned(), "https://localhost:8000".to_owned())
        );
    }

    #[test]
    fn an_encrypted_connection_is_https() {
        let request = Request::get("https://mcp.example.com:8443/")
            .body(())
            .unwrap();
        let from = SocketAddr::from(([192, 0, 2, 1], 1));
        let via = TrustedProxies::default().via(from, true, &request);
        assert_eq!(via.base_url().unwrap(), "https://mcp.example.com:8443");
    }
}
