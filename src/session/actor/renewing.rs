//! Providers are others now: the connections with them are replaced while their clients go on.

use std::collections::HashSet;

use crate::{
    mcp::{kind::ListKind, name::BackendName},
    session::patch::Plan,
};

use super::{McpSession, Session};

impl Session {
    /// Replaces the connections with providers that are others now, that are gone, or that are back. A session without
    /// any notices nothing.
    ///
    /// As where a credential changes: calls on their way finish over the old connection.
    pub(super) fn meet_registry(&mut self) {
        if self.is_ending() {
            return;
        }
        let registry = self.shared.registry.now();
        let backends = self.backends.iter().enumerate();
        let others = backends.filter(|(_, it)| !it.is_of(registry.get(it.name().as_str())));
        let others: HashSet<usize> = others.map(|(position, _)| position).collect();
        if others.is_empty() {
            return;
        }
        self.forget_links(&others);
        let plan = Plan::renewing(&self.servers, &others);
        let mut new = self.apply_servers(plan);
        if !self.is_listened_to() {
            // Nobody would hear of it: who needs a provider connects to it, not all of its sessions at once. One that
            // is gone costs nothing, and says so in how the session stands.
            new.retain(|at| registry.get(self.names[*at].as_str()).is_none());
        }
        self.connect_at(&new);
        self.show_others(&ListKind::ALL);
    }

    /// Forgets what the old connections learned just before: it must not be said to whoever is behind the names now.
    fn forget_links(&mut self, others: &HashSet<usize>) {
        let backends: Vec<BackendName> = others.iter().map(|at| self.names[*at].clone()).collect();
        let links = std::mem::take(&mut self.link_writes);
        let (session, store) = (self.id, self.shared.store.clone());
        tokio::spawn(async move {
            links.end().await;
            if let Err(error) = store.forget_links(Some(session), &backends).await {
                tracing::warn!(%error, "could not forget connections that were replaced; they are left when the session wakes");
            }
        });
    }

    /// Whether somebody hears of changes.
    pub(super) fn is_listened_to(&self) -> bool {
        !self.subscribers.is_empty() || self.mcp_sessions.values().any(McpSession::has_listener)
    }
}
