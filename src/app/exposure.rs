//! Who can reach the gateway, and whether it asks who they are: what must be settled before anybody is served.

use std::net::SocketAddr;

use super::AppError;
use crate::{callers::Callers, config::Config, store::Store};

/// Lets a start go on, or not: beyond this machine only with callers who are authenticated, or by the operator's
/// own word.
///
/// # Errors
///
/// [`AppError::Exposed`] where everybody in the network could use every session.
pub(super) fn settle(
    address: SocketAddr,
    callers: &Callers,
    config: &Config,
) -> Result<(), AppError> {
    if callers.are_authenticated() {
        if callers.keys() == 0 && callers.tokens().is_none() {
            tracing::warn!(
                "{} holds no key: nobody can call; make one with mcp-gateway keys create",
                config.callers.path().display()
            );
        }
        return Ok(());
    }
    if address.ip().to_canonical().is_loopback() {
        // A proxy on this machine, most likely: whoever reaches it reaches the gateway.
        let names = config.allowed_hosts.iter().chain(&config.public_url);
        if let Some(name) = names.into_iter().find(|name| !is_of_this_machine(name)) {
            tracing::warn!(
                "callers are not authenticated, and {name} leads here: whoever reaches that can use and delete every \
                 session; make keys with mcp-gateway keys create"
            );
        } else if !config.edge.trusted_proxies.is_empty() {
            tracing::warn!(
                "callers are not authenticated, and there is a proxy before the gateway: whoever reaches that can use \
                 and delete every session; make keys with mcp-gateway keys create"
            );
        }
        return Ok(());
    }
    if !config.insecure {
        return Err(AppError::Exposed { address });
    }
    tracing::warn!(
        "whoever reaches {address} can list, use and delete every session: callers are not authenticated, as \
         --insecure allows"
    );
    Ok(())
}

/// Keeps the sessions of callers with names from a caller without one, to whom all of them would belong: most likely
/// the callers file is not where it was.
///
/// # Errors
///
/// [`AppError::Owned`] where there are such sessions, and what the store refuses.
pub(super) async fn keep_what_is_somebodys(store: &Store, config: &Config) -> Result<(), AppError> {
    let counts = store.count_sessions().await?;
    let owned = counts.iter().filter(|(owner, _)| owner.is_some());
    let sessions = owned.map(|(_, sessions)| sessions).sum();
    if sessions == 0 {
        return Ok(());
    }
    Err(AppError::Owned {
        sessions,
        callers: config.callers.path().to_owned(),
    })
}

/// Whether a host, `name` or `name:port`, or a URL is loopback's.
fn is_of_this_machine(name: &str) -> bool {
    let url = match name.split_once("://") {
        Some(_) => name.to_owned(),
        None => format!("http://{name}"),
    };
    crate::callers::is_loopback(&url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names() {
        for name in [
            "localhost",
            "localhost:8000",
            "127.0.0.1",
            "[::1]:80",
            "http://127.0.0.2:8000",
        ] {
            assert!(is_of_this_machine(name), "{name}");
        }
        for name in [
            "gateway.example.com",
            "10.0.0.1:80",
            "https://localhost.example.com",
        ] {
            assert!(!is_of_this_machine(name), "{name}");
        }
    }
}
