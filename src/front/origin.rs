//! Which `Host` and which `Origin` a request may come with.
//!
//! A web page in a user's browser can send requests to the user's own machine: directly, and, by
//! pointing a name of its own at 127.0.0.1, as if the gateway were its own site (DNS rebinding).
//! The browser tells on it: the first comes with a foreign `Origin`, the second with a foreign
//! `Host`. No path is exempt, and nothing here ever grants CORS.

use std::{borrow::Cow, collections::HashSet, net::IpAddr};

use http::{
    HeaderMap, HeaderName, Request, StatusCode,
    header::{HOST, ORIGIN},
    uri::Authority,
};

use super::{problem::Problem, via::Via};

/// The hosts a request may name and the origins it may come from.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    /// A few, so that looking through them costs less than a hash.
    hosts: Vec<Place<'static>>,
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
            gate.hosts.push(place.into_owned());
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
        let Some(origin) = only(request.headers(), &ORIGIN)? else {
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

    fn check_host<'a, B>(&self, request: &'a Request<B>) -> Result<Place<'a>, Problem> {
        let unreadable = || {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "the request must name one host, in one well-formed Host header",
            )
        };
        let named = only(request.headers(), &HOST)?;
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

    fn allows(&self, host: &Place<'_>) -> bool {
        host.is_loopback()
            || (self.every_address && host.address().is_some())
            || self.hosts.iter().any(|allowed| {
                let is_port = allowed.port.is_none() || allowed.port == host.port;
                is_port && allowed.host == host.host
            })
    }
}

/// The one value of a header, if the request has it.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
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
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place<'a> {
    host: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Place<'a> {
    fn read(text: &'a str) -> Option<Self> {
        Self::read_plain(text).or_else(|| Self::read_any(text))
    }

    /// What nearly every request names: small letters, digits, dots and hyphens, and perhaps a port.
    fn read_plain(text: &'a str) -> Option<Self> {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (host, Some(port.parse().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        let plain = !host.is_empty() && host.bytes().all(is_plain);
        plain.then(|| Self {
            host: Cow::Borrowed(host.strip_suffix('.').unwrap_or(host)),
            port,
        })
    }

    fn read_any(text: &'a str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = text.get(..authority.host().len())?;
        // A port that is no number would otherwise pass for no port at all.
        let well_formed = !host.is_empty() && !text.contains('@') && host == authority.host() && {
            let rest = text.get(host.len()..)?;
            rest.is_empty() || authority.port_u16().is_some()
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let has_capitals = host.bytes().any(|byte| byte.is_ascii_uppercase());
        well_formed.then(|| Self {
            host: if has_capitals {
                Cow::Owned(host.to_ascii_lowercase())
            } else {
                Cow::Borrowed(host)
            },
            port: authority.port_u16(),
        })
    }

    fn into_owned(self) -> Place<'static> {
        Place {
            host: Cow::Owned(self.host.into_owned()),
            port: self.port,
        }
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

fn split_origin(origin: &str) -> Option<(String, Place<'_>)> {
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
mod tests;
