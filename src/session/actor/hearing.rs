//! Who hears of changes, and what backends are asked to tell because of that.

use std::collections::{BTreeSet, HashSet};

use futures_util::future::join_all;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::{Backend, Hearers, LinkKey, Unmet, Wants},
    channel::Sender,
    limits::{SUBSCRIBERS_PER_SESSION_MAX, URI_BYTES_MAX, within},
    mcp::{event::Notification, failure::Failure, kind::ListKind, request::Context},
    routing::task,
    session::{
        heard::Listener,
        message::{Filter, SessionMessage, Subscription, Told},
    },
};

use super::Session;

/// Something somebody wants to hear of: where it is, and what it is called there and in public.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) position: usize,
    pub(super) own: String,
    pub(super) public: String,
}

/// What a link of a backend has to carry besides calls.
pub(super) struct Wanting {
    backend: Backend,
    link: LinkKey,
    /// For whom the link is opened, if it is not open.
    opens: Option<Context>,
    wants: Wants,
}

/// A listener without an MCP session, and what it asks for.
pub(super) struct Subscriber {
    /// The link over which its client speaks, with backends that keep conversations apart.
    link: LinkKey,
    context: Context,
    kinds: Vec<ListKind>,
    uris: Vec<Wanted>,
    tasks: Vec<Wanted>,
    listener: Sender<Told>,
}

impl Session {
    /// Has changes told on a client's stream. Answered when its backends' own streams are open, or
    /// after a moment.
    pub(super) fn listen(
        &mut self,
        id: Uuid,
        listener: Listener,
        reply: oneshot::Sender<Result<(), Failure>>,
    ) {
        let listening = match self.mcp_sessions.get_mut(&id) {
            None => Err(Failure::UnknownMcpSession),
            Some(mcp_session) if !mcp_session.is_stored => {
                let listen = SessionMessage::Listen {
                    mcp_session: id,
                    listener,
                    reply,
                };
                return self.store_before(id, listen);
            }
            Some(mcp_session) => mcp_session.listen(listener),
        };
        if listening.is_err() {
            let _asker_left = reply.send(listening);
            return;
        }
        let asking = want(self.wants(LinkKey::Own(id)));
        let deadline = self.shared.telling_deadline();
        tokio::spawn(async move {
            // What a backend refuses shows in its connection's state.
            let _late = within(deadline, asking).await;
            let _asker_left = reply.send(Ok(()));
        });
    }

    /// A client's stream ended, or somebody began or ceased to read it.
    pub(super) fn left(&mut self, id: Uuid) {
        if let Some(mcp_session) = self.mcp_sessions.get_mut(&id) {
            mcp_session.forget_closed();
            self.tell_wants(LinkKey::Own(id));
        }
    }

    /// Tells backends what a link has to carry now.
    pub(super) fn tell_wants(&self, link: LinkKey) {
        tokio::spawn(self.telling(link));
    }

    /// The same, for who waits until they do it.
    pub(super) fn telling(&self, link: LinkKey) -> impl Future<Output = ()> + Send + use<> {
        let wanting = want(self.wants(link));
        async move { drop(wanting.await) }
    }

    /// Has changes told to a listener that says which; answers when they are listened for.
    pub(super) fn subscribe_to(
        &mut self,
        number: u64,
        subscription: Subscription,
        reply: oneshot::Sender<Result<Filter, Failure>>,
    ) {
        let Subscription {
            context,
            filter,
            listener,
        } = subscription;
        let closed = self.subscribers.extract_if(|_, it| it.listener.is_closed());
        // Their own farewells will find nothing.
        let links: HashSet<LinkKey> = closed.map(|(_, it)| it.link).collect();
        for link in links {
            self.tell_wants(link);
        }
        if self.is_ending() || self.subscribers.len() >= SUBSCRIBERS_PER_SESSION_MAX {
            let _asker_left = reply.send(Err(Failure::TooManyListeners {
                limit: SUBSCRIBERS_PER_SESSION_MAX,
            }));
            return;
        }
        let link = LinkKey::of(None, &context);
        let subscriber = Subscriber {
            link,
            context,
            kinds: filter.kinds,
            uris: filter
                .uris
                .iter()
                .filter_map(|uri| self.wanted_uri(uri))
                .collect(),
            tasks: filter
                .tasks
                .iter()
                .filter_map(|id| self.wanted_task(id))
                .collect(),
            listener,
        };
        let (kinds, uris, tasks) = (
            subscriber.kinds.clone(),
            subscriber.uris.clone(),
            subscriber.tasks.clone(),
        );
        self.subscribers.insert(number, subscriber);
        let asking = want(self.wants(link));
        let deadline = self.shared.telling_deadline();
        tokio::spawn(async move {
            let asked = within(deadline, asking).await;
            let unmet = asked.unwrap_or_default();
            let is_met = |wanted: &Wanted, of: fn(&Unmet) -> &BTreeSet<String>| {
                let unmet = unmet.iter().filter(|(at, _)| *at == wanted.position);
                !unmet
                    .into_iter()
                    .any(|(_, it)| of(it).contains(&wanted.own))
            };
            let publicly = |wanted: Vec<Wanted>, of: fn(&Unmet) -> &BTreeSet<String>| {
                let met = wanted.into_iter().filter(|it| is_met(it, of));
                met.map(|it| it.public).collect()
            };
            let _asker_left = reply.send(Ok(Filter {
                kinds,
                uris: publicly(uris, |unmet| &unmet.uris),
                tasks: publicly(tasks, |unmet| &unmet.tasks),
            }));
        });
    }

    /// A listener without an MCP session is gone.
    pub(super) fn unsubscribed(&mut self, number: u64) {
        if let Some(subscriber) = self.subscribers.remove(&number)
            && !(subscriber.uris.is_empty() && subscriber.tasks.is_empty())
        {
            self.tell_wants(subscriber.link);
        }
    }

    /// Whose resource a URI is, for somebody who wants to hear of it: where it is not certain, of the
    /// likeliest backend that tells of changes.
    pub(super) fn wanted_uri(&self, uri: &str) -> Option<Wanted> {
        if uri.len() > URI_BYTES_MAX {
            return None;
        }
        let candidates = self.resources.route(&self.names, uri);
        let is_certain = candidates.len() == 1;
        let found = candidates.into_iter().find(|candidate| {
            let met = self.met[candidate.position].as_ref();
            match met {
                Some(met) => met.announces_updates(),
                None => is_certain,
            }
        })?;
        Some(Wanted {
            position: found.position,
            own: found.own,
            public: uri.to_owned(),
        })
    }

    fn wanted_task(&self, id: &str) -> Option<Wanted> {
        let (position, own) = task::route(self.naming, &self.names, id)?;
        Some(Wanted {
            position,
            own: own.to_owned(),
            public: id.to_owned(),
        })
    }

    /// What a link of each backend has to carry besides calls.
    pub(super) fn wants(&self, link: LinkKey) -> Vec<Wanting> {
        let wants = |position: usize| match link {
            LinkKey::Own(id) => match self.mcp_sessions.get(&id) {
                Some(mcp_session) => mcp_session.wants(position),
                None => Wants::default(),
            },
            LinkKey::Default | LinkKey::Capable(_) => self.subscribed(link, position),
        };
        let mut subscribers = self.subscribers.values();
        let opens = match link {
            LinkKey::Default => Some(Context::default()),
            _ => subscribers
                .find(|it| it.link == link)
                .map(|it| it.context.clone()),
        };
        let wanting = |(position, backend): (usize, &Backend)| Wanting {
            backend: backend.clone(),
            link,
            opens: opens.clone(),
            wants: wants(position),
        };
        self.backends.iter().enumerate().map(wanting).collect()
    }

    fn subscribed(&self, link: LinkKey, position: usize) -> Wants {
        let here = |wanted: &&Wanted| wanted.position == position;
        let own = |wanted: &Wanted| wanted.own.clone();
        let subscribers = || self.subscribers.values().filter(|it| it.link == link);
        Wants {
            uris: subscribers()
                .flat_map(|it| &it.uris)
                .filter(here)
                .map(own)
                .collect(),
            tasks: subscribers()
                .flat_map(|it| &it.tasks)
                .filter(here)
                .map(own)
                .collect(),
            ..Wants::default()
        }
    }

    /// Tells those who hear of changes that lists are others now.
    pub(super) fn tell_of_lists(&mut self, kinds: &[ListKind], hearers: &Hearers) {
        for kind in kinds {
            let changed = Notification {
                method: kind.changed().to_owned(),
                params: None,
            };
            for (id, mcp_session) in &mut self.mcp_sessions {
                if hearers.include(LinkKey::Own(*id)) {
                    mcp_session.tell(Told::Notification(changed.clone()));
                }
            }
            self.tell_subscribers(|it| {
                let hears = it.kinds.contains(kind) && hearers.include(it.link);
                hears.then(|| changed.clone())
            });
        }
    }

    /// Tells the subscribers that `told` has something for.
    ///
    /// One that reads too slowly is ended: its client would miss what is told, and not know.
    pub(super) fn tell_subscribers(&mut self, told: impl Fn(&Subscriber) -> Option<Notification>) {
        let ended = self.subscribers.extract_if(|_, subscriber| {
            let message = told(subscriber).map(Told::Notification);
            message.is_some_and(|message| subscriber.listener.try_send(message).is_err())
        });
        let links: HashSet<LinkKey> = ended.map(|(_, subscriber)| subscriber.link).collect();
        for link in links {
            self.tell_wants(link);
        }
    }

    /// The gateway is stopping. It would wait for streams that have no end of their own; and no client
    /// can come back any more for what waits for it.
    pub(super) fn leave_off(&mut self) {
        self.parked.clear();
        self.stop_listening();
        // As long as there is time; the last sweep waits for it.
        let _being_stored = self.store_all();
    }

    pub(super) fn stop_listening(&mut self) {
        self.subscribers.clear();
        for mcp_session in self.mcp_sessions.values_mut() {
            mcp_session.stop_listening();
        }
    }
}

impl Subscriber {
    pub(super) const fn link(&self) -> LinkKey {
        self.link
    }

    /// Moves what it asks for to where that is now.
    pub(super) fn rearrange(&mut self, moved: impl Fn(Wanted) -> Option<Wanted>) {
        for wanted in [&mut self.uris, &mut self.tasks] {
            *wanted = std::mem::take(wanted)
                .into_iter()
                .filter_map(&moved)
                .collect();
        }
    }

    pub(super) fn uris(&self) -> &[Wanted] {
        &self.uris
    }

    pub(super) fn tasks(&self) -> &[Wanted] {
        &self.tasks
    }
}

impl Wanting {
    /// Has the backend do it, from now on and not only once this is waited for.
    ///
    /// # Errors
    ///
    /// What it does not do, and why.
    pub(super) fn tell(self) -> impl Future<Output = Result<(), Unmet>> + Send + use<> {
        self.backend.want(self.link, self.opens, self.wants)
    }
}

/// Has backends tell what is wanted, from now on and not only once this is waited for; gives what
/// they do not tell of, each by its position.
fn want(wants: Vec<Wanting>) -> impl Future<Output = Vec<(usize, Unmet)>> + Send + use<> {
    let asked: Vec<_> = wants
        .into_iter()
        .enumerate()
        .map(|(position, wanting)| {
            let backend = wanting.backend.clone();
            let answer = wanting.tell();
            async move {
                let unmet = answer.await.err()?;
                tracing::debug!(backend.name = %backend.name(), error = %unmet.failure, "does not tell of all that is wanted");
                Some((position, unmet))
            }
        })
        .collect();
    async { join_all(asked).await.into_iter().flatten().collect() }
}
