//! What legacy clients say they want to hear: updates of resources, log messages.
//!
//! It is stored, so that a client that goes on after a restart of the gateway hears it still.

use uuid::Uuid;

use crate::{
    backend::LinkKey,
    limits::{SUBSCRIPTIONS_MAX, TELLING_WITHIN},
    mcp::{event::Outcome, failure::Failure, level::Level, object::RawObject},
    session::{exchange::Exchange, message::SessionMessage},
    store::{McpSessionRecord, StoreError},
};

use super::{McpSession, Session};

impl Session {
    /// Has a client hear of a resource's updates. Spec: 2025-11-25 server/resources, "Subscriptions".
    pub(super) fn subscribe(&mut self, exchange: Exchange) {
        let uri = exchange.request.name.clone().unwrap_or_default();
        let Some(wanted) = self.wanted_uri(&uri) else {
            return exchange.refuse(Failure::UnknownResource { uri });
        };
        let Some((id, mcp_session)) = self.client_of(&exchange) else {
            return exchange.refuse(needs_mcp_session());
        };
        if mcp_session.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return exchange.refuse(Failure::InvalidParams {
                reason: format!("this client has {SUBSCRIPTIONS_MAX} subscriptions already"),
            });
        }
        let (position, own) = (wanted.position, wanted.own.clone());
        mcp_session.subscriptions.insert(wanted);
        let wanting = self.wants(LinkKey::Own(id)).swap_remove(position).tell();
        let (record, myself) = (self.record_of(id), self.myself.clone());
        let store = self.shared.store.clone();
        tokio::spawn(async move {
            let cancelled = exchange.cancel.clone();
            let wanting = tokio::time::timeout(TELLING_WITHIN, wanting);
            let answer = tokio::select! {
                () = cancelled.cancelled() => return exchange.finish(Outcome::Cancelled).await,
                answer = wanting => answer,
            };
            // A backend that is late hears of it when it is there.
            if let Ok(Err(unmet)) = answer
                && unmet.uris.contains(&own)
            {
                let failure = match unmet.failure {
                    Failure::UnknownResource { .. } => {
                        Failure::UnknownResource { uri: uri.clone() }
                    }
                    failure => failure,
                };
                // A session that is gone has forgotten it, too.
                let _gone = myself.cast(SessionMessage::NotSubscribed {
                    mcp_session: id,
                    uri,
                });
                return exchange.finish(Outcome::Failed(failure)).await;
            }
            if let Some(record) = record {
                keep(&store, record).await;
            }
            exchange.complete("{}");
        });
    }

    /// Takes a subscription back; one that never was is no error.
    pub(super) fn unsubscribe(&mut self, exchange: Exchange) {
        let uri = exchange.request.name.clone().unwrap_or_default();
        let Some((id, _)) = self.client_of(&exchange) else {
            return exchange.refuse(needs_mcp_session());
        };
        self.not_subscribed(id, &uri);
        self.store_wants(id);
        exchange.complete("{}");
    }

    /// Forgets a subscription.
    pub(super) fn not_subscribed(&mut self, id: Uuid, uri: &str) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&id) {
            mcp_session.subscriptions.retain(|it| it.public != uri);
            self.tell_wants(LinkKey::Own(id));
        }
    }

    /// Has a client hear log messages from this severity on. Spec: 2025-11-25 server/utilities/logging.
    pub(super) fn set_level(&mut self, exchange: Exchange) {
        let params = RawObject::parse_or_empty(exchange.request.params.as_deref());
        let Some(level) = params.get("level").filter(|raw| Level::read(raw).is_some()) else {
            return exchange.refuse(Failure::InvalidParams {
                reason: "logging/setLevel needs params.level, one of debug, info, notice, warning, error, critical, alert, emergency".to_owned(),
            });
        };
        let level = level.to_owned();
        // A client without an MCP session hears no log messages; whatever it wants is fine.
        if let Some((id, mcp_session)) = self.client_of(&exchange) {
            mcp_session.context.log_level = Some(level.into());
            let told = self.telling(LinkKey::Own(id));
            self.store_wants(id);
            tokio::spawn(async move {
                // Before the answer: the next call's messages are those that were asked for.
                let _late = tokio::time::timeout(TELLING_WITHIN, told).await;
                exchange.complete("{}");
            });
            return;
        }
        exchange.complete("{}");
    }

    /// Takes up an MCP session from before a restart.
    pub(super) fn remember_mcp_session(&mut self, record: McpSessionRecord) {
        let places = std::sync::Arc::clone(&self.mcp_session_places);
        let id = record.id;
        let place = places.try_acquire_owned().ok();
        let mcp_session = McpSession::remembered(record, &self.names, place);
        self.mcp_sessions.insert(id, mcp_session);
    }

    /// Tells backends what clients wanted to hear before a restart.
    pub(super) fn want_what_was_wanted(&self) {
        for (id, mcp_session) in &self.mcp_sessions {
            if !mcp_session.subscriptions.is_empty() || mcp_session.level().is_some() {
                self.tell_wants(LinkKey::Own(*id));
            }
        }
    }

    fn client_of(&mut self, exchange: &Exchange) -> Option<(Uuid, &mut McpSession)> {
        let id = exchange.mcp_session?;
        self.mcp_sessions.get_mut(&id).map(|found| (id, found))
    }

    fn record_of(&self, id: Uuid) -> Option<McpSessionRecord> {
        let mcp_session = self.mcp_sessions.get(&id)?;
        Some(mcp_session.record(id, self.id, &self.names))
    }

    fn store_wants(&self, id: Uuid) {
        let store = self.shared.store.clone();
        if let Some(record) = self.record_of(id) {
            tokio::spawn(async move { keep(&store, record).await });
        }
    }
}

async fn keep(store: &crate::store::Store, record: McpSessionRecord) {
    match store.put_mcp_session(record).await {
        Ok(()) | Err(StoreError::Gone) => {}
        Err(error) => {
            tracing::warn!(%error, "could not remember what a client wants to hear; after a restart it has to say so again");
        }
    }
}

fn needs_mcp_session() -> Failure {
    Failure::InvalidParams {
        reason: "subscriptions need an MCP session; initialize first".to_owned(),
    }
}
