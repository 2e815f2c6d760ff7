//! The `auth` of a provider's entry.

use http::HeaderName;
use secrecy::SecretString;
use url::Url;

use crate::{
    limits,
    registry::{
        auth::AuthSpec,
        reading::{Field, Fields, Reader},
        reserved,
        secret::Source,
    },
};

/// What it may hold, in the order the documentation lists it.
const KNOWN: [&str; 5] = ["type", "header", "required", "default", "obtain"];
const TYPE_REMEDY: &str = "write type: none, bearer or api_key";

impl Reader<'_> {
    /// Checks which credential a provider takes, and fetches its default.
    pub(super) fn auth(&mut self, field: &Field<'_>) -> Option<AuthSpec> {
        let fields = self.known_fields(field, &KNOWN)?;
        let Some(kind_field) = fields.get("type") else {
            let path = fields.path_of("type");
            self.mistake_at(fields.place, path, "is missing", TYPE_REMEDY);
            return None;
        };
        let kind = self.text(&kind_field, TYPE_REMEDY)?;
        let allowed: &[&str] = match kind {
            "none" => &["type"],
            "bearer" => &["type", "required", "default", "obtain"],
            "api_key" => &KNOWN,
            _ => {
                self.mistake(&kind_field, "is no kind of credential", TYPE_REMEDY);
                return None;
            }
        };
        self.refuse_misplaced(&fields, kind, allowed);
        let required = fields
            .get("required")
            .map_or(Some(true), |field| self.flag(&field));
        let header = match fields.get("header") {
            Some(field) if kind == "api_key" => self.key_header(&field),
            _ => Some(AuthSpec::API_KEY_HEADER),
        };
        let obtain = fields
            .get("obtain")
            .filter(|_| kind != "none")
            .and_then(|field| self.page(&field));
        let mut auth = match kind {
            "none" => return Some(AuthSpec::None),
            "bearer" => AuthSpec::Bearer {
                required: required?,
                default: None,
                obtain,
            },
            _ => AuthSpec::ApiKey {
                header: header?,
                required: required?,
                default: None,
                obtain,
            },
        };
        if let Some(field) = fields.get("default") {
            let secret = self.default_secret(&field, &auth);
            if let AuthSpec::Bearer { default, .. } | AuthSpec::ApiKey { default, .. } = &mut auth {
                *default = secret;
            }
        }
        Some(auth)
    }

    /// Refuses fields that another kind of credential has.
    fn refuse_misplaced(&mut self, fields: &Fields<'_>, kind: &str, allowed: &[&str]) {
        let remedy = match kind {
            "bearer" => "leave it out: a bearer token goes into Authorization",
            _ => "leave it out, or write type: bearer or api_key",
        };
        for name in ["header", "required", "default", "obtain"] {
            if let Some(field) = fields.get(name).filter(|_| !allowed.contains(&name)) {
                let problem = format!("has no meaning with type: {kind}");
                self.mistake(&field, problem, remedy);
            }
        }
    }

    fn key_header(&mut self, field: &Field<'_>) -> Option<HeaderName> {
        const REMEDY: &str = "write a header's name, such as x-api-key";
        let text = self.text(field, REMEDY)?;
        let Ok(header) = HeaderName::from_bytes(text.as_bytes()) else {
            self.mistake(field, "is no header's name", REMEDY);
            return None;
        };
        if let Some(reason) = reserved::reason(&header) {
            self.mistake(field, reason, REMEDY);
            return None;
        }
        Some(header)
    }

    /// Takes the address of a page that people open in a browser.
    fn page(&mut self, field: &Field<'_>) -> Option<Url> {
        const REMEDY: &str =
            "write the page where people get the credential, such as https://example.com/keys";
        let text = self.text(field, REMEDY)?;
        let stray = |c: char| c.is_whitespace() || c.is_control();
        if text.len() > limits::URL_BYTES_MAX || text.contains(stray) {
            let problem = "is too long, or holds white space or control characters";
            self.mistake(field, problem, REMEDY);
            return None;
        }
        // Browsers run the text of some others, such as `javascript:`.
        let page = Url::parse(text).ok().filter(|page| {
            let is_page = matches!(page.scheme(), "http" | "https") && page.has_host();
            is_page && page.username().is_empty() && page.password().is_none()
        });
        if page.is_none() {
            let problem = "is not an http or https address without user and password";
            self.mistake(field, problem, REMEDY);
        }
        page
    }

    /// Fetches the default credential. One that cannot be had is a warning: sessions may bring
    /// their own, and the other providers work.
    fn default_secret(&mut self, field: &Field<'_>, auth: &AuthSpec) -> Option<SecretString> {
        const REMEDY: &str = "write env:NAME or file:PATH, and keep the secret there";
        let text = self.text(field, REMEDY)?;
        let Some(source) = Source::parse(text) else {
            let problem = "neither names an environment variable nor a file; a secret must not stand in this file";
            self.mistake(field, problem, REMEDY);
            return None;
        };
        let remedy = "until then, sessions bring their own credential";
        let secret = source
            .fetch(self.folder, self.environment)
            .map_err(|problem| self.warning(field, problem, format!("provide it; {remedy}")))
            .ok()?;
        match auth.header(&secret) {
            Ok(_) => Some(secret),
            Err(error) => {
                let problem = format!("what {text} holds cannot be sent: it {error}");
                self.warning(field, problem, format!("correct it; {remedy}"));
                None
            }
        }
    }
}
