//! What connections report: links worth remembering, changes, and what backends say by themselves.

use serde_json::json;
use uuid::Uuid;

use crate::{
    backend::{Hearers, LinkKey, Memory, Report},
    mcp::{
        discovery::Discovery,
        event::Notification,
        kind::ListKind,
        level::Level,
        method::{LOG_MESSAGE, RESOURCE_UPDATED, TASK_CHANGED, TASK_STATUS},
        name::BackendName,
        object::{RawObject, quote, to_raw},
    },
    routing::{alias, task},
    session::{
        mailbox::Mailbox,
        message::{SessionMessage, Told},
    },
    store::{LinkRecord, StoreError},
};

use super::{Session, hearing::Wanted};

impl Session {
    pub(super) fn reported(&mut self, number: u64, report: Report) {
        if let Report::Ended { mistake } = report {
            return self.connection_ended(number, mistake.as_deref());
        }
        let is_current = self.backends.iter().any(|it| it.number() == number);
        let asks = matches!(report, Report::Asked { .. } | Report::Withdrawn { .. });
        if !is_current && !asks {
            // Of a connection that ends: nothing of it may be taken for what the next one says.
            return;
        }
        match report {
            Report::LinkOpened {
                backend,
                link,
                memory,
            } => self.link_opened(backend, link, memory),
            Report::Changed { kinds, hearers } => self.tell_of_lists(&kinds, &hearers),
            Report::Reachable { backend } => self.reachable(&backend),
            Report::Unreachable { backend, reason } => self.unreachable(&backend, &reason),
            Report::Heard {
                backend,
                link,
                notification,
                room,
            } => {
                self.heard(&backend, link, notification);
                drop(room);
            }
            Report::Asked {
                mcp_session,
                question,
                room,
            } => {
                self.put(mcp_session, question);
                drop(room);
            }
            Report::Withdrawn {
                mcp_session,
                number,
            } => self.withdraw(mcp_session, number),
            // Taken above, whichever connection it is.
            Report::Ended { .. } => {}
        }
    }

    fn link_opened(&mut self, backend: BackendName, link: LinkKey, memory: Memory) {
        if self.patching.forgets(&backend) {
            return;
        }
        let position = self.position(&backend);
        if let Some(position) = position {
            self.meet(position, memory.discovery.clone());
        }
        let mcp_session = match link {
            LinkKey::Default => None,
            // Its MCP session ended meanwhile.
            LinkKey::Own(id) if !self.mcp_sessions.contains_key(&id) => return,
            LinkKey::Own(id) => Some(id),
            // Nothing tells after a restart who could use it.
            LinkKey::Capable(_) => return,
        };
        if let (Some(id), Some(position)) = (mcp_session, position) {
            self.linked.insert((id, position));
        }
        // Of the entry that the connection was started with: the registry may say something else by now.
        let Some(provider) = position.and_then(|at| self.backends[at].fingerprint()) else {
            return;
        };
        let record = LinkRecord {
            session: self.id,
            mcp_session,
            backend,
            revision: memory.revision,
            provider,
            backend_session: memory.backend_session,
            discovery: memory.discovery.result.clone(),
        };
        // Its row has to be there first.
        let home = mcp_session.and_then(|id| self.store(id));
        let (store, writing) = (self.shared.store.clone(), self.link_writes.begin());
        let storing = tokio::spawn(async move {
            let _until_written = writing;
            if let Some(home) = home
                && !home.known().await
            {
                // Its MCP session has ended, or could not be stored, which has been logged.
                tracing::debug!("a connection is not remembered without its MCP session");
                return false;
            }
            match store.put_link(record).await {
                // The MCP session ended meanwhile.
                Ok(()) | Err(StoreError::Gone) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not remember a connection; after a restart it is opened anew");
                }
            }
            true
        });
        self.await_before_opening(link, storing);
    }

    /// Takes what a backend says of itself.
    pub(super) fn meet(&mut self, position: usize, discovery: Discovery) {
        self.met[position] = Some(discovery);
        self.count_resources();
    }

    /// Finds out whether several backends may have a resource.
    pub(super) fn count_resources(&mut self) {
        let may_have =
            |met: &&Option<Discovery>| met.as_ref().is_none_or(|met| met.offers("resources"));
        self.shares_resources = self.met.iter().filter(may_have).count() > 1;
    }

    fn reachable(&mut self, backend: &BackendName) {
        self.tell_of_backend(backend);
        if self.unreachable.remove(backend) {
            self.log(Level::INFO, &format!("backend {backend} is back"));
        }
    }

    /// Every try that fails reports this; the first one is news.
    fn unreachable(&mut self, backend: &BackendName, reason: &str) {
        if self.unreachable.insert(backend.clone()) {
            self.tell_of_backend(backend);
            let words = format!("backend {backend} is unavailable: {reason}");
            self.log(Level::WARNING, &words);
        }
    }

    /// All that a backend has may be there now, or be gone.
    fn tell_of_backend(&mut self, backend: &BackendName) {
        let met = self.position(backend).and_then(|at| self.met[at].as_ref());
        let kinds: Vec<ListKind> = ListKind::ALL
            .into_iter()
            .filter(|kind| {
                *kind == ListKind::Tools || met.is_none_or(|met| met.offers(kind.capability()))
            })
            .collect();
        self.tell_of_lists(&kinds, &Hearers::AllBut(Vec::new()));
    }

    /// Tells the clients that listen, in the gateway's own name.
    fn log(&mut self, level: Level, words: &str) {
        let params = json!({ "level": level.as_str(), "logger": "mcp-gateway", "data": words });
        let message = Notification {
            method: LOG_MESSAGE.to_owned(),
            params: Some(to_raw(&params)),
        };
        for mcp_session in self.mcp_sessions.values_mut() {
            if mcp_session.level().is_none_or(|least| level >= least) {
                mcp_session.tell(Told::Notification(message.clone()));
            }
        }
    }

    fn heard(&mut self, backend: &BackendName, link: Option<LinkKey>, notification: Notification) {
        let Some(position) = self.position(backend) else {
            return;
        };
        match notification.method.as_str() {
            RESOURCE_UPDATED => self.updated(position, link, &notification),
            TASK_CHANGED => self.task_changed(position, &notification),
            TASK_STATUS => {
                let public = self.with_public_task(position, notification);
                self.tell_client(link, public);
            }
            _ => self.tell_client(link, notification),
        }
    }

    /// Tells the client whose link it was said on.
    fn tell_client(&mut self, link: Option<LinkKey>, notification: Notification) {
        if let Some(LinkKey::Own(id)) = link
            && let Some(mcp_session) = self.mcp_sessions.get_mut(&id)
        {
            mcp_session.tell(Told::Notification(notification));
        } else {
            tracing::debug!("dropped a notification that is about no client");
        }
    }

    /// A resource is another now. On a link of its own it is that client's news; on a shared one it is
    /// everyone's who asked for it there.
    fn updated(&mut self, position: usize, link: Option<LinkKey>, notification: &Notification) {
        let params = RawObject::parse_or_empty(notification.params.as_deref());
        let Some(uri) = params.get_str("uri") else {
            return;
        };
        let name = self.names[position].clone();
        let as_known = |wanted: &Wanted| {
            let mut params = params.clone();
            if wanted.public != wanted.own {
                params.set("uri", quote(&alias::alias(&name, &uri)));
            }
            Notification {
                method: notification.method.clone(),
                params: Some(params.to_raw()),
            }
        };
        let about = |wanted: &&Wanted| wanted.position == position && covers(&wanted.own, &uri);
        for (id, mcp_session) in &mut self.mcp_sessions {
            let hears = match link {
                Some(LinkKey::Own(own)) => own == *id,
                _ => !self.linked.contains(&(*id, position)),
            };
            if !hears {
                continue;
            }
            let known = mcp_session.subscriptions.iter().find(about).map(as_known);
            // A backend may have been asked before a restart of the gateway.
            let own = || matches!(link, Some(LinkKey::Own(_))).then(|| notification.clone());
            if let Some(notification) = known.or_else(own) {
                mcp_session.tell(Told::Notification(notification));
            }
        }
        self.tell_subscribers(|it| {
            let hears = link.is_none_or(|link| it.link() == link);
            let mut uris = it.uris().iter().filter(|_| hears);
            uris.find(about).map(as_known)
        });
    }

    fn task_changed(&mut self, position: usize, notification: &Notification) {
        let params = RawObject::parse_or_empty(notification.params.as_deref());
        let Some(id) = params.get_str("taskId") else {
            return;
        };
        let public = self.with_public_task(position, notification.clone());
        self.tell_subscribers(|subscriber| {
            let mut tasks = subscriber.tasks().iter();
            let asked = tasks.any(|it| it.position == position && it.own == id);
            asked.then(|| public.clone())
        });
    }

    fn with_public_task(&self, position: usize, notification: Notification) -> Notification {
        let mut params = RawObject::parse_or_empty(notification.params.as_deref());
        let Some(own) = params.get_str("taskId") else {
            return notification;
        };
        let public = task::public_id(self.naming, &self.names[position], &own);
        params.set("taskId", quote(&public));
        Notification {
            params: Some(params.to_raw()),
            ..notification
        }
    }

    /// Takes URIs that stood in a result of a backend.
    pub(super) fn saw(&mut self, backend: &BackendName, uris: Vec<String>) {
        // It may have left the session meanwhile.
        let Some(position) = self.position(backend) else {
            return;
        };
        for uri in uris {
            self.resources.saw(position, uri);
        }
    }

    pub(super) fn position(&self, backend: &BackendName) -> Option<usize> {
        self.names.iter().position(|name| name == backend)
    }

    /// Passes a client's notification on over its links.
    pub(super) fn notify(&self, mcp_session: Uuid, notification: &Notification) {
        if self.mcp_sessions.contains_key(&mcp_session) {
            for backend in &self.backends {
                backend.notify(LinkKey::Own(mcp_session), notification.clone());
            }
        }
    }
}

/// Tells a session which resources a backend's result spoke of.
pub(super) fn saw(session: &Mailbox, backend: BackendName, uris: Vec<String>) {
    // A session that is gone routes nothing.
    let _gone = session.cast(SessionMessage::Saw { backend, uris });
}

/// Whether an update of `uri` is news for who subscribed to `own`: the resource itself, or a part of
/// it. Spec: 2025-11-25 schema, `ResourceUpdatedNotification`.
fn covers(own: &str, uri: &str) -> bool {
    uri.strip_prefix(own).is_some_and(|rest| {
        rest.is_empty() || own.ends_with('/') || rest.starts_with(['/', '?', '#'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_resource_is_news_of_it() {
        for (own, uri, is_news) in [
            ("file:///a", "file:///a", true),
            ("file:///a", "file:///a/b", true),
            ("file:///a/", "file:///a/b", true),
            ("file:///a", "file:///a#x", true),
            ("file:///a", "file:///ab", false),
            ("file:///a/b", "file:///a", false),
        ] {
            assert_eq!(covers(own, uri), is_news, "{own} {uri}");
        }
    }
}
