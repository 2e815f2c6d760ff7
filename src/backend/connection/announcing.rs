//! Which clients are told of a change that a backend announces: each once, and not without end.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    backend::{
        link::LinkKey,
        listening::Listener,
        message::{BackendMessage, Hearers, Report},
    },
    limits::ANNOUNCED_LIST_PAUSE,
    mcp::kind::ListKind,
};

use super::{Connection, tools::Reason};

/// Who is told of what: one client, or all that have no stream of their own.
type Told = (Option<Uuid>, ListKind);

/// When changes were told, so that a backend that announces without end does not flood clients.
#[derive(Debug, Default)]
pub(in crate::backend) struct Announcing {
    last: HashMap<Told, Instant>,
    /// What will be told when its pause is over.
    due: HashSet<Told>,
}

impl Connection {
    /// The backend says that its lists of a kind are others now.
    ///
    /// On a client's own stream that is this client's news: a backend may show each client other
    /// things. All others hear of it from the default link, or from a call's stream.
    pub(in crate::backend) fn changed(&mut self, kind: ListKind, stream: Option<LinkKey>) {
        let default_hears = self.has_stream(LinkKey::Default);
        if let Some(LinkKey::Own(client)) = stream {
            self.announce(Some(client), kind);
        }
        match kind {
            _ if stream.is_some_and(|it| it != LinkKey::Default) && default_hears => {}
            ListKind::Tools => self.look(Reason::Announced),
            ListKind::Prompts | ListKind::Resources => self.announce(None, kind),
        }
    }

    /// Tells of a change now, or after a pause if it was told of just before.
    fn announce(&mut self, client: Option<Uuid>, kind: ListKind) {
        let (told, now) = ((client, kind), Instant::now());
        if self.announcing.due.contains(&told) {
            return;
        }
        let earliest = self.announcing.last.get(&told);
        match earliest.map(|last| *last + ANNOUNCED_LIST_PAUSE) {
            Some(at) if at > now => {
                self.announcing.due.insert(told);
                // The timer ends with the actor: its message then finds no mailbox.
                let _timer = self
                    .myself
                    .send_after(at - now, move || BackendMessage::Due { client, kind });
            }
            _ => self.announce_now(client, kind),
        }
    }

    /// Tells of a change whose pause is over.
    pub(in crate::backend) fn announce_now(&mut self, client: Option<Uuid>, kind: ListKind) {
        self.announcing.due.remove(&(client, kind));
        match client {
            Some(hearer) => {
                self.announcing.last.insert((client, kind), Instant::now());
                (self.report)(Report::Changed {
                    kinds: vec![kind],
                    hearers: Hearers::Client(hearer),
                });
            }
            None => self.report_change(vec![kind]),
        }
    }

    /// Tells all clients of a change that was found, or may have been missed.
    pub(super) fn report_found(&self, kinds: Vec<ListKind>) {
        (self.report)(Report::Changed {
            kinds,
            hearers: Hearers::AllBut(Vec::new()),
        });
    }

    /// Tells all clients of a change but those that hear it on streams of their own.
    pub(super) fn report_change(&mut self, kinds: Vec<ListKind>) {
        let now = Instant::now();
        let told = kinds.iter().map(|kind| ((None, *kind), now));
        self.announcing.last.extend(told);
        let own = self.carried.keys().filter_map(|key| match key {
            LinkKey::Own(client) if self.has_stream(*key) => Some(*client),
            _ => None,
        });
        (self.report)(Report::Changed {
            kinds,
            hearers: Hearers::AllBut(own.collect()),
        });
    }

    /// A client's own stream is open again. What the others were told of since this client was told
    /// last, it may have missed; where nobody else is told, anything.
    pub(super) fn own_heard_again(&mut self, client: Uuid, mut kinds: Vec<ListKind>) {
        if self.has_stream(LinkKey::Default) {
            let last = |it| self.announcing.last.get(&it);
            kinds.retain(|kind| last((None, *kind)) > last((Some(client), *kind)));
        } else if kinds.contains(&ListKind::Tools) {
            self.look(Reason::Unsure);
            kinds.retain(|kind| *kind != ListKind::Tools);
        }
        for kind in kinds {
            self.announce(Some(client), kind);
        }
    }

    /// Forgets a client that is gone.
    pub(super) fn announce_no_more(&mut self, key: LinkKey) {
        if let LinkKey::Own(gone) = key {
            self.announcing
                .last
                .retain(|(client, _), _| *client != Some(gone));
        }
    }

    fn has_stream(&self, key: LinkKey) -> bool {
        let listener = self.carried.get(&key).and_then(|it| it.listener.as_ref());
        listener.is_some_and(Listener::hears)
    }
}
