//! How a session speaks to one of its connections: each method is one message to its actor.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::{oneshot, watch};

use crate::{
    mcp::{
        discovery::Discovery,
        event::{Notification, Outcome},
        failure::Failure,
        kind::ListKind,
        name::BackendName,
        request::Context,
    },
    registry::ProviderSpec,
};

use super::{
    Call, Description, LinkKey, Listing, Start, Unmet, Wants,
    catalogue::Catalogue,
    connection::Connection,
    fresh::{Asked, Changes},
    mailbox::{Life, Mailbox},
    message::BackendMessage,
};

/// A handle to one connection.
#[derive(Clone)]
pub(crate) struct Backend {
    pub(super) number: u64,
    pub(super) name: BackendName,
    pub(super) mailbox: Mailbox,
    pub(super) changes: Arc<Changes>,
    /// The entry it was started with.
    pub(super) spec: Option<Arc<ProviderSpec>>,
}

impl Backend {
    /// Starts a connection, which lasts no longer than the life that this gives. Nothing is sent until somebody
    /// asks.
    pub(crate) fn start(start: Start) -> (Self, Life) {
        let (mailbox, inbox) = Mailbox::new();
        let connection = Connection::new(start, mailbox);
        let backend = connection.handle();
        (backend, Life::begin(connection, inbox))
    }

    /// The number it was started with.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// The backend's name.
    pub(crate) const fn name(&self) -> &BackendName {
        &self.name
    }

    /// Whether a connection that is started with this entry would be as good as this one.
    pub(crate) fn is_of(&self, spec: Option<&Arc<ProviderSpec>>) -> bool {
        match (&self.spec, spec) {
            (Some(own), Some(spec)) => Arc::ptr_eq(own, spec) || own.is_met_as(spec),
            (own, spec) => own.is_none() && spec.is_none(),
        }
    }

    /// The fingerprint of the entry it was started with.
    pub(crate) fn fingerprint(&self) -> Option<SecretString> {
        self.spec.as_ref().map(|spec| spec.fingerprint())
    }

    /// Hands over a call; it is answered through its own channel, whatever happens.
    pub(crate) fn send(&self, call: Box<Call>) {
        if let Err(unsent) = self.mailbox.hand_over(BackendMessage::Send(call))
            && let BackendMessage::Send(call) = *unsent
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
        drop(self.mailbox.hand_over(BackendMessage::Connect {
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
        let _gone = self.mailbox.cast(BackendMessage::Want {
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
            .mailbox
            .cast(BackendMessage::Notify { link, notification });
    }

    /// Ends the backend's MCP session for one of ours.
    pub(crate) fn forget(&self, link: LinkKey) {
        // With the actor its links are gone already.
        let _gone = self.mailbox.hand_over(BackendMessage::Forget(link));
    }

    /// Passes on what a list showed.
    pub(crate) fn learned(&self, listing: &Listing) {
        let catalogue = Catalogue::of(&listing.items);
        // What a new actor needs to know it lists for itself.
        let _gone = self.mailbox.cast(BackendMessage::Listed(catalogue));
    }

    /// Notes when a list is asked for.
    pub(super) fn asked(&self, kind: ListKind) -> Asked {
        Asked::now(&self.changes, kind)
    }

    /// Where the backend would announce to whoever has this link that lists of a kind are others, and
    /// whether it would be heard now; `None` where it would not announce it.
    pub(super) async fn hears(
        &self,
        link: LinkKey,
        kind: ListKind,
    ) -> Option<watch::Receiver<bool>> {
        let (reply, answer) = oneshot::channel();
        // As in `connect`.
        drop(
            self.mailbox
                .cast(BackendMessage::Hears { link, kind, reply }),
        );
        answer.await.ok().flatten()
    }

    pub(super) fn looked(&self, catalogue: Option<Catalogue>) {
        // As above.
        let _gone = self.mailbox.cast(BackendMessage::Looked(catalogue));
    }

    /// Tells how the connection stands; `None` when it is just being started anew.
    pub(crate) async fn describe(&self) -> Option<Description> {
        let (reply, answer) = oneshot::channel();
        // As in `connect`.
        drop(self.mailbox.cast(BackendMessage::Describe(reply)));
        answer.await.ok()
    }
}
