//! Speaks with MCP servers: one actor a connection, which owns everything one session has to do
//! with one backend: credential, era, MCP sessions, retries, reconnection.
//!
//! Knows its own backend only; never another's name, a public name, or the database.

mod adapter;
mod alike;
mod asking;
mod audience;
mod breaker;
mod budget;
mod call;
mod caller;
mod catalogue;
mod connection;
mod endpoint;
mod error;
mod exchange;
mod fresh;
mod handle;
mod input;
mod legacy;
mod link;
mod listening;
mod listing;
mod mailbox;
mod message;
mod modern;
mod ongoing;
mod open;
mod own;
mod pending;
mod presence;
mod provider;
mod refusal;
mod resuming;
mod retry;
mod scanner;
mod scrub;

mod state;
mod subscribing;
mod transport;
mod waiting;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use secrecy::SecretString;
use serde_json::{json, value::RawValue};

use crate::{
    mcp::{name::BackendName, object::to_raw},
    registry::ProviderSpec,
};

use connection::{Announcing, Connection, Looks, Occupancy};
use endpoint::Endpoint;
use error::BackendError;
use mailbox::Mailbox;
use message::BackendMessage;
use pending::{Pending, Slot};
use state::Machine;

pub(crate) use breaker::Witness;
pub(crate) use endpoint::HttpClients;
pub(crate) use fresh::Fresh;
pub(crate) use handle::Backend;
pub(crate) use link::LinkKey;
pub(crate) use listing::{Listing, list};
pub(crate) use mailbox::Life;
pub(crate) use message::{Call, Description, Hearers, Memory, Report, Translation, Unmet, Wants};
pub(crate) use presence::{Presence, Trouble};
pub(crate) use state::State;

/// Hears what a connection has to tell its session.
pub(crate) type Reporter = Arc<dyn Fn(Report) + Send + Sync>;

/// What a connection starts with.
pub(crate) struct Start {
    /// Which of its session's connections it is: one of the same backend may come after it.
    pub(crate) number: u64,
    /// Which backend.
    pub(crate) name: BackendName,
    /// The provider's entry; `None` when the registry no longer has it.
    pub(crate) spec: Option<Arc<ProviderSpec>>,
    /// The session's credential, or why it cannot be had.
    pub(crate) credential: Result<Option<SecretString>, String>,
    /// Shared by all connections.
    pub(crate) clients: HttpClients,
    /// As which its session tells others what it met.
    pub(crate) witness: Witness,
    /// What was remembered of its links across a restart.
    pub(crate) remembered: Vec<(LinkKey, Memory)>,
    /// Hears its reports.
    pub(crate) report: Reporter,
}

impl Connection {
    fn new(start: Start, myself: Mailbox) -> Self {
        let known = start
            .remembered
            .iter()
            .map(|(_, memory)| memory.revision)
            .next_back();
        let endpoint = match &start.spec {
            Some(spec) => start
                .credential
                .map_err(|reason| BackendError::CredentialUnusable { reason })
                .and_then(|credential| {
                    Endpoint::new(spec, credential.as_ref(), &start.clients, start.witness)
                }),
            None => Err(BackendError::Unregistered),
        };
        let counted = start
            .spec
            .as_ref()
            .map(|spec| start.clients.metrics().provider(&spec.name).connection());
        Self {
            number: start.number,
            name: start.name,
            spec: start.spec,
            endpoint: endpoint.map(Arc::new),
            machine: Machine::new(),
            counted,
            links: start
                .remembered
                .into_iter()
                .filter_map(|remembered| Slot::remembered(remembered, &myself))
                .collect(),
            queue: Vec::new(),
            generation: 0,
            known,
            changes: Arc::default(),
            catalogue: None,
            unmirrored: Vec::new(),
            looks: Looks::default(),
            announcing: Announcing::default(),
            carried: HashMap::new(),
            listeners: 0,
            last_error: None,
            failed_at: None,
            retry_at: None,
            handshakes: 0,
            tidying: false,
            closing: false,
            has_ended: false,
            leaving: None,
            occupancy: Occupancy::new(myself.clone()),
            pause: 0,
            report: start.report,
            myself,
        }
    }

    /// Takes one message.
    fn take(&mut self, message: BackendMessage) {
        match message {
            BackendMessage::Send(call) => self.begin(Pending::Call(call)),
            BackendMessage::Connect {
                link,
                context,
                reply,
            } => self.begin(Pending::Connect {
                link,
                context,
                reply,
            }),
            BackendMessage::Want {
                link,
                opens,
                wants,
                reply,
            } => self.want(link, opens, wants, reply),
            BackendMessage::Notify { link, notification } => self.notify(link, &notification),
            BackendMessage::Forget(link) => self.forget(link),
            BackendMessage::Close => self.close(),
            BackendMessage::Leave => self.leave(),
            BackendMessage::Rest => self.rest(),
            BackendMessage::Retire => self.retire(),
            BackendMessage::Opened {
                link,
                instead_of,
                outcome,
            } => self.opened(link, instead_of, outcome),
            BackendMessage::Elapsed { pause } => self.elapsed(pause),
            BackendMessage::Ended {
                link,
                generation,
                ending,
            } => self.ended(link, generation, ending),
            BackendMessage::Listed(catalogue) => self.listed(catalogue),
            BackendMessage::Looked(catalogue) => self.looked(catalogue),
            BackendMessage::Changed { kind, stream, .. } => self.changed(kind, stream),
            BackendMessage::Due { link, kind } => self.due(link, kind),
            BackendMessage::Heard {
                link,
                notification,
                room,
            } => self.heard(link, notification, room),
            BackendMessage::Asked {
                mcp_session,
                question,
                room,
            } => self.asked(mcp_session, question, room),
            BackendMessage::Withdrawn {
                mcp_session,
                number,
            } => self.withdrawn(mcp_session, number),
            BackendMessage::Listener { link, number, news } => {
                self.listener_told(link, number, news);
            }
            BackendMessage::Overdue { number } => self.overdue(number),
            BackendMessage::Connected { link, outcome } => self.connected(link, outcome),
            BackendMessage::Applied {
                link,
                generation,
                outcome,
            } => self.applied(link, generation, outcome),
            BackendMessage::Tidy { idle_max } => self.tidy(idle_max),
            // Whoever asked may have stopped waiting.
            BackendMessage::Hears { link, kind, reply } => {
                self.tell_hearing(link, kind, reply);
            }
            BackendMessage::IsNeeded(reply) => drop(reply.send(self.is_needed())),
            BackendMessage::Describe(reply) => drop(reply.send(self.describe())),
        }
        self.count();
    }
}

/// The gateway's own `Implementation`, where it speaks for no client in particular.
static OWN_IMPLEMENTATION: LazyLock<Arc<RawValue>> = LazyLock::new(|| {
    to_raw(&json!({ "name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION") })).into()
});

#[cfg(test)]
mod tests;
