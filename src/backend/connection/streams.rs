//! The streams on which a backend says what nobody asked: one a link where it keeps conversations
//! apart, else one for everybody.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::{
    backend::{
        link::{Link, LinkKey},
        listening::{Filter, Listener, News, Plan},
        message::{BackendMessage, Unmet, Wants},
        pending::Slot,
        state::State,
    },
    mcp::{
        failure::Failure,
        kind::ListKind,
        method::{LISTEN, SUBSCRIBE},
    },
};

use super::{Connection, tools::Reason};

impl Connection {
    /// The link that serves a key, if calls go out over it now.
    pub(super) fn ready_link(&self, key: LinkKey) -> Option<Arc<Link>> {
        match self.links.get(&self.serving(key)) {
            Some(Slot::Open(link)) if self.machine.state() == State::Ready => Some(link.clone()),
            _ => None,
        }
    }

    /// Listens over a link of its own, if somebody may hear something there and nobody listens yet.
    pub(super) fn listen(&mut self, key: LinkKey, link: &Arc<Link>) {
        if !self.needs_stream(key, link) {
            if let Some(carried) = self.carried.get_mut(&key) {
                carried.listener = None;
            }
            return;
        }
        let carried = self.carried.entry(key).or_default();
        let deaf = carried.deaf.as_ref();
        let is_deaf = deaf.is_some_and(|(generation, _)| *generation == link.generation);
        if is_deaf {
            carried.listener = None;
            return;
        }
        let listener = carried.listener.as_ref();
        if listener.is_none_or(|listener| listener.generation() != link.generation) {
            let tries = std::mem::take(&mut carried.tries);
            let listener = self.start_listener(link, Filter::default(), tries);
            self.carried.entry(key).or_default().listener = listener;
        }
    }

    /// Whether a backend may say something over a link that is for somebody.
    fn needs_stream(&self, key: LinkKey, link: &Link) -> bool {
        let wanted = self.carried.get(&key).is_some_and(|carried| {
            let wants = &carried.wants;
            wants.stream || !wants.uris.is_empty() || !wants.tasks.is_empty()
        });
        wanted
            || match key {
                LinkKey::Default => !announced(link).is_empty(),
                // Many servers ask there, and not on the call's own stream.
                LinkKey::Own(_) | LinkKey::Capable(_) => can_be_asked(link),
            }
    }

    /// Listens over the link that serves everybody to all that anybody wants.
    pub(super) fn listen_for_all(&mut self, link: &Arc<Link>) {
        let mut filter = Filter {
            kinds: announced(link),
            ..Filter::default()
        };
        for carried in self.carried.values() {
            filter.uris.extend(carried.wants.uris.iter().cloned());
            filter.tasks.extend(carried.wants.tasks.iter().cloned());
        }
        if filter.is_empty() && self.carried.is_empty() {
            // Nobody wants anything, nor waits for it.
            return;
        }
        let carried = self.carried.entry(LinkKey::Default).or_default();
        let newest = carried.next.as_ref().or(carried.listener.as_ref());
        let is_newest = |listener: &Listener| {
            listener.generation() == link.generation && *listener.filter() == filter
        };
        let is_deaf = carried
            .deaf
            .as_ref()
            .is_some_and(|(generation, deaf)| *generation == link.generation && *deaf == filter);
        if filter.is_empty() {
            carried.listener = None;
            carried.next = None;
        } else if !newest.is_some_and(is_newest) && !is_deaf {
            let tries = std::mem::take(&mut carried.tries);
            carried.deaf = None;
            let next = self.start_listener(link, filter, tries);
            self.replace_listener(next);
        }
        self.answer_who_listens();
    }

    fn start_listener(&mut self, link: &Arc<Link>, filter: Filter, tries: u32) -> Option<Listener> {
        let endpoint = self.endpoint.as_ref().ok()?.clone();
        self.listeners += 1;
        let plan = Plan {
            number: self.listeners,
            filter,
            tries,
        };
        Some(Listener::start(endpoint, link.clone(), plan))
    }

    /// Has a new listener take the old one's place, once it hears: so nothing goes unheard.
    fn replace_listener(&mut self, next: Option<Listener>) {
        let (Some(next), Ok(endpoint)) = (next, &self.endpoint) else {
            return;
        };
        let number = next.number();
        // The timer ends with the actor: its message then finds no mailbox.
        let _timer = self
            .myself
            .send_after(endpoint.timeouts.handshake, move || {
                BackendMessage::Overdue { number }
            });
        let carried = self.carried.entry(LinkKey::Default).or_default();
        if carried.listener.is_some() && carried.honoured.is_some() {
            carried.next = Some(next);
        } else {
            carried.listener = Some(next);
            carried.honoured = None;
        }
    }

    /// Answers who waits for a stream to everybody's liking, as soon as the backend says what it
    /// honours.
    fn answer_who_listens(&mut self) {
        let shared = self.carried.entry(LinkKey::Default).or_default();
        let waits =
            shared.next.is_some() || (shared.listener.is_some() && shared.honoured.is_none());
        if waits {
            return;
        }
        let honoured = shared
            .honoured
            .clone()
            .filter(|_| shared.listener.is_some());
        let honoured = honoured.unwrap_or_default();
        for carried in self.carried.values_mut() {
            for waiter in carried.waiters.drain(..) {
                match unmet(&waiter.wants, &honoured) {
                    None => waiter.answer(Ok(())),
                    Some(unmet) => waiter.refuse(unmet),
                }
            }
        }
    }

    /// A listener has had its time to say what the backend honours. It goes on, without the old one:
    /// that may hold the place which the new one waits for.
    pub(in crate::backend) fn overdue(&mut self, number: u64) {
        let carried = self.carried.entry(LinkKey::Default).or_default();
        let is_it = |listener: &Listener| listener.number() == number;
        if carried.next.as_ref().is_some_and(is_it) {
            carried.listener = carried.next.take();
            carried.honoured = None;
        } else if !carried.listener.as_ref().is_some_and(is_it) || carried.honoured.is_some() {
            return;
        }
        let failure = Failure::TimedOut {
            backend: self.name.clone(),
            reason: "it did not say in time what it announces".to_owned(),
        };
        for carried in self.carried.values_mut() {
            for waiter in carried.waiters.drain(..) {
                let wants_any = !waiter.wants.uris.is_empty() || !waiter.wants.tasks.is_empty();
                waiter.answer(if wants_any {
                    Err(failure.clone())
                } else {
                    Ok(())
                });
            }
        }
    }

    /// Takes what a listener tells; of one that was replaced nobody wants to know.
    pub(in crate::backend) fn listener_told(&mut self, key: LinkKey, number: u64, news: News) {
        let Some(carried) = self.carried.get_mut(&key) else {
            return;
        };
        let is_it = |listener: &Listener| listener.number() == number;
        let is_next = carried.next.as_ref().is_some_and(is_it);
        if !is_next && !carried.listener.as_ref().is_some_and(is_it) {
            return;
        }
        match news {
            News::Hears { honoured } => {
                if is_next {
                    carried.listener = carried.next.take();
                }
                carried.honoured = honoured;
                if carried.honoured.is_some() {
                    self.answer_who_listens();
                }
            }
            News::Missed => self.heard_again(key),
            News::NotOffered | News::Unheard { .. } => {
                let ended = if is_next {
                    carried.next.take()
                } else {
                    carried.honoured = None;
                    carried.listener.take()
                };
                let Some(ended) = ended else { return };
                let generation = ended.generation();
                carried.deaf = Some((generation, ended.filter().clone()));
                if let News::Unheard { tries } = news {
                    carried.tries = tries;
                    return self.unheard(key, generation);
                }
                if carried.next.is_none() && !ended.filter().is_empty() {
                    self.answer_who_listens();
                }
            }
        }
    }

    /// A listener met the end of its MCP session. If that has really ended, the link gets another
    /// one, which is listened to; else the backend has no stream to listen to.
    fn unheard(&mut self, key: LinkKey, generation: u64) {
        if key == LinkKey::Default {
            return self.look(Reason::Unsure);
        }
        let context = match self.links.get(&key) {
            Some(Slot::Open(link)) if link.generation == generation => link.context().cloned(),
            _ => None,
        };
        // For whom a link was opened before a restart its next call will tell.
        if let Some(context) = context {
            self.open(key, context);
        }
    }

    /// Tells where the backend announces that lists of a kind are others, to whoever has this link: on
    /// its own stream only, for there may be changes that concern nobody else.
    pub(in crate::backend) fn tell_hearing(
        &self,
        link: LinkKey,
        kind: ListKind,
        reply: oneshot::Sender<Option<watch::Receiver<bool>>>,
    ) {
        let hears = || {
            let link = self.ready_link(self.serving(link))?;
            let carried = self.carried.get(&link.key)?;
            let listener = carried.listener.as_ref()?;
            let may_announce = link.discovery.announces(kind);
            let honours = |it: &Filter| it.kinds.contains(&kind);
            let announces = may_announce && carried.honoured.as_ref().is_none_or(honours);
            (announces && listener.generation() == link.generation).then(|| listener.hearing())
        };
        // Whoever asked may have given up.
        let _asker_left = reply.send(hears());
    }

    /// The backend is heard again, and may have announced something before.
    fn heard_again(&mut self, key: LinkKey) {
        let Some(Slot::Open(link)) = self.links.get(&key) else {
            return;
        };
        let mut kinds = announced(link);
        self.changes.note_each(&kinds);
        if key != LinkKey::Default {
            return self.own_heard_again(key, kinds);
        }
        if kinds.contains(&ListKind::Tools) {
            self.look(Reason::Unsure);
        }
        kinds.retain(|kind| *kind != ListKind::Tools);
        if !kinds.is_empty() {
            self.report_found(kinds);
        }
    }
}

/// What of the wants a backend does not honour, if anything.
fn unmet(wants: &Wants, honoured: &Filter) -> Option<Unmet> {
    let uris = &wants.uris - &honoured.uris;
    let tasks = &wants.tasks - &honoured.tasks;
    let unknown = |method: &str| Failure::UnknownMethod {
        method: method.to_owned(),
    };
    let failure = match uris.first() {
        // It tells of updates of others, or of none.
        Some(_) if honoured.is_empty() => unknown(SUBSCRIBE),
        Some(uri) => Failure::UnknownResource { uri: uri.clone() },
        None => unknown(LISTEN),
    };
    (!uris.is_empty() || !tasks.is_empty()).then_some(Unmet {
        uris,
        tasks,
        failure,
    })
}

/// The lists whose changes a backend announces.
fn announced(link: &Link) -> Vec<ListKind> {
    let announces = |kind: &ListKind| link.discovery.announces(*kind);
    ListKind::ALL.into_iter().filter(announces).collect()
}

/// Whether the client of a link declared anything to be asked for.
fn can_be_asked(link: &Link) -> bool {
    let known = ["elicitation", "sampling", "roots"];
    link.context()
        .is_some_and(|context| known.iter().any(|capability| context.can(capability)))
}
