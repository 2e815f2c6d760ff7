//! What legacy clients say they want to hear: updates of resources, log messages.
//!
//! It is stored, so that a client that goes on after a restart of the gateway hears it still.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::LinkKey,
    limits::{SUBSCRIPTIONS_MAX, URI_BYTES_MAX, within},
    mcp::{event::Outcome, failure::Failure, level::Level, object::RawObject},
    session::{
        exchange::{Exchange, Place},
        mailbox::Mailbox,
        message::SessionMessage,
    },
    store::{McpSessionRecord, StoreError},
};

use super::{McpSession, Session};

impl Session {
    /// Has a client hear of a resource's updates. Spec: 2025-11-25 server/resources, "Subscriptions".
    pub(super) fn subscribe(&mut self, exchange: Box<Exchange>, place: Place) {
        let uri: String = exchange.request.name.clone().unwrap_or_default().into();
        let Some(wanted) = self.wanted_uri(&uri) else {
            return exchange.refuse(Failure::UnknownResource { uri });
        };
        let Some((id, mcp_session)) = self.client_of(&exchange) else {
            return exchange.refuse(needs_mcp_session());
        };
        if let Err(failure) = fits(&uri, mcp_session.subscriptions.len()) {
            return exchange.refuse(failure);
        }
        let (position, own) = (wanted.position, wanted.own.clone());
        mcp_session.subscriptions.insert(wanted);
        let wanting = self.wants(LinkKey::Own(id)).swap_remove(position).tell();
        let (deadline, myself) = (self.shared.telling_deadline(), self.myself.clone());
        tokio::spawn(async move {
            let cancelled = exchange.cancel.clone();
            let agreed = async {
                match within(deadline, wanting).await {
                    Ok(Err(unmet)) if unmet.uris.contains(&own) => Err(unmet.failure),
                    // A backend that is late hears of it when it is there.
                    _ => Ok(()),
                }
            };
            let outcome = tokio::select! {
                () = cancelled.cancelled() => Err(Outcome::Cancelled),
                agreed = agreed => agreed.map_err(|failure| refusal(failure, &uri)),
            };
            match outcome {
                Ok(()) => {
                    kept(&myself, id).await;
                    exchange.completed("{}").await;
                }
                Err(outcome) => {
                    // A session that is gone has forgotten it, too.
                    let _gone = myself.cast(SessionMessage::NotSubscribed {
                        mcp_session: id,
                        uri,
                    });
                    exchange.finish(outcome).await;
                }
            }
            drop(place);
        });
    }

    /// Takes a subscription back; one that never was is no error.
    pub(super) fn unsubscribe(&mut self, exchange: Box<Exchange>) {
        let uri = exchange.request.name.clone().unwrap_or_default();
        let Some((id, _)) = self.client_of(&exchange) else {
            return exchange.refuse(needs_mcp_session());
        };
        self.not_subscribed(id, &uri);
        exchange.complete("{}");
    }

    /// Forgets a subscription.
    pub(super) fn not_subscribed(&mut self, id: Uuid, uri: &str) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&id) {
            mcp_session.subscriptions.retain(|it| it.public != uri);
            self.tell_wants(LinkKey::Own(id));
            self.keep_wants(id, None);
        }
    }

    /// Has a client hear log messages from this severity on. Spec: 2025-11-25 server/utilities/logging.
    pub(super) fn set_level(&mut self, exchange: Box<Exchange>, place: Place) {
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
            let (deadline, myself) = (self.shared.telling_deadline(), self.myself.clone());
            tokio::spawn(async move {
                // Before the answer: the next call's messages are those that were asked for.
                let _late = within(deadline, told).await;
                kept(&myself, id).await;
                exchange.completed("{}").await;
                drop(place);
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
        let mcp_session = mcp_session.counted(self.shared.clients.metrics());
        self.mcp_sessions.insert(id, mcp_session);
    }

    /// Tells backends what clients wanted to hear before a restart.
    pub(super) fn want_what_was_wanted(&self) {
        for (id, mcp_session) in &self.mcp_sessions {
            let wants = !mcp_session.subscriptions.is_empty() || mcp_session.level().is_some();
            if wants || mcp_session.has_listener() {
                self.tell_wants(LinkKey::Own(*id));
            }
        }
    }

    fn client_of(&mut self, exchange: &Exchange) -> Option<(Uuid, &mut McpSession)> {
        let id = exchange.mcp_session?;
        self.mcp_sessions.get_mut(&id).map(|found| (id, found))
    }

    /// Stores what a client wants to hear; `kept` hears when it is stored.
    pub(super) fn keep_wants(&mut self, id: Uuid, kept: Option<oneshot::Sender<()>>) {
        let Some(mcp_session) = self.mcp_sessions.get_mut(&id) else {
            return;
        };
        let keeping = &mut mcp_session.keeping;
        keeping.waiting.extend(kept);
        if keeping.under_way {
            keeping.is_stale = true;
            return;
        }
        keeping.under_way = true;
        let waiting = std::mem::take(&mut keeping.waiting);
        let wants = mcp_session.stored_wants(&self.names);
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            match store.put_wants(id, wants).await {
                Ok(()) | Err(StoreError::Gone) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not remember what a client wants to hear; after a restart it has to say so again");
                }
            }
            for waiting in waiting {
                let _asker_left = waiting.send(());
            }
            // A session that is gone wants nothing more.
            let _gone = myself.cast(SessionMessage::WantsKept { mcp_session: id });
        });
    }

    /// What a client wanted is stored; it may want something else by now.
    pub(super) fn wants_kept(&mut self, id: Uuid) {
        let Some(mcp_session) = self.mcp_sessions.get_mut(&id) else {
            return;
        };
        mcp_session.keeping.under_way = false;
        if std::mem::take(&mut mcp_session.keeping.is_stale) {
            self.keep_wants(id, None);
        }
    }
}

/// Waits until what a client wants is stored.
async fn kept(session: &Mailbox, mcp_session: Uuid) {
    let (kept, done) = oneshot::channel();
    let keep = SessionMessage::KeepWants { mcp_session, kept };
    if session.cast(keep).is_ok() {
        // A client that is gone has nothing to store.
        let _gone = done.await;
    }
}

fn refusal(failure: Failure, uri: &str) -> Outcome {
    Outcome::Failed(match failure {
        Failure::UnknownResource { .. } => Failure::UnknownResource {
            uri: uri.to_owned(),
        },
        failure => failure,
    })
}

fn fits(uri: &str, subscriptions: usize) -> Result<(), Failure> {
    let reason = if subscriptions >= SUBSCRIPTIONS_MAX {
        format!("this client has {SUBSCRIPTIONS_MAX} subscriptions already")
    } else if uri.len() > URI_BYTES_MAX {
        format!("a resource's URI has at most {URI_BYTES_MAX} bytes")
    } else {
        return Ok(());
    };
    Err(Failure::InvalidParams { reason })
}

fn needs_mcp_session() -> Failure {
    Failure::InvalidParams {
        reason: "subscriptions need an MCP session; initialize first".to_owned(),
    }
}
