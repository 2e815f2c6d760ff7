//! A session's connections: started, started anew, described, ended.

use std::sync::Arc;

use ractor::{ActorCell, ActorProcessingErr};
use tokio::sync::oneshot;

use crate::{
    backend::{Backend, LinkKey, Memory, Start},
    limits::BACKEND_DEATHS_MAX,
    mcp::{discovery::Discovery, failure::Failure, request::Context},
    session::{
        describe::{ConnectionDescription, ConnectionState, SessionDescription},
        exchange::next_number,
        message::SessionMessage,
    },
    store::{LinkRecord, StoredServer},
};

use super::{Ending, Session};

impl Session {
    /// Takes what was known of a backend before a restart.
    pub(super) fn remember_links(&mut self, position: usize, links: &[&LinkRecord]) {
        for link in links {
            if let Ok(discovery) = Discovery::read(&link.discovery) {
                self.meet(position, discovery);
            }
            if let Some(id) = link.mcp_session {
                self.linked.insert((id, position));
            }
        }
    }

    pub(super) async fn start_backend(
        &self,
        server: &StoredServer,
        remembered: Vec<(LinkKey, Memory)>,
    ) -> Result<Backend, ActorProcessingErr> {
        let (myself, number) = (self.myself.clone(), next_number());
        let start = Start {
            number,
            name: server.backend.clone(),
            spec: self.shared.registry.get(server.backend.as_str()).cloned(),
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
        Ok(Backend::start(start, Some(self.myself.get_cell())).await?)
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

    pub(super) fn close(&mut self) {
        self.ending = Ending::Deleted;
        self.parked.clear();
        self.running.end_all(&Failure::SessionDeleted);
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
            self.myself.stop(None);
        }
    }

    /// Answers what is in flight, and what nobody has come back for ends unheard.
    pub(super) fn give_up(&mut self) {
        self.parked.clear();
        self.running.end_all(&Failure::OutOfTime);
    }

    pub(super) fn connection_ended(&mut self, cell: &ActorCell) {
        self.leaving.retain(|backend| !backend.is(cell));
        if self.is_ending() {
            // No call is routed any more.
            self.backends.retain(|backend| !backend.is(cell));
        }
    }

    pub(super) async fn connection_died(&mut self, cell: &ActorCell, reason: &str) {
        let Some(position) = self.backends.iter().position(|backend| backend.is(cell)) else {
            tracing::error!(error = reason, "a connection died while it was ending");
            return self.connection_ended(cell);
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
        match self
            .start_backend(&self.servers[position], Vec::new())
            .await
        {
            Ok(backend) => {
                self.backends[position] = backend;
                self.linked.retain(|(_, at)| *at != position);
                self.want_what_was_wanted();
                self.tell_wants(LinkKey::Default);
            }
            Err(error) => tracing::error!(%error, "could not start a connection anew"),
        }
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

pub(super) fn remember(link: &LinkRecord) -> (LinkKey, Memory) {
    let memory = Memory {
        revision: link.revision,
        backend_session: link.backend_session.clone(),
        discovery: link.discovery.clone(),
    };
    (
        link.mcp_session.map_or(LinkKey::Default, LinkKey::Own),
        memory,
    )
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
