//! Which clients are told of a change that a backend announces: each once, and not without end.

use std::collections::HashMap;

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

/// Who is told of what: one client, or all that do not hear of it by themselves.
type Told = (Option<Uuid>, ListKind);

/// When changes were told, so that a backend that announces without end does not flood clients.
#[derive(Debug, Default)]
pub(in crate::backend) struct Announcing {
    last: HashMap<Told, Instant>,
    /// What will be told when its pause is over, and who heard of it by themselves.
    due: HashMap<Told, Vec<Uuid>>,
}

impl Connection {
    /// The backend says that its lists of a kind are others now.
    ///
    /// On a client's own stream that is this client's news: a backend may show each client other
    /// things. All others hear of it from the default link. What comes on a call's stream alone is
    /// told to everyone.
    pub(in crate::backend) fn changed(&mut self, kind: ListKind, stream: Option<LinkKey>) {
        let default_hears = self.has_stream(LinkKey::Default);
        let hearing = match stream {
            Some(LinkKey::Own(client)) if default_hears => {
                return self.announce((Some(client), kind), Vec::new());
            }
            Some(LinkKey::Capable(_)) if default_hears => return,
            Some(LinkKey::Default) => self.hearing(),
            _ => Vec::new(),
        };
        if kind == ListKind::Tools {
            self.looks.hear_of_it(hearing);
            self.look(Reason::Announced);
        } else {
            self.announce((None, kind), hearing);
        }
    }

    /// Tells of a change now, or after a pause if it was told of just before.
    fn announce(&mut self, told: Told, hearing: Vec<Uuid>) {
        if let Some(before) = self.announcing.due.get_mut(&told) {
            return before.retain(|client| hearing.contains(client));
        }
        let now = Instant::now();
        let last = self.announcing.last.get(&told);
        match last.map(|last| *last + ANNOUNCED_LIST_PAUSE) {
            Some(at) if at > now => {
                self.announcing.due.insert(told, hearing);
                let (client, kind) = told;
                // The timer ends with the actor: its message then finds no mailbox.
                let _timer = self
                    .myself
                    .send_after(at - now, move || BackendMessage::Due { client, kind });
            }
            _ => self.tell(told, hearing),
        }
    }

    /// Tells of a change whose pause is over.
    pub(in crate::backend) fn due(&mut self, client: Option<Uuid>, kind: ListKind) {
        if let Some(hearing) = self.announcing.due.remove(&(client, kind)) {
            self.tell((client, kind), hearing);
        }
    }

    fn tell(&mut self, told: Told, hearing: Vec<Uuid>) {
        self.announcing.last.insert(told, Instant::now());
        let (client, kind) = told;
        match client {
            Some(client) => (self.report)(Report::Changed {
                kinds: vec![kind],
                hearers: Hearers::Client(client),
            }),
            None => self.report_change(vec![kind], hearing),
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
    pub(super) fn report_change(&self, kinds: Vec<ListKind>, hearing: Vec<Uuid>) {
        (self.report)(Report::Changed {
            kinds,
            hearers: Hearers::AllBut(hearing),
        });
    }

    /// The clients that hear the backend on streams of their own.
    fn hearing(&self) -> Vec<Uuid> {
        let own = self.carried.keys().filter_map(|key| match key {
            LinkKey::Own(client) if self.has_stream(*key) => Some(*client),
            _ => None,
        });
        own.collect()
    }

    /// Forgets a client that is gone.
    pub(super) fn announce_no_more(&mut self, key: LinkKey) {
        if let LinkKey::Own(gone) = key {
            let is_other = |(client, _): &Told| *client != Some(gone);
            self.announcing.last.retain(|told, _| is_other(told));
            self.announcing.due.retain(|told, _| is_other(told));
        }
    }

    fn has_stream(&self, key: LinkKey) -> bool {
        let listener = self.carried.get(&key).and_then(|it| it.listener.as_ref());
        listener.is_some_and(Listener::is_open)
    }
}
