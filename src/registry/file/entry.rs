//! One provider's entry.

use http::{HeaderMap, HeaderName};
use url::{Host, Url};

use crate::{
    limits,
    mcp::{name::BackendName, version::Revision},
    registry::{
        auth::{AuthSpec, sensitive},
        reading::{Field, Fields, Reader},
        reserved,
        spec::{Protocol, ProviderSpec, Retries, Timeouts},
        tree::Name,
    },
};

/// What an entry may hold, in the order the documentation lists it.
const KNOWN: [&str; 7] = [
    "url",
    "description",
    "auth",
    "headers",
    "timeouts",
    "retries",
    "protocol",
];

impl Reader<'_> {
    /// Checks an entry to its end, so that each of its mistakes is told at once.
    pub(super) fn provider(&mut self, name: &Name, entry: &Field<'_>) -> Option<ProviderSpec> {
        let backend = name.text.parse::<BackendName>();
        if let Err(error) = &backend {
            self.mistake_at(
                name.number,
                entry.path.clone(),
                format!("is no name for a provider: {error}"),
                "choose a name such as internal_search",
            );
        }
        let fields = self.known_fields(entry, &KNOWN)?;
        let url = self.url(&fields);
        let auth = match fields.get("auth") {
            Some(field) => self.auth(&field),
            None => Some(AuthSpec::None),
        };
        let description = fields
            .get("description")
            .and_then(|field| self.description(&field));
        let headers = fields
            .get("headers")
            .map(|field| self.headers(&field, auth.as_ref()))
            .unwrap_or_default();
        let timeouts = self.timeouts(&fields);
        let retries = self.retries(&fields);
        let protocol = fields
            .get("protocol")
            .and_then(|field| self.protocol(&field))
            .unwrap_or_default();
        if let (Some(url), Some(auth)) = (&url, &auth) {
            self.warn_of_clear_text(&fields, url, auth);
        }
        Some(ProviderSpec {
            name: backend.ok()?,
            url: url?,
            description,
            auth: auth?,
            headers,
            timeouts,
            retries,
            protocol,
        })
    }

    /// Never repeats the address in a message: people write keys into it.
    fn url(&mut self, fields: &Fields<'_>) -> Option<Url> {
        const REMEDY: &str = "write the server's MCP endpoint, such as https://mcp.example.com/mcp";
        let Some(field) = fields.get("url") else {
            self.mistake_at(fields.place, fields.path_of("url"), "is missing", REMEDY);
            return None;
        };
        let text = self.text(&field, REMEDY)?;
        let mut refuse = |problem: &str, remedy: &str| {
            self.mistake(&field, problem, remedy);
            None
        };
        if text.len() > limits::URL_BYTES_MAX {
            return refuse("is too long", "write at most 2048 characters");
        }
        // The parser would drop these without a word.
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return refuse("holds white space or control characters", REMEDY);
        }
        let Ok(url) = Url::parse(text) else {
            return refuse("is not a URL", REMEDY);
        };
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return refuse("is not an http or https address", REMEDY);
        }
        if !url.username().is_empty() || url.password().is_some() {
            let remedy = "leave them out, and let auth say which credential the server takes";
            return refuse("holds a user name or a password", remedy);
        }
        if url.fragment().is_some() {
            return refuse("holds a fragment", "leave out '#' and all behind it");
        }
        Some(url)
    }

    fn description(&mut self, field: &Field<'_>) -> Option<String> {
        const REMEDY: &str = "say in a line what the server offers, in at most 1000 characters";
        let text = self.text(field, REMEDY)?;
        if text.chars().count() > limits::DESCRIPTION_CHARS_MAX {
            self.mistake(field, "is too long", REMEDY);
            return None;
        }
        Some(text.to_owned())
    }

    fn headers(&mut self, field: &Field<'_>, auth: Option<&AuthSpec>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !field.is_given() {
            return headers;
        }
        let Some(fields) = self.any_fields(field) else {
            return headers;
        };
        for (name, field) in fields.iter() {
            let Ok(header) = HeaderName::from_bytes(name.text.as_bytes()) else {
                let remedy = "write letters, digits and '-' only";
                self.mistake_at(name.number, field.path, "is no header's name", remedy);
                continue;
            };
            let value = self.header_value(&field);
            if let Some(reason) = reserved::reason(&header) {
                self.mistake_at(name.number, field.path, reason, "leave it out");
            } else if headers.contains_key(&header) {
                let problem = "is there twice: the case of letters does not count";
                self.mistake_at(name.number, field.path, problem, "keep one of them");
            } else if matches!(auth, Some(AuthSpec::ApiKey { header: key, .. }) if *key == header) {
                let problem = "carries the API key, as auth says";
                self.mistake_at(name.number, field.path, problem, "leave it out here");
            } else if let Some(value) = value {
                headers.insert(header, value);
            }
        }
        headers
    }

    fn header_value(&mut self, field: &Field<'_>) -> Option<http::HeaderValue> {
        let text = self.text(field, "write a text, in quotes if it looks like a number")?;
        sensitive(text)
            .map_err(|error| {
                self.mistake(field, error.to_string(), "write visible ASCII characters");
            })
            .ok()
    }

    fn timeouts(&mut self, fields: &Fields<'_>) -> Timeouts {
        let mut timeouts = self.defaults.timeouts;
        let Some(field) = fields.get("timeouts").filter(Field::is_given) else {
            return timeouts;
        };
        let known = ["connect", "handshake", "idle", "call"];
        let Some(fields) = self.known_fields(&field, &known) else {
            return timeouts;
        };
        for (name, bounds, timeout) in [
            ("connect", limits::CONNECT_TIMEOUT, &mut timeouts.connect),
            (
                "handshake",
                limits::HANDSHAKE_TIMEOUT,
                &mut timeouts.handshake,
            ),
            ("idle", limits::IDLE_TIMEOUT, &mut timeouts.idle),
            ("call", limits::CALL_TIMEOUT, &mut timeouts.call),
        ] {
            if let Some(field) = fields.get(name) {
                *timeout = self.duration(&field, bounds).unwrap_or(*timeout);
            }
        }
        timeouts
    }

    fn retries(&mut self, fields: &Fields<'_>) -> Retries {
        let mut retries = self.defaults.retries;
        let Some(field) = fields.get("retries").filter(Field::is_given) else {
            return retries;
        };
        let Some(fields) = self.known_fields(&field, &["attempts", "base", "max"]) else {
            return retries;
        };
        if let Some(attempts) = fields
            .get("attempts")
            .and_then(|field| self.count(&field, limits::RETRY_ATTEMPTS))
        {
            retries.attempts = attempts;
        }
        let [base, max] =
            [("base", limits::RETRY_BASE), ("max", limits::RETRY_MAX)].map(|(name, bounds)| {
                let field = fields.get(name)?;
                let duration = self.duration(&field, bounds)?;
                Some((field, duration))
            });
        // One that stands alone moves the other's default out of its way.
        match (base, max) {
            (Some((_, base)), None) => {
                retries.base = base;
                retries.max = retries.max.max(base);
            }
            (None, Some((_, max))) => {
                retries.max = max;
                retries.base = retries.base.min(max);
            }
            (Some((field, base)), Some((_, max))) if base > max => {
                self.mistake(&field, "is longer than max", "write a base of at most max");
            }
            (Some((_, base)), Some((_, max))) => {
                retries.base = base;
                retries.max = max;
            }
            (None, None) => {}
        }
        retries
    }

    fn protocol(&mut self, field: &Field<'_>) -> Option<Protocol> {
        let revisions = Revision::ALL.map(Revision::as_str).join(", ");
        let remedy = format!("write auto, or one of {revisions}");
        let text = self.text(field, &remedy)?;
        if text == "auto" {
            return Some(Protocol::Auto);
        }
        let revision = text.parse().ok();
        if revision.is_none() {
            self.mistake(field, "is no revision the gateway speaks", remedy);
        }
        revision.map(Protocol::Pinned)
    }

    /// A credential on an unencrypted line is seen by everyone on the way, except on this machine.
    fn warn_of_clear_text(&mut self, fields: &Fields<'_>, url: &Url, auth: &AuthSpec) {
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if url.scheme() != "http" || is_local || matches!(auth, AuthSpec::None) {
            return;
        }
        if let Some(field) = fields.get("url") {
            let problem = "sends credentials over an unencrypted connection";
            self.warning(&field, problem, "use https if the server offers it");
        }
    }
}
