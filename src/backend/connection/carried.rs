//! What links carry besides calls: who wants what, and what was asked of the backend for it.

use std::{collections::BTreeSet, sync::Arc};

use tokio::sync::oneshot;

use crate::{
    backend::{
        audience::Conversation,
        link::{Link, LinkKey},
        listening::{Filter, Listener, Opening},
        message::{BackendMessage, Unmet, Wants},
        subscribing::{Applied, Failed, Outcome},
    },
    mcp::{failure::Failure, request::Context},
};

use super::Connection;

/// What one link carries besides calls.
#[derive(Default)]
pub(in crate::backend) struct Carried {
    pub(super) wants: Wants,
    /// For whom the link may be opened because of that; others open theirs by calls.
    pub(super) opens: Option<Context>,
    /// Who waits until it does.
    pub(super) waiters: Vec<Waiter>,
    /// What its backend was asked for by requests.
    applied: Applied,
    /// Whether it is being asked.
    applying: bool,
    /// Whether it cannot be asked over this link any more.
    pub(super) stalled: bool,
    /// Whether the link was opened anew because its MCP session had ended.
    renewed: bool,
    /// Hears what the backend says by itself; ends when it is dropped.
    pub(super) listener: Option<Listener>,
    /// Takes the listener's place as soon as it hears.
    pub(super) next: Option<Listener>,
    /// What the backend said it honours of what the listener is for.
    pub(super) honoured: Option<Filter>,
    /// How many times in a row the last listener found no stream.
    pub(super) tries: u32,
    /// The link that has no stream, by its generation, and what was asked for.
    pub(super) deaf: Option<(u64, Filter)>,
}

/// Somebody who waits until a link carries something.
pub(super) struct Waiter {
    pub(super) wants: Wants,
    reply: oneshot::Sender<Result<(), Unmet>>,
}

impl Waiter {
    pub(super) const fn new(wants: Wants, reply: oneshot::Sender<Result<(), Unmet>>) -> Self {
        Self { wants, reply }
    }

    pub(super) fn answer(self, answer: Result<(), Failure>) {
        let answer = answer.map_err(|failure| Unmet::all(&self.wants, failure));
        let _asker_left = self.reply.send(answer);
    }

    /// Answers that the backend does not tell of all that is wanted.
    pub(super) fn refuse(self, unmet: Unmet) {
        let _asker_left = self.reply.send(Err(unmet));
    }

    fn wants_any(&self, uris: &BTreeSet<String>) -> bool {
        !self.wants.uris.is_disjoint(uris)
    }
}

impl Carried {
    /// Answers everybody who waits.
    pub(super) fn answer_all(&mut self, answer: &Result<(), Failure>) {
        for waiter in self.waiters.drain(..) {
            waiter.answer(answer.clone());
        }
    }

    /// Answers everybody who waits as soon as the stream is open, or does not come.
    fn answer_when_open(&mut self) {
        let opening = self.listener.as_ref().map(Listener::opening);
        let waiters = std::mem::take(&mut self.waiters);
        if waiters.is_empty() {
            return;
        }
        tokio::spawn(async move {
            if let Some(opening) = opening {
                opening.wait().await;
            }
            for waiter in waiters {
                waiter.answer(Ok(()));
            }
        });
    }

    /// Whether anybody wants anything.
    pub(super) fn is_wanted(&self) -> bool {
        !self.waiters.is_empty() || self.wants != Wants::default()
    }

    /// Whether its backend is being asked for something, or somebody waits for that.
    pub(super) const fn is_being_seen_to(&self) -> bool {
        self.applying || !self.waiters.is_empty()
    }

    /// Listens no more, until it is begun anew.
    pub(super) fn fall_silent(&mut self) {
        self.listener = None;
        self.next = None;
        self.honoured = None;
    }

    fn fail(&mut self, failed: Failed) {
        let uris: BTreeSet<String> = failed.uris.into_iter().collect();
        let waits = |waiter: &mut Waiter| waiter.wants_any(&uris);
        let refused: Vec<_> = self.waiters.extract_if(.., waits).collect();
        if failed.is_answer || !refused.is_empty() {
            // Who wanted it knows that it has it not.
            self.wants.uris.retain(|uri| !uris.contains(uri));
        }
        for waiter in refused {
            let unmet = Unmet {
                uris: &waiter.wants.uris & &uris,
                tasks: BTreeSet::new(),
                failure: failed.failure.clone(),
            };
            waiter.refuse(unmet);
        }
        self.stalled = !failed.is_answer;
    }
}

impl Connection {
    /// Sees that every link carries what is wanted of it, and what could not be asked for before.
    pub(super) fn carry_all(&mut self) {
        for carried in self.carried.values_mut() {
            carried.stalled = false;
        }
        let keys: Vec<_> = self
            .carried
            .keys()
            .copied()
            .chain([LinkKey::Default])
            .collect();
        for key in keys {
            self.carry(key);
        }
    }

    /// Sees that a link carries what is wanted of it; over one that is not open it begins when it is.
    pub(super) fn carry(&mut self, key: LinkKey) {
        let Some(link) = self.ready_link(key) else {
            return self.carry_later(key);
        };
        if link.dialect.is_shared() {
            return self.listen_for_all(&link);
        }
        let wants = self.carried.get(&key).map(|carried| &carried.wants);
        link.set_heard(
            wants.is_some_and(|wants| wants.stream),
            wants.is_some_and(|wants| wants.away),
        );
        self.listen(key, &link);
        self.apply(key, &link);
    }

    fn carry_later(&mut self, key: LinkKey) {
        let Some(carried) = self.carried.get_mut(&key) else {
            return;
        };
        if carried.waiters.is_empty() {
            return;
        }
        let wanted = carried.wants != Wants::default();
        let Some(context) = carried.opens.clone().filter(|_| wanted) else {
            // It is opened by its client's next call, if that is not under way already.
            return carried.answer_all(&Ok(()));
        };
        let backend = self.handle();
        tokio::spawn(async move {
            let connected = backend.connect(key, context).await;
            // Without the connection nobody waits.
            let _gone = backend.mailbox.cast(BackendMessage::Connected {
                link: key,
                outcome: connected.map(drop),
            });
        });
    }

    /// Takes the news that a link which somebody waits for is open, or cannot be opened.
    pub(in crate::backend) fn connected(&mut self, key: LinkKey, outcome: Result<(), Failure>) {
        match (outcome, self.carried.get_mut(&key)) {
            (Ok(()), _) => self.carry(key),
            (Err(failure), Some(carried)) => carried.answer_all(&Err(failure)),
            (Err(_), None) => {}
        }
    }

    /// Asks a backend for what it has to be asked for by requests.
    fn apply(&mut self, key: LinkKey, link: &Arc<Link>) {
        let (Ok(endpoint), Some(carried)) = (&self.endpoint, self.carried.get_mut(&key)) else {
            return;
        };
        if carried.applying {
            return;
        }
        if carried.applied.generation != link.generation {
            carried.applied = Applied::none(link.generation);
            carried.stalled = false;
        }
        let change = carried.applied.change_to(&carried.wants);
        let Some(change) = change.filter(|_| !carried.stalled) else {
            return carried.answer_when_open();
        };
        carried.applying = true;
        let (endpoint, link, myself) = (endpoint.clone(), link.clone(), self.myself.clone());
        tokio::spawn(async move {
            let conversation = Conversation {
                endpoint: &endpoint,
                link: &link,
            };
            let outcome = change.carry_out(conversation).await;
            // Without the connection nobody waits.
            let _gone = myself.cast(BackendMessage::Applied {
                link: key,
                generation: link.generation,
                outcome,
            });
        });
    }

    /// Takes the news of what the backend was asked for.
    pub(in crate::backend) fn applied(
        &mut self,
        key: LinkKey,
        generation: u64,
        mut outcome: Outcome,
    ) {
        let Some(carried) = self.carried.get_mut(&key) else {
            return;
        };
        carried.applying = false;
        if carried.applied.generation == generation {
            carried.applied.note(&mut outcome);
        }
        let expired = outcome.failed.as_ref().is_some_and(|failed| failed.expired);
        // Once: a backend that forgets that one, too, does nothing over it.
        let renews = expired && !std::mem::replace(&mut carried.renewed, expired);
        if renews && self.reopen(key, generation) {
            return;
        }
        if let (Some(failed), Some(carried)) = (outcome.failed, self.carried.get_mut(&key)) {
            carried.fail(failed);
        }
        self.carry(key);
    }

    /// The opening of the stream on which a backend may ask the client of a link.
    pub(super) fn opening_stream(&self, key: LinkKey) -> Option<Opening> {
        if key == LinkKey::Default {
            return None;
        }
        let listener = self.carried.get(&key)?.listener.as_ref()?;
        Some(listener.opening())
    }
}
