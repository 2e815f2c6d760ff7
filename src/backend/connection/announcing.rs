//! Which clients are told of a change that a backend announces: each once, and not without end.

use std::collections::HashMap;

use tokio::time::Instant;

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

/// Who is told of what: whoever has a link, or all that do not hear of it by themselves.
type Told = (Option<LinkKey>, ListKind);

/// When changes were told, so that a backend that announces without end does not flood clients.
#[derive(Debug, Default)]
pub(in crate::backend) struct Announcing {
    last: HashMap<Told, Instant>,
    /// What will be told when its pause is over, and who heard of it by themselves.
    due: HashMap<Told, Vec<LinkKey>>,
}

impl Connection {
    /// The backend says that its lists of a kind are others now.
    ///
    /// On the stream of a client's link that is this client's news: a backend may show each client
    /// other things, and may tell only who changed them. All others hear of it from the default link.
    /// What comes on a call's stream alone is told to everyone.
    pub(in crate::backend) fn changed(&mut self, kind: ListKind, stream: Option<LinkKey>) {
        self.changes.note(kind);
        let default_hears = self.has_stream(LinkKey::Default);
        let hearing = match stream {
            Some(LinkKey::Default) => self.hearing(),
            Some(link) if default_hears => {
                return self.announce((Some(link), kind), Vec::new());
            }
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
    fn announce(&mut self, told: Told, hearing: Vec<LinkKey>) {
        if let Some(before) = self.announcing.due.get_mut(&told) {
            return before.retain(|link| hearing.contains(link));
        }
        let now = Instant::now();
        let last = self.announcing.last.get(&told);
        match last.map(|last| *last + ANNOUNCED_LIST_PAUSE) {
            Some(at) if at > now => {
                self.announcing.due.insert(told, hearing);
                let (link, kind) = told;
                // The timer ends with the actor: its message then finds no mailbox.
                let _timer = self
                    .myself
                    .send_after(at - now, move || BackendMessage::Due { link, kind });
            }
            _ => self.tell(told, hearing),
        }
    }

    /// Tells of a change whose pause is over.
    pub(in crate::backend) fn due(&mut self, link: Option<LinkKey>, kind: ListKind) {
        if let Some(hearing) = self.announcing.due.remove(&(link, kind)) {
            self.tell((link, kind), hearing);
        }
    }

    fn tell(&mut self, told: Told, hearing: Vec<LinkKey>) {
        self.announcing.last.insert(told, Instant::now());
        let (link, kind) = told;
        match link {
            Some(link) => (self.report)(Report::Changed {
                kinds: vec![kind],
                hearers: Hearers::Of(link),
            }),
            None => self.report_change(vec![kind], hearing),
        }
    }

    /// Tells all clients of a change that was found, or may have been missed.
    pub(super) fn report_found(&mut self, kinds: Vec<ListKind>) {
        self.changes.note_each(&kinds);
        self.told_all_but(&[], &kinds);
        (self.report)(Report::Changed {
            kinds,
            hearers: Hearers::AllBut(Vec::new()),
        });
    }

    /// Tells all clients of a change but those that hear it on streams of their own.
    pub(super) fn report_change(&mut self, kinds: Vec<ListKind>, hearing: Vec<LinkKey>) {
        let now = Instant::now();
        let told = kinds.iter().map(|kind| ((None, *kind), now));
        self.announcing.last.extend(told);
        self.told_all_but(&hearing, &kinds);
        (self.report)(Report::Changed {
            kinds,
            hearers: Hearers::AllBut(hearing),
        });
    }

    /// Notes who was told of a change together with all others: when a stream of its own is open again, it has not
    /// missed that.
    fn told_all_but(&mut self, hearing: &[LinkKey], kinds: &[ListKind]) {
        let now = Instant::now();
        let is_told = |key: &LinkKey| *key != LinkKey::Default && !hearing.contains(key);
        for key in self.carried.keys().copied().filter(is_told) {
            let told = kinds.iter().map(|kind| ((Some(key), *kind), now));
            self.announcing.last.extend(told);
        }
    }

    /// The links on whose own streams the backend is heard.
    fn hearing(&self) -> Vec<LinkKey> {
        let keys = self.carried.keys().copied();
        keys.filter(|key| *key != LinkKey::Default && self.has_stream(*key))
            .collect()
    }

    /// The stream of a client's link is open again. What the others were told of since this client was
    /// told last, it may have missed; where nobody else is told, anything.
    pub(super) fn own_heard_again(&mut self, key: LinkKey, mut kinds: Vec<ListKind>) {
        if self.has_stream(LinkKey::Default) {
            let last = |it| self.announcing.last.get(&it);
            kinds.retain(|kind| last((None, *kind)) > last((Some(key), *kind)));
        } else if kinds.contains(&ListKind::Tools) {
            self.look(Reason::Unsure);
            kinds.retain(|kind| *kind != ListKind::Tools);
        }
        for kind in kinds {
            self.announce((Some(key), kind), Vec::new());
        }
    }

    /// Forgets a link that is gone.
    pub(super) fn announce_no_more(&mut self, gone: LinkKey) {
        let is_other = |(link, _): &Told| *link != Some(gone);
        self.announcing.last.retain(|told, _| is_other(told));
        self.announcing.due.retain(|told, _| is_other(told));
    }

    fn has_stream(&self, key: LinkKey) -> bool {
        let listener = self.carried.get(&key).and_then(|it| it.listener.as_ref());
        listener.is_some_and(Listener::is_open)
    }
}
