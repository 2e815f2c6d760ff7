//! Reads the values of flags that need more than a number.

use std::{convert::Infallible, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use crate::callers::{KeySetPlace, is_loopback};

/// Reads a name or address to listen on; takes an IPv6 address with or without its brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let is_address = bare.parse::<std::net::IpAddr>().is_ok();
    if is_address || is_host_name(text) {
        return Ok(bare.to_owned());
    }
    Err(
        "write a name or an address alone, such as 127.0.0.1, 0.0.0.0 or ::1; the port has its own flag, --port"
            .to_owned(),
    )
}

/// Reads a name that clients may reach the gateway by.
pub(super) fn allowed_host(text: &str) -> Result<String, String> {
    let refused = || "write a name such as mcp.example.com or mcp.example.com:8443".to_owned();
    let text = text.trim().to_ascii_lowercase();
    // What is in brackets has colons that start no port.
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    let colon = text.get(after_brackets..).and_then(|rest| rest.find(':'));
    let (name, port) = match colon {
        Some(at) => text.split_at(after_brackets + at),
        None => (text.as_str(), ":0"),
    };
    let is_port = port
        .get(1..)
        .is_some_and(|port| port.parse::<u16>().is_ok());
    let is_name = is_host_name(name) || name.starts_with('[') && Host::parse(name).is_ok();
    (is_name && is_port)
        .then(|| text.clone())
        .ok_or_else(refused)
}

/// Reads an origin and writes it as browsers do.
pub(super) fn allowed_origin(text: &str) -> Result<String, String> {
    let refused = || "write scheme, name and port only, such as https://app.example.com".to_owned();
    let url = Url::parse(text.trim()).map_err(|_| refused())?;
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_bare || !url.has_host() {
        return Err(refused());
    }
    let origin = url.origin();
    if origin.is_tuple() {
        return Ok(origin.ascii_serialization());
    }
    // Of a scheme that the web does not know, such as an editor's.
    Ok(text.trim().trim_end_matches('/').to_ascii_lowercase())
}

/// Reads a network, or an address as the network of it alone.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map(|network| network.trunc())
        .map_err(|_| {
            "write an address or a network, such as 10.1.2.3, 10.0.0.0/8 or fd00::/8".to_owned()
        })
}

/// Reads the address by which clients reach the gateway.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let origin = allowed_origin(text)?;
    if origin.starts_with("http://") || origin.starts_with("https://") {
        return Ok(origin);
    }
    Err("write scheme, name and port only, such as https://mcp.example.com".to_owned())
}

/// The name in a URL, for the list of names that the gateway may be called by.
pub(super) fn host_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

/// Reads who issues tokens: compared to the letter, so that it is not written anew.
pub(super) fn issuer(text: &str) -> Result<String, String> {
    let is_url = Url::parse(text)
        .is_ok_and(|url| url.has_host() && (url.scheme() == "https" || is_loopback(text)));
    // A caller's name is its issuer and its subject, with a space between.
    if is_url && !text.contains(char::is_whitespace) {
        return Ok(text.to_owned());
    }
    Err("write the issuer's https address as its tokens have it, such as https://login.example.com/realm".to_owned())
}

/// Reads where a key set is.
pub(super) fn key_set(text: &str) -> Result<KeySetPlace, String> {
    if !text.contains("://") {
        return Ok(KeySetPlace::File(PathBuf::from(text)));
    }
    match Url::parse(text) {
        Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_loopback(text) => {
            Ok(KeySetPlace::Url(url))
        }
        _ => Err(
            "write an https address such as https://login.example.com/jwks.json, an http one of this machine, or a path"
                .to_owned(),
        ),
    }
}

/// Reads one scope or audience: printable, without spaces, quotes and backslashes.
pub(super) fn scope(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
    if !text.is_empty() && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err("write it without spaces and quotes, such as mcp:use".to_owned())
}

/// Takes any text: clap repeats what a reader refuses, so a secret is checked after clap is done.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape of clap's readers of values"
)]
pub(super) fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(text.into())
}

/// Checks the URL of a database; never repeats it, for it may hold a password.
pub(super) fn check_database_url(url: &SecretString) -> Result<(), String> {
    match url.expose_secret().strip_prefix("sqlite:") {
        Some(rest) if !rest.trim_start_matches('/').is_empty() => Ok(()),
        _ => Err(
            "--database-url (DATABASE_URL) names no SQLite database; write one such as \
             sqlite://gateway.db?mode=rwc"
                .to_owned(),
        ),
    }
}

/// The key file of a database: its path with `.key` behind. Nothing for one in memory.
pub(super) fn key_file_beside(database_url: &str) -> Option<PathBuf> {
    let rest = database_url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path == ":memory:" || query.split('&').any(|pair| pair == "mode=memory") {
        return None;
    }
    let mut path = percent_decode_str(path).decode_utf8_lossy().into_owned();
    path.push_str(".key");
    Some(PathBuf::from(path))
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_host_stands_alone() {
        for (text, read) in [
            ("localhost", "localhost"),
            ("0.0.0.0", "0.0.0.0"),
            ("::1", "::1"),
            ("[::1]", "::1"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(read));
        }
        for text in ["", "http://a", "a:80", "a b", "[::1]:80", "a/", "[a]"] {
            assert!(host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_allowed_host_has_a_name_and_perhaps_a_port() {
        for (text, read) in [
            (" MCP.Example.com", "mcp.example.com"),
            ("mcp.example.com:8443", "mcp.example.com:8443"),
            ("[2001:DB8::1]:80", "[2001:db8::1]:80"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(allowed_host(text).as_deref(), Ok(read));
        }
        for text in [
            "",
            "*",
            "https://a",
            "a:",
            "a:b",
            "a:99999",
            "::1",
            "[b]",
            "a/b",
        ] {
            assert!(allowed_host(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_read_as_browsers_write_it() {
        for (text, read) in [
            ("https://App.example.com/", "https://app.example.com"),
            ("https://a.b:443", "https://a.b"),
            ("http://a.b:8080", "http://a.b:8080"),
            ("vscode-webview://abc", "vscode-webview://abc"),
        ] {
            assert_eq!(allowed_origin(text).as_deref(), Ok(read));
        }
        for text in [
            "",
            "*",
            "null",
            "a.b",
            "https://a.b/c",
            "https://u@a.b",
            "https://a.b?c",
        ] {
            assert!(allowed_origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_is_an_address_or_a_range_of_them() {
        for (text, read) in [
            ("10.1.2.3", "10.1.2.3/32"),
            (" 10.1.2.3/8 ", "10.0.0.0/8"),
            ("::1", "::1/128"),
            ("fd00::/8", "fd00::/8"),
        ] {
            assert_eq!(network(text).unwrap().to_string(), read);
        }
        for text in [
            "",
            "10.0.0.0/33",
            "proxy.example.com",
            "10.0.0",
            "10.0.0.1:80",
        ] {
            assert!(network(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_set_is_fetched_only_over_tls_or_from_this_machine() {
        for text in [
            "https://a.example/jwks",
            "http://localhost:1/jwks",
            "http://127.0.0.1/jwks",
            "http://[::1]/j",
        ] {
            assert!(matches!(key_set(text), Ok(KeySetPlace::Url(_))), "{text}");
        }
        assert!(matches!(
            key_set("keys/jwks.json"),
            Ok(KeySetPlace::File(_))
        ));
        for text in [
            "http://a.example/jwks",
            "ftp://localhost/",
            "https://",
            "file:///x",
            "http://localhost.a.example/",
        ] {
            assert!(key_set(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_issuer_is_kept_to_the_letter() {
        for text in [
            "https://a.example",
            "https://a.example/",
            "https://A.example/realm",
            "http://127.0.0.1:1",
        ] {
            assert_eq!(issuer(text).as_deref(), Ok(text));
        }
        for text in ["", "a.example", "http://a.example", "https://a.example/x y"] {
            assert!(issuer(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_has_scheme_name_and_port() {
        assert_eq!(
            public_url("https://A.example/").as_deref(),
            Ok("https://a.example")
        );
        assert_eq!(
            host_of("https://a.example:8443").as_deref(),
            Some("a.example")
        );
        assert_eq!(host_of("http://[::1]:1").as_deref(), Some("[::1]"));
        for text in [
            "a.example",
            "https://a.example/x",
            "ws://a.example",
            "vscode-webview://a",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_key_file_lies_beside_the_database() {
        for (url, path) in [
            ("sqlite://gateway.db?mode=rwc", Some("gateway.db.key")),
            ("sqlite:gateway.db", Some("gateway.db.key")),
            ("sqlite:///var/lib/a%20b.db", Some("/var/lib/a b.db.key")),
            ("sqlite::memory:", None),
            ("sqlite://:memory:", None),
            ("sqlite://a?cache=shared&mode=memory", None),
        ] {
            assert_eq!(
                key_file_beside(url).as_deref(),
                path.map(Path::new),
                "{url}"
            );
        }
    }

    #[test]
    fn a_database_url_that_is_refused_is_not_repeated() {
        for text in [
            "",
            "gateway.db",
            "sqlite:",
            "sqlite://",
            "mysql://u:hunter2@h/d",
        ] {
            let refusal = check_database_url(&text.into()).unwrap_err();
            assert!(refusal.contains("sqlite://gateway.db") && !refusal.contains("hunter2"));
        }
        assert!(check_database_url(&"sqlite::memory:".into()).is_ok());
    }
}
