//! What of a client's file may stand in the registry, which people show each other: nothing but what is known to be no
//! secret.

use http::HeaderName;
use url::Url;

use super::server::{Held, held};
use crate::registry::why_reserved;

/// Headers that say what is wanted, and not by whom.
const HARMLESS_HEADERS: [&str; 8] = [
    "user-agent",
    "accept-language",
    "x-team",
    "x-workspace",
    "x-region",
    "x-environment",
    "x-mcp-toolsets",
    "x-mcp-readonly",
];
/// Parameters of an address that say what is wanted, and not by whom.
const HARMLESS_PARAMETERS: [&str; 9] = [
    "mode",
    "read_only",
    "readonly",
    "features",
    "tools",
    "toolsets",
    "version",
    "lang",
    "region",
];
/// Parts of a header's or a parameter's name by which it carries a secret.
const SECRET_WORDS: [&str; 8] = [
    "key",
    "token",
    "secret",
    "auth",
    "pass",
    "pat",
    "credential",
    "signature",
];
/// Characters from which on a value may be a secret by its look.
const SECRET_CHARS_MIN: usize = 16;
/// Characters from which on even plain letters without anything between them may be one.
const LETTERS_MAX: usize = 24;

/// What is to be done with a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The credential, by its name.
    Authorization,
    /// A credential, by its name or its look, or since a variable is in it.
    Secret,
    /// Perhaps one.
    Unknown,
    /// It may be copied.
    Harmless,
    /// The gateway writes it itself.
    OfTheProtocol,
}

/// What a header is; `keep` has those that the person knows to be harmless.
///
/// # Errors
///
/// Why no entry may have it.
pub(super) fn kind(header: &str, value: &str, keep: &[String]) -> Result<Kind, String> {
    let Ok(header) = HeaderName::from_bytes(header.as_bytes()) else {
        return Err("one of its headers has a name that HTTP does not know".to_owned());
    };
    let name = header.as_str();
    if name == "authorization" {
        return Ok(Kind::Authorization);
    }
    if is_of_the_protocol(name) {
        return Ok(Kind::OfTheProtocol);
    }
    if let Some(reason) = why_reserved(&header) {
        return Err(format!("it has a header {name}, which {reason}"));
    }
    if held(value) != Held::Literal || value.contains("${") {
        return Ok(Kind::Secret);
    }
    if keep.iter().any(|kept| kept.eq_ignore_ascii_case(name)) {
        return Ok(Kind::Harmless);
    }
    let harmless = HARMLESS_HEADERS.contains(&name);
    Ok(match has_secret_word(name) || looks_secret(value) {
        // With spaces in it, it is words.
        true if harmless && value.contains(' ') => Kind::Harmless,
        true => Kind::Secret,
        false if harmless => Kind::Harmless,
        false => Kind::Unknown,
    })
}

fn is_of_the_protocol(header: &str) -> bool {
    header.starts_with("mcp-")
        || header.starts_with("content-")
        || ["accept", "accept-encoding", "host", "connection"].contains(&header)
}

/// An address that the registry may hold in the clear, without what stands behind `#`.
///
/// # Errors
///
/// Why it may not.
pub(super) fn address(address: &str) -> Result<String, String> {
    if address.contains("${") {
        return Err(
            "its address has a variable in it; write the address into the registry".to_owned(),
        );
    }
    let url = Url::parse(address).map_err(|_| "its address is no URL".to_owned())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("its address holds a user name or a password".to_owned());
    }
    let segments = url.path_segments().into_iter().flatten();
    if segments
        .clone()
        .any(|part| part.contains(['=', ';']) || looks_secret(part))
    {
        return Err(
            "its address holds what looks like a credential, in its path; whoever reads the registry could use it"
                .to_owned(),
        );
    }
    let parameter = url
        .query_pairs()
        .find(|(name, value)| !is_harmless(name, value));
    if let Some((name, value)) = parameter {
        // A name without a value may itself be what is secret.
        let place = if value.is_empty() || looks_secret(&name) {
            "a parameter".to_owned()
        } else {
            name.escape_debug().to_string()
        };
        return Err(format!(
            "its address holds what may be a credential, in {place}; if the server takes it in a header, write an \
             entry with auth; if it is none, write the address into the registry"
        ));
    }
    let address = address.split('#').next().unwrap_or(address);
    Ok(address.to_owned())
}

/// Whether a parameter of an address may be copied.
fn is_harmless(name: &str, value: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_switch = ["true", "false", "1", "0"].contains(&value);
    let is_known = HARMLESS_PARAMETERS.contains(&name.as_str()) && !looks_secret(value);
    is_known || is_switch && !has_secret_word(&name) && !looks_secret(&name)
}

fn has_secret_word(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Rather once too often.
pub(super) fn looks_secret(text: &str) -> bool {
    let has = |test: fn(&char) -> bool| text.chars().any(|character| test(&character));
    let mixed = has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
        || has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    let letters = text.chars().all(char::is_alphanumeric);
    text.len() >= SECRET_CHARS_MIN && mixed || text.len() >= LETTERS_MAX && letters
}
