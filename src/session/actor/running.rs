//! The exchanges in flight: who may take one back, and what ends with an MCP session or a session.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::future::join;
use slab::Slab;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    channel::WeakSender,
    mcp::{
        event::{Event, Finished, Outcome},
        failure::Failure,
        message::RequestId,
    },
    session::exchange::{Exchange, Place},
};

/// Holds whose memory is kept where nothing is in flight: most sessions have few exchanges at once, and none of those
/// asks for memory.
const KEPT_USUAL: usize = 4;

/// The exchanges in flight of one session. A clone is another handle of the same: each exchange's place has one, by
/// which it is taken out where its work ends, without a message.
#[derive(Clone, Default)]
pub(in crate::session) struct Running(Arc<Mutex<Slab<Hold>>>);

/// Where an exchange is among them, until this is dropped.
pub(in crate::session) struct Entered {
    running: Running,
    place: usize,
}

/// The hold on one exchange.
struct Hold {
    number: u64,
    mcp_session: Option<Uuid>,
    /// The id by which its client may take it back.
    cancel_by: Option<RequestId>,
    /// Weak: the end of the work still shows as the end of its events.
    events: WeakSender<Event>,
    cancel: Arc<CancellationToken>,
}

impl Running {
    /// Takes note of one that has this place.
    pub(super) fn began(&self, exchange: &Exchange, place: &mut Place) {
        let hold = Hold {
            number: place.number,
            mcp_session: exchange.mcp_session,
            cancel_by: exchange.cancel_by.clone(),
            events: exchange.events.downgrade(),
            cancel: exchange.cancel.clone(),
        };
        place.running = Some(Entered {
            place: self.exchanges().insert(hold),
            running: self.clone(),
        });
    }

    /// Takes one back at its client's wish, which wants no answer: of its client's alone, and of several under the same
    /// id the youngest.
    pub(super) fn cancel(&self, mcp_session: Uuid, request: &RequestId) {
        let exchanges = self.exchanges();
        let holds = exchanges.iter().map(|(_, hold)| hold);
        let meant = holds.filter(|hold| {
            hold.mcp_session == Some(mcp_session) && hold.cancel_by.as_ref() == Some(request)
        });
        let youngest = meant.max_by_key(|hold| hold.number);
        let cancel = youngest.map(|hold| hold.cancel.clone());
        // What it wakes may end an exchange.
        drop(exchanges);
        if let Some(cancel) = cancel {
            cancel.cancel();
        }
    }

    /// The MCP sessions that have exchanges in flight.
    pub(super) fn mcp_sessions(&self) -> HashSet<Uuid> {
        let exchanges = self.exchanges();
        let holds = exchanges.iter();
        holds.filter_map(|(_, hold)| hold.mcp_session).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exchanges().is_empty()
    }

    /// Ends the exchanges of an MCP session.
    pub(super) fn end_mcp_session(&self, id: Uuid) {
        self.end(
            |hold| hold.mcp_session == Some(id),
            &Failure::UnknownMcpSession,
        );
    }

    /// Ends all of them.
    pub(super) fn end_all(&self, failure: &Failure) {
        self.end(|_| true, failure);
    }

    fn end(&self, which: impl Fn(&Hold) -> bool, failure: &Failure) {
        let exchanges = self.exchanges();
        let holds = exchanges.iter().map(|(_, hold)| hold);
        let holds = holds.filter(|hold| which(hold));
        let ends: Vec<_> = holds.map(Hold::handle).collect();
        // What ends may come back here.
        drop(exchanges);
        for (events, cancel) in ends {
            end(&events, cancel, failure.clone());
        }
    }

    fn exchanges(&self) -> MutexGuard<'_, Slab<Hold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut exchanges = self.running.exchanges();
        let hold = exchanges.try_remove(self.place);
        if exchanges.is_empty() && exchanges.capacity() > KEPT_USUAL {
            *exchanges = Slab::new();
        }
        drop((exchanges, hold));
    }
}

impl Hold {
    fn handle(&self) -> (WeakSender<Event>, Arc<CancellationToken>) {
        (self.events.clone(), self.cancel.clone())
    }
}

/// Answers the client, which took nothing back, and has the work stopped.
fn end(events: &WeakSender<Event>, cancel: Arc<CancellationToken>, failure: Failure) {
    let Some(events) = events.upgrade() else {
        return;
    };
    let finished = Event::Finished(Finished {
        backend: None,
        outcome: Outcome::Failed(failure),
    });
    match events.try_send(finished) {
        Ok(()) | Err(TrySendError::Closed(_)) => cancel.cancel(),
        // Events wait in the order in which they were sent, so this one comes before what the
        // cancellation brings.
        Err(TrySendError::Full(finished)) => {
            tokio::spawn(async move {
                let cancelling = async { cancel.cancel() };
                let (_client_left, ()) = join(events.send(finished), cancelling).await;
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        channel::{Receiver, channel},
        limits::Backlog,
        mcp::{
            event::Notification,
            request::{Context, Request},
        },
    };

    fn exchange(mcp_session: Option<Uuid>) -> (Exchange, Receiver<Event>) {
        let (events, received) = channel(Backlog::new(1, 1));
        let exchange = Exchange {
            mcp_session,
            cancel_by: mcp_session.map(|_| RequestId::from_number(1)),
            request: Request::new("tools/call", None, Context::default()),
            events,
            desk: None,
            cancel: Arc::default(),
            pinned: None,
        };
        (exchange, received)
    }

    fn place(number: u64) -> Place {
        Place {
            number,
            running: None,
            _permits: None,
        }
    }

    fn failure(event: Option<Event>) -> Option<Failure> {
        match event {
            Some(Event::Finished(Finished {
                outcome: Outcome::Failed(failure),
                ..
            })) => Some(failure),
            _ => None,
        }
    }

    #[tokio::test]
    async fn the_end_of_an_mcp_session_ends_its_exchanges_and_no_others() {
        let (id, running) = (Uuid::new_v4(), Running::default());
        let (own, mut told) = exchange(Some(id));
        let (strange, _) = exchange(Some(Uuid::new_v4()));
        let (plain, _) = exchange(None);
        let mut places = [1, 2, 3].map(place);
        for (place, exchange) in places.iter_mut().zip([&own, &strange, &plain]) {
            running.began(exchange, place);
        }
        running.end_mcp_session(id);
        assert!(own.cancel.is_cancelled());
        assert!(!strange.cancel.is_cancelled() && !plain.cancel.is_cancelled());
        assert_eq!(failure(told.recv().await), Some(Failure::UnknownMcpSession));
        running.end_all(&Failure::SessionDeleted);
        assert!(strange.cancel.is_cancelled() && plain.cancel.is_cancelled());
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_is_answered_all_the_same() {
        let running = Running::default();
        let (slow, mut told) = exchange(None);
        let mut place = place(1);
        running.began(&slow, &mut place);
        let progress = Notification {
            method: "notifications/progress".to_owned(),
            params: None,
        };
        slow.events.try_send(Event::Notified(progress)).unwrap();
        running.end_all(&Failure::SessionDeleted);
        slow.cancel.cancelled().await;
        assert!(matches!(told.recv().await, Some(Event::Notified(_))));
        assert_eq!(failure(told.recv().await), Some(Failure::SessionDeleted));
    }

    #[test]
    fn an_old_end_does_not_hide_a_younger_exchange_of_the_same_id() {
        let (id, running) = (Uuid::new_v4(), Running::default());
        let ((old, _), (young, _)) = (exchange(Some(id)), exchange(Some(id)));
        let (mut first, mut second) = (place(1), place(2));
        running.began(&old, &mut first);
        running.began(&young, &mut second);
        drop(first);
        running.cancel(id, &RequestId::from_number(1));
        assert!(young.cancel.is_cancelled() && !old.cancel.is_cancelled());
        drop(second);
        assert!(running.is_empty());
    }
}
