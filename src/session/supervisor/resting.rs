//! How sessions go to sleep: out of the directory first, so that nobody finds one that may end, and woken
//! again only when it has ended, so that no row ever has two actors.

use uuid::Uuid;

use crate::session::{directory::SessionRef, short};

use super::{State, SupervisorMessage, waking::Finder};

/// A session on its way to sleep.
pub(super) struct Resting {
    session: SessionRef,
    /// Who looked for it meanwhile.
    waiting: Vec<Finder>,
}

impl State {
    /// Has a session sleep, unless somebody has it.
    pub(super) fn rest(&mut self, id: Uuid) {
        let Some(session) = self.directory.take_out_unused(id) else {
            return;
        };
        let (sleeper, myself) = (session.clone(), self.myself.clone());
        let resting = Resting {
            session,
            waiting: Vec::new(),
        };
        self.resting.insert(id, resting);
        tokio::spawn(async move {
            // Of one that does, or that died, the end of the actor tells.
            if sleeper.sleep().await == Some(false) {
                drop(sleeper);
                // Without a supervisor there is no live session either.
                let _gone = myself.cast(SupervisorMessage::Stayed { id });
            }
        });
    }

    /// A session stays awake: something needs it.
    pub(super) fn stayed(&mut self, id: Uuid) {
        let Some(Resting { session, waiting }) = self.resting.remove(&id) else {
            return;
        };
        self.directory.put_back(id, session.clone());
        for finder in waiting {
            finder.answer(Ok(Some(session.clone())));
        }
    }

    /// A session has ended. Whoever looked for it while it went to sleep has it woken.
    pub(super) fn asleep(&mut self, id: Uuid) {
        let Some(Resting { waiting, .. }) = self.resting.remove(&id) else {
            return;
        };
        tracing::debug!(session.id = %short(id), "a session that nobody used sleeps");
        for finder in waiting {
            self.open(id, finder);
        }
    }

    /// A session is deleted while it goes to sleep.
    pub(super) fn rests_no_more(&mut self, id: Uuid) {
        let Some(Resting { session, waiting }) = self.resting.remove(&id) else {
            return;
        };
        session.close();
        for finder in waiting {
            finder.answer(Ok(None));
        }
    }

    /// Keeps who looks for a session until it has gone to sleep; gives back who looks for another one.
    pub(super) fn waits_for_sleep(&mut self, id: Uuid, finder: Finder) -> Option<Finder> {
        match self.resting.get_mut(&id) {
            Some(resting) => {
                resting.waiting.push(finder);
                None
            }
            None => Some(finder),
        }
    }

    /// All sessions on their way to sleep: they may stay awake.
    pub(super) fn on_their_way(&self) -> impl Iterator<Item = &SessionRef> {
        self.resting.values().map(|resting| &resting.session)
    }

    /// A session on its way to sleep.
    pub(super) fn on_its_way(&self, id: Uuid) -> Option<SessionRef> {
        Some(self.resting.get(&id)?.session.clone())
    }
}
