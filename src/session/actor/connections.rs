//! A session's connections: started, started anew, described, ended.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tokio::sync::oneshot;

use crate::{
    backend::{Backend, LinkKey, Memory, Start},
    limits::BACKEND_DEATHS_MAX,
    mcp::{
        discovery::Discovery, failure::Failure, name::BackendName, request::Context,
        tool_filter::ToolFilter,
    },
    registry::ProviderSpec,
    session::{
        describe::{ConnectionDescription, ConnectionState, SessionDescription},
        exchange::next_number,
        message::SessionMessage,
    },
    store::{LinkRecord, StoredServer},
};

use super::{Ending, Session};

impl Session {
    /// Takes what was known of a backend before a restart; gives what its connection goes on with. What was agreed upon
    /// with another server, or as somebody else, is left: the registry may have been changed while nobody looked.
    pub(super) fn remember_links(
        &mut self,
        position: usize,
        spec: Option<&Arc<ProviderSpec>>,
        links: &[&LinkRecord],
    ) -> Vec<(LinkKey, Memory)> {
        let mut remembered = Vec::with_capacity(links.len());
        let Some(provider) = spec.map(|spec| spec.fingerprint()) else {
            return remembered;
        };
        for link in links {
            if link.provider.expose_secret() != provider.expose_secret() {
                continue;
            }
            if let Some(id) = link.mcp_session {
                self.linked.insert((id, position));
            }
            // What cannot be read is opened anew.
            let Ok(discovery) = Discovery::read(&link.discovery) else {
                continue;
            };
            let discovery = self.shared.clients.share(&link.backend, discovery);
            self.meet(position, discovery.clone());
            let memory = Memory {
                revision: link.revision,
                backend_session: link.backend_session.clone(),
                discovery,
            };
            let key = link.mcp_session.map_or(LinkKey::Default, LinkKey::Own);
            remembered.push((key, memory));
        }
        remembered
    }

    /// The entry of a provider as it is now.
    pub(super) fn spec(&self, server: &StoredServer) -> Option<Arc<ProviderSpec>> {
        self.shared.registry.get(server.backend.as_str())
    }

    /// Starts a connection; `remembered` was agreed upon under the same entry.
    pub(super) fn start_backend(
        &mut self,
        server: &StoredServer,
        spec: Option<Arc<ProviderSpec>>,
        remembered: Vec<(LinkKey, Memory)>,
    ) -> Backend {
        let (myself, number) = (self.myself.clone(), next_number());
        let start = Start {
            number,
            name: server.backend.clone(),
            spec,
            credential: match &server.credential {
                Ok(credential) => Ok(credential.clone()),
                Err(error) => Err(error.to_string()),
            },
            clients: self.shared.clients.clone(),
            witness: self.witness,
            remembered,
            // A report to a session that is gone changes nothing.
            report: Arc::new(move |report| {
                drop(myself.cast(SessionMessage::Reported { number, report }));
            }),
        };
        let (backend, life) = Backend::start(start);
        self.lives.push(life);
        backend
    }

    pub(super) fn describe(&self, reply: oneshot::Sender<SessionDescription>) {
        // Whoever asked may have left.
        self.describe_to(move |description| drop(reply.send(description)));
    }

    /// Tells how the session stands, once its connections have told how they do.
    pub(super) fn describe_to(&self, told: impl FnOnce(SessionDescription) + Send + 'static) {
        let backends = self.backends.clone();
        let mut description = SessionDescription {
            id: self.id,
            owner: self.owner.clone(),
            name: self.name.clone(),
            naming: self.naming,
            idle_expiry: self.idle_expiry,
            tools: self.filters(),
            created_ms: self.created_ms,
            last_used_ms: self.last_used_ms,
            mcp_sessions: self.mcp_sessions.len(),
            connections: Vec::with_capacity(backends.len()),
        };
        tokio::spawn(async move {
            for backend in backends {
                description.connections.push(describe(&backend).await);
            }
            told(description);
        });
    }

    /// Which tools are offered, of the backends of which not all are.
    fn filters(&self) -> Vec<(BackendName, Arc<ToolFilter>)> {
        let servers = self.servers.iter();
        let filter = |server: &StoredServer| Some((server.backend.clone(), server.tools.clone()?));
        servers.filter_map(filter).collect()
    }

    pub(super) fn close(&mut self) {
        self.ending = Ending::Deleted;
        self.parked.clear();
        self.running.end_all(&Failure::SessionDeleted);
        self.refuse_waiting(&Failure::SessionDeleted);
        self.stop_listening();
        self.backends.retain(Backend::close);
        self.leaving.retain(Backend::close);
        self.stop_if_done();
    }

    /// Ends the actor once nothing is left to say goodbye to: its end would end its connections in the
    /// middle of that.
    pub(super) fn stop_if_done(&self) {
        if !self.is_ending() || !self.backends.is_empty() || !self.leaving.is_empty() {
            return;
        }
        if self.ending == Ending::Asleep {
            // Behind what its connections reported before they ended.
            let _asleep = self.myself.cast(SessionMessage::ConnectionsAsleep);
        } else {
            self.myself.stop();
        }
    }

    /// Answers what is in flight, and what nobody has come back for ends unheard.
    pub(super) fn give_up(&mut self) {
        self.parked.clear();
        self.running.end_all(&Failure::OutOfTime);
        self.refuse_waiting(&Failure::OutOfTime);
    }

    /// A connection is no more, be it that it died of a mistake.
    pub(super) fn connection_ended(&mut self, number: u64, mistake: Option<&str>) {
        self.lives.retain(|life| life.number() != number);
        match mistake {
            Some(mistake) => self.connection_died(number, mistake),
            None => self.forget_connection(number),
        }
        self.stop_if_done();
    }

    fn forget_connection(&mut self, number: u64) {
        self.leaving.retain(|backend| backend.number() != number);
        if self.is_ending() {
            // No call is routed any more.
            self.backends.retain(|backend| backend.number() != number);
        }
    }

    fn connection_died(&mut self, number: u64, reason: &str) {
        let mut backends = self.backends.iter();
        let Some(position) = backends.position(|backend| backend.number() == number) else {
            tracing::error!(error = reason, "a connection died while it was ending");
            return self.forget_connection(number);
        };
        let name = &self.names[position];
        tracing::error!(backend.name = %name, error = reason, "the connection to {name} died");
        self.deaths += 1;
        if self.is_ending() {
            self.backends.remove(position);
            return;
        }
        if self.deaths > BACKEND_DEATHS_MAX {
            return;
        }
        let server = self.servers[position].clone();
        let spec = self.spec(&server);
        self.backends[position] = self.start_backend(&server, spec, Vec::new());
        self.linked.retain(|(_, at)| *at != position);
        self.want_what_was_wanted();
        self.tell_wants(LinkKey::Default);
    }

    pub(super) fn warm(&self) {
        for backend in self.backends.clone() {
            // Its outcome shows in the connection's state.
            tokio::spawn(async move {
                drop(backend.connect(LinkKey::Default, Context::default()).await);
            });
        }
    }
}

async fn describe(backend: &Backend) -> ConnectionDescription {
    let described = backend.describe().await;
    ConnectionDescription {
        backend: backend.name().clone(),
        state: described
            .as_ref()
            .map_or(ConnectionState::Waiting, |described| described.state.into()),
        revision: described.as_ref().and_then(|described| described.revision),
        tools: described.as_ref().and_then(|described| described.tools),
        retry_in: described.as_ref().and_then(|described| described.retry_in),
        last_error: described.map_or_else(
            || Some("its part of the gateway died; see the gateway's log".to_owned()),
            |described| described.last_error,
        ),
    }
}
