//! What a start prints: where the gateway is, what it has, and the next thing to do.

use std::net::{Ipv4Addr, SocketAddr};

use crate::registry::{AuthSpec, ProviderSpec, Registry};

/// Writes it; the command in it works as it stands wherever the registry and the callers' keys allow that.
pub(super) fn text(
    scheme: &str,
    address: SocketAddr,
    registry: &Registry,
    sessions: u64,
    authenticated: bool,
) -> String {
    let (who, key) = if authenticated {
        ("callers are authenticated", " -H 'authorization: Bearer …'")
    } else {
        ("callers are not authenticated", "")
    };
    let reachable = reachable(address);
    format!(
        "mcp-gateway {version} listening on {scheme}://{address}\n\
         {providers}, {sessions}; {who}\n\
         Next, create a session:\n  \
         curl -X POST {scheme}://{reachable}/create-session -H 'content-type: application/json'{key} \
         -d '{body}'\n\
         Or open {scheme}://{reachable}/ in a browser; the API is described at {scheme}://{reachable}/docs\n",
        version = env!("CARGO_PKG_VERSION"),
        providers = super::counted(registry.len() as u64, "provider"),
        sessions = super::counted(sessions, "stored session"),
        body = body(registry),
    )
}

/// What reaches, from this machine, what is listened on: an address that stands for all of them leads nowhere.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

/// A request for providers that need nothing, or for one that does with a place for its credential.
fn body(registry: &Registry) -> String {
    let free: Vec<String> = registry
        .iter()
        .filter(|spec| !spec.auth.must_be_brought())
        .take(3)
        .map(|spec| format!("\"{}\"", spec.name))
        .collect();
    match registry.iter().next() {
        Some(spec) if free.is_empty() => {
            let ProviderSpec { name, auth, .. } = spec.as_ref();
            let key = match auth {
                AuthSpec::ApiKey { .. } => "api_key",
                _ => "token",
            };
            format!(r#"{{"servers": ["{name}"], "credentials": {{"{name}": {{"{key}": "…"}}}}}}"#)
        }
        _ => format!(r#"{{"servers": [{}]}}"#, free.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::registry::Defaults;

    fn registry(providers: &str) -> Registry {
        let text = format!("providers:\n{providers}");
        Registry::parse(
            &text,
            Path::new("registry.yaml"),
            &Defaults::default(),
            &|_| None,
        )
        .unwrap()
    }

    const FREE: &str = "  docs:\n    url: http://127.0.0.1:9/mcp\n";
    const LOCKED: &str = "  shop:\n    url: http://127.0.0.1:9/mcp\n    auth: { type: api_key }\n";

    #[test]
    fn a_start_tells_where_it_listens_what_it_has_and_what_to_do() {
        let address = "127.0.0.1:8000".parse().unwrap();
        let printed = text(
            "http",
            address,
            &registry(&[LOCKED, FREE].concat()),
            1,
            true,
        );
        let lines: Vec<&str> = printed.lines().collect();
        assert!(
            lines[0].ends_with("listening on http://127.0.0.1:8000"),
            "{printed}"
        );
        assert_eq!(
            lines[1],
            "2 providers, 1 stored session; callers are authenticated"
        );
        assert!(
            lines[3].ends_with(r#"-H 'authorization: Bearer …' -d '{"servers": ["docs"]}'"#),
            "{printed}"
        );
    }

    #[test]
    fn a_credential_that_is_needed_has_its_place_in_the_command() {
        let address = "0.0.0.0:8000".parse().unwrap();
        let printed = text("http", address, &registry(LOCKED), 0, false);
        assert!(
            printed.contains(r#""credentials": {"shop": {"api_key": "…"}}"#),
            "{printed}"
        );
        assert!(
            printed.contains("curl -X POST http://127.0.0.1:8000/"),
            "{printed}"
        );
    }
}
