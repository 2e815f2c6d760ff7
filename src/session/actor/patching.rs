//! A session is changed while it lives: stored first, then its connections follow.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::{
    backend::{Backend, Hearers, LinkKey},
    limits::PATCHES_WAITING_MAX,
    mcp::{discovery::Discovery, kind::ListKind, name::BackendName, request::Context},
    session::{
        clock::now_ms,
        kept::KeptLists,
        message::SessionMessage,
        patch::{PatchError, Patched, Place, Plan, SessionPatch},
    },
    store::{Change, StoreError, StoredServer},
};

use super::{
    Session,
    hearing::{Subscriber, Wanted},
};

/// Answers whoever wants a session changed.
pub(crate) type Patcher = oneshot::Sender<Patched>;

/// One change at a time: each is decided by what the one before left.
#[derive(Default)]
pub(super) struct Patching {
    /// The backends whose links are being forgotten, while a change is being stored.
    under_way: Option<HashSet<BackendName>>,
    waiting: VecDeque<(SessionPatch, Patcher)>,
}

impl Patching {
    /// Whether a change is being stored.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether what a backend's connection learns now is void.
    pub(super) fn forgets(&self, backend: &BackendName) -> bool {
        let unlinked = self.under_way.as_ref();
        unlinked.is_some_and(|unlinked| unlinked.contains(backend))
    }
}

/// The links that are being stored: what is void must not be written after it was deleted.
pub(super) struct LinkWrites {
    writing: Arc<oneshot::Sender<Infallible>>,
    until_written: oneshot::Receiver<Infallible>,
}

impl Default for LinkWrites {
    fn default() -> Self {
        let (writing, until_written) = oneshot::channel();
        Self {
            writing: Arc::new(writing),
            until_written,
        }
    }
}

impl LinkWrites {
    /// One of them, until what is given is dropped.
    pub(super) fn begin(&self) -> Arc<oneshot::Sender<Infallible>> {
        Arc::clone(&self.writing)
    }

    /// Whether one of them has not ended.
    pub(super) fn are_under_way(&self) -> bool {
        Arc::strong_count(&self.writing) > 1
    }

    /// Waits until those that began before have ended.
    pub(super) async fn end(self) {
        let Self {
            writing,
            until_written,
        } = self;
        drop(writing);
        // Nothing is ever sent.
        let _nothing = until_written.await;
    }
}

/// What belongs together of one backend.
type Part = (StoredServer, Backend, Option<Discovery>);

impl Session {
    /// Changes the session; answered when that is stored, and done.
    pub(super) fn patch(&mut self, patch: SessionPatch, reply: Patcher) {
        // Whoever asked may have left; here and below.
        if self.is_ending() {
            return drop(reply.send(Err(PatchError::Gone)));
        }
        if self.patching.under_way.is_some() {
            if self.patching.waiting.len() >= PATCHES_WAITING_MAX {
                let limit = PATCHES_WAITING_MAX;
                return drop(reply.send(Err(PatchError::Crowded { limit })));
            }
            return self.patching.waiting.push_back((patch, reply));
        }
        let plan = Plan::make(
            patch,
            &self.servers,
            self.naming,
            &self.shared.registry.now(),
        );
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return drop(reply.send(Err(error))),
        };
        self.patching.under_way = Some(plan.unlinked().into_iter().collect());
        let links = std::mem::take(&mut self.link_writes);
        let (record, store) = (plan.record(self.id), self.shared.store.clone());
        let myself = self.myself.clone();
        tokio::spawn(async move {
            links.end().await;
            let outcome = store.change_session(record).await;
            // A session that is gone is woken with what was stored.
            let _gone = myself.cast(SessionMessage::Patched {
                plan: Box::new(plan),
                outcome,
                reply,
            });
        });
    }

    /// A change is stored, or could not be.
    pub(super) fn patched(&mut self, plan: Plan, outcome: Result<(), StoreError>, reply: Patcher) {
        self.patching.under_way = None;
        match outcome {
            _ if self.is_ending() => drop(reply.send(Err(PatchError::Gone))),
            Err(error) => drop(reply.send(Err(error.into()))),
            Ok(()) => {
                self.last_used_ms = now_ms();
                self.apply(plan);
                self.describe_to(move |description| drop(reply.send(Ok(description))));
            }
        }
        // One that is refused leaves the next one waiting.
        while self.patching.under_way.is_none()
            && let Some((patch, reply)) = self.patching.waiting.pop_front()
        {
            self.patch(patch, reply);
        }
    }

    /// Makes the session what is stored.
    fn apply(&mut self, mut plan: Plan) {
        self.choose(&mut plan);
        if plan.changes_servers() {
            let new = self.apply_servers(plan);
            self.connect_at(&new);
            self.show_others(&ListKind::ALL);
        } else {
            self.show_others(plan.changed_lists());
        }
    }

    /// Takes what the session chose for itself.
    fn choose(&mut self, plan: &mut Plan) {
        if let Change::To(name) = std::mem::take(&mut plan.name) {
            self.name = name;
        }
        if let Change::To(expiry) = plan.idle_expiry {
            self.idle_expiry = expiry;
        }
        self.naming = plan.naming.unwrap_or(self.naming);
        for place in &plan.places {
            if let (Some(from), Change::To(tools)) = (place.from, &place.tools) {
                self.servers[from].tools.clone_from(tools);
            }
        }
    }

    /// Lists are others now, be it that the backends' are not: clients are told, and no list that was made before is
    /// shown again.
    pub(super) fn show_others(&mut self, kinds: &[ListKind]) {
        if kinds.is_empty() {
            return;
        }
        self.edition += 1;
        self.kept_lists = KeptLists::default();
        self.tell_of_lists(kinds, &Hearers::AllBut(Vec::new()));
    }

    /// Puts the session's backends where they will be, and other connections in the places of some; gives the positions
    /// of these.
    pub(super) fn apply_servers(&mut self, plan: Plan) -> Vec<usize> {
        let parts = std::mem::take(&mut self.servers)
            .into_iter()
            .zip(std::mem::take(&mut self.backends))
            .zip(std::mem::take(&mut self.met))
            .map(|((server, backend), met)| Some((server, backend, met)));
        let mut before: Vec<Option<Part>> = parts.collect();
        self.names.clear();
        let (mut kept, mut stayed) = (HashMap::new(), HashMap::new());
        for (position, place) in plan.places.into_iter().enumerate() {
            let part = place
                .from
                .and_then(|from| before.get_mut(from).and_then(Option::take));
            if let Some(from) = place.from {
                stayed.insert(from, position);
                if place.is_kept() {
                    kept.insert(from, position);
                }
            }
            let (server, backend, met) = self.settle(place, part);
            self.names.push(server.backend.clone());
            self.servers.push(server);
            self.backends.push(backend);
            self.met.push(met);
        }
        for (_, backend, _) in before.into_iter().flatten() {
            if backend.leave() {
                self.leaving.push(backend);
            }
        }
        let listening = self.listening_where_links_ended(&stayed, &kept);
        self.rearrange(&stayed, &kept);
        self.carry_anew(listening);
        let goes_on: HashSet<usize> = kept.values().copied().collect();
        (0..self.backends.len())
            .filter(|at| !goes_on.contains(at))
            .collect()
    }

    /// Keeps a backend's connection, or starts one in its place.
    fn settle(&mut self, place: Place, part: Option<Part>) -> Part {
        let part = match part {
            Some(part) if place.is_kept() => return part,
            part => part,
        };
        let server = StoredServer {
            backend: place.backend,
            credential: match (place.credential, &part) {
                (Change::To(credential), _) => Ok(credential),
                (Change::Keep, Some((server, ..))) => server.credential.clone(),
                (Change::Keep, None) => Ok(None),
            },
            tools: match (place.tools, &part) {
                (_, Some((server, ..))) => server.tools.clone(),
                (Change::To(tools), None) => tools,
                (Change::Keep, None) => None,
            },
        };
        if let Some((_, backend, _)) = part
            && backend.retire()
        {
            self.leaving.push(backend);
        }
        let spec = self.spec(&server);
        let backend = self.start_backend(&server, spec, Vec::new());
        (server, backend, None)
    }

    /// Moves all that has a position to where its backend is now: from where a backend stayed in the
    /// session, and from where its connection goes on.
    fn rearrange(&mut self, stayed: &HashMap<usize, usize>, kept: &HashMap<usize, usize>) {
        self.resources.rearrange(self.names.len(), kept);
        let linked = std::mem::take(&mut self.linked).into_iter();
        self.linked = linked
            .filter_map(|(id, at)| Some((id, *kept.get(&at)?)))
            .collect();
        let moved = |wanted: Wanted| {
            Some(Wanted {
                position: *stayed.get(&wanted.position)?,
                ..wanted
            })
        };
        let mut lost = Vec::new();
        for (id, mcp_session) in &mut self.mcp_sessions {
            let before = std::mem::take(&mut mcp_session.subscriptions);
            let count = before.len();
            mcp_session.subscriptions = before.into_iter().filter_map(moved).collect();
            if mcp_session.subscriptions.len() < count {
                lost.push(*id);
            }
        }
        for id in lost {
            self.keep_wants(id, None);
        }
        for subscriber in self.subscribers.values_mut() {
            subscriber.rearrange(moved);
        }
        let goes_on: HashSet<&BackendName> = kept.values().map(|at| &self.names[*at]).collect();
        self.unreachable.retain(|name| goes_on.contains(name));
        self.count_resources();
        self.uses_credentials = self
            .servers
            .iter()
            .any(|server| self.shared.uses_credential(server));
    }

    /// The clients that hear something over links which ended with their connections, each with the
    /// position of the backend there is now.
    fn listening_where_links_ended(
        &self,
        stayed: &HashMap<usize, usize>,
        kept: &HashMap<usize, usize>,
    ) -> Vec<(LinkKey, Context, usize)> {
        let ended = self.linked.iter().filter(|(_, at)| !kept.contains_key(at));
        ended
            .filter_map(|(id, at)| {
                let mcp_session = self.mcp_sessions.get(id)?;
                let listens = mcp_session.has_listener() || !mcp_session.subscriptions.is_empty();
                let position = *stayed.get(at).filter(|_| listens)?;
                Some((LinkKey::Own(*id), mcp_session.context.clone(), position))
            })
            .collect()
    }

    /// Has carried over new connections what was carried before, and opens the links of those who hear something. All
    /// other clients' links open with their next calls.
    fn carry_anew(&self, listening: Vec<(LinkKey, Context, usize)>) {
        self.want_what_was_wanted();
        let subscribed = self.subscribers.values().map(Subscriber::link);
        let links: HashSet<LinkKey> = subscribed.chain([LinkKey::Default]).collect();
        for link in links {
            self.tell_wants(link);
        }
        for (link, context, position) in listening {
            self.connect(link, context, position);
        }
    }

    /// Connects to backends, whoever needs them.
    pub(super) fn connect_at(&self, positions: &[usize]) {
        for position in positions {
            self.connect(LinkKey::Default, Context::default(), *position);
        }
    }

    fn connect(&self, link: LinkKey, context: Context, position: usize) {
        let backend = self.backends[position].clone();
        // Its outcome shows in the connection's state.
        tokio::spawn(async move { drop(backend.connect(link, context).await) });
    }
}
