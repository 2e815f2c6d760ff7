//! The credential a provider takes, and the header it travels in.

use http::{HeaderName, HeaderValue, header};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use url::Url;

use crate::limits;

/// The credential a provider takes.
///
/// `Debug` shows that a default is there, never what it is.
#[derive(Debug, Clone, Default)]
pub enum AuthSpec {
    /// None.
    #[default]
    None,
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// Whether the provider refuses requests without one.
        required: bool,
        /// What is sent for a session that brings none.
        default: Option<SecretString>,
        /// The page where people get one.
        obtain: Option<Url>,
    },
    /// A key in a header of its own.
    ApiKey {
        /// The header.
        header: HeaderName,
        /// Whether the provider refuses requests without one.
        required: bool,
        /// What is sent for a session that brings none.
        default: Option<SecretString>,
        /// The page where people get one.
        obtain: Option<Url>,
    },
}

impl AuthSpec {
    /// Every word for a kind of credential, in the order the documentation lists them.
    pub const KINDS: [&'static str; 3] = ["none", "bearer", "api_key"];
    /// The header of an API key whose entry names none.
    pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");

    /// The word for the kind of credential.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer { .. } => "bearer",
            Self::ApiKey { .. } => "api_key",
        }
    }

    /// What is sent for a session that brings no credential.
    #[must_use]
    pub const fn default_secret(&self) -> Option<&SecretString> {
        match self {
            Self::None => None,
            Self::Bearer { default, .. } | Self::ApiKey { default, .. } => default.as_ref(),
        }
    }

    /// The page where people get a credential, if the entry names one.
    #[must_use]
    pub const fn obtain(&self) -> Option<&Url> {
        match self {
            Self::None => None,
            Self::Bearer { obtain, .. } | Self::ApiKey { obtain, .. } => obtain.as_ref(),
        }
    }

    /// Whether a session must bring a credential: one is required, and there is no default.
    #[must_use]
    pub const fn must_be_brought(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bearer {
                required, default, ..
            }
            | Self::ApiKey {
                required, default, ..
            } => *required && default.is_none(),
        }
    }

    /// Whether the same credentials are sent in the same header; whether a session has to bring one is another matter.
    pub(super) fn is_the_same(&self, other: &Self) -> bool {
        let header = |auth: &Self| match auth {
            Self::ApiKey { header, .. } => Some(header.clone()),
            Self::None | Self::Bearer { .. } => None,
        };
        self.kind() == other.kind()
            && header(self) == header(other)
            && self.default_secret().map(ExposeSecret::expose_secret)
                == other.default_secret().map(ExposeSecret::expose_secret)
    }

    /// What [`Self::is_the_same`] compares, as parts of a fingerprint.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        let header: &[u8] = match self {
            Self::ApiKey { header, .. } => header.as_str().as_bytes(),
            Self::None | Self::Bearer { .. } => b"",
        };
        // No credential is empty.
        let default = self.default_secret().map(ExposeSecret::expose_secret);
        [
            self.kind().as_bytes(),
            header,
            default.unwrap_or_default().as_bytes(),
        ]
    }

    /// The header that carries `secret` to this provider, its value marked sensitive; nothing for
    /// a provider that takes no credential.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] for a secret that no header can carry as it is.
    pub fn header(
        &self,
        secret: &SecretString,
    ) -> Result<Option<(HeaderName, HeaderValue)>, CredentialError> {
        match self {
            Self::None => Ok(None),
            Self::ApiKey { header, .. } => {
                Ok(Some((header.clone(), sensitive(secret.expose_secret())?)))
            }
            Self::Bearer { .. } => {
                let token = secret.expose_secret();
                let scheme = token.get(..7).unwrap_or_default();
                if scheme.eq_ignore_ascii_case("bearer ") {
                    return Err(CredentialError::Scheme);
                }
                check(token)?;
                let value = Zeroizing::new(format!("Bearer {token}"));
                Ok(Some((header::AUTHORIZATION, marked(&value)?)))
            }
        }
    }
}

/// Why a text cannot be a header's value, to follow the name of the field it stands in.
///
/// Never repeats any of the text: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// White space at an end would be lost on the way, and came there by accident.
    #[error("starts or ends with white space")]
    Edges,
    /// A line break, another control character, or one outside ASCII.
    #[error(
        "holds a character that a header cannot carry (number {position}): only visible ASCII and spaces are allowed"
    )]
    Character {
        /// Which character, counted from 1.
        position: usize,
    },
    /// More than servers accept.
    #[error("is longer than {} bytes", limits::HEADER_VALUE_BYTES_MAX)]
    Length,
    /// The gateway adds `Bearer ` itself.
    #[error("starts with \"Bearer \": give the token alone")]
    Scheme,
}

/// A header's value from a text that nobody may see: marked, so that it is left out of logs.
pub(super) fn sensitive(text: &str) -> Result<HeaderValue, CredentialError> {
    check(text)?;
    marked(text)
}

fn check(text: &str) -> Result<(), CredentialError> {
    if text.is_empty() {
        return Err(CredentialError::Empty);
    }
    if text.len() > limits::HEADER_VALUE_BYTES_MAX {
        return Err(CredentialError::Length);
    }
    let trimmed = text.trim();
    if let Some(position) = trimmed.chars().position(is_stray) {
        return Err(CredentialError::Character {
            position: position + 1,
        });
    }
    if trimmed.len() != text.len() {
        return Err(CredentialError::Edges);
    }
    Ok(())
}

/// Stricter than HTTP, which allows tabs and bytes above ASCII that servers read in different ways.
fn is_stray(character: char) -> bool {
    !(character == ' ' || character.is_ascii_graphic())
}

fn marked(text: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| CredentialError::Character {
        position: text.chars().position(is_stray).unwrap_or_default() + 1,
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer() -> AuthSpec {
        AuthSpec::Bearer {
            required: true,
            default: None,
            obtain: None,
        }
    }

    #[test]
    fn a_credential_becomes_a_header_that_debug_does_not_show() {
        let secret = SecretString::from("hf_123");
        let (name, value) = bearer().header(&secret).unwrap().unwrap();
        assert_eq!(name, "authorization");
        assert_eq!(value.as_bytes(), b"Bearer hf_123");
        assert!(value.is_sensitive() && !format!("{value:?}").contains("hf_123"));

        let key = AuthSpec::ApiKey {
            header: AuthSpec::API_KEY_HEADER,
            required: true,
            default: Some(secret.clone()),
            obtain: None,
        };
        assert!(!format!("{key:?}").contains("hf_123"));
        let (name, value) = key.header(&secret).unwrap().unwrap();
        assert_eq!(
            (name.as_str(), value.as_bytes()),
            ("x-api-key", &b"hf_123"[..])
        );
        assert!(value.is_sensitive());

        assert_eq!(AuthSpec::None.header(&secret), Ok(None));
    }

    #[test]
    fn a_credential_that_could_forge_a_header_is_refused() {
        let long = "a".repeat(limits::HEADER_VALUE_BYTES_MAX + 1);
        for (text, error) in [
            ("", CredentialError::Empty),
            (" a", CredentialError::Edges),
            ("a\n", CredentialError::Edges),
            ("\u{a0}a", CredentialError::Edges),
            ("a\r\nx: y", CredentialError::Character { position: 2 }),
            (" a\0", CredentialError::Character { position: 2 }),
            ("a\tb", CredentialError::Character { position: 2 }),
            ("aö", CredentialError::Character { position: 2 }),
            (long.as_str(), CredentialError::Length),
            ("bearer abc", CredentialError::Scheme),
        ] {
            let refusal = bearer().header(&SecretString::from(text));
            assert_eq!(refusal, Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_session_need_not_bring_what_has_a_default() {
        assert!(bearer().must_be_brought());
        assert!(!AuthSpec::None.must_be_brought());
        for (required, default) in [
            (false, None),
            (true, Some("a".into())),
            (false, Some("a".into())),
        ] {
            assert!(
                !AuthSpec::Bearer {
                    required,
                    default,
                    obtain: None
                }
                .must_be_brought()
            );
        }
    }
}
