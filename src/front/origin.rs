//! Which `Host` and which `Origin` a request may come with.
//!
//! A web page in a user's browser can send requests to the user's own machine: directly, and, by
//! pointing a name of its own at 127.0.0.1, as if the gateway were its own site (DNS rebinding).
//! The browser tells on it: the first comes with a foreign `Origin`, the second with a foreign
//! `Host`. No path is exempt, and nothing here ever grants CORS.

use std::{collections::HashSet, net::IpAddr};

use http::{
    HeaderMap, Request, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

use super::{problem::Problem, via::Via};

/// The hosts a request may name and the origins it may come from.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    hosts: HashSet<Place>,
    origins: HashSet<String>,
    /// The gateway listens on every address, so any address may be one of its own. A page cannot
    /// make a browser name an address that the page was not loaded from.
    every_address: bool,
}

/// A host of the configuration that cannot be read, or an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GateError {
    /// Neither `name` nor `name:port`.
    #[error(
        "{0:?} is no host; write a name or an address such as gateway.example.com or gateway.example.com:8443"
    )]
    Host(String),
    /// Not `scheme://host` or `scheme://host:port`.
    #[error("{0:?} is no origin; write it as a browser sends it, such as https://app.example.com")]
    Origin(String),
}

impl Gate {
    /// Lets through the loopback host, the host that is listened on, and what the operator allows.
    ///
    /// An allowed host without a port is allowed with every port.
    ///
    /// # Errors
    ///
    /// [`GateError`] names the entry that cannot be read.
    pub fn new(
        listens_on: &str,
        allowed_hosts: &[String],
        allowed_origins: &[String],
    ) -> Result<Self, GateError> {
        let address = listens_on.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let mut gate = Self {
            every_address: address.is_some_and(|address| address.is_unspecified()),
            ..Self::default()
        };
        let listens_on = match address {
            Some(address) => written(address),
            None => listens_on.to_owned(),
        };
        for host in std::iter::once(&listens_on).chain(allowed_hosts) {
            let place = Place::read(host).ok_or_else(|| GateError::Host(host.clone()))?;
            gate.hosts.insert(place);
        }
        for origin in allowed_origins {
            let (scheme, place) =
                split_origin(origin).ok_or_else(|| GateError::Origin(origin.clone()))?;
            gate.origins.insert(place.as_origin(&scheme));
        }
        Ok(gate)
    }

    /// Says whether a request may come in.
    ///
    /// # Errors
    ///
    /// 400 for a request that does not name one host, 403 for a foreign host or origin.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let host = self.check_host(request)?;
        let Some(origin) = only(request.headers(), ORIGIN.as_str())? else {
            return Ok(());
        };
        let allowed = split_origin(origin).is_some_and(|(scheme, place)| {
            place.is_loopback()
                || place.with_port_of(&scheme) == host.with_port_of(&scheme)
                || self.origins.contains(&place.as_origin(&scheme))
        });
        if allowed {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "this Origin may not use the gateway; a web page needs its origin in the gateway's \
             allowed origins",
        ))
    }

    fn check_host<B>(&self, request: &Request<B>) -> Result<Place, Problem> {
        let unreadable = || {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "the request must name one host, in one well-formed Host header",
            )
        };
        let named = only(request.headers(), HOST.as_str())?;
        // HTTP/2 names the host in its request line, HTTP/1 may; then both must be allowed.
        let line = request.uri().authority().map(Authority::as_str);
        // What a trusted proxy says its client named comes last, as the one a page's origin is like. It
        // must be allowed as well as the host that the proxy itself names: a page that reached the
        // gateway past the proxy, or by it under a name of its own, could otherwise pick either.
        let via = request.extensions().get::<Via>();
        let forwarded = via.and_then(Via::forwarded_host);
        let mut place = None;
        for text in [named, line, forwarded].into_iter().flatten() {
            let host = Place::read(text).ok_or_else(unreadable)?;
            if !self.allows(&host) {
                return Err(Problem::new(
                    StatusCode::FORBIDDEN,
                    "this Host is not one of the gateway's; call it by a loopback name such as \
                     localhost, or add the name to the gateway's allowed hosts",
                ));
            }
            place = Some(host);
        }
        place.ok_or_else(unreadable)
    }

    fn allows(&self, host: &Place) -> bool {
        host.is_loopback()
            || (self.every_address && host.address().is_some())
            || self.hosts.contains(host)
            || self.hosts.contains(&host.without_port())
    }
}

/// The one value of a header, if the request has it.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let (first, second) = (values.next(), values.next());
    match (first.map(http::HeaderValue::to_str), second) {
        (None, _) => Ok(None),
        (Some(Ok(text)), None) => Ok(Some(text)),
        _ => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the request must carry one well-formed {name} header at most"),
        )),
    }
}

/// A host and perhaps a port, in one spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    host: String,
    port: Option<u16>,
}

impl Place {
    fn read(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        // A port that is no number would otherwise pass for no port at all.
        let well_formed = !host.is_empty() && !text.contains('@') && {
            let rest = text.get(host.len()..)?;
            rest.is_empty() || authority.port_u16().is_some()
        };
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        well_formed.then_some(Self {
            host,
            port: authority.port_u16(),
        })
    }

    fn address(&self) -> Option<IpAddr> {
        self.host.trim_matches(['[', ']']).parse().ok()
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .address()
                .is_some_and(|address| address.to_canonical().is_loopback())
    }

    fn without_port(&self) -> Self {
        Self {
            host: self.host.clone(),
            port: None,
        }
    }

    /// Browsers leave out a scheme's usual port.
    fn with_port_of(&self, scheme: &str) -> (&str, Option<u16>) {
        let usual = match scheme {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        (&self.host, self.port.or(usual))
    }

    fn as_origin(&self, scheme: &str) -> String {
        match self.with_port_of(scheme) {
            (host, Some(port)) => format!("{scheme}://{host}:{port}"),
            (host, None) => format!("{scheme}://{host}"),
        }
    }
}

fn split_origin(origin: &str) -> Option<(String, Place)> {
    let (scheme, authority) = origin.split_once("://")?;
    let named = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let place = Place::read(authority)?;
    named.then(|| (scheme.to_ascii_lowercase(), place))
}

fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::via::TrustedProxies;

    fn gate(listens_on: &str) -> Gate {
        let hosts = ["gateway.example.com", "other.example.com:8443"].map(str::to_owned);
        let origins = ["https://app.example.com", "vscode-webview://abc"].map(str::to_owned);
        Gate::new(listens_on, &hosts, &origins).unwrap()
    }

    fn verdict(gate: &Gate, host: &str, origin: Option<&str>) -> u16 {
        let mut request = Request::get("/").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let request = request.body(()).unwrap();
        gate.check(&request)
            .map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_host_is_loopback_our_own_or_allowed() {
        let gate = gate("192.0.2.7");
        for (host, status) in [
            ("localhost", 200),
            ("LOCALHOST:8000", 200),
            ("localhost.:8000", 200),
            ("127.0.0.1:8000", 200),
            ("127.9.8.7", 200),
            ("[::1]:8000", 200),
            ("192.0.2.7:8000", 200),
            ("Gateway.Example.com:1234", 200),
            ("other.example.com:8443", 200),
            ("other.example.com:8444", 403),
            ("other.example.com", 403),
            ("192.0.2.8:8000", 403),
            ("evil.example.net:8000", 403),
            ("localhost.evil.example.net", 403),
            ("127.0.0.1.evil.example.net", 403),
            ("gateway.example.com.evil.example.net", 403),
            ("", 400),
            (":8000", 400),
            ("localhost:", 400),
            ("localhost:99999", 400),
            ("localhost@evil.example.net", 400),
            ("evil.example.net@localhost", 400),
            ("a b", 400),
        ] {
            assert_eq!(verdict(&gate, host, None), status, "{host}");
        }
    }

    #[test]
    fn a_gateway_on_every_address_answers_to_addresses_but_not_to_names() {
        for listens_on in ["0.0.0.0", "::", "[::]"] {
            let gate = gate(listens_on);
            assert_eq!(verdict(&gate, "192.0.2.8:8000", None), 200);
            assert_eq!(verdict(&gate, "[2001:db8::1]:8000", None), 200);
            assert_eq!(verdict(&gate, "evil.example.net", None), 403);
        }
    }

    #[test]
    fn an_origin_is_loopback_the_host_itself_or_allowed() {
        let gate = gate("127.0.0.1");
        let host = "gateway.example.com";
        for (origin, status) in [
            ("http://localhost:3000", 200),
            ("http://127.0.0.1:6274", 200),
            ("http://[::1]", 200),
            ("https://gateway.example.com", 200),
            ("http://gateway.example.com:80", 200),
            ("https://app.example.com", 200),
            ("HTTPS://APP.EXAMPLE.COM:443", 200),
            ("vscode-webview://abc", 200),
            ("http://gateway.example.com:8080", 403),
            ("http://app.example.com", 403),
            ("https://app.example.com.evil.example.net", 403),
            ("https://evil.example.net", 403),
            ("http://localhost.evil.example.net", 403),
            ("null", 403),
            ("", 403),
            ("://localhost", 403),
        ] {
            assert_eq!(verdict(&gate, host, Some(origin)), status, "{origin}");
        }
    }

    #[test]
    fn a_second_host_cannot_hide_behind_the_first() {
        let gate = gate("127.0.0.1");
        let status = |request: http::request::Builder| {
            let request = request.body(()).unwrap();
            gate.check(&request).map_err(|problem| problem.status())
        };
        let two = Request::get("/")
            .header(HOST, "localhost")
            .header(HOST, "evil.example.net");
        assert_eq!(status(two), Err(StatusCode::BAD_REQUEST));
        let line = Request::get("http://evil.example.net/").header(HOST, "localhost");
        assert_eq!(status(line), Err(StatusCode::FORBIDDEN));
        let header = Request::get("http://localhost/").header(HOST, "evil.example.net");
        assert_eq!(status(header), Err(StatusCode::FORBIDDEN));
        assert_eq!(status(Request::get("http://localhost/")), Ok(()));
        assert_eq!(status(Request::get("/")), Err(StatusCode::BAD_REQUEST));
    }

    /// The verdict on a request that a proxy brings, trusted or not.
    fn brought(trusted: bool, host: &str, forwarded: &str, origin: Option<&str>) -> u16 {
        let network = if trusted {
            "127.0.0.1/32"
        } else {
            "10.0.0.0/8"
        };
        let proxies = TrustedProxies::new(vec![network.parse().unwrap()]);
        let mut request = Request::get("/")
            .header(HOST, host)
            .header("x-forwarded-host", forwarded);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        let mut request = request.body(()).unwrap();
        let via = proxies.via(([127, 0, 0, 1], 40_000).into(), false, &request);
        request.extensions_mut().insert(via);
        let verdict = gate("127.0.0.1").check(&request);
        verdict.map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_forwarded_host_must_be_allowed_as_well_as_the_proxy_s_own() {
        for (host, forwarded, status) in [
            ("localhost:8000", "gateway.example.com", 200),
            // The proxy passed on what some page calls it by.
            ("localhost:8000", "evil.example.net", 403),
            ("gateway.example.com", "evil.example.net", 403),
            // A page that reached the gateway itself, by a name that leads here, and adds the header.
            ("evil.example.net", "gateway.example.com", 403),
            ("evil.example.net", "localhost", 403),
            ("localhost:8000", "a b", 400),
        ] {
            assert_eq!(
                brought(true, host, forwarded, None),
                status,
                "{host} {forwarded}"
            );
        }
        // Of a stranger it counts for nothing.
        assert_eq!(brought(false, "localhost", "evil.example.net", None), 200);
        assert_eq!(brought(false, "evil.example.net", "localhost", None), 403);
    }

    #[test]
    fn behind_a_proxy_the_own_origin_is_the_one_that_browsers_see() {
        let asked = |trusted, origin| {
            brought(
                trusted,
                "localhost:8000",
                "gateway.example.com",
                Some(origin),
            )
        };
        assert_eq!(asked(true, "https://gateway.example.com"), 200);
        assert_eq!(asked(false, "https://gateway.example.com"), 403);
        assert_eq!(asked(true, "https://evil.example.net"), 403);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_named() {
        for host in ["https://a.example.com", "a b", "", "a.example.com/x"] {
            let error = Gate::new("localhost", &[host.to_owned()], &[]).unwrap_err();
            assert_eq!(error, GateError::Host(host.to_owned()));
        }
        for origin in [
            "app.example.com",
            "https://",
            "https://a.example.com/x",
            "*",
        ] {
            let error = Gate::new("localhost", &[], &[origin.to_owned()]).unwrap_err();
            assert_eq!(error, GateError::Origin(origin.to_owned()));
        }
    }
}
