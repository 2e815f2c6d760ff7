//! Speaks with MCP servers: one actor a connection, which owns everything one session has to do
//! with one backend: credential, era, MCP sessions, retries, reconnection.
//!
//! Knows its own backend only; never another's name, a public name, or the database.

mod adapter;
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
mod input;
mod legacy;
mod link;
mod listening;
mod listing;
mod message;
mod modern;
mod ongoing;
mod open;
mod own;
mod pending;
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

use std::{collections::HashMap, sync::Arc};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, MessagingErr, SpawnErr};
use secrecy::SecretString;
use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    mcp::{
        discovery::Discovery,
        event::{Notification, Outcome},
        failure::Failure,
        name::BackendName,
        request::Context,
    },
    registry::ProviderSpec,
};

use catalogue::Catalogue;
use connection::{Announcing, Connection, Looks, Occupancy};
use endpoint::Endpoint;
use error::BackendError;
use message::BackendMessage;
use pending::{Pending, Slot};
use state::Machine;

pub(crate) use breaker::Witness;
pub(crate) use endpoint::HttpClients;
pub(crate) use link::LinkKey;
pub(crate) use listing::{Listing, list};
pub(crate) use message::{Call, Description, Hearers, Memory, Report, Translation, Unmet, Wants};
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

/// A handle to one connection.
#[derive(Clone)]
pub(crate) struct Backend {
    number: u64,
    name: BackendName,
    actor: ActorRef<BackendMessage>,
}

impl Backend {
    /// Starts a connection, under the session that owns it if one does. Nothing is sent until
    /// somebody asks.
    ///
    /// # Errors
    ///
    /// When the actor system is going down.
    pub(crate) async fn start(start: Start, session: Option<ActorCell>) -> Result<Self, SpawnErr> {
        let (number, name) = (start.number, start.name.clone());
        let (actor, _) = match session {
            Some(session) => Actor::spawn_linked(None, BackendActor, start, session).await?,
            None => Actor::spawn(None, BackendActor, start).await?,
        };
        Ok(Self {
            number,
            name,
            actor,
        })
    }

    /// The number it was started with.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The backend's name.
    pub(crate) const fn name(&self) -> &BackendName {
        &self.name
    }

    /// Whether this is the actor of that id.
    pub(crate) fn is(&self, cell: &ActorCell) -> bool {
        self.actor.get_id() == cell.get_id()
    }

    /// Hands over a call; it is answered through its own channel, whatever happens.
    pub(crate) fn send(&self, call: Call) {
        if let Err(MessagingErr::SendErr(BackendMessage::Send(call))) =
            self.actor.cast(BackendMessage::Send(call))
        {
            let backend = self.name.clone();
            let failure = Failure::Unavailable {
                backend: backend.clone(),
                reason: "its part of the gateway died; try again, or look at the gateway's log"
                    .to_owned(),
            };
            tokio::spawn(async move { call.finish(&backend, Outcome::Failed(failure)).await });
        }
    }

    /// Has a conversation ready for a link and tells what the backend offers.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn connect(
        &self,
        link: LinkKey,
        context: Context,
    ) -> Result<Discovery, Failure> {
        let (reply, answer) = oneshot::channel();
        // An actor that is gone drops the reply, which the wait below notices: kept, it would wait for ever.
        drop(self.actor.cast(BackendMessage::Connect {
            link,
            context,
            reply,
        }));
        answer.await.unwrap_or(Err(Failure::Lost))
    }

    /// Has a link carry this besides its calls, and nothing else. Over a link that is not open it
    /// begins when that is opened: now, for whom `opens` names, or by a call.
    ///
    /// Of two wants the later one counts, whichever is waited for.
    ///
    /// # Errors
    ///
    /// What the backend does not do, and why.
    pub(crate) fn want(
        &self,
        link: LinkKey,
        opens: Option<Context>,
        wants: Wants,
    ) -> impl Future<Output = Result<(), Unmet>> + Send + use<> {
        let lost = Unmet::all(&wants, Failure::Lost);
        let (reply, answer) = oneshot::channel();
        // As in `connect`. Now, not when it is waited for.
        let _gone = self.actor.cast(BackendMessage::Want {
            link,
            opens,
            wants,
            reply,
        });
        async { answer.await.unwrap_or(Err(lost)) }
    }

    /// Passes a client's notification on, if the backend has a use for it.
    pub(crate) fn notify(&self, link: LinkKey, notification: Notification) {
        // With the actor its links are gone already.
        let _gone = self
            .actor
            .cast(BackendMessage::Notify { link, notification });
    }

    /// Ends the backend's MCP session for one of ours.
    pub(crate) fn forget(&self, link: LinkKey) {
        // With the actor its links are gone already.
        let _gone = self.actor.cast(BackendMessage::Forget(link));
    }

    /// Passes on what a list showed.
    pub(crate) fn learned(&self, listing: &Listing) {
        let catalogue = Catalogue::of(&listing.items);
        // What a new actor needs to know it lists for itself.
        let _gone = self.actor.cast(BackendMessage::Listed(catalogue));
    }

    fn looked(&self, catalogue: Option<Catalogue>) {
        // As above.
        let _gone = self.actor.cast(BackendMessage::Looked(catalogue));
    }

    /// Tells how the connection stands; `None` when it is just being started anew.
    pub(crate) async fn describe(&self) -> Option<Description> {
        let (reply, answer) = oneshot::channel();
        // As in `connect`.
        drop(self.actor.cast(BackendMessage::Describe(reply)));
        answer.await.ok()
    }
}

struct BackendActor;

impl Actor for BackendActor {
    type Msg = BackendMessage;
    type State = Connection;
    type Arguments = Start;

    async fn pre_start(
        &self,
        myself: ActorRef<BackendMessage>,
        start: Start,
    ) -> Result<Connection, ActorProcessingErr> {
        let known = start
            .remembered
            .iter()
            .map(|(_, memory)| memory.revision)
            .next_back();
        let endpoint = match start.spec {
            Some(spec) => start
                .credential
                .map_err(|reason| BackendError::CredentialUnusable { reason })
                .and_then(|credential| {
                    Endpoint::new(&spec, credential.as_ref(), &start.clients, start.witness)
                }),
            None => Err(BackendError::Unregistered),
        };
        Ok(Connection {
            number: start.number,
            name: start.name,
            endpoint: endpoint.map(Arc::new),
            machine: Machine::new(),
            links: start
                .remembered
                .into_iter()
                .filter_map(|remembered| Slot::remembered(remembered, &myself))
                .collect(),
            queue: Vec::new(),
            generation: 0,
            known,
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
            leaving: None,
            occupancy: Occupancy::default(),
            pause: 0,
            report: start.report,
            myself,
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<BackendMessage>,
        message: BackendMessage,
        connection: &mut Connection,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            BackendMessage::Send(call) => connection.begin(Pending::Call(call)),
            BackendMessage::Connect {
                link,
                context,
                reply,
            } => connection.begin(Pending::Connect {
                link,
                context,
                reply,
            }),
            BackendMessage::Want {
                link,
                opens,
                wants,
                reply,
            } => connection.want(link, opens, wants, reply),
            BackendMessage::Notify { link, notification } => connection.notify(link, &notification),
            BackendMessage::Forget(link) => connection.forget(link),
            BackendMessage::Close => connection.close(),
            BackendMessage::Leave => connection.leave(),
            BackendMessage::Rest => connection.rest(),
            BackendMessage::Retire => connection.retire(),
            BackendMessage::Opened {
                link,
                instead_of,
                outcome,
            } => connection.opened(link, instead_of, outcome),
            BackendMessage::Elapsed { pause } => connection.elapsed(pause),
            BackendMessage::Ended {
                link,
                generation,
                ending,
            } => connection.ended(link, generation, ending),
            BackendMessage::Listed(catalogue) => connection.listed(catalogue),
            BackendMessage::Looked(catalogue) => connection.looked(catalogue),
            BackendMessage::Changed { kind, stream, .. } => connection.changed(kind, stream),
            BackendMessage::Due { link, kind } => connection.due(link, kind),
            BackendMessage::Heard {
                link,
                notification,
                room,
            } => connection.heard(link, notification, room),
            BackendMessage::Asked {
                mcp_session,
                question,
                room,
            } => connection.asked(mcp_session, question, room),
            BackendMessage::Withdrawn {
                mcp_session,
                number,
            } => connection.withdrawn(mcp_session, number),
            BackendMessage::Listener { link, number, news } => {
                connection.listener_told(link, number, news);
            }
            BackendMessage::Overdue { number } => connection.overdue(number),
            BackendMessage::Connected { link, outcome } => connection.connected(link, outcome),
            BackendMessage::Applied {
                link,
                generation,
                outcome,
            } => connection.applied(link, generation, outcome),
            BackendMessage::Tidy { idle_max } => connection.tidy(idle_max),
            // Whoever asked may have stopped waiting.
            BackendMessage::IsNeeded(reply) => drop(reply.send(connection.is_needed())),
            BackendMessage::Describe(reply) => drop(reply.send(connection.describe())),
        }
        Ok(())
    }
}

/// The gateway's own `Implementation`, where it speaks for no client in particular.
fn own_implementation() -> String {
    json!({ "name": "mcp-gateway", "version": env!("CARGO_PKG_VERSION") }).to_string()
}

#[cfg(test)]
mod tests;
