//! How sessions are found: those that are awake, and those that their rows wake.

use std::sync::Arc;

use ractor::Actor;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    limits::SESSION_DEATHS_MAX,
    session::{
        SessionsError,
        directory::SessionRef,
        mailbox::{Mailbox, SessionActor},
        outbox::Outbox,
        short,
        view::Asker,
    },
    store::{StoreError, StoredSession},
};

use super::{State, SupervisorMessage};

/// Who looks for a session, and is answered `None` when there is none.
pub(in crate::session) struct Finder {
    /// Nobody in particular: the gateway wakes what was used last.
    pub(in crate::session) asker: Option<Asker>,
    pub(in crate::session) reply: oneshot::Sender<Result<Option<SessionRef>, SessionsError>>,
}

impl Finder {
    /// Whether there is, for whoever asks, a session of that owner. Without this a stranger would wake it, or hear
    /// that it is broken.
    fn may_have(&self, owner: Option<&str>) -> bool {
        let asker = self.asker.as_ref();
        asker.is_none_or(|asker| asker.may_have(owner))
    }

    pub(super) fn answer(self, answer: Result<Option<SessionRef>, SessionsError>) {
        // Whoever asked may have left.
        drop(self.reply.send(answer));
    }
}

impl State {
    pub(super) fn open(&mut self, id: Uuid, finder: Finder) {
        if let Some(session) = self.directory.get(id) {
            return finder.answer(Ok(Some(session)));
        }
        let Some(finder) = self.waits_for_sleep(id, finder) else {
            return;
        };
        if let Some(deaths) = self.deaths.get(&id)
            && deaths.count > SESSION_DEATHS_MAX
        {
            let broken = || SessionsError::Broken {
                short: short(id).into(),
            };
            let is_theirs = finder.may_have(deaths.owner.as_deref());
            return finder.answer(if is_theirs { Err(broken()) } else { Ok(None) });
        }
        let waiting = self.loading.entry(id).or_default();
        waiting.push(finder);
        if waiting.len() > 1 {
            return;
        }
        let (store, myself) = (self.shared.store.clone(), self.myself.clone());
        tokio::spawn(async move {
            let row = store.session(id).await.map(|row| row.map(Box::new));
            // Without a supervisor nobody waits.
            let _gone = myself.cast(SupervisorMessage::Loaded { id, row });
        });
    }

    pub(super) async fn loaded(
        &mut self,
        id: Uuid,
        row: Result<Option<Box<StoredSession>>, StoreError>,
    ) {
        let waiting = self.loading.remove(&id).unwrap_or_default();
        let void = self.void.remove(&id);
        let found = match row {
            // Only for somebody whose it is: a stranger gets nothing moved.
            Ok(Some(row))
                if !void && waiting.iter().any(|it| it.may_have(row.owner.as_deref())) =>
            {
                match self.directory.get(id) {
                    Some(session) => Ok(Some(session)),
                    None => Ok(self.start(*row).await),
                }
            }
            Ok(_) => Ok(None),
            Err(error) => Err(Arc::new(error)),
        };
        if let Err(error) = &found {
            tracing::error!(session.id = %short(id), %error, "could not read a session");
        }
        for finder in waiting {
            finder.answer(match &found {
                Ok(session) => Ok(session.clone()),
                Err(error) => Err(SessionsError::Store(Arc::clone(error))),
            });
        }
    }

    pub(super) async fn start(&mut self, row: StoredSession) -> Option<SessionRef> {
        let (id, owner) = (row.id, row.owner.clone());
        let outbox = Outbox::default();
        let seat = Arc::default();
        let what = (row, self.shared.clone(), outbox.clone(), Arc::clone(&seat));
        let started = Actor::spawn_linked(None, SessionActor, what, self.myself.get_cell());
        let (lane, started) = self.shared.lanes.settle(started).await;
        match started {
            Ok((actor, _)) => {
                tracing::debug!(session.id = %short(id), "a session is awake");
                self.actors.insert(actor.get_id(), id);
                let mailbox = Mailbox::new(actor, seat);
                Some(self.directory.insert(id, owner, (mailbox, lane), outbox))
            }
            Err(error) => {
                tracing::error!(session.id = %short(id), %error, "could not start a session");
                None
            }
        }
    }
}
