//! Who may come in: what a request shows is looked at once, before any route, and goes no further.
//!
//! Behind here a request carries who was [`Admitted`], by itself or with the rest that the MCP endpoint asks for; every route
//! that touches sessions wants that, and one that came past here without is answered by none of them.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header::AUTHORIZATION};
use warp::reply::{Reply, Response};

use super::{
    api::{MCP, METRICS, PROTECTED_RESOURCE},
    mcp,
    problem::Problem,
    session_id,
    via::Via,
};
use crate::{
    audit::{ADMISSION, AuditLog, Entry},
    callers::{Admitted, Callers, Unrecognised},
    mcp::failure::Failure,
    metrics::Readers,
    session::short,
};

/// Where a key may stand for clients that cannot set `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// What a caller is asked to log in to.
const REALM: &str = "mcp-gateway";

/// Asks everybody who comes in who they are, where that is asked at all.
#[derive(Clone)]
pub struct Admission {
    callers: Callers,
    /// Where clients reach the gateway; else it is wherever they say they do.
    public_url: Option<String>,
    /// Who may read the metrics.
    metrics: Readers,
    /// Where it is written down who was not let in.
    audit: AuditLog,
}

/// Where a client reaches the gateway: scheme, host and port.
#[derive(Debug, Clone)]
pub struct Base(pub String);

impl Admission {
    /// Admits those whom `callers` recognises.
    #[must_use]
    pub fn new(callers: Callers, public_url: Option<&str>, audit: AuditLog) -> Self {
        Self {
            audit,
            callers,
            public_url: public_url.map(str::to_owned),
            metrics: Readers::default(),
        }
    }

    /// Asks nobody who reads the metrics who they are, if everybody may.
    #[must_use]
    pub fn with_metrics_for(mut self, metrics: Readers) -> Self {
        self.metrics = metrics;
        self
    }

    /// Lets a request in without what it showed; gives whoever makes it. For a path that is open to all that is nobody, and
    /// its base is in its extensions.
    ///
    /// # Errors
    ///
    /// The refusal, for a path that is not open to all.
    pub async fn admit<B>(&self, request: &mut Request<B>) -> Result<Option<Admitted>, Response> {
        let shown = take_shown(request.headers_mut());
        if self.is_open(request.uri().path()) {
            let base = self.base(request);
            request.extensions_mut().insert(base);
            return Ok(None);
        }
        let shown = match shown {
            Ok(shown) => shown,
            // Where nobody is asked, it means nothing.
            Err(Several) if !self.callers.are_authenticated() => None,
            Err(Several) => return Err(several().into_response()),
        };
        let text = shown.as_ref().and_then(|shown| shown.to_str().ok());
        match self.recognise(text, shown.is_some()).await {
            Ok(admitted) => Ok(Some(admitted)),
            Err(why) => {
                self.note(why, request);
                Err(self.refuse(why, &self.base(request), request.uri().path()))
            }
        }
    }

    fn is_open(&self, path: &str) -> bool {
        is_open(path) || self.metrics == Readers::Everybody && path == METRICS.template
    }

    /// Writes down that somebody was not let in; a session is named where the path names one.
    fn note<B>(&self, why: Unrecognised, request: &Request<B>) {
        if !self.audit.is_open() {
            return;
        }
        let mut parts = request.uri().path().split('/').skip(1);
        let is_session = parts.next() == Some("session");
        let session = parts.next().filter(|_| is_session).and_then(session_id);
        self.audit.write_refused(Entry {
            caller: None,
            session: session.map(short),
            client: request.extensions().get().map(|via: &Via| via.address),
            method: ADMISSION.into(),
            provider: None,
            tool: None,
            outcome: match why {
                Unrecognised::Unclear => "failed",
                _ => "refused",
            },
            elapsed_ms: 0,
        });
    }

    async fn recognise(&self, text: Option<&str>, shown: bool) -> Result<Admitted, Unrecognised> {
        match self.callers.recognise(text).await {
            // Bytes that are no text.
            Err(Unrecognised::Nothing) if shown => Err(Unrecognised::Wrong),
            recognised => recognised,
        }
    }

    fn refuse(&self, why: Unrecognised, base: &Base, path: &str) -> Response {
        let failure = match why {
            Unrecognised::Nothing | Unrecognised::Wrong => Failure::Unauthenticated {
                how: self.how(why == Unrecognised::Nothing),
            },
            Unrecognised::Variable => Failure::Unauthenticated {
                how: "what came is the name of a variable, which your client did not find; set it where the client is \
                      started, and start it again",
            },
            Unrecognised::TooNarrow => Failure::Unauthorized {
                scopes: self.scopes(),
            },
            Unrecognised::Unclear => Failure::Unverifiable,
        };
        tracing::debug!(?why, "a request was not let in");
        let mut response = if is_mcp(path) {
            mcp::refused(&failure)
        } else {
            Problem::from(&failure).into_response()
        };
        if response.status() != StatusCode::SERVICE_UNAVAILABLE
            && let Ok(challenge) = HeaderValue::try_from(self.challenge(why, base, path))
        {
            let headers = response.headers_mut();
            headers.insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// What to do, in words.
    fn how(&self, nothing: bool) -> &'static str {
        match (nothing, self.callers.tokens().is_some()) {
            (true, true) => {
                "send an API key or a token as Authorization: Bearer .., or have your client log in by OAuth"
            }
            (true, false) => {
                "send an API key as Authorization: Bearer ..; the gateway's operator makes one with mcp-gateway keys create"
            }
            (false, true) => {
                "the key or token lets nobody in, or no longer; log in again, or ask the gateway's operator for a key"
            }
            (false, false) => {
                "the key lets nobody in, or no longer; ask the gateway's operator for another"
            }
        }
    }

    /// What `WWW-Authenticate` says. Spec: RFC 6750, section 3; RFC 9728, section 5.1.
    fn challenge(&self, why: Unrecognised, base: &Base, path: &str) -> String {
        let mut challenge = format!("Bearer realm=\"{REALM}\"");
        let error = match why {
            Unrecognised::Wrong | Unrecognised::Variable => Some("invalid_token"),
            Unrecognised::TooNarrow => Some("insufficient_scope"),
            Unrecognised::Nothing | Unrecognised::Unclear => None,
        };
        let mut add = |name: &str, value: &str| {
            // Writing to a text cannot fail.
            let _infallible = write!(challenge, ", {name}=\"{value}\"");
        };
        if let Some(error) = error {
            add("error", error);
        }
        // With keys alone there is nowhere to log in, and a client must not begin to.
        if self.callers.tokens().is_some() {
            let scopes = self.scopes();
            if !scopes.is_empty() {
                add("scope", &scopes);
            }
            let resource = if is_mcp(path) { path } else { "" };
            let Base(base) = base;
            let known = PROTECTED_RESOURCE.template;
            add("resource_metadata", &format!("{base}{known}{resource}"));
        }
        challenge
    }

    fn scopes(&self) -> String {
        let tokens = self.callers.tokens();
        tokens.map_or_else(String::new, |tokens| tokens.scopes.join(" "))
    }

    fn base<B>(&self, request: &Request<B>) -> Base {
        Base::of(self.public_url.as_deref(), request.extensions().get())
    }
}

impl Base {
    /// The public URL, if there is one; else what a request's way tells, in which the host was checked at the gate.
    #[must_use]
    pub fn of(public_url: Option<&str>, via: Option<&Via>) -> Self {
        match public_url {
            Some(url) => Self(url.trim_end_matches('/').to_owned()),
            None => Self(via.and_then(Via::base_url).unwrap_or_default()),
        }
    }
}

/// What is served to everybody: it says nothing of anybody.
fn is_open(path: &str) -> bool {
    ["/", "/healthz", "/readyz", "/docs", "/openapi.json"].contains(&path)
        || path.starts_with("/docs/")
        || path.starts_with("/page/")
        || path.starts_with("/.well-known/")
}

/// Whether a path is a session's MCP endpoint: its clients read JSON-RPC.
fn is_mcp(path: &str) -> bool {
    let mut segments = MCP.template.split('/').zip(path.split('/'));
    // Nothing but an id in its place: the path is repeated in a challenge, between quotes.
    let fits = segments.all(|(template, given)| {
        if template.starts_with('{') {
            session_id(given).is_some()
        } else {
            template == given
        }
    });
    fits && path.split('/').count() == MCP.template.split('/').count()
}

/// A request shows several things.
#[derive(Debug)]
struct Several;

/// Takes out what a request shows, so that nothing behind here can pass it on.
///
/// # Errors
///
/// When it shows several things. Spec: RFC 6750, section 2.
fn take_shown(headers: &mut HeaderMap) -> Result<Option<HeaderValue>, Several> {
    if !headers.contains_key(&API_KEY) && !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let mut shown: Vec<HeaderValue> = headers.get_all(&API_KEY).iter().cloned().collect();
    shown.extend(headers.get_all(AUTHORIZATION).iter().filter_map(bearer));
    headers.remove(&API_KEY);
    headers.remove(AUTHORIZATION);
    match shown.len() {
        0 | 1 => Ok(shown.pop()),
        _ => Err(Several),
    }
}

/// What stands behind `Bearer`; another scheme's credentials are none here.
fn bearer(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let (scheme, rest) = bytes.split_at_checked("Bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    let mut token = HeaderValue::from_bytes(rest.trim_ascii()).ok()?;
    token.set_sensitive(true);
    Some(token)
}

fn several() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "the request shows several keys or tokens; send one, in Authorization or in X-API-Key",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(HeaderName, &str)]) -> Result<Option<String>, Several> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let shown = take_shown(&mut map);
        assert!(map.is_empty(), "it goes no further");
        let text = |shown: HeaderValue| shown.to_str().unwrap().to_owned();
        shown.map(|shown| shown.map(text))
    }

    #[test]
    fn one_thing_is_shown_in_one_of_two_places() {
        let one = |headers: &[(HeaderName, &str)]| shown(headers).unwrap();
        assert_eq!(one(&[(AUTHORIZATION, "Bearer a")]).as_deref(), Some("a"));
        assert_eq!(one(&[(AUTHORIZATION, "bEARER   a ")]).as_deref(), Some("a"));
        assert_eq!(one(&[(API_KEY, "a")]).as_deref(), Some("a"));
        for none in ["Basic YTpi", "Bearer", "Bearera", ""] {
            assert_eq!(one(&[(AUTHORIZATION, none)]), None, "{none}");
        }
        assert!(shown(&[(AUTHORIZATION, "Bearer a"), (AUTHORIZATION, "Bearer b")]).is_err());
        assert!(shown(&[(AUTHORIZATION, "Bearer a"), (API_KEY, "a")]).is_err());
    }

    #[test]
    fn little_is_open_to_all() {
        for path in [
            "/",
            "/healthz",
            "/readyz",
            "/docs",
            "/docs/a.css",
            "/page/main.js",
            "/openapi.json",
            "/.well-known/x",
        ] {
            assert!(is_open(path), "{path}");
        }
        for path in [
            "",
            "//",
            "/sessions",
            "/create-session",
            "/session/x/mcp",
            "/docsx",
            "/page",
            "/providers",
            "/healthz/",
            "/metrics",
        ] {
            assert!(!is_open(path), "{path}");
        }
    }

    #[test]
    fn the_mcp_endpoint_is_told_from_the_rest() {
        let id = "3f1c2b9e-7f0a-4a57-9d55-0d3f6a1f0c11";
        assert!(is_mcp(&format!("/session/{id}/mcp")));
        for path in [
            "/session/x/mcp",
            r#"/session/x",resource_metadata="https:\\evil.example\y/mcp"#,
            "/session/x",
            "/session/x/mcp/",
            "/session/x/mcp/y",
            "/sessions",
            "/x/y/mcp",
        ] {
            assert!(!is_mcp(path), "{path}");
        }
    }
}
